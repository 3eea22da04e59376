// By hand: yauzl 3.4 throws out of a callback, past its caller, at a Zip64 end record whose place is impossible, and
// checks no CRC-32 (test/hostile/archives).
import { createWriteStream } from 'node:fs';
import { open, writeFile, type FileHandle } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as zlib from 'node:zlib';
import { DownloadError } from './errors';

/**
 * A reader of zip archives (Python wheels are such) that never holds more than a piece of an entry:
 * APPNOTE.TXT 6.3, stored and deflated entries, Zip64. Lengths and CRC-32 are checked.
 */

export interface ZipEntry {
  /** Path inside the archive, with '/'; ends in '/' for a folder. */
  name: string;
  /** Length unpacked. */
  bytes: number;
  compressedBytes: number;
  crc32: number;
  /** 0 stored, 8 deflated. */
  method: number;
  /** Place of the entry's local header in the file. */
  offset: number;
}

export interface ExtractOptions {
  signal?: AbortSignal | undefined;
  /** Called with the length of each piece unpacked. */
  onBytes?: ((bytes: number) => void) | undefined;
}

const LOCAL_HEADER = 0x04034b50;
const CENTRAL_HEADER = 0x02014b50;
const END = 0x06054b50;
const END64 = 0x06064b50;
const END64_LOCATOR = 0x07064b50;
const MAX_DIRECTORY = 256 * 1024 * 1024;
const PIECE = 256 * 1024;

export class ZipFile {
  readonly #file: FileHandle;

  private constructor(
    readonly path: string,
    file: FileHandle,
    readonly entries: readonly ZipEntry[],
  ) {
    this.#file = file;
  }

