import { checkEncoding } from '../data/text/encoding';
import { TextRows, textRowsTable, textTableTable, type TextId, type TextRowsOptions } from '../data/text-rows';
import { checkIsFile } from '../data/text/text-source';
import { AtomicFile } from '../system/atomic-file';
import { InvalidArgumentError } from '../system/errors';
import { choice, custom, flag, object, optional, resolveTable, type OptionsOf } from '../system/option-table';
import { show } from '../system/options';
import { option, say } from '../system/wording';
import { batchesTable, embedBatches, embedOf, type BatchEvent, type BatchModel } from './batches';
import { formatOf, vectorFile, vectorFormats, type VectorFormat } from './vector-file/formats';
import type { VectorFile } from './vector-file/vector-file';

export const embedFileTable = {
  /** 'parquet', 'jsonl' or 'npy'. Default: by the ending of the file's name; JSON Lines where it has none. */
  format: optional(choice(...vectorFormats), undefined, {
    flag: '--format <name>',
    help: 'of --out: parquet, jsonl or npy',
    unset: 'by the ending of the name',
  }),
  /** Whether the texts are written beside their vectors. Default: true, but for .npy, which has numbers only. */
  text: optional(flag, undefined, { flag: '--no-text', help: 'write the vectors only', aliases: ['texts'] }),
  ...textRowsTable,
  /** The same as the `inputFormat` 'jsonl': each line is JSON, a string or an object; empty lines are skipped. */
  json: optional(flag, undefined, {
    flag: '--jsonl',
    help: 'the same as --input-format jsonl: each line is JSON, a string or an object',
    aliases: ['jsonl'],
  }),
  /** Of CSV and TSV: how a table of texts is read, as `file` of those that read data. */
  file: optional(object(textTableTable), undefined),
  /** Of a file of texts, as 'windows-1252'. Default: as its byte order mark says, else UTF-8. */
  encoding: optional(custom<string>('text', checkEncoding), undefined, {
    flag: '--encoding <name>',
    help: 'of the texts, as windows-1252',
    unset: 'by the byte order mark, else utf-8',
  }),
  ...batchesTable,
};

/** Options of `embedFile`. */
export interface EmbedFileOptions extends OptionsOf<typeof embedFileTable> {}

/** A file of vectors that is written. */
export interface EmbeddedFile {
  /** Its path. */
  file: string;
  /** What it is. */
  format: VectorFormat;
  /** Vectors in it. */
  count: number;
  /** Numbers of a vector; 0 where there is none. */
  dimensions: number;
}

/** A text, and what stands beside its vector to know it by. */
export interface TextWithId {
  /** The text. */
  text: string;
  /** Its own, or undefined where texts have none. */
  id?: string | number | undefined;
}

