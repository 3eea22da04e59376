import { performance } from 'node:perf_hooks';
import { bootstrap, FEWEST, type Interval } from './bootstrap';
import { InvalidArgumentError } from '../system/errors';
import { option, say } from '../system/wording';
import { BlockEmbedder, type EmbeddingModel } from './embedding';
import { promptsOf, type ResolvedEvaluateOptions, type ResolvedIntervals } from './options';
import type { SimilarityName } from './similarities';
import type { EvaluationTask } from './tasks';
import { inPieces, type Work } from './work';

/** What an evaluator found. Plain data: it survives JSON. */
export interface Evaluation<Metrics> {
  /** The evaluator. */
  form: EvaluationTask;
  /** Rows, queries or texts that were measured. */
  count: number;
  /** What `count` counts. */
  unit: 'pairs' | 'triplets' | 'queries' | 'texts';
  /** The one measure to go by. */
  primary: keyof Metrics & string;
  /** How vectors were compared for `metrics`. */
  similarity: SimilarityName;
  /** Every measure under `similarity`. */
  metrics: Metrics;
  /** Bounds of each of `metrics`; null where none were wanted or resampling means nothing. */
  intervals: Partial<Record<keyof Metrics & string, Interval | null>> | null;
  /** Share of the resamples between the bounds; null without intervals. */
  confidence: number | null;
  /** The measures under each similarity function that was asked for. */
  bySimilarity: Partial<Record<SimilarityName, Metrics>>;
  /** Texts that went through the model. */
  texts: number;
  /** Numbers of a vector. */
  dimensions: number;
  /** Time in the model. */
  embeddingSeconds: number;
  /** From call to result. */
  seconds: number;
}

/** What a model did on data: enough for every measure, and for each again on a resample. */
export interface Observed<Metrics> {
  form: Evaluation<Metrics>['form'];
  unit: Evaluation<Metrics>['unit'];
  count: number;
  primary: keyof Metrics & string;
  /** What is drawn again for intervals; 0 where that means nothing. */
  resampled: number;
  /** Measures of everything, or of a resample in which unit i counts `counts[i]` times. Null where not defined. */
  measure(counts?: Uint32Array): Work<Metrics | null>;
  /** How well each unit is answered, in units of its own, the higher the better: tells which changed most. */
  goodness(): Work<Float64Array>;
}

/** How a query was answered. */
export interface Answer {
  /** The place of the first text that belongs to it, from 1; null where it is not among those that were looked at. */
  place: number | null;
  /** What was put first: a document's id, or the number of a candidate, the positives before the negatives; null: nothing. */
  first: string | number | null;
}

/** What came of a model on data, before it is measured. */
export interface Observation<Metrics> {
  /** By similarity function, in the order in which they were asked for. */
  observed: ReadonlyMap<SimilarityName, Observed<Metrics>>;
  embedder: BlockEmbedder;
  /** When the evaluation was called, in milliseconds. */
  begun: number;
  /** The number of each unit in the data, where some of the data was left out. */
  units?: readonly number[];
  /** Of a query by its unit, under the first similarity function; asked for the few that are shown. */
  answers?: (unit: number) => Answer;
  /** What is worth knowing of the data, a sentence each. */
  notes?: readonly string[];
}

/**
 * An embedder that tells its progress.
 *
 * @param form what is measured
 * @throws InvalidArgumentError ERR_INVALID_OPTION: a prompt of queries or documents where there are none
 */