  /** @throws DownloadError ERR_DOWNLOAD: not a zip archive, or one that is damaged or cut off. */
  static async open(path: string): Promise<ZipFile> {
    const file = await open(path, 'r');
    try {
      return new ZipFile(path, file, await readDirectory(path, file));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  /** Where in the file the content of an entry begins. */
  async dataStart(entry: ZipEntry): Promise<number> {
    const header = await readAt(this.path, this.#file, entry.offset, 30);
    if (header.readUInt32LE(0) !== LOCAL_HEADER) throw damaged(this.path, `${entry.name} has no local header`);
    const start = entry.offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
    const { size } = await this.#file.stat();
    if (start + entry.compressedBytes > size) throw damaged(this.path, `${entry.name} lies outside of it`);
    return start;
  }

  /** Unpacks an entry to the file `target`, which must not exist. */
  async extract(entry: ZipEntry, target: string, options: ExtractOptions = {}): Promise<void> {
    if (entry.method !== 0 && entry.method !== 8) {
      throw damaged(this.path, `${entry.name} is packed by the unknown method ${entry.method}`);
    }
    const start = await this.dataStart(entry);
    if (entry.compressedBytes === 0) {
      if (entry.bytes !== 0 || entry.crc32 !== 0) throw damaged(this.path, `${entry.name} has no content`);
      await writeFile(target, '', { flag: 'wx' });
      return;
    }
    const source = this.#pieces(start, entry.compressedBytes);
    const check = new Check(this.path, entry, options.onBytes);
    const sink = createWriteStream(target, { flags: 'wx' });
    const signal = options.signal === undefined ? {} : { signal: options.signal };
    try {
      if (entry.method === 0) await pipeline(source, check, sink, signal);
      else await pipeline(source, zlib.createInflateRaw(), check, sink, signal);
    } catch (error) {
      if (!String((error as NodeJS.ErrnoException).code).startsWith('Z_')) throw error;
      throw damaged(this.path, `${entry.name} cannot be unpacked (${(error as Error).message})`);
    }
    check.finish();
  }

  /** Bytes of the file. Many entries may be read at once, so every read names its place. */
  async *#pieces(start: number, bytes: number): AsyncGenerator<Buffer> {
    for (let done = 0; done < bytes; ) {
      const piece = await readAt(this.path, this.#file, start + done, Math.min(bytes - done, PIECE));
      done += piece.length;
      yield piece;
    }
  }
}

/** Passes an entry's bytes on and compares them with what the directory says. */
class Check extends Transform {
  #bytes = 0;
  #crc = 0;
  readonly #path: string;
  readonly #entry: ZipEntry;
  readonly #onBytes: ((bytes: number) => void) | undefined;

  constructor(path: string, entry: ZipEntry, onBytes: ((bytes: number) => void) | undefined) {
    super();
    this.#path = path;
    this.#entry = entry;
    this.#onBytes = onBytes;
  }

  override _transform(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (error: Error | null, chunk?: Buffer) => void,
  ): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#entry.bytes) {
      done(damaged(this.#path, `${this.#entry.name} is longer than its ${this.#entry.bytes} bytes`));
      return;
    }
    this.#crc = crc32(chunk, this.#crc);
    this.#onBytes?.(chunk.length);
    done(null, chunk);
  }

  finish(): void {
    if (this.#bytes === this.#entry.bytes && this.#crc === this.#entry.crc32) return;
    throw damaged(this.#path, `${this.#entry.name} is not what its length and CRC-32 say`);
  }
}

function damaged(path: string, what: string): DownloadError {
  return new DownloadError('ERR_DOWNLOAD', `${path} is not a whole zip archive: ${what}. Fetch it again.`, {
    file: path,
  });
}

async function readAt(path: string, file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) throw damaged(path, `it ends at byte ${position + done}`);
    done += bytesRead;
  }
  return buffer;
}

/** Where the central directory is: from the end record, or the Zip64 one where that overflows. */
async function findDirectory(
  path: string,
  file: FileHandle,
  size: number,
): Promise<{ count: number; bytes: number; offset: number }> {
  const tailBytes = Math.min(size, 22 + 0xffff + 20); // the end record, its longest comment, the Zip64 locator
  const tail = await readAt(path, file, size - tailBytes, tailBytes);
  for (let at = tail.length - 22; at >= 0; --at) {
    if (tail.readUInt32LE(at) !== END || at + 22 + tail.readUInt16LE(at + 20) > tail.length) continue;
    const record = {
      count: tail.readUInt16LE(at + 10),
      bytes: tail.readUInt32LE(at + 12),
      offset: tail.readUInt32LE(at + 16),
    };
    const locator = at - 20;
    if (locator < 0 || tail.readUInt32LE(locator) !== END64_LOCATOR) return record;
    const end64 = await readAt(path, file, Number(tail.readBigUInt64LE(locator + 8)), 56);
    if (end64.readUInt32LE(0) !== END64) throw damaged(path, 'its Zip64 end record is missing');
    return {
      count: Number(end64.readBigUInt64LE(32)),
      bytes: Number(end64.readBigUInt64LE(40)),
      offset: Number(end64.readBigUInt64LE(48)),
    };
  }
  throw damaged(path, 'it has no end record');
}

async function readDirectory(path: string, file: FileHandle): Promise<ZipEntry[]> {
  const { size } = await file.stat();
  if (size < 22) throw damaged(path, `it has only ${size} bytes`);
  const place = await findDirectory(path, file, size);
  if (place.offset + place.bytes > size || place.bytes > MAX_DIRECTORY)
    throw damaged(path, 'its directory lies outside of it');
  const directory = await readAt(path, file, place.offset, place.bytes);
  const entries: ZipEntry[] = [];
  let at = 0;
  for (let i = 0; i < place.count; ++i) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== CENTRAL_HEADER) {
      throw damaged(path, `entry ${i} of its directory is damaged`);
    }
    const nameEnd = at + 46 + directory.readUInt16LE(at + 28);
    const extraEnd = nameEnd + directory.readUInt16LE(at + 30);
    if (extraEnd > directory.length) throw damaged(path, `entry ${i} of its directory is damaged`);
    const entry: ZipEntry = {
      name: directory.toString('utf8', at + 46, nameEnd),
      method: directory.readUInt16LE(at + 10),
      crc32: directory.readUInt32LE(at + 16),
      compressedBytes: directory.readUInt32LE(at + 20),
      bytes: directory.readUInt32LE(at + 24),
      offset: directory.readUInt32LE(at + 42),
    };
    applyZip64(entry, directory.subarray(nameEnd, extraEnd));
    if (entry.offset + 30 + entry.compressedBytes > size) throw damaged(path, `${entry.name} lies outside of it`);
    entries.push(entry);
    at = extraEnd + directory.readUInt16LE(at + 32);
  }
  return entries;
}

/** Sizes that do not fit in 32 bits stand in the extra field 1, in this order, each only where it is needed. */
function applyZip64(entry: ZipEntry, extra: Buffer): void {
  for (let at = 0; at + 4 <= extra.length; ) {
    const end = at + 4 + extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === 1) {
      let field = at + 4;
      for (const key of ['bytes', 'compressedBytes', 'offset'] as const) {
        if (entry[key] !== 0xffffffff || field + 8 > Math.min(end, extra.length)) continue;
        entry[key] = Number(extra.readBigUInt64LE(field));
        field += 8;
      }
    }
    at = end;
  }
}

/** zlib has it from Node 20.15. */
const crc32: (data: Buffer, value: number) => number =
  zlib.crc32 ??
  ((data, value) => {
    let crc = ~value;
    for (const byte of data) crc = CRC_TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
    return ~crc >>> 0;
  });

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; ++bit) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});
