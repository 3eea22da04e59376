import { checkEncoding } from '../data/text/encoding';
import { checkIsFile } from '../data/text/text-source';
import { readTexts } from '../data/texts';
import { AtomicFile } from '../system/atomic-file';
import { InvalidArgumentError } from '../system/errors';
import { choice, custom, flag, optional, resolveTable, type OptionsOf } from '../system/option-table';
import { show } from '../system/options';
import { batchesTable, embedBatches, type BatchEvent, type BatchModel } from './batches';
import { formatOf, vectorFile, vectorFormats, type VectorFormat } from './vector-file/formats';

export const embedFileTable = {
  /** 'parquet', 'jsonl' or 'npy'. Default: by the ending of the file's name; JSON Lines where it has none. */
  format: optional(choice(...vectorFormats), undefined, {
    flag: '--format <name>',
    help: 'of --out: parquet, jsonl or npy',
    unset: 'by the ending of the name',
  }),
  /** Whether the texts are written beside their vectors. Default: true, but for .npy, which has numbers only. */
  text: optional(flag, undefined, { flag: '--no-text', help: 'write the vectors only', aliases: ['texts'] }),
  /** Of a file of texts: whether each line is JSON, a string or an object with a member "text". Default false. */
  json: optional(flag, false, {
    flag: '--jsonl',
    help: 'each line is JSON: a string, or an object with a member "text"; empty lines are skipped',
    aliases: ['jsonl'],
  }),
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

/**
 * Writes the vectors of texts to a file that appears when all of it is there: Parquet (columns `text` and `vector`), JSON
 * Lines (`{"text": …, "vector": […]}`) or .npy (a table of float32). Texts come from a file with one in each line (.gz is
 * unpacked), or from a list or an (async) iterable of any length; memory is for two batches and, of Parquet, for 16 MB.
 *
 * ```ts
 * await embedFile(tv, 'texts.txt', 'vectors.parquet', { onProgress: ({ done, secondsLeft }) => show(done, secondsLeft) });
 * ```
 *
 * @throws InvalidArgumentError: an option, an ending that says no format; ERR_DATA_FILE: texts that cannot be read;
 *   FileError: the file cannot be written, told before anything is computed; what `embedBatches` throws
 */
export async function embedFile(
  model: BatchModel,
  source: string | Iterable<string> | AsyncIterable<string>,
  file: string,
  options?: EmbedFileOptions,
): Promise<EmbeddedFile> {
  const resolved = resolveTable(embedFileTable, options, { name: 'embedFile', path: '' });
  if (typeof file !== 'string' || file === '') {
    throw new InvalidArgumentError('ERR_INVALID_ARGUMENT', `The file to write must be a path, but is ${show(file)}.`);
  }
  const { json, encoding, onProgress, signal } = resolved;
  const format = resolved.format ?? formatOf(file);
  const withTexts = resolved.text ?? format !== 'npy';
  if (withTexts && format === 'npy') {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      'text is true, but .npy has numbers only: write .parquet or .jsonl, or leave text out.',
    );
  }
  const input = typeof source === 'string' ? await TextsFile.open(source, { json, encoding, signal }) : undefined;
  const output = await AtomicFile.create(file);
  try {
    const vectors = vectorFile(output, format, withTexts);
    let [count, dimensions] = [0, 0];
    const batches = embedBatches(model, input?.texts() ?? (source as Iterable<string> | AsyncIterable<string>), {
      ...Object.fromEntries(
        (['batchSize', 'total', 'embed', 'signal'] as const)
          .filter((name) => resolved[name] !== undefined)
          .map((name) => [name, resolved[name]]),
      ),
      onProgress: (event) => onProgress?.(input?.estimated(event) ?? event),
    });
    for await (const { texts, vectors: matrix } of batches) {
      dimensions = matrix.shape[1];
      await vectors.write({ texts, data: matrix.data, width: dimensions });
      count += texts.length;
    }
    await vectors.end();
    await output.finish();
    return { file, format, count, dimensions };
  } finally {
    await output.release();
  }
}

/** A file of texts, and how much of it has been read. */
class TextsFile {
  #bytes = 0;
  #texts = 0;

  private constructor(
    readonly file: string,
    readonly size: number,
    readonly options: { json: boolean; encoding: string | undefined; signal: AbortSignal | undefined },
  ) {}

  static async open(file: string, options: TextsFile['options']): Promise<TextsFile> {
    const { size } = await checkIsFile(file, 'a file of texts');
    return new TextsFile(file, size, options);
  }

  async *texts(): AsyncGenerator<string, void, undefined> {
    const onBytes = (bytes: number) => void (this.#bytes += bytes);
    for await (const texts of readTexts(this.file, { ...this.options, onBytes })) {
      this.#texts += texts.length;
      yield* texts;
    }
  }

  /** With the time left by the share of the file that has been embedded, where nobody said how many texts there are. */
  estimated(event: BatchEvent): BatchEvent {
    if (event.total !== null || this.size === 0 || this.#texts === 0) return event;
    const share = Math.min(1, this.#bytes / this.size) * (event.done / this.#texts);
    return { ...event, secondsLeft: share > 0 ? event.seconds / share - event.seconds : null };
  }
}