export function embedderOf(
  model: EmbeddingModel,
  options: ResolvedEvaluateOptions,
  form: EvaluationTask,
): BlockEmbedder {
  const { maxInputLength, dimensions, signal, onProgress } = options;
  for (const name of ['queryPrompt', 'corpusPrompt'] as const) {
    if (options[name] === undefined || searching.includes(form)) continue;
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option(name)} is for ${name === 'queryPrompt' ? 'queries' : 'what is searched'}, but the data is measured by ${form}, in which nothing is searched.`,
      { remedy: say`What is put before every text is ${option('prompt')}.` },
    );
  }
  return new BlockEmbedder(model, {
    maxInputLength,
    prompts: promptsOf(options),
    dimensions,
    signal,
    onTexts: (role, done, total) => onProgress?.({ type: 'embedding', role, done, total }),
  });
}

/** Evaluators with queries and documents. */
const searching: readonly EvaluationTask[] = ['retrieval', 'reranking', 'triplet'];

/** How intervals are made; null where none are wanted, or there are too few rows for them to mean anything. */
export function resamplesOf(
  { resampled }: Pick<Observed<object>, 'resampled'>,
  wanted: ResolvedIntervals | null,
): ResolvedIntervals | null {
  return resampled < FEWEST ? null : wanted;
}

/** Why there are no intervals that were wanted; undefined where there are. */
export function withoutIntervals(
  { form, unit, resampled }: Pick<Observed<object>, 'form' | 'unit' | 'resampled'>,
  wanted: ResolvedIntervals | null,
): string | undefined {
  if (wanted === null || resampled >= FEWEST) return undefined;
  if (resampled === 0) return `There are no intervals of ${form}: its pairs share texts, and are not drawn one by one.`;
  const units = resampled === 1 ? `1 ${unit.slice(0, -1).replace(/ie$/, 'y')} is` : `${resampled} ${unit} are`;
  return `There are no intervals: ${units} too few to tell a difference from chance.`;
}

/** Measures what was observed under each similarity function, with the intervals of the first. */
export async function evaluation<Metrics extends object>(
  { observed, embedder, begun }: Observation<Metrics>,
  options: Pick<ResolvedEvaluateOptions, 'intervals' | 'onProgress' | 'signal'>,
): Promise<Evaluation<Metrics>> {
  const { signal, intervals: wanted } = options;
  const [similarity, first] = [...observed][0]!;
  const resamples = resamplesOf(first, wanted);
  const told = measuring(options.onProgress, resamples);
  const bySimilarity: Partial<Record<SimilarityName, Metrics>> = {};
  for (const [name, one] of observed) bySimilarity[name] = (await inPieces(one.measure(), signal))!;
  const intervals =
    resamples === null
      ? null
      : await inPieces(
          bootstrap(first.resampled, (counts) => numbersOf(first.measure(counts)), resamples, told),
          signal,
        );
  return {
    form: first.form,
    count: first.count,
    unit: first.unit,
    primary: first.primary,
    similarity,
    metrics: bySimilarity[similarity]!,
    intervals: intervals as Evaluation<Metrics>['intervals'],
    confidence: intervals === null ? null : wanted!.confidence,
    bySimilarity,
    texts: embedder.texts,
    dimensions: embedder.dimensions,
    embeddingSeconds: embedder.seconds,
    seconds: (performance.now() - begun) / 1000,
  };
}

/** Tells that measuring begins, and how far the resamples are. */
export function measuring(
  onProgress: ResolvedEvaluateOptions['onProgress'],
  resamples: ResolvedIntervals | null,
): (done: number) => void {
  const total = resamples?.samples ?? 0;
  const tell = (done: number): void => onProgress?.({ type: 'measuring', done, total });
  tell(0);
  return tell;
}

/** Measures as numbers by name; none where they are not defined. */
export function* numbersOf(work: Work<object | null>): Work<Record<string, number | null>> {
  return ((yield* work) ?? {}) as Record<string, number | null>;
}

/** Units that are added up between two pauses. */
const AT_ONCE = 1 << 14;

/** Measures that are means over rows or queries: `values[name][i]` is that of unit i. */
export class Means<Metrics extends object> implements Observed<Metrics> {
  readonly count: number;
  readonly resampled: number;
  readonly #goodness: Float64Array;

  /** @param goodness where the primary measure of a unit is too coarse to tell what changed */
  constructor(
    readonly form: Evaluation<Metrics>['form'],
    readonly unit: Evaluation<Metrics>['unit'],
    readonly primary: keyof Metrics & string,
    readonly values: Readonly<Record<string, Float64Array>>,
    goodness: Float64Array = values[primary]!,
  ) {
    this.count = this.resampled = values[primary]!.length;
    this.#goodness = goodness;
  }

  *goodness(): Work<Float64Array> {
    yield;
    return this.#goodness;
  }

  *measure(counts?: Uint32Array): Work<Metrics> {
    const means: Record<string, number> = {};
    for (const [name, values] of Object.entries(this.values)) {
      let sum = 0;
      for (let start = 0; start < values.length; start += AT_ONCE) {
        sum += partialSum(values, counts, start, Math.min(start + AT_ONCE, values.length));
        yield;
      }
      means[name] = sum / values.length;
    }
    return means as Metrics;
  }
}

function partialSum(values: Float64Array, counts: Uint32Array | undefined, start: number, end: number): number {
  let sum = 0;
  if (counts === undefined) for (let i = start; i < end; ++i) sum += values[i]!;
  else for (let i = start; i < end; ++i) sum += counts[i]! * values[i]!;
  return sum;
}
