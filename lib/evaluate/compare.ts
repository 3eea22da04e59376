import type { LabelList, TextList } from '../data/lists';
import { bootstrap, verdictOf, type Interval, type Verdict } from './bootstrap';
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
import type { DataSet } from './data-set';
import type { EmbeddingModel } from './embedding';
import {
  evaluation,
  measuring,
  numbersOf,
  resamplesOf,
  type Answer,
  type Evaluation,
  type Observation,
  type Observed,
} from './evaluation';
import { evaluateDataTable, notesOf, observe, openFor, type Measures, type ResolvedEvaluateData } from './evaluate';
import { promptTable } from './options';
import { relevantIds } from './retrieval';
import { inPieces, throwIfAborted, type Work } from './work';

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
  /**
   * Whether the second model is better, worse, or the difference within what chance makes of so many rows; null without an
   * interval, and for what goes with a threshold that each model has of its own: precision and recall there.
   */
  verdict: Verdict | null;
}

/** A row that the second model answers otherwise than the first. */
export interface ChangedRow {
  /**
   * Its number in the data, from 0, of the rows that were taken: of a query that several have the first; of a folder in
   * BEIR's layout the query's number.
   */
  row: number;
  /**
   * How much better the second model answers it: of places among all rows for pairs, of the distance between the positive's
   * and the negative's similarity for triplets, of the silhouette for texts with classes, of the own class's
   * probability for pairs with classes, of the primary measure else.
   */
  change: number;
  /** Its texts: what is compared or searched with. */
  texts: string[];
  /** Its score, label or class; of a query a text that belongs to it; null where it has none. */
  wanted: number | string | null;
  /** Of a query: how each model answered it. Absent else. */
  answers?: { a: RowAnswer; b: RowAnswer };
}

/** How a model answered a query. */
export interface RowAnswer {
  /** The place of the first text that belongs to it, from 1; null where it is not among those that were looked at. */
  place: number | null;
  /** The text that was put first; null where there was none. */
  first: string | null;
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
/** At the threshold that is each model's own: one rises as the other falls. */
const atThreshold = new Set(['precision', 'recall']);

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
  /** Is told how many resamples are drawn. */
  onSample?: (done: number) => void,
): Promise<Differences> {
  const [one, other] = [
    await inPieces(numbersOf(first.measure()), signal),
    await inPieces(numbersOf(second.measure()), signal),
  ];
  const resamples = resamplesOf(first, wanted);
  const intervals =
    resamples === null
      ? {}
      : await inPieces(
          bootstrap(
            first.resampled,
            (counts) => difference(first.measure(counts), second.measure(counts)),
            resamples,
            onSample,
          ),
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
      verdict: interval === null || atThreshold.has(name) ? null : verdictOf(interval),
    };
  }
  const changes = await mostChanged(
    await inPieces(first.goodness(), signal),
    await inPieces(second.goodness(), signal),
  );
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
export async function mostChanged(a: Float64Array, b: Float64Array): Promise<{ better: Change[]; worse: Change[] }> {
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

/** What is told of units that changed. */
async function rowsOf(
  set: DataSet,
  changes: readonly Change[],
  before: Observation<Measures>,
  after: Observation<Measures>,
  signal: AbortSignal | undefined,
): Promise<ChangedRow[]> {
  const { units, answers: asked } = before;
  const answers = changes.map(({ unit }) => [asked?.(unit), after.answers?.(unit)] as const);
  const places = changes.map(({ unit }) => units?.[unit] ?? unit);
  const textOf = await answerTexts(set, places, answers.flat(), signal);
  return changes.map(({ change }, i) => {
    const place = places[i]!;
    const [a, b] = answers[i]!;
    const answer = ({ place: at, first }: Answer): RowAnswer => ({
      place: at,
      first: first === null ? null : textOf(place, first),
    });
    return {
      row: set.sources?.[place] ?? place,
      change,
      ...contentOf(set, place, textOf),
      ...(a !== undefined && b !== undefined && { answers: { a: answer(a), b: answer(b) } }),
    };
  });
}

/** The text of what stands in an answer; null where the corpus does not have it. */
type TextOf = (row: number, named: string | number) => string | null;

/** A corpus is read once more for the few texts that are told. */
async function answerTexts(
  set: DataSet,
  places: readonly number[],
  answers: readonly (Answer | undefined)[],
  signal: AbortSignal | undefined,
): Promise<TextOf> {
  if (set.form === 'reranking') {
    return (row, candidate) => {
      const { positive, negative } = set.rows[row]!;
      return [positive, negative].flat()[candidate as number] ?? null;
    };
  }
  if (set.form !== 'retrieval') return () => null;
  const wanted = new Set(answers.flatMap((answer) => (typeof answer?.first === 'string' ? [answer.first] : [])));
  for (const row of places) {
    const [first] = relevantTo(set, row);
    if (first !== undefined) wanted.add(first);
  }
  const found = new Map<string, string>();
  let read = 0;
  for await (const { id, text } of wanted.size === 0 ? [] : set.data.corpus) {
    if (wanted.has(id)) found.set(id, text);
    if (found.size === wanted.size) break;
    if (++read % (1 << 14) !== 0) continue;
    await new Promise(setImmediate);
    throwIfAborted(signal);
  }
  return (_, id) => found.get(id as string) ?? null;
}

function relevantTo({ data, queries }: DataSet & { form: 'retrieval' }, row: number): readonly string[] {
  return [...relevantIds(data.relevant, queries[row]!.id)];
}

function contentOf(set: DataSet, row: number, textOf: TextOf): Pick<ChangedRow, 'texts' | 'wanted'> {
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
      return { texts: [set.rows[row]!.query], wanted: textOf(row, 0) };
    case 'label-accuracy': {
      const { text1, text2, label } = set.rows[row]!;
      return { texts: [text1, text2], wanted: label };
    }
    case 'classes':
      return { texts: [set.rows[row]!.text], wanted: set.rows[row]!.label };
    case 'retrieval': {
      const [id] = relevantTo(set, row);
      return { texts: [set.queries[row]!.text], wanted: id === undefined ? null : textOf(row, id) };
    }
    case 'teacher-agreement':
      return { texts: [set.rows[row]!.text], wanted: null };
    case 'paraphrase-mining':
      return { texts: [set.texts[row]!.text], wanted: null };
  }
}

function costOf({ texts, dimensions, embeddingSeconds }: Evaluation<Measures>): ModelCost {
  return { texts, dimensions, secondsPerText: embeddingSeconds / Math.max(1, texts) };
}
