import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Holding } from './held-bytes';
import { HttpError } from './http-error';

/** Bytes from which on a body takes more than a moment to parse. */
const LARGE = 1 << 16;

/** Lists within lists that a body may have, of which the API has three. JSON.parse takes a second for a million. */
const DEEPEST = 64;

const [QUOTE, BACKSLASH, LIST, LIST_END, OBJECT, OBJECT_END] = [...Buffer.from('"\\[]{}')];

function isTooDeep(json: Buffer): boolean {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < json.length; ++i) {
    const byte = json[i]!;
    if (quoted && byte === BACKSLASH) ++i;
    else if (byte === QUOTE) quoted = !quoted;
    else if (quoted) continue;
    else if (byte === LIST || byte === OBJECT) {
      if (++depth > DEEPEST) return true;
    } else if (byte === LIST_END || byte === OBJECT_END) --depth;
  }
  return false;
}

/** Reads bodies of JSON, each within a limit and within what the server holds of all. */
export class BodyReader {
  /** When the next large body may be parsed. */
  #turn: Promise<void> = Promise.resolve();

  constructor(readonly maxBytes: number) {}

  /** @throws HttpError: too large, no room for it, cut off, not UTF-8 or not JSON */
  async read(request: IncomingMessage, holding: Holding): Promise<unknown> {
    const encoding = request.headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      throw new HttpError('media', `A body with Content-Encoding ${encoding} is not taken: send it unpacked.`);
    }
    if (Number(request.headers['content-length'] ?? 0) > this.maxBytes) throw this.#tooLarge();
    const chunks: Buffer[] = [];
    let bytes = 0;
    await new Promise<void>((resolve, reject) => {
      const stop = () => request.off('data', take).off('end', resolve).off('error', cutOff).off('close', cutOff);
      const cutOff = (cause?: Error) => {
        stop();
        reject(new HttpError('left', 'The request ended before its body did.', { cause }));
      };
      const take = (chunk: Buffer) => {
        try {
          bytes += chunk.length;
          if (bytes > this.maxBytes) throw this.#tooLarge();
          holding.take(chunk.length);
          chunks.push(chunk);
        } catch (error) {
          // The rest is read and thrown away: a client that is still sending hears no answer from a closed connection.
          stop();
          request.on('error', () => undefined).resume();
          reject(error as Error);
        }
      };
      request.on('data', take).on('end', resolve).on('error', cutOff).on('close', cutOff);
    });
    const whole = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes);
    if (bytes <= LARGE) return this.#parse(whole);
    // Large ones one in a turn: many that come together would keep all others waiting.
    const turn = this.#turn.then(() => new Promise<void>((resolve) => setImmediate(resolve)));
    this.#turn = turn;
    await turn;
    return this.#parse(whole);
  }

  #parse(bytes: Buffer): unknown {
    if (!isUtf8(bytes)) throw new HttpError('json', 'The body is not UTF-8.');
    const text = bytes.toString().replace(/^\uFEFF/, '');
    if (bytes.length > LARGE && isTooDeep(bytes))
      throw new HttpError('json', `The body has more than ${DEEPEST} lists or objects within each other.`);
    if (text.trim() === '') throw new HttpError('json', 'The body is empty; it must be a JSON object.');
    try {
      return JSON.parse(text) as unknown;
    } catch (cause) {
      throw new HttpError('json', `The body is not JSON: ${(cause as Error).message.slice(0, 200)}.`, { cause });
    }
  }

  #tooLarge(): HttpError {
    return new HttpError('large', `The body has more than ${this.maxBytes} bytes. Send the texts in several requests.`);
  }
}
