import { open, type FileHandle } from 'node:fs/promises';
import { valueAt } from '../members';
import type {
  AsyncBuffer,
  DecodedArray,
  FileMetaData,
  ParquetParsers,
  RowGroup,
  SchemaTree,
} from 'hyparquet/src/types.js' with { 'resolution-mode': 'import' };

/*
 * The rows of a Parquet file, a page of each column at a time: a row group may hold a million rows (pandas writes all of
 * them as one), and must be neither decoded at once nor held as a whole. Knows nothing of threads, errors of vectune's or
 * which columns are meant; parquet.ts runs it in a thread of its own.
 */

/** Rows that are given at once. */
const rowsAtOnce = 2000;
/** Bytes that are read at once, unless a page is larger. */
const bytesAtOnce = 1 << 20;
/** Bytes of a page, unpacked, beyond which the file is damaged rather than large. */
const largestPage = 2 ** 30;

/** Bytes of a text that are not UTF-8, in place of the text. */
class NotUtf8 {}

/** A value that is not what the file says it is. */
export class ParquetValueError extends Error {
  constructor(
    message: string,
    /** From 0. */
    readonly row: number,
    /** Which of the wanted columns. */
    readonly column: number,
  ) {
    super(message);
  }
}

/** An open Parquet file. */
export interface ParquetFile {
  /** Names of its columns. Members of a column, or of the elements of its list, are columns by their paths: 'passages.text'. */
  columns: readonly string[];
  /** The values of the columns at these positions, row by row. Gives way to the event loop between two pages. */
  rows(positions: readonly number[]): AsyncGenerator<unknown[][], void, undefined>;
  close(): Promise<void>;
}

/** Modules that only a true dynamic import reaches from CommonJS. */
async function modules() {
  const [
    { parquetMetadataAsync, parquetReadObjects, parquetSchema },
    { parquetHeader, readPage },
    convert,
    { compressors },
    { isListLike, isMapLike },
  ] = await Promise.all([
    import('hyparquet'),
    import('hyparquet/src/column.js'),
    import('hyparquet/src/convert.js'),
    import('hyparquet-compressors'),
    import('hyparquet/src/schema.js'),
  ]);
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const parsers = {
    ...convert.DEFAULT_PARSERS,
    stringFromBytes(bytes: Uint8Array | undefined): unknown {
      if (bytes === undefined || bytes === null) return bytes;
      try {
        return strict.decode(bytes);
      } catch {
        return new NotUtf8();
      }
    },
  } as ParquetParsers;
  return {
    parquetMetadataAsync,
    parquetReadObjects,
    parquetSchema,
    parquetHeader,
    readPage,
    convert: convert.convert,
    compressors,
    isListLike,
    isMapLike,
    parsers,
  };
}
type Modules = Awaited<ReturnType<typeof modules>>;

/** Bytes `start` to `end` of an open file. */
async function readBytes(handle: FileHandle, start: number, end: number): Promise<ArrayBuffer> {
  if (!(end >= start)) throw new Error('a part of it has no length');
  const bytes = new Uint8Array(end - start);
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, start + done);
    if (bytesRead === 0) throw new Error(`the file ends at byte ${start + done}`);
    done += bytesRead;
  }
  return bytes.buffer;
}

/** The reader hands out what the file says; a damaged one may leave out what must be there. */
function nameOf({ element }: SchemaTree): string {
  if (typeof element.name === 'string') return element.name;
  throw new Error('a column has no name');
}

