import { describeForm, isPairs, type TrainingData } from '../data/form';
import { areTextRows, labelsCheck, listRows, type LabelList, type TextList } from '../data/lists';
import { Random, Stream } from '../data/random';
import { readTable, type ReadOptions } from '../data/read-options';
import { collectLists, collectRows, type CollectedData, type SourceOptions } from '../data/source';
import type { DataSource } from '../data/training-row';
import { understood } from '../data/understood';
import { cosineSimilarity, type Vector } from '../embed/similarity';
import { binaryMetrics } from '../evaluate/metrics/classification';
import { spearman } from '../evaluate/metrics/correlation';
import { InvalidArgumentError, rementioned } from '../system/errors';
import {
  custom,
  numeric,
  optional,
  required,
  resolveTable,
  text,
  type OptionsOf,
  type OptionTable,
} from '../system/option-table';
import { invalidOption } from '../system/options';
import { option, placeholder, say, words, type MentionChange, type Setting, type Wording } from '../system/wording';
import type { TokenisedRows } from './tokens';

/** Where the rows to keep may come from. */
export type KeepSource = DataSource | TextList;

/** The options of reading with flags of their own; the parts of `columns` have one together. */
const fileTable: OptionTable = Object.fromEntries(
  Object.entries(readTable as OptionTable).map(([name, entry]) => {
    const { members = {}, flag, help, ...rest } = entry;
    const parts = Object.entries(members).map(([part, { flag: _, ...one }]) => [part, one] as const);
    const own = flag === undefined ? {} : { flag: flag.replace(/^--(no-)?/, '--$1keep-'), help: `of --keep: ${help!}` };
    return [name, { ...rest, ...own, ...(parts.length > 0 && { members: Object.fromEntries(parts) }) }];
  }),
);

export const keepTable = {
  /**
   * Pairs of texts with scores or labels 0 and 1: a file or `hub:owner/name`, rows of objects, or with `labels` a list of
   * pairs, as `finetune` takes them. Of more than 2,000 rows as many are drawn by the seed.
   */
  data: required(
    custom<KeepSource, KeepSource>('text', (path, value) => {
      if (typeof value === 'string' ? value !== '' : typeof value === 'object' && value !== null)
        return value as KeepSource;
      throw invalidOption(path, 'the path of a file, or rows', value);
    }),
    {
      flag: '--keep <file>',
      help: 'pairs with scores or labels on which the model must not become worse than by a margin',
      aliases: ['rows', 'path'],
    },
  ),
  /** Where `data` is a list of pairs: their scores, as the second list of `finetune`. */
  labels: optional(labelsCheck, undefined),
  /** How a file, or rows, are read, as the option `file` of `finetune`: format, columns, how scores are written. */
  file: optional(
    custom<ReadOptions, ReadOptions>(
      'program',
      (path, value) => {
        resolveTable(readTable, value, { name: say`${option(path)}`, path });
        return value as ReadOptions;
      },
      fileTable,
    ),
    undefined,
  ),
  /** Of a data set of the hub: which split. Default: train, else the only one. */
  split: optional(text(), null, {
    flag: '--keep-split <name>',
    help: 'of --keep: which split of a data set of the hub',
    unset: 'train',
  }),
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
  data: KeepSource;
  labels: LabelList | undefined;
  file: ReadOptions | undefined;
  split: string | null;
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

/** Rows that are measured at most. */
const MOST_ROWS = 2000;

/** How a run reads the rows to keep. */
export interface KeepReading extends Pick<SourceOptions, 'onBadRow'> {
  seed: number;
  /** The files of a data set of the hub; undefined of another source. */
  hubFiles:
    | ((source: unknown, split: string | null, signal: AbortSignal) => Promise<readonly string[] | undefined>)
    | undefined;
}

/** @throws InvalidArgumentError: the rows cannot be read, or are no pairs with scores or labels that differ */
export async function readKeep(keep: ResolvedKeep, reading: KeepReading, signal: AbortSignal): Promise<CollectedData> {
  const { data } = keep;
  if (keep.labels === undefined && (areTextRows(data) || (Array.isArray(data) && typeof data[0] === 'string'))) {
    const remedy = say`Give their scores beside them, as keep: { data: pairs, labels: scores }.`;
    throw noPairs('texts without them', remedy);
  }
  const found = await collect(keep, reading, signal).catch((error: unknown) => {
    throw errorOfKeep(error, keep);
  });
  const labels = Array.from({ length: found.rows.length }, (_, row) => found.labels[row]!);
  if (!isPairs(found.form) || new Set(labels).size < 2) throw noPairs(describeForm(found));
  const facts = { ...found.facts, notes: told(found) };
  if (found.rows.length <= MOST_ROWS) return { form: found.form, rows: found.rows, labels, labelWidth: 1, facts };
  const drawn = Random.of(reading.seed, Stream.Keep)
    .shuffle(Int32Array.from(found.rows, (_, row) => row))
    .slice(0, MOST_ROWS)
    .sort();
  return {
    form: found.form,
    rows: Array.from(drawn, (row) => found.rows[row]!),
    labels: Array.from(drawn, (row) => labels[row]!),
    labelWidth: 1,
    facts,
  };
}

async function collect(
  { data, labels, file, split }: ResolvedKeep,
  { onBadRow, hubFiles }: KeepReading,
  signal: AbortSignal,
): Promise<CollectedData> {
  if (labels !== undefined) return collectLists(listRows(data, labels, false, file), onBadRow, signal);
  const files = typeof data === 'string' ? await hubFiles?.(data, split, signal) : undefined;
  return collectRows(data as DataSource, { file, onBadRow, split, files }, signal);
}

function noPairs(found: string, remedy?: Wording): InvalidArgumentError {
  return new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${words('keep', '--keep')} must be pairs of texts with scores, or labels 0 and 1, that differ, but is ${found}.`,
    { remedy: remedy ?? say`Take a set of pairs that the model is good at, such as the STS Benchmark's.` },
  );
}

