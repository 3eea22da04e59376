import type { IncomingMessage } from 'node:http';
import type { Holding } from './held-bytes';
import { HttpError } from './http-error';

/** Reads bodies of JSON, each within a limit and within what the server holds of all. */
export class BodyReader {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });

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
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > this.maxBytes) throw this.#tooLarge();
        holding.take(chunk.length);
        chunks.push(chunk);
      }
    } catch (error) {
      if (error instanceof HttpError) throw error;
      throw new HttpError('left', 'The request ended before its body did.', { cause: error });
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
