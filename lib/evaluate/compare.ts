import type { LabelList, TextList } from '../data/lists';
import { bootstrap, verdictOf, type Interval, type Verdict } from './bootstrap';
import type { RowSource } from './collect';
import type { DataSet } from './data-set';
import type { EmbeddingModel } from './embedding';
import { evaluation, numbersOf, type Evaluation, type Observation, type Observed } from './evaluation';
import { observe, opened, type EvaluateDataOptions, type Measures, type ResolvedEvaluateData } from './evaluate';
import { inPieces, type Work } from './work';

/** One measure of two models on the same rows. */
export interface MeasureDifference {
  /** Of the first model; null where it is not defined. */
  a: number | null;
  /** Of the second model. */
  b: number | null;
  /** b − a. */
  difference: number | null;
  /** Of the difference, by the paired bootstrap; null where there is none. */
  interval: Interval | null;
  /** Whether the second model is better, worse, or the difference within what chance makes of so many rows. */
  verdict: Verdict | null;
}

/** A row that the second model answers otherwise than the first. */
export interface ChangedRow {
  /** Its number, from 0, among what is measured: the pairs, triplets or texts, or the different queries. */
  row: number;
  /** How much better the second model answers it: of places among all rows for pairs, of similarity for triplets, of the primary measure else. */
  change: number;
  /** Its texts: what is compared or searched with. */
  texts: string[];
  /** Its score, label or class; null where it has none. */
  wanted: number | string | null;
}

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

/** Rows of each kind that are told. */
const TOLD = 10;
/** Belong to a model; a difference says nothing. */
const isThreshold = (name: string): boolean => /threshold$/i.test(name);

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
  options?: EvaluateDataOptions,
): Promise<Comparison>;
export function compare(
  a: EmbeddingModel,
  b: EmbeddingModel,
  texts: TextList,
  labels: LabelList,
  options?: EvaluateDataOptions,
): Promise<Comparison>;
export async function compare(
  a: EmbeddingModel,
  b: EmbeddingModel,
  source: RowSource | TextList,
  second?: LabelList | EvaluateDataOptions,
  third?: EvaluateDataOptions,
): Promise<Comparison> {
  const { set, resolved } = await opened('compare', source, second, third);
  return compareOn(a, b, set, resolved);
}

export async function compareOn(
  a: EmbeddingModel,
  b: EmbeddingModel,
  set: DataSet,
  options: ResolvedEvaluateData,
): Promise<Comparison> {
  const once = { ...options, similarity: options.similarity.slice(0, 1) };
  // A model is loaded, an address is waited for, before its time is taken.
  for (const model of [a, b]) await model.embed(['warm-up'], options.signal && { signal: options.signal });
  const before = await observe(a, set, once);
  const after = await observe(b, set, once);
  return comparison(before, after, set, once);
}

async function comparison(
  before: Observation<Measures>,
  after: Observation<Measures>,
  set: DataSet,
  options: ResolvedEvaluateData,
): Promise<Comparison> {
  const none = { intervals: null, onProgress: options.onProgress, signal: options.signal };
  const [one, other] = [await evaluation(before, none), await evaluation(after, none)];
  const [first, second] = [[...before.observed.values()][0]!, [...after.observed.values()][0]!];
  const { measures, confidence, better, worse } = await differences(first, second, options);
  const told = ({ unit, change }: Change): ChangedRow => ({
    row: before.units?.[unit] ?? unit,
    change,
    ...contentOf(set, before.units?.[unit] ?? unit),
  });
  return {
    form: one.form,
    count: one.count,
    unit: one.unit,
    primary: one.primary,
    similarity: one.similarity,
    confidence,
    measures,
    better: better.map(told),
    worse: worse.map(told),
    understood: set.understood,
    notes: [...set.notes, ...(before.notes ?? [])],
    costs: { a: costOf(one), b: costOf(other) },
  };
}

/** As much of what was observed as differences need. */
export type Resampled = Pick<Observed<object>, 'measure' | 'resampled' | 'goodness'>;

