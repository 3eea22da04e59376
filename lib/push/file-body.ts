import { Blob } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';

/** How much of a file has been sent, by where each part of it begins. */
type Sent = Map<number, number>;

/** A file, or a part of one, as the body of a request: read as it is sent, from anew where it is sent again. */
export class FileBody extends Blob {
  override readonly size: number;
  readonly #path: string;
  readonly #start: number;
  readonly #end: number;
  readonly #sent: Sent | undefined;
  readonly #onSent: ((bytes: number) => void) | undefined;

  private constructor(path: string, start: number, end: number, sent?: Sent, onSent?: (bytes: number) => void) {
    super([]);
    this.size = end - start;
    this.#path = path;
    this.#start = start;
    this.#end = end;
    this.#sent = sent;
    this.#onSent = onSent;
  }

  static async of(path: string): Promise<FileBody> {
    return new FileBody(path, 0, (await stat(path)).size, new Map());
  }

  /** The file's path on this machine. */
  get path(): string {
    return this.#path;
  }

  override slice(start = 0, end = this.size): FileBody {
    return new FileBody(
      this.#path,
      this.#start + start,
      Math.min(this.#start + end, this.#end),
      this.#sent,
      this.#onSent,
    );
  }

  /** The same, and `onSent` is told how much of the whole file has been read by now, each time that more is. */
  telling(onSent: (bytes: number) => void): FileBody {
    return new FileBody(this.#path, this.#start, this.#end, this.#sent, onSent);
  }

  override async arrayBuffer(): Promise<ArrayBuffer> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.#chunks()) chunks.push(chunk);
    return Uint8Array.from(Buffer.concat(chunks)).buffer;
  }

  override async text(): Promise<string> {
    return Buffer.from(await this.arrayBuffer()).toString('utf8');
  }

  override stream(): ReturnType<Blob['stream']> {
    return Readable.toWeb(Readable.from(this.#chunks(), { objectMode: true })) as ReturnType<Blob['stream']>;
  }

  async *#chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.size === 0) return;
    const source = createReadStream(this.#path, { start: this.#start, end: this.#end - 1, highWaterMark: 1 << 18 });
    let done = 0;
    for await (const chunk of source as AsyncIterable<Buffer>) {
      yield new Uint8Array(chunk);
      done += chunk.length;
      if (this.#onSent === undefined || this.#sent === undefined) continue;
      this.#sent.set(this.#start, done);
      let all = 0;
      for (const bytes of this.#sent.values()) all += bytes;
      this.#onSent(all);
    }
  }
}
