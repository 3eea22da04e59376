import { open, type FileHandle } from 'node:fs/promises';
import { InvalidArgumentError } from '../../system/errors';
import { resolveColumns, roles } from '../columns';
import type { ResolvedReadOptions } from '../read-options';
import type { RawRow } from './raw-row';

/** Rows that are decoded at once: enough to be quick, few enough to leave the event loop free. */
const rowsAtOnce = 2000;

/** Bytes `start` to `end` of an open file. */
async function readBytes(handle: FileHandle, start: number, end: number): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(end - start);
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, start + done);
    if (bytesRead === 0) throw new Error(`the file ends at byte ${start + done}`);
    done += bytesRead;
  }
  return bytes.buffer;
}

/** The reader hands out what the file says; a damaged one may leave out what must be there. */
function named(element: { name?: unknown }): string {
  if (typeof element.name === 'string') return element.name;
  throw new Error('a column has no name');
}

/** Rows of a Parquet file, uncompressed or with Snappy; three columns are read, whatever else there is. */
export async function* readParquet(
  file: string,
  options: ResolvedReadOptions,
): AsyncGenerator<RawRow, void, undefined> {
  // hyparquet is an ES module: only a true dynamic import reaches it from CommonJS.
  const { cachedAsyncBuffer, parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import('hyparquet');
  const fail = (cause: unknown): InvalidArgumentError => {
    const message = (cause as Error).message;
    const hint = /codec/i.test(message) ? ' Write it again with Snappy compression, or as CSV or JSON Lines.' : '';
    return new InvalidArgumentError('ERR_DATA_FILE', `${file} cannot be read as Parquet: ${message}${hint}`, {
      cause,
      file,
    });
  };
  const handle = await open(file).catch((error: unknown) => {
    throw fail(error);
  });
  try {
    const byteLength = (await handle.stat()).size;
    const source = cachedAsyncBuffer({
      byteLength,
      slice: (start, end = byteLength) => readBytes(handle, start, Math.min(end, byteLength)),
    });
    const { metadata, names } = await parquetMetadataAsync(source)
      .then((found) => ({ metadata: found, names: parquetSchema(found).children.map(({ element }) => named(element)) }))
      .catch((error: unknown) => {
        throw fail(error);
      });
    const position = resolveColumns(file, names, options.columns);
    const [text1, text2, score] = roles.map((role) => names[position[role]]!) as [string, string, string];
    const total = Number(metadata.num_rows);
    for (let rowStart = 0; rowStart < total; rowStart += rowsAtOnce) {
      const rowEnd = Math.min(total, rowStart + rowsAtOnce);
      const records = await parquetReadObjects({
        file: source,
        metadata,
        columns: [text1, text2, score],
        rowStart,
        rowEnd,
      }).catch((error: unknown) => {
        throw fail(error);
      });
      if (records.length !== rowEnd - rowStart) {
        throw fail(new Error(`it says that it has ${total} rows, but ends after ${rowStart + records.length}.`));
      }
      for (const record of records) yield { text1: record[text1], text2: record[text2], score: record[score] };
    }
  } finally {
    await handle.close();
  }
}
