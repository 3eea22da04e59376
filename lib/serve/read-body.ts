import type { IncomingMessage } from 'node:http';
import { HttpError } from './http-error';

/** Bodies that are being received may take so many times one body's limit, all together. */
const BODIES_AT_ONCE = 32;

/** Reads bodies of JSON within a limit for each and one for all that are on their way. */
export class BodyReader {
  #receiving = 0;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });

  constructor(readonly maxBytes: number) {}

  /** @throws HttpError: too large, cut off, not UTF-8 or not JSON */
  async read(request: IncomingMessage): Promise<unknown> {
    const encoding = request.headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      throw new HttpError('media', `A body with Content-Encoding ${encoding} is not taken: send it unpacked.`);
    }
    if (Number(request.headers['content-length'] ?? 0) > this.maxBytes) throw this.#tooLarge();
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        this.#receiving += chunk.length;
        if (bytes > this.maxBytes) throw this.#tooLarge();
        if (this.#receiving > BODIES_AT_ONCE * this.maxBytes) {
          throw new HttpError('overloaded', 'The server is receiving too many large requests.', { retryAfter: 1 });
        }
        chunks.push(chunk);
      }
    } catch (error) {
      if (error instanceof HttpError) throw error;
      throw new HttpError('left', 'The request ended before its body did.', { cause: error });
    } finally {
      this.#receiving -= bytes;
    }
    return this.#parse(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes));
  }

  #parse(bytes: Buffer): unknown {
    let text: string;
    try {
      text = this.#decoder.decode(bytes);
    } catch (cause) {
      throw new HttpError('json', 'The body is not UTF-8.', { cause });
    }
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