/** What differs between two models that were observed on the same units. */
export interface Differences {
  measures: Record<string, MeasureDifference>;
  /** Share of the resamples between the bounds of an interval; null without intervals. */
  confidence: number | null;
  /** The units that changed most each way. */
  better: Change[];
  worse: Change[];
}

/** A unit and how much better the second model answers it. */
export interface Change {
  unit: number;
  change: number;
}

export async function differences(
  first: Resampled,
  second: Resampled,
  { intervals: wanted, signal }: Pick<ResolvedEvaluateData, 'intervals' | 'signal'>,
): Promise<Differences> {
  const [one, other] = [
    await inPieces(numbersOf(first.measure()), signal),
    await inPieces(numbersOf(second.measure()), signal),
  ];
  const resamples = first.resampled === 0 ? null : wanted;
  const intervals =
    resamples === null
      ? {}
      : await inPieces(
          bootstrap(first.resampled, (counts) => difference(first.measure(counts), second.measure(counts)), resamples),
          signal,
        );
  const measures: Record<string, MeasureDifference> = {};
  for (const [name, a] of Object.entries(one)) {
    const b = other[name] ?? null;
    const interval = isThreshold(name) ? null : (intervals[name] ?? null);
    measures[name] = {
      a,
      b,
      difference: a === null || b === null ? null : b - a,
      interval,
      verdict: interval === null ? null : verdictOf(interval),
    };
  }
  const changes = await changed(await inPieces(first.goodness(), signal), await inPieces(second.goodness(), signal));
  return { measures, confidence: resamples?.confidence ?? null, ...changes };
}

function* difference(a: Work<object | null>, b: Work<object | null>): Work<Measures> {
  const [one, other] = [yield* numbersOf(a), yield* numbersOf(b)];
  return Object.fromEntries(
    Object.entries(one).map(([name, value]) => {
      const second = other[name];
      return [name, value === null || second === null || second === undefined ? null : second - value];
    }),
  );
}

/** The units that changed most each way; kept while walking through all. */
async function changed(a: Float64Array, b: Float64Array): Promise<{ better: Change[]; worse: Change[] }> {
  let better: Change[] = [];
  let worse: Change[] = [];
  for (let unit = 0; unit < a.length; ++unit) {
    const change = b[unit]! - a[unit]!;
    if (change > 0) better.push({ unit, change });
    if (change < 0) worse.push({ unit, change });
    if (better.length > 20 * TOLD) better = most(better, -1);
    if (worse.length > 20 * TOLD) worse = most(worse, 1);
    if (unit % (1 << 15) === 0) await new Promise(setImmediate);
  }
  return { better: most(better, -1), worse: most(worse, 1) };
}

function most(changes: Change[], sign: 1 | -1): Change[] {
  return changes.sort((a, b) => sign * (a.change - b.change) || a.unit - b.unit).slice(0, TOLD);
}

function contentOf(set: DataSet, row: number): Pick<ChangedRow, 'texts' | 'wanted'> {
  switch (set.form) {
    case 'similarity': {
      const { text1, text2, score } = set.rows[row]!;
      return { texts: [text1, text2], wanted: score };
    }
    case 'binary': {
      const { text1, text2, label } = set.rows[row]!;
      return { texts: [text1, text2], wanted: Number(label) };
    }
    case 'triplet': {
      const { anchor, positive, negative } = set.rows[row]!;
      return { texts: [anchor, positive, negative], wanted: null };
    }
    case 'reranking':
      return { texts: [set.rows[row]!.query], wanted: null };
    case 'classes':
      return { texts: [set.rows[row]!.text], wanted: set.rows[row]!.label };
    case 'retrieval':
      return { texts: [set.queries[row]!.text], wanted: null };
    case 'paraphrase-mining':
      return { texts: [set.texts[row]!.text], wanted: null };
  }
}

function costOf({ texts, dimensions, embeddingSeconds }: Evaluation<Measures>): ModelCost {
  return { texts, dimensions, secondsPerText: embeddingSeconds / Math.max(1, texts) };
}
