import { ADDON_VERSION } from '../../engine/load';
import type { AtomicFile } from '../../system/atomic-file';
import { littleEndian } from './little-endian';
import { i32, i64, list, struct, text, thrift, varint, type ThriftStruct, type ThriftValue } from './thrift';
import type { Beside, TextVectors, VectorFile } from './vector-file';

// By hand: the packages for it take lists of lists of numbers, a value at a time, and these are the buffers as they are.
// The numbers are those of parquet.thrift and Encodings.md.

const PLAIN = 0;
const RLE = 3;
const [FLOAT, BYTE_ARRAY] = [4, 6];
const [REQUIRED, REPEATED] = [0, 2];
const [UTF8, LIST] = [0, 3];
const UNCOMPRESSED = 0;
const DATA_PAGE = 0;

/** Bytes of a row group, texts and all: it is held until it is written. */
const GROUP_BYTES = 16 << 20;

const MAGIC = Buffer.from('PAR1');

/** A column chunk that is written. */
interface Chunk {
  path: readonly string[];
  type: number;
  values: number;
  bytes: number;
  offset: number;
}

/**
 * Columns `id` and `text` (UTF-8), where there are any, and `vector` (list of float32), uncompressed, in row groups of some megabytes: what pyarrow,
 * pandas, DuckDB, Polars and Hugging Face's datasets read.
 */
export class ParquetFile implements VectorFile {
  #offset = 0;
  #rows = 0;
  #groups: { chunks: Chunk[]; rows: number }[] = [];
  #held: TextVectors[] = [];
  #heldBytes = 0;

  constructor(
    readonly file: AtomicFile,
    readonly beside: Beside,
  ) {}

  async write({ texts, ids, data, width }: TextVectors): Promise<void> {
    let from = 0;
    const hold = (to: number) => {
      if (to === from) return;
      const piece = data.subarray(from * width, to * width);
      this.#held.push({ texts: texts.slice(from, to), ids: ids?.slice(from, to), data: piece, width });
      from = to;
    };
    for (let row = 0; row < texts.length; ++row) {
      this.#heldBytes += 4 * width + (this.beside.texts ? Buffer.byteLength(texts[row]!) : 0);
      if (this.#heldBytes < GROUP_BYTES) continue;
      hold(row + 1);
      await this.#writeGroup();
    }
    hold(texts.length);
  }

  async end(): Promise<void> {
    await this.#writeGroup();
    if (this.#rows === 0) await this.#put(MAGIC);
    const footer = thrift(this.#footer());
    const length = Buffer.alloc(4);
    length.writeUInt32LE(footer.length);
    await this.#put(Buffer.concat([footer, length, MAGIC]));
  }

  async #put(bytes: Buffer): Promise<void> {
    await this.file.write(bytes);
    this.#offset += bytes.length;
  }

  async #writeGroup(): Promise<void> {
    if (this.#held.length === 0) return;
    if (this.#rows === 0) await this.#put(MAGIC);
    const held = this.#held.splice(0);
    this.#heldBytes = 0;
    const rows = held.reduce((sum, { texts }) => sum + texts.length, 0);
    const chunks: Chunk[] = [];
    if (this.beside.ids) {
      chunks.push(await this.#writeChunk(['id'], BYTE_ARRAY, held, ({ ids }) => [ids!.length, textValues(ids!)]));
    }
    if (this.beside.texts) {
      chunks.push(await this.#writeChunk(['text'], BYTE_ARRAY, held, ({ texts }) => [texts.length, textValues(texts)]));
    }
    chunks.push(
      await this.#writeChunk(['vector', 'list', 'element'], FLOAT, held, (one) => [one.data.length, vectorValues(one)]),
    );
    this.#groups.push({ chunks, rows });
    this.#rows += rows;
  }

  /** A page for each batch, one behind the other. */
  async #writeChunk(
    path: readonly string[],
    type: number,
    held: readonly TextVectors[],
    pageOf: (one: TextVectors) => [number, Buffer[]],
  ): Promise<Chunk> {
    const offset = this.#offset;
    let values = 0;
    for (const one of held) {
      const [count, parts] = pageOf(one);
      const bytes = parts.reduce((sum, { length }) => sum + length, 0);
      const page = { 1: i32(count), 2: i32(PLAIN), 3: i32(RLE), 4: i32(RLE) };
      await this.#put(thrift({ 1: i32(DATA_PAGE), 2: i32(bytes), 3: i32(bytes), 5: struct(page) }));
      for (const part of parts) await this.#put(part);
      values += count;
    }
    return { path, type, values, bytes: this.#offset - offset, offset };
  }

  #footer(): ThriftStruct {
    const leaf = (name: string, type: number, more: ThriftStruct = {}): ThriftValue =>
      struct({ 1: i32(type), 3: i32(REQUIRED), 4: text(name), ...more });
    const schema = [
      struct({ 4: text('schema'), 5: i32(1 + Number(this.beside.ids) + Number(this.beside.texts)) }),
      ...(this.beside.ids ? [leaf('id', BYTE_ARRAY, { 6: i32(UTF8) })] : []),
      ...(this.beside.texts ? [leaf('text', BYTE_ARRAY, { 6: i32(UTF8) })] : []),
      struct({ 3: i32(REQUIRED), 4: text('vector'), 5: i32(1), 6: i32(LIST) }),
      struct({ 3: i32(REPEATED), 4: text('list'), 5: i32(1) }),
      leaf('element', FLOAT),
    ];
    const groups = this.#groups.map(({ chunks, rows }) =>
      struct({
        1: list('struct', chunks.map(columnChunk)),
        2: i64(chunks.reduce((sum, { bytes }) => sum + bytes, 0)),
        3: i64(rows),
      }),
    );
    return {
      1: i32(1),
      2: list('struct', schema),
      3: i64(this.#rows),
      4: list('struct', groups),
      6: text(`vectune version ${ADDON_VERSION}`),
    };
  }
}

function columnChunk({ path, type, values, bytes, offset }: Chunk): ThriftValue {
  const metadata = struct({
    1: i32(type),
    2: list('i32', [i32(PLAIN), i32(RLE)]),
    3: list('text', path.map(text)),
    4: i32(UNCOMPRESSED),
    5: i64(values),
    6: i64(bytes),
    7: i64(bytes),
    9: i64(offset),
  });
  return struct({ 2: i64(offset), 3: metadata });
}

/** With its length before it. */
function sized(bytes: Buffer): Buffer[] {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return [length, bytes];
}

/** Each text's length and bytes. */
function textValues(texts: readonly (string | number)[]): Buffer[] {
  return [Buffer.concat(texts.flatMap((one) => sized(Buffer.from(String(one)))))];
}

/** Levels, which say where each list begins and that every number is there, and the numbers. */
function vectorValues({ data, texts, width }: TextVectors): Buffer[] {
  // Repetition: 0 for a list's first number, 1 for the others, in bits, the lowest first.
  const groups = Math.ceil(data.length / 8);
  const begins = Buffer.alloc(groups, 0xff);
  for (let row = 0; row < texts.length; ++row) begins[(row * width) >> 3]! &= ~(1 << ((row * width) & 7));
  const repetition = Buffer.concat([Buffer.from(varint(2 * groups + 1)), begins]);
  // Definition: one run of 1.
  const definition = Buffer.from([...varint(2 * data.length), 1]);
  return [Buffer.concat([...sized(repetition), ...sized(definition)]), littleEndian(data)];
}
