// By hand: `tar` is under a licence that is not among those allowed (BlueOak-1.0.0), and `tar-stream` brings streams that
// are not Node's.
import { createReadStream, createWriteStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { DownloadError } from './errors';

/**
 * A reader of tar archives (POSIX ustar with pax names, GNU long names), plain or packed by gzip. Entries come in
 * the archive's order; of each, `choose` says where it goes.
 */

const BLOCK = 512;

export interface TarEntry {
  name: string;
  bytes: number;
}

/** Unpacks the plain files for which `choose` names a target; every target's folder must exist. */
export async function unpackTar(
  path: string,
  choose: (entry: TarEntry) => Promise<string | undefined>,
  options: { signal?: AbortSignal | undefined; onBytes?: ((bytes: number) => void) | undefined } = {},
): Promise<void> {
  const reader = new BlockReader(path, await isGzip(path), options.signal);
  try {
    let longName: string | undefined;
    for (;;) {
      const header = await reader.header();
      if (header === undefined) return;
      const { type, bytes } = header;
      const name = longName ?? header.name;
      if (type === 'L') {
        longName = (await reader.text(bytes)).replace(/\0.*$/s, '');
        continue;
      }
      if (type === 'x') {
        longName = paxPath(await reader.text(bytes)) ?? longName;
        continue;
      }
      longName = undefined;
      const target = type === '0' || type === '\0' ? await choose({ name, bytes }) : undefined;
      await reader.copy(bytes, target, options.onBytes);
    }
  } finally {
    reader.close();
  }
}

async function isGzip(path: string): Promise<boolean> {
  for await (const chunk of createReadStream(path, { end: 1 })) {
    const head = chunk as Buffer;
    return head[0] === 0x1f && head[1] === 0x8b;
  }
  return false;
}

/** Records are `length key=value\n`. */
function paxPath(text: string): string | undefined {
  return /(?:^|\n)\d+ path=([^\n]*)\n/.exec(text)?.[1];
}

interface Header {
  name: string;
  bytes: number;
  type: string;
}

class BlockReader {
  readonly #file: ReturnType<typeof createReadStream>;
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);
  readonly #path: string;
  readonly #signal: AbortSignal | undefined;

  constructor(path: string, gzip: boolean, signal: AbortSignal | undefined) {
    this.#path = path;
    this.#signal = signal;
    this.#file = createReadStream(path, { highWaterMark: 1 << 18 });
    let source: Readable = this.#file;
    if (gzip) {
      const unzip = createGunzip();
      this.#file.on('error', (error) => unzip.destroy(error));
      source = this.#file.pipe(unzip);
    }
    this.#chunks = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  close(): void {
    this.#file.destroy();
  }

  /** The next entry's header; undefined at the archive's end. */
  async header(): Promise<Header | undefined> {
    const block = await this.#take(BLOCK);
    if (block.every((byte) => byte === 0)) return undefined;
    let sum = 0;
    for (let i = 0; i < BLOCK; ++i) sum += i >= 148 && i < 156 ? 32 : block[i]!;
    if (parseInt(text(block, 148, 8), 8) !== sum) throw damaged(this.#path, "an entry's header has a wrong checksum");
    const prefix = text(block, 257, 5) === 'ustar' ? text(block, 345, 155) : '';
    const name = text(block, 0, 100);
    return {
      name: prefix === '' ? name : `${prefix}/${name}`,
      bytes: size(block),
      type: String.fromCharCode(block[156]!),
    };
  }

  async text(bytes: number): Promise<string> {
    if (bytes > 1 << 20) throw damaged(this.#path, "an entry's name is longer than a megabyte");
    const padded = await this.#take(Math.ceil(bytes / BLOCK) * BLOCK);
    return padded.toString('utf8', 0, bytes);
  }

  /** Writes the entry's bytes to `target`, or passes over them; then over the padding. */
  async copy(bytes: number, target: string | undefined, onBytes: ((bytes: number) => void) | undefined): Promise<void> {
    const sink = target === undefined ? undefined : createWriteStream(target, { flags: 'wx' });
    const done = sink && finished(sink);
    done?.catch(() => undefined);
    try {
      for (let left = bytes; left > 0; ) {
        const piece = await this.#some(left);
        left -= piece.length;
        if (sink === undefined) continue;
        onBytes?.(piece.length);
        if (!sink.write(piece))
          await Promise.race([done, new Promise<void>((resolve) => sink.once('drain', () => resolve()))]);
      }
      sink?.end();
      await done;
    } finally {
      sink?.destroy();
    }
    await this.#take((BLOCK - (bytes % BLOCK)) % BLOCK);
  }

  async #take(bytes: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let left = bytes; left > 0; ) {
      const piece = await this.#some(left);
      parts.push(piece);
      left -= piece.length;
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  async #some(most: number): Promise<Buffer> {
    while (this.#rest.length === 0) {
      this.#signal?.throwIfAborted();
      let next: IteratorResult<Buffer>;
      try {
        next = await this.#chunks.next();
      } catch (error) {
        throw damaged(this.#path, (error as Error).message);
      }
      if (next.done) throw damaged(this.#path, 'it ends within an entry');
      this.#rest = next.value;
    }
    const piece = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }
}

function text(block: Buffer, at: number, length: number): string {
  return block.toString('utf8', at, at + length).replace(/\0.*$/s, '');
}

/** Octal digits, or for 8 GiB and more a binary number with the top bit set. */
function size(block: Buffer): number {
  if ((block[124]! & 0x80) !== 0) return Number(block.readBigUInt64BE(128));
  return parseInt(text(block, 124, 12).trim() || '0', 8);
}

function damaged(path: string, what: string): DownloadError {
  return new DownloadError('ERR_DOWNLOAD', `${path} is not a whole tar archive: ${what}. Fetch it again.`, {
    file: path,
  });
}
