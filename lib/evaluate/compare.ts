import type { LabelList, TextList } from '../data/lists';
import { InvalidArgumentError, rementioned } from '../system/errors';
import {
  object,
  optional,
  resolveTable,
  type OptionsOf,
  type OptionTable,
  type ResolvedOf,
} from '../system/option-table';
import { option, say } from '../system/wording';
import { passed, type RowSource } from './collect';
import { rowsOf, type ChangedRow } from './changed-rows';
import type { DataSet } from './data-set';
import { differences, type Differences, type MeasureDifference } from './differences';
import type { EmbeddingModel } from './embedding';
import { evaluation, measuring, resamplesOf, type Evaluation, type Observation } from './evaluation';
import { evaluateDataTable, notesOf, observe, openFor, type Measures, type ResolvedEvaluateData } from './evaluate';
import { promptTable } from './options';

/** What a model cost. */
export interface ModelCost {
  /** Texts that went through the model. */
  texts: number;
  /** Numbers of a vector. */
  dimensions: number;
  /** Time of one text in the model, among others, in seconds; loading and fetching are not in it. */
  secondsPerText: number;
}

/** What `compare` found. Plain data: it survives JSON. */
export interface Comparison {
  /** The evaluator. */
  form: Evaluation<Measures>['form'];
  /** Rows, queries or texts that were measured. */
  count: number;
  /** What `count` counts. */
  unit: Evaluation<Measures>['unit'];
  /** The one measure to go by. */
  primary: string;
  /** How vectors were compared. */
  similarity: Evaluation<Measures>['similarity'];
  /** Share of the resamples between the bounds of an interval; null without intervals. */
  confidence: number | null;
  /** By the name of the measure. Thresholds belong to a model and have no verdict. */
  measures: Record<string, MeasureDifference>;
  /** Rows that got better most, ten at most. */
  better: ChangedRow[];
  /** Rows that got worse most, ten at most. */
  worse: ChangedRow[];
  /** What the data is, in a line. */
  understood: string;
  /** What else is worth knowing of it: what was left out, which columns were not read. */
  notes: readonly string[];
  /** What the two models cost. */
  costs: {
    /** The first model. */
    a: ModelCost;
    /** The second model. */
    b: ModelCost;
  };
}

/** A table whose flags are of one side: `--a-dimensions`. */
export function ofSide<const Table extends OptionTable>(side: 'a' | 'b', table: Table): Table {
  const entries = Object.entries(table).map(([name, entry]) => {
    const { flag, help, aliases: _, ...rest } = entry;
    const own = flag === undefined ? {} : { flag: flag.replace('--', `--${side}-`), help: `of ${side}: ${help}` };
    return [name, { ...rest, ...own, ...(flag !== undefined && { unset: `as ${flag.split(' ')[0]}` }) }] as const;
  });
  return Object.fromEntries(entries) as unknown as Table;
}

/** What one of two models may have for itself. */
const sideTable = {
  ...promptTable,
  /** Most tokens of a text, special tokens included. */
  maxInputLength: evaluateDataTable.maxInputLength,
  /** Only the first so many numbers of each vector are used. */
  dimensions: evaluateDataTable.dimensions,
};

export const compareTable = {
  ...evaluateDataTable,
  /** Of the first model, in place of the same for both: `dimensions`, `maxInputLength`, `prompt`, `queryPrompt`, `corpusPrompt`. */
  a: optional(object(ofSide('a', sideTable)), undefined),
  /** The same of the second model. */
  b: optional(object(ofSide('b', sideTable)), undefined),
};

/** Options of `compare`. */
export interface CompareOptions extends OptionsOf<typeof compareTable> {}
type ResolvedCompare = ResolvedOf<typeof compareTable>;

/**
 * Measures two models on the same data, which is understood as by `evaluate`: the same evaluator, the same rows, and for each
 * measure an interval of the difference by the paired bootstrap.
 *
 * @throws InvalidArgumentError: the data or an option; DownloadError: a data set of the hub; AbortError; and what a model's `embed` rejects with
 */
