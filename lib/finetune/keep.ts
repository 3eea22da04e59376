import { describeForm, isPairs, type TrainingData } from '../data/form';
import { Random, Stream } from '../data/random';
import { collectLists, collectRows, type CollectedData, type DataSource } from '../data/source';
import { areTextRows, textRows } from '../data/lists';
import { cosineSimilarity } from '../embed/similarity';
import { binaryMetrics } from '../evaluate/metrics/classification';
import { spearman } from '../evaluate/metrics/correlation';
import { InvalidArgumentError } from '../system/errors';
import { custom, numeric, optional, required, resolveTable, type OptionsOf } from '../system/option-table';
import { invalidOption } from '../system/options';
import { option, say } from '../system/wording';
import type { TokenisedRows } from './tokens';

export const keepTable = {
  /**
   * Pairs of texts with scores or labels 0 and 1: a file, as `finetune` takes it, or rows `{ text1, text2, score }`. Of more
   * than 2,000 rows as many are drawn by the seed.
   */
  data: required(
    custom<DataSource, DataSource>('text', (path, value) => {
      if (typeof value === 'string' ? value !== '' : typeof value === 'object' && value !== null)
        return value as DataSource;
      throw invalidOption(path, 'the path of a file, or rows', value);
    }),
    {
      flag: '--keep <file>',
      help: 'pairs with scores or labels on which the model must not become worse than by a margin',
      aliases: ['file', 'rows', 'path'],
    },
  ),
  /** By how much their measure (Spearman for scores, average precision for labels) may fall, from 0. Default 0.01. */
  margin: optional(
    numeric('a number from 0 to 1', (n) => n >= 0 && n <= 1),
    0.01,
    {
      flag: '--keep-margin <n>',
      help: 'by how much the measure of the rows to keep may fall',
      aliases: ['bound', 'tolerance', 'maxDrop'],
    },
  ),
};

/** What the model could do before and must go on doing. */
export interface KeepOptions extends OptionsOf<typeof keepTable> {}

export interface ResolvedKeep {
  data: DataSource;
  margin: number;
}

/** A file, rows, or an object with `data` and `margin`. */
export const keeping = custom<DataSource | KeepOptions, ResolvedKeep>(
  'program',
  (path, value) => {
    if (typeof value !== 'string' && (typeof value !== 'object' || value === null))
      throw invalidOption(path, 'the path of a file, rows, or an object with data and margin', value);
    const rows = typeof value === 'string' || Symbol.iterator in value || Symbol.asyncIterator in value;
    return resolveTable(keepTable, rows ? { data: value } : value, { name: say`${option(path)}`, path });
  },
  keepTable,
);

/** Rows that are measured at most, and texts of one call of the engine. */
const MOST_ROWS = 2000;
const TEXTS_AT_ONCE = 512;

/** @throws InvalidArgumentError: the rows cannot be read, or are no pairs with scores or labels that differ */
export async function readKeep(keep: ResolvedKeep, seed: number, signal: AbortSignal): Promise<TrainingData> {
  const options = { file: undefined, onBadRow: 'refuse' as const };
  const found: CollectedData = areTextRows(keep.data)
    ? await collectLists(textRows(keep.data), 'refuse', signal)
    : await collectRows(keep.data, options, signal);
  const labels = Array.from({ length: found.rows.length }, (_, row) => found.labels[row]!);
  if (!isPairs(found.form) || new Set(labels).size < 2) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('keep')} must be pairs of texts with scores, or labels 0 and 1, that differ, but is ${describeForm(found)}.`,
      { remedy: say`Take a set of pairs that the model is good at, such as the STS Benchmark's.` },
    );
  }
  if (found.rows.length <= MOST_ROWS) return { form: found.form, rows: found.rows, labels, labelWidth: 1 };
  const drawn = Random.of(seed, Stream.Keep)
    .shuffle(Int32Array.from(found.rows, (_, row) => row))
    .slice(0, MOST_ROWS)
    .sort();
  return {
    form: found.form,
    rows: Array.from(drawn, (row) => found.rows[row]!),
    labels: Array.from(drawn, (row) => labels[row]!),
    labelWidth: 1,
  };
}

/** What became of the rows to keep. */
export interface KeptReport {
  /** The measure: Spearman for scores, average precision for labels. */
  measure: 'spearman' | 'averagePrecision';
  /** Rows that were measured. */
  rows: number;
  /** Of the untrained model; null where it could not be measured. */
  before: number | null;
  /** Of the model as it is now. */
  after: number | null;
  /** By how much it might fall. */
  margin: number;
  /** Whether the trained weights of every epoch fell by more, so that less of them was taken, or none. */
  bound: boolean;
}

/** What a run's progress has of them; null where there are none. */
export function keptReport(
  keep: TrainingData | null,
  margin: number,
  kept: Pick<KeptReport, 'before' | 'after' | 'bound'> | null | undefined,
): KeptReport | null {
  if (keep === null || kept === null || kept === undefined) return null;
  const measure = keep.form === 'labelled-pairs' ? 'averagePrecision' : 'spearman';
  return { measure, rows: keep.rows.length, margin, ...kept };
}

/** Measures the rows to keep. Their texts stand in the data set behind those of the training rows, from `firstText` on. */
export class KeepSet {
  readonly measure: KeptReport['measure'];
  readonly #data: TrainingData;
  readonly #tokens: Pick<TokenisedRows, 'columns' | 'rowOffsets' | 'offsets'>;
  readonly #firstText: number;

  constructor(
    data: TrainingData,
    tokens: Pick<TokenisedRows, 'columns' | 'rowOffsets' | 'offsets'>,
    firstText: number,
    readonly margin: number,
  ) {
    this.#data = data;
    this.#tokens = tokens;
    this.#firstText = firstText;
    this.measure = data.form === 'labelled-pairs' ? 'averagePrecision' : 'spearman';
  }

  get rows(): number {
    return this.#data.rows.length;
  }

  /** Null where it is not defined: a model of numbers that are none. */
  async value(embed: (texts: Int32Array) => Promise<Float32Array>): Promise<number | null> {
    const texts = this.#tokens.offsets.length - 1;
    const vectors: Float32Array[] = [];
    for (let first = 0; first < texts; first += TEXTS_AT_ONCE) {
      const count = Math.min(TEXTS_AT_ONCE, texts - first);
      const found = await embed(Int32Array.from({ length: count }, (_, i) => this.#firstText + first + i));
      const width = found.length / count;
      for (let i = 0; i < count; ++i) vectors.push(found.subarray(i * width, (i + 1) * width));
    }
    const { columns, rowOffsets } = this.#tokens;
    const similarities = this.#data.rows.map((_, row) =>
      cosineSimilarity(vectors[columns[rowOffsets[row]!]!]!, vectors[columns[rowOffsets[row]! + 1]!]!),
    );
    if (this.measure === 'spearman') return spearman(similarities, this.#data.labels);
    const positive = Array.from(this.#data.labels, (label) => label === 1);
    return binaryMetrics(similarities, positive)?.averagePrecision ?? null;
  }
}