export async function openParquetFile(file: string): Promise<ParquetFile> {
  const library = await modules();
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const source: AsyncBuffer = {
      byteLength: size,
      slice: (start, end = size) => readBytes(handle, start < 0 ? size + start : start, Math.min(end, size)),
    };
    const metadata = await library.parquetMetadataAsync(source);
    const tree = library.parquetSchema(metadata);
    const columns = tree.children.flatMap((child, top): Column[] =>
      membersOf(library, child).map((path) => ({ name: [nameOf(child), ...path].join('.'), top, path })),
    );
    return {
      columns: columns.map(({ name }) => name),
      rows: (positions) =>
        rowsOf(
          library,
          handle,
          source,
          size,
          metadata,
          tree,
          positions.map((position) => columns[position]!),
        ),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** A column, and where it stands: the file's own column and the path of members in it. */
interface Column {
  name: string;
  top: number;
  path: readonly string[];
}

/** Deeper than anyone nests; a damaged file may say so. */
const deepest = 32;

/** The paths to what has no members in a column, through lists. A map counts as one. */
function membersOf(library: Modules, column: SchemaTree, depth = 0): string[][] {
  let node = column;
  let lists = 0;
  // As some writers do it, the repeated node is the element itself.
  while (library.isListLike(node)) {
    const repeated = node.children[0]!;
    node = repeated.children.length === 1 ? repeated.children[0]! : repeated;
    ++lists;
  }
  if (depth + lists > deepest) throw new Error('its columns are nested too deep');
  if (node.children.length === 0 || library.isMapLike(node)) return [[]];
  return node.children.flatMap((child) =>
    membersOf(library, child, depth + lists + 1).map((path) => [nameOf(child), ...path]),
  );
}

/** Position of each top-level column's first leaf among a row group's chunks. */
function firstLeaves(tree: SchemaTree): number[] {
  const leaves = (node: SchemaTree): number =>
    node.children.length === 0 ? 1 : node.children.reduce((sum, child) => sum + leaves(child), 0);
  let next = 0;
  return tree.children.map((child) => {
    const first = next;
    next += leaves(child);
    return first;
  });
}

async function* rowsOf(
  library: Modules,
  handle: FileHandle,
  source: AsyncBuffer,
  size: number,
  metadata: FileMetaData,
  tree: SchemaTree,
  wanted: readonly Column[],
): AsyncGenerator<unknown[][], void, undefined> {
  const leaves = firstLeaves(tree);
  let row = 0;
  for (const group of metadata.row_groups) {
    const rows = Number(group.num_rows);
    const nested = new Map<number, Promise<unknown[]>>();
    const columns = wanted.map(({ top, path }) => {
      const child = tree.children[top]!;
      const flat = child.children.length === 0 && child.element.repetition_type !== 'REPEATED';
      if (flat) return flatColumn(library, handle, size, group, leaves[top]!, [tree, child]);
      // What several columns are members of is read once.
      let values = nested.get(top);
      if (values === undefined) {
        nested.set(top, (values = nestedValues(library, source, metadata, child, row, rows)));
        values.catch(() => undefined); // told by who waits for it; another column may fail before
      }
      return membersOfValues(values, path);
    });
    // Of each column the values that are decoded and not given yet.
    const ready = columns.map(() => ({ values: [] as DecodedArray, at: 0 }));
    for (let done = 0; done < rows; ) {
      for (const [i, column] of columns.entries()) {
        while (ready[i]!.at === ready[i]!.values.length) {
          const next = await column.next();
          if (next.done === true) {
            throw new Error(`it says that it has ${Number(metadata.num_rows)} rows, but ends after ${row}`);
          }
          ready[i] = { values: next.value, at: 0 };
        }
      }
      const count = Math.min(rowsAtOnce, rows - done, ...ready.map(({ values, at }) => values.length - at));
      const piece: unknown[][] = [];
      for (let r = 0; r < count; ++r) {
        piece.push(
          ready.map(({ values, at }, column) => {
            const value: unknown = values[at + r];
            if (hasNotUtf8(value)) throw new ParquetValueError('the bytes of the text are not UTF-8', row + r, column);
            return value ?? null;
          }),
        );
      }
      for (const column of ready) column.at += count;
      done += count;
      row += count;
      yield piece;
    }
  }
  if (row !== Number(metadata.num_rows)) {
    throw new Error(`it says that it has ${Number(metadata.num_rows)} rows, but ends after ${row}`);
  }
}

/** A column without lists or members: the values of each page. */
async function* flatColumn(
  library: Modules,
  handle: FileHandle,
  size: number,
  group: RowGroup,
  leaf: number,
  schemaPath: SchemaTree[],
): AsyncGenerator<DecodedArray, void, undefined> {
  const chunk = group.columns[leaf];
  const meta = chunk?.meta_data;
  if (chunk?.file_path) throw new Error('its columns are in other files');
  if (meta === undefined) throw new Error('a row group has no such column');
  const decoder = {
    ...meta,
    pathInSchema: meta.path_in_schema,
    element: schemaPath[1]!.element,
    schemaPath,
    parsers: library.parsers,
    compressors: library.compressors,
  };
  const start = Number(meta.dictionary_page_offset || meta.data_page_offset);
  const end = start + Number(meta.total_compressed_size);
  if (!(start >= 4 && end <= size && end > start)) throw new Error('a column lies outside of the file');
  const rows = Number(group.num_rows);
  let dictionary: DecodedArray | undefined;
  let seen = 0;
  let window = { start, bytes: new ArrayBuffer(0) };
  const load = async (from: number, length: number): Promise<void> => {
    if (from >= window.start && from + length <= window.start + window.bytes.byteLength) return;
    if (from + length > end) throw new Error('a page goes on behind its column');
    window = { start: from, bytes: await readBytes(handle, from, Math.min(end, from + Math.max(length, bytesAtOnce))) };
  };
  for (let at = start; at < end && seen < rows; ) {
    const header = await readHeader(at);
    const { bytes: length, page } = header;
    const packed = page.compressed_page_size;
    const unpacked = page.uncompressed_page_size;
    if (!(packed >= 0 && unpacked >= 0 && unpacked <= largestPage)) throw new Error('a page has no sensible size');
    const values =
      page.data_page_header?.num_values ??
      page.data_page_header_v2?.num_values ??
      page.dictionary_page_header?.num_values;
    const most = page.type === 'DICTIONARY_PAGE' ? 8 * unpacked : rows - seen;
    if (values !== undefined && !(values >= 0 && values <= most))
      throw new Error('a page has more values than there are');
    await load(at + length, packed);
    const reader = { view: new DataView(window.bytes), offset: at + length - window.start };
    const { data } = library.readPage(reader, page, decoder, dictionary, undefined, 0);
    at += length + packed;
    if (page.type === 'DICTIONARY_PAGE') {
      if (data !== undefined) dictionary = library.convert(data, decoder);
    } else if (data !== undefined && data.length > 0) {
      seen += data.length;
      yield data;
    }
    await new Promise(setImmediate);
  }

  /** A page's header, and how many bytes it takes: it does not say so before it is read. */
  async function readHeader(at: number) {
    for (let length = Math.min(end - at, 1 << 12); ; length = Math.min(end - at, length * 16)) {
      await load(at, length);
      const offset = at - window.start;
      const reader = { view: new DataView(window.bytes), offset };
      try {
        const page = library.parquetHeader(reader);
        return { page, bytes: reader.offset - offset };
      } catch (error) {
        if (window.start + window.bytes.byteLength >= end) throw error;
      }
    }
  }
}

function hasNotUtf8(value: unknown): boolean {
  return value instanceof NotUtf8 || (Array.isArray(value) && value.some(hasNotUtf8));
}

/** What stands at a path of members in each value. */
async function* membersOfValues(
  values: Promise<unknown[]>,
  path: readonly string[],
): AsyncGenerator<DecodedArray, void, undefined> {
  const all = await values;
  yield path.length === 0 ? all : all.map((value) => valueAt(value, path));
}

/** A column of lists or of members: those of a row group at once. */
async function nestedValues(
  library: Modules,
  file: AsyncBuffer,
  metadata: FileMetaData,
  child: SchemaTree,
  rowStart: number,
  rows: number,
): Promise<unknown[]> {
  const name = nameOf(child);
  const { parsers, compressors } = library;
  const rowEnd = rowStart + rows;
  const records = await library.parquetReadObjects({
    file,
    metadata,
    columns: [name],
    rowStart,
    rowEnd,
    parsers,
    compressors,
  });
  return records.map((record) => record[name] as unknown);
}