export function compare(
  a: EmbeddingModel,
  b: EmbeddingModel,
  data: RowSource,
  options?: CompareOptions,
): Promise<Comparison>;
export function compare(
  a: EmbeddingModel,
  b: EmbeddingModel,
  texts: TextList,
  labels: LabelList,
  options?: CompareOptions,
): Promise<Comparison>;
export async function compare(
  a: EmbeddingModel,
  b: EmbeddingModel,
  source: RowSource | TextList,
  second?: LabelList | CompareOptions,
  third?: CompareOptions,
): Promise<Comparison> {
  const { labels, options } = passed<CompareOptions>('compare', second, third);
  const resolved = resolveTable(compareTable, options, { name: 'compare', path: '' });
  if (resolved.similarity.length > 1) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('similarity')} must be one for a comparison, but is ${resolved.similarity.join(', ')}.`,
      { remedy: say`Compare once with each; evaluate takes several.` },
    );
  }
  const set = await openFor(source, labels, resolved, options);
  const sides = [
    { side: 'a', model: a, own: optionsOf(resolved, 'a') },
    { side: 'b', model: b, own: optionsOf(resolved, 'b') },
  ] as const;
  // A model is loaded, an address is waited for, and what it cannot do is told, before its time is taken.
  for (const { side, model, own } of sides) {
    const { maxInputLength, signal } = own;
    await ofSideOnly(side, resolved, () =>
      model.embed(['warm-up'], {
        ...(maxInputLength !== undefined && { maxInputLength }),
        ...(signal && { signal }),
      }),
    );
  }
  const observations: Observation<Measures>[] = [];
  for (const { side, model, own } of sides)
    observations.push(await ofSideOnly(side, resolved, () => observe(model, set, own)));
  return (await compared(observations[0]!, observations[1]!, set, resolved)).comparison;
}

/** What is said of an option names the side that it was given for. */
async function ofSideOnly<T>(side: 'a' | 'b', resolved: ResolvedCompare, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof InvalidArgumentError) || error.code !== 'ERR_INVALID_OPTION') throw error;
    const own: Readonly<Record<string, unknown>> = resolved[side] ?? {};
    throw rementioned(error, (mention) =>
      mention.type === 'option' && own[mention.path] !== undefined
        ? { ...mention, path: `${side}.${mention.path}` }
        : mention,
    );
  }
}

/** What one of the models is measured by. */
function optionsOf({ a, b, ...both }: ResolvedCompare, side: 'a' | 'b'): ResolvedEvaluateData {
  const own = Object.entries((side === 'a' ? a : b) ?? {}).filter(([, value]) => value !== undefined);
  return { ...both, ...Object.fromEntries(own) };
}

/** What differs between two models on the same data, each under one similarity function, and the units that changed most. */
export async function compared(
  before: Observation<Measures>,
  after: Observation<Measures>,
  set: DataSet,
  options: ResolvedEvaluateData,
): Promise<{ comparison: Comparison } & Pick<Differences, 'better' | 'worse'>> {
  const { signal, onProgress } = options;
  const none = { intervals: null, onProgress: undefined, signal };
  const [one, other] = [await evaluation(before, none), await evaluation(after, none)];
  const [first, second] = [[...before.observed.values()][0]!, [...after.observed.values()][0]!];
  const tell = measuring(onProgress, resamplesOf(first, options.intervals));
  const { measures, confidence, better, worse } = await differences(first, second, options, tell);
  const told = await rowsOf(set, [...better, ...worse], before, after, signal);
  const comparison: Comparison = {
    form: one.form,
    count: one.count,
    unit: one.unit,
    primary: one.primary,
    similarity: one.similarity,
    confidence,
    measures,
    better: told.slice(0, better.length),
    worse: told.slice(better.length),
    understood: set.understood,
    notes: notesOf(set, before, options),
    costs: { a: costOf(one), b: costOf(other) },
  };
  return { comparison, better, worse };
}

function costOf({ texts, dimensions, embeddingSeconds }: Evaluation<Measures>): ModelCost {
  return { texts, dimensions, secondsPerText: embeddingSeconds / Math.max(1, texts) };
}
