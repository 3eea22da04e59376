import { createReadStream, type Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { InvalidArgumentError } from '../../system/errors';
import { option, say, type Wording } from '../../system/wording';
import { containerOf } from './containers';
import { byteOrderMark, decoderOf, looksLikeUtf16 } from './encoding';
import { systemReason } from '../../system/system-error';

/** Bytes that are read, decoded and handed on at once: between two pieces the event loop gets its turn. */
const bytesAtOnce = 1 << 16;

/** A place in a text, for messages. */
export interface TextPlace {
  /** From 1. */
  line: number;
  /** Characters of the line up to and including the one that is meant. */
  character: number;
}

export interface TextSourceOptions {
  /** The Encoding Standard's name, or 'utf-16'. Default: as the byte order mark says, else UTF-8. */
  encoding?: string | undefined;
  /** Is told the bytes of each piece that was read, packed as they lie. */
  onBytes?: ((bytes: number) => void) | undefined;
  /** Stops the reading between two pieces. */
  signal?: AbortSignal | undefined;
}

/** Bytes that the encoding has no characters for. The reader of the format adds row and column. */
export class UndecodableError extends Error {
  constructor(
    /** What is wrong: a sentence that follows the place. */
    message: string,
    readonly place: TextPlace,
    readonly remedy: Wording,
  ) {
    super(message);
  }
}

/** Refuses what is no file to read from, with its path. `wanted`: «a file of rows» or such. */
export async function checkIsFile(file: string, wanted: string): Promise<Stats> {
  const found = await stat(file).catch((cause: unknown) => {
    throw new InvalidArgumentError('ERR_DATA_FILE', `${file} cannot be read: ${systemReason(cause)}.`, { cause, file });
  });
  if (!found.isDirectory()) return found;
  const inside = (await readdir(file).catch(() => [])).sort();
  const some = inside.slice(0, 3).join(', ') + (inside.length > 3 ? ` and ${inside.length - 3} more` : '');
  throw new InvalidArgumentError(
    'ERR_DATA_FILE',
    `${file} is a folder, but ${wanted} is wanted. ` +
      (inside.length === 0 ? 'The folder is empty.' : `In the folder there are: ${some}.`),
    { file },
  );
}

/**
 * Text of a file or a stream: unpacked where it is gzip, decoded strictly, without its byte order mark, in pieces of at
 * most 64 KiB. What is known not to be text is refused by name.
 */
export class TextSource {
  /** For messages. */
  readonly name: string;
  /** That the bytes are decoded by. */
  readonly encoding: string;
  /** Whether the bytes were packed with gzip. */
  readonly packed: boolean;
  readonly #bytes: AsyncGenerator<Buffer, void, undefined>;
  readonly #signal: AbortSignal | undefined;
  #first: Buffer;
  #line = 1;
  #character = 0;

  private constructor(
    name: string,
    encoding: string,
    packed: boolean,
    first: Buffer,
    bytes: AsyncGenerator<Buffer, void, undefined>,
    signal: AbortSignal | undefined,
  ) {
    this.name = name;
    this.encoding = encoding;
    this.packed = packed;
    this.#first = first;
    this.#bytes = bytes;
    this.#signal = signal;
  }

  /** @throws InvalidArgumentError ERR_DATA_FILE: what cannot be opened, is no text, or begins with another encoding's mark */
  static async open(source: string | Readable, name: string, options: TextSourceOptions): Promise<TextSource> {
    const raw = rawBytes(source, name, options.onBytes);
    try {
      let first = await beginning(raw);
      let bytes = raw;
      const packed = first[0] === 0x1f && first[1] === 0x8b;
      if (packed) {
        bytes = unpacked(first, raw, name);
        first = await beginning(bytes);
      }
      const refuse = (message: string, remedy?: Wording) =>
        new InvalidArgumentError('ERR_DATA_FILE', message, { file: name, remedy });
      const container = containerOf(first);
      if (container !== undefined) throw refuse(`${name} is ${container.is}.`, container.remedy);
      const mark = byteOrderMark(first);
      if (mark?.encoding.startsWith('utf-32')) throw refuse(`${name} is in UTF-32.`, say`Write it again in UTF-8.`);
      const asked = options.encoding;
      const agrees = asked === mark?.encoding || (asked === 'utf-16' && mark?.encoding.startsWith('utf-16'));
      if (mark !== undefined && asked !== undefined && !agrees) {
        const message = `${name} begins with the byte order mark of ${mark.encoding}, but was said to be in ${asked}.`;
        throw refuse(message, say`Leave ${option('file.encoding')} out: the mark says it.`);
      }
      const unmarked = mark === undefined && asked === undefined ? looksLikeUtf16(first.subarray(0, 4096)) : undefined;
      if (unmarked !== undefined) {
        throw refuse(
          `${name} seems to be in UTF-16 without a byte order mark.`,
          say`Pass ${option('file.encoding', unmarked)}, or write it again in UTF-8.`,
        );
      }
      const encoding = mark?.encoding ?? (asked === 'utf-16' ? 'utf-16le' : (asked ?? 'utf-8'));
      return new TextSource(name, encoding, packed, first.subarray(mark?.length ?? 0), bytes, options.signal);
    } catch (error) {
      await raw.return();
      throw error;
    }
  }

  /**
   * The text, piece by piece; the event loop turns between two. Throws UndecodableError after the text before the bytes
   * that mean nothing, InvalidArgumentError ERR_DATA_FILE where the file cannot be read on, and the signal's reason.
   */
  async *pieces(): AsyncGenerator<string, void, undefined> {
    const decoder = decoderOf(this.encoding);
    const convert = (bytes: Buffer, last: boolean) => decoder.decode(bytes, last);
    try {
      for (let bytes: Buffer | undefined = this.#first; ; ) {
        for (let at = 0; at < bytes.length; at += bytesAtOnce) {
          this.#signal?.throwIfAborted();
          const { text, bad } = convert(bytes.subarray(at, at + bytesAtOnce), false);
          if (text !== '') yield this.#passed(text);
          if (bad !== undefined) throw this.#undecodable(text, bad);
          if (bytes.length > bytesAtOnce) await new Promise(setImmediate);
        }
        const next: IteratorResult<Buffer, void> = await this.#bytes.next();
        this.#signal?.throwIfAborted();
        if (next.done === true) break;
        bytes = next.value;
      }
      const { text, bad } = convert(Buffer.alloc(0), true);
      if (text !== '') yield this.#passed(text);
      if (bad !== undefined) throw this.#undecodable(text, bad);
    } finally {
      await this.close();
    }
  }

  /** Frees the file; `pieces` does it by itself when it ends. */
  async close(): Promise<void> {
    await this.#bytes.return();
  }

  #passed(text: string): string {
    let from = 0;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', from)) {
      ++this.#line;
      this.#character = 0;
      from = at + 1;
    }
    this.#character += text.length - from;
    return text;
  }

  #undecodable(before: string, bad: Uint8Array): UndecodableError {
    const place = { line: this.#line, character: this.#character + 1 };
    const byte = `0x${bad[0]!.toString(16).padStart(2, '0').toUpperCase()}`;
    const guess = this.encoding === 'utf-8' ? asWindows1252(before, bad) : undefined;
    const shown = guess === undefined ? '' : ` In windows-1252 it would read «${guess}».`;
    const asked = (encoding: string) => option('file.encoding', encoding);
    const remedy =
      this.encoding !== 'utf-8'
        ? say`Name the encoding that the file was written in with ${option('file.encoding')}.`
        : guess !== undefined
          ? say`If that is right, pass ${asked('windows-1252')}; else the encoding that the file was written in (shift_jis, gb18030, …), or write it again in UTF-8.`
          : say`Name the encoding that the file was written in, as ${asked('shift_jis')} (windows-1251, gb18030, utf-16le, …), or write it again in UTF-8.`;
    return new UndecodableError(`the byte ${byte} is not ${this.encoding.toUpperCase()}.${shown}`, place, remedy);
  }
}