/** How the rows were understood, and what is worth knowing of them. */
function told(data: CollectedData): string[] {
  return [`To keep: ${understood(data)}.`, ...data.facts.notes.map((note) => `To keep: ${note}`)];
}

/** What is wrong with the rows to keep, in the words of the option: theirs are of the run's own data. */
function errorOfKeep(error: unknown, { data }: ResolvedKeep): unknown {
  if (!(error instanceof InvalidArgumentError)) return error;
  const own = /^(?:file|split)\b/;
  const source: Setting = { path: 'keep.data', value: typeof data === 'string' ? data : placeholder };
  const change: MentionChange = (mention) => {
    if (mention.type === 'option')
      return own.test(mention.path) ? { ...mention, path: `keep.${mention.path}` } : mention;
    if (!mention.settings.every(({ path }) => own.test(path))) return mention;
    return {
      ...mention,
      settings: [source, ...mention.settings.map((one) => ({ ...one, path: `keep.${one.path}` }))],
    };
  };
  return rementioned(error, change, say`${words('keep', '--keep')}: `);
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
  /** Whether less of the training was taken to keep it: a smaller share of the epoch that the model has, or none of any. */
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

  /** Null where it is not defined: a model of numbers that are none. `embed` gives the vectors of texts by their numbers. */
  async value(embed: (texts: Int32Array) => Promise<ReadonlyMap<number, Vector>>): Promise<number | null> {
    const { columns, rowOffsets, offsets } = this.#tokens;
    const vectors = await embed(Int32Array.from({ length: offsets.length - 1 }, (_, i) => this.#firstText + i));
    const vectorOf = (row: number, column: number): Vector =>
      vectors.get(this.#firstText + columns[rowOffsets[row]! + column]!)!;
    const similarities = this.#data.rows.map((_, row) => cosineSimilarity(vectorOf(row, 0), vectorOf(row, 1)));
    if (this.measure === 'spearman') return spearman(similarities, this.#data.labels);
    const positive = Array.from(this.#data.labels, (label) => label === 1);
    return binaryMetrics(similarities, positive)?.averagePrecision ?? null;
  }
}