/** How a file of texts is read. @throws InvalidArgumentError ERR_INVALID_OPTION: `json` and another format */
export function textRowsOptions({ json, ...rows }: TextRowsOptions & { json?: boolean | undefined }): TextRowsOptions {
  if (json !== true) return rows;
  if (rows.inputFormat !== undefined && rows.inputFormat !== 'jsonl') {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('json')} is JSON Lines, but ${option('inputFormat')} is '${rows.inputFormat}': leave one out.`,
    );
  }
  return { ...rows, inputFormat: 'jsonl' };
}

/** Options that say how a file is read; a list of texts has no use for them. */
const OF_FILES = ['inputFormat', 'json', 'textColumn', 'idColumn', 'titleColumn', 'file', 'encoding'] as const;

/**
 * Writes the vectors of texts to a file that appears when all of it is there: Parquet (columns `id`, `text` and `vector`),
 * JSON Lines (`{"id": …, "text": …, "vector": […]}`) or .npy (a table of float32). Texts come from a file (.csv, .tsv,
 * .jsonl, .json and .parquet by their columns, any other with one in each line; .gz is unpacked), whose ids go along, or from
 * a list or an (async) iterable of any length, of texts or of `{ id, text }`; memory is for two batches and, of Parquet, for 16 MB.
 *
 * ```ts
 * await embedFile(tv, 'passages.csv', 'vectors.parquet', { role: 'document', textColumn: 'body' });
 * ```
 *
 * @throws InvalidArgumentError: an option, an ending that says no format; ERR_DATA_FILE: texts that cannot be read, or a
 *   table without a column that is known to hold them; FileError: the file cannot be written, told before anything is
 *   computed; what `embedBatches` throws
 */
export async function embedFile(
  model: BatchModel,
  source: string | Iterable<string | TextWithId> | AsyncIterable<string | TextWithId>,
  file: string,
  options?: EmbedFileOptions,
): Promise<EmbeddedFile> {
  const resolved = resolveTable(embedFileTable, options, { name: 'embedFile', path: '' });
  if (typeof file !== 'string' || file === '') {
    throw new InvalidArgumentError('ERR_INVALID_ARGUMENT', `The file to write must be a path, but is ${show(file)}.`);
  }
  const { onProgress, idColumn } = resolved;
  const format = resolved.format ?? formatOf(file);
  const withTexts = resolved.text ?? format !== 'npy';
  if (format === 'npy' && (withTexts || idColumn !== undefined)) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      withTexts
        ? 'text is true, but .npy has numbers only: write .parquet or .jsonl, or leave text out.'
        : say`${option('idColumn')} names ids, but .npy has numbers only: write .parquet or .jsonl, or leave it out.`,
    );
  }
  embedOf(model, resolved); // refuses before anything is read
  if (typeof source !== 'string') {
    const unused = OF_FILES.find((name) => options?.[name] !== undefined);
    if (unused !== undefined) {
      throw new InvalidArgumentError(
        'ERR_INVALID_OPTION',
        say`${option(unused)} says how a file of texts is read, but the texts were given themselves.`,
      );
    }
  }
  const { json, inputFormat, textColumn, titleColumn, file: table, encoding, signal } = resolved;
  const reading = { json, inputFormat, textColumn, idColumn, titleColumn, file: table, encoding, signal };
  const input =
    typeof source === 'string'
      ? await TextsFile.open(source, textRowsOptions(reading))
      : isIterable(source)
        ? new ListedTexts(source)
        : undefined;
  const output = await AtomicFile.create(file).catch(async (error: unknown) => {
    await input?.close();
    throw error;
  });
  const total = resolved.total ?? (Array.isArray(source) ? source.length : undefined);
  try {
    let vectors: VectorFile | undefined;
    const begun = () =>
      vectorFile(output, format, { texts: withTexts, ids: format !== 'npy' && input?.hasIds === true });
    let [count, dimensions] = [0, 0];
    // What is no list is refused there.
    const batches = embedBatches(model, input?.texts() ?? (source as Iterable<string>), {
      ...Object.fromEntries(
        (['batchSize', 'role', 'embed', 'signal'] as const)
          .filter((name) => resolved[name] !== undefined)
          .map((name) => [name, resolved[name]]),
      ),
      ...(total !== undefined && { total }),
      onProgress: (event) => onProgress?.(input?.estimated(event) ?? event),
    });
    for await (const { texts, vectors: matrix } of batches) {
      vectors ??= begun();
      dimensions = matrix.shape[1];
      await vectors.write({ texts, ids: input!.takeIds(texts.length), data: matrix.data, width: dimensions });
      count += texts.length;
    }
    await (vectors ?? begun()).end();
    await output.finish();
    return { file, format, count, dimensions };
  } finally {
    await input?.close();
    await output.release();
  }
}

function isIterable(source: unknown): source is Iterable<string | TextWithId> | AsyncIterable<string | TextWithId> {
  const given = source as Partial<Iterable<unknown> & AsyncIterable<unknown>> | null | undefined;
  return typeof given?.[Symbol.iterator] === 'function' || typeof given?.[Symbol.asyncIterator] === 'function';
}

/** Where texts come from; the ids of those that were read and are not written yet. */
interface TextsInput {
  /** Known when the first text is. */
  readonly hasIds: boolean;
  texts(): AsyncGenerator<string, void, undefined>;
  /** The ids of the next `count` texts; undefined where they have none. */
  takeIds(count: number): TextId[] | undefined;
  estimated(event: BatchEvent): BatchEvent;
  close(): Promise<void>;
}

/** Texts, or texts with ids, as the first is. */
class ListedTexts implements TextsInput {
  hasIds = false;
  #ids: TextId[] = [];

  constructor(readonly source: Iterable<string | TextWithId> | AsyncIterable<string | TextWithId>) {}

  async *texts(): AsyncGenerator<string, void, undefined> {
    let row = 0;
    for await (const one of this.source) {
      const named = typeof one === 'object' && one !== null;
      if (row === 0) this.hasIds = named && one.id !== undefined;
      if (this.hasIds) {
        const id = named ? one.id : undefined;
        if (typeof id !== 'string' && typeof id !== 'number') {
          throw new InvalidArgumentError(
            'ERR_INVALID_ARGUMENT',
            `The first text has an id, so that each must have one, a string or a number, but that of row ${row} (counted from 0) is ${show(id)}.`,
            { row },
          );
        }
        this.#ids.push(id);
      }
      ++row;
      yield named ? one.text : one;
    }
  }

  takeIds(count: number): TextId[] | undefined {
    return this.hasIds ? this.#ids.splice(0, count) : undefined;
  }

  estimated(event: BatchEvent): BatchEvent {
    return event;
  }

  async close(): Promise<void> {}
}

/** A file of texts, and how much of it has been read. */
class TextsFile implements TextsInput {
  #bytes = 0;
  #texts = 0;
  /** Of texts that were read and not taken yet. */
  #ids: TextId[] = [];
  readonly #rows: TextRows;

  private constructor(
    rows: TextRows,
    readonly size: number,
  ) {
    this.#rows = rows;
  }

  static async open(file: string, options: TextRowsOptions): Promise<TextsFile> {
    const { size } = await checkIsFile(file, 'a file of texts');
    let texts: TextsFile | undefined;
    let before = 0;
    const onBytes = (bytes: number) => {
      if (texts === undefined) before += bytes;
      else texts.#bytes += bytes;
    };
    texts = new TextsFile(await TextRows.open(file, { ...options, onBytes }), size);
    texts.#bytes = before;
    return texts;
  }

  get hasIds(): boolean {
    return this.#rows.hasIds;
  }

  async *texts(): AsyncGenerator<string, void, undefined> {
    for await (const rows of this.#rows.pieces()) {
      this.#texts += rows.length;
      if (this.hasIds) for (const { id } of rows) this.#ids.push(id!);
      for (const { text } of rows) yield text;
    }
  }

  takeIds(count: number): TextId[] | undefined {
    return this.hasIds ? this.#ids.splice(0, count) : undefined;
  }

  close(): Promise<void> {
    return this.#rows.close();
  }

  /** With the time left by the share of the file that has been embedded, where nobody said how many texts there are. */
  estimated(event: BatchEvent): BatchEvent {
    if (event.total !== null || this.size === 0 || this.#texts === 0 || this.#bytes === 0) return event;
    const share = Math.min(1, this.#bytes / this.size) * (event.done / this.#texts);
    return { ...event, secondsLeft: share > 0 ? event.seconds / share - event.seconds : null };
  }
}