/** The text around a bad byte as Western Europe's programs wrote it: the reader of the message sees whether it is right. */
function asWindows1252(before: string, bad: Uint8Array): string | undefined {
  const after = bad.subarray(0, 24);
  const high = after.filter((byte) => byte >= 0x80).length;
  // Runs of high bytes are another script's; single ones are accents and quotation marks.
  if (high > 2 && high > after.length / 3) return undefined;
  const shown = new TextDecoder('windows-1252').decode(after, { stream: true });
  return `${before.slice(-24).split('\n').at(-1)!}${shown.split(/[\r\n]/)[0]!}`.trim();
}

async function* rawBytes(
  source: string | Readable,
  name: string,
  onBytes: ((bytes: number) => void) | undefined,
): AsyncGenerator<Buffer, void, undefined> {
  const stream = typeof source === 'string' ? createReadStream(source, { highWaterMark: bytesAtOnce }) : source;
  try {
    for await (const chunk of stream) {
      const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk as string);
      onBytes?.(bytes.length);
      yield bytes;
    }
  } catch (cause) {
    throw new InvalidArgumentError('ERR_DATA_FILE', `${name} cannot be read: ${systemReason(cause)}.`, {
      cause,
      file: name,
    });
  } finally {
    stream.destroy();
  }
}

/** The first bytes, taken from the stream: enough to tell what they are, or one line (a person may be typing them). */
async function beginning(bytes: AsyncGenerator<Buffer, void, undefined>): Promise<Buffer> {
  let first = Buffer.alloc(0);
  while (first.length < 4096 && !(first.length >= 4 && first.includes(10))) {
    const next = await bytes.next();
    if (next.done === true) break;
    first = Buffer.concat([first, next.value]);
  }
  return first;
}

async function* unpacked(
  first: Buffer,
  rest: AsyncGenerator<Buffer, void, undefined>,
  name: string,
): AsyncGenerator<Buffer, void, undefined> {
  const gunzip = createGunzip({ chunkSize: bytesAtOnce });
  // Fed beside the reading: its own queue tells when it has enough.
  const feeding = (async () => {
    for (let bytes: Buffer | undefined = first; bytes !== undefined; ) {
      if (!gunzip.write(bytes) && !gunzip.destroyed) {
        await new Promise<void>((resolve) => {
          const go = () => {
            gunzip.off('drain', go).off('close', go);
            resolve();
          };
          gunzip.on('drain', go).on('close', go);
        });
      }
      if (gunzip.destroyed) return;
      const next: IteratorResult<Buffer, void> = await rest.next();
      bytes = next.done === true ? undefined : next.value;
    }
    gunzip.end();
  })();
  feeding.catch((error: Error) => gunzip.destroy(error));
  try {
    for await (const chunk of gunzip) yield chunk as Buffer;
  } catch (cause) {
    if (cause instanceof InvalidArgumentError) throw cause;
    throw new InvalidArgumentError(
      'ERR_DATA_FILE',
      `${name} cannot be unpacked: ${(cause as Error).message}. It is damaged, or not complete.`,
      { cause, file: name, remedy: say`Fetch or pack it again.` },
    );
  } finally {
    gunzip.destroy();
    await rest.return();
  }
}
