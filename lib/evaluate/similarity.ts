import { performance } from 'node:perf_hooks';
import { checkText } from '../data/validate';
import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import { resolveTable } from '../system/option-table';
import type { EmbeddingModel } from './embedding';
import { embedderOf, evaluation, type Evaluation, type Observed, type Observation } from './evaluation';
import { evaluateTable, type EvaluateOptions, type ResolvedEvaluateOptions } from './options';
import { pearson, Ranking } from './metrics/correlation';
import { pairSimilarities } from './pairs';
import { checkSameLength, type SimilarityName } from './similarities';
import { atOnce, inPieces, type Work } from './work';

/** Two texts and how similar they are, on any scale. */
export interface SimilarityRow {
  /** The first text. */
  text1: string;
  /** The second text. */
  text2: string;
  /** How similar they are, on any scale; only order and proportion count. */
  score: number;
}

/** Agreement of similarities with scores; each null where one side does not vary. */
export interface SimilarityMetrics {
  /** Rank correlation, -1 to 1; equal numbers share the mean of their ranks. */
  spearman: number | null;
  /** Linear correlation, -1 to 1. */
  pearson: number | null;
}

type Numbers = ArrayLike<number>;

/** Similarities and scores of rows, ranked once. */
export class SimilarityObserved implements Observed<SimilarityMetrics> {
  readonly form = 'similarity';
  readonly unit = 'pairs';
  readonly primary = 'spearman';

  readonly #rankings: readonly [Ranking, Ranking];

  private constructor(
    readonly similarities: Numbers,
    readonly scores: Numbers,
    rankings: readonly [Ranking, Ranking],
  ) {
    this.#rankings = rankings;
  }

  static *of(similarities: Numbers, scores: Numbers): Work<SimilarityObserved> {
    const rankings = [yield* Ranking.of(similarities), yield* Ranking.of(scores)] as const;
    return new SimilarityObserved(similarities, scores, rankings);
  }

  get count(): number {
    return this.scores.length;
  }

  get resampled(): number {
    return this.scores.length;
  }

  *measure(counts?: Uint32Array): Work<SimilarityMetrics> {
    const linear = pearson(this.similarities, this.scores, counts);
    yield;
    // Ranks mean nothing where there are numbers that are none.
    if (linear === null && this.#hasNaN()) return { spearman: null, pearson: null };
    const a = this.#rankings[0].ranks(counts);
    yield;
    const b = this.#rankings[1].ranks(counts);
    yield;
    return { spearman: pearson(a, b, counts), pearson: linear };
  }

  /** How near the place of a row's similarity among all is to that of its score: 0 for the same place, -1 for the other end. */
  *goodness(): Work<Float64Array> {
    const found = this.#rankings[0].ranks();
    yield;
    const wanted = this.#rankings[1].ranks();
    yield;
    return found.map((rank, i) => -Math.abs(rank - wanted[i]!) / this.count);
  }

  #hasNaN(): boolean {
    for (const values of [this.similarities, this.scores])
      for (let i = 0; i < values.length; ++i) if (Number.isNaN(values[i]!)) return true;
    return false;
  }
}

/**
 * Agreement of similarities with scores.
 *
 * @throws InvalidArgumentError ERR_LENGTH_MISMATCH
 */
export function similarityMetrics(similarities: ArrayLike<number>, scores: ArrayLike<number>): SimilarityMetrics {
  checkSameLength(similarities, scores, 'similarities', 'scores');
  return atOnce(atOnce(SimilarityObserved.of(similarities, scores)).measure());
}

/**
 * Semantic textual similarity: Spearman's (the primary measure) and Pearson's correlation of the similarity of two texts
 * with their score, as sentence-transformers 6.2.0's EmbeddingSimilarityEvaluator. Rows may be an async iterable of any
 * length: texts and vectors are held for a block of rows at a time.
 *
 * @throws InvalidArgumentError: a row or an option; AbortError; and what the model's `embed` rejects with
 */
export async function evaluateSimilarity(
  model: EmbeddingModel,
  rows: Iterable<SimilarityRow> | AsyncIterable<SimilarityRow>,
  options?: EvaluateOptions,
): Promise<Evaluation<SimilarityMetrics>> {
  const resolved = resolveTable(evaluateTable, options, { name: 'evaluateSimilarity', path: '' });
  return evaluation(await observeSimilarity(model, rows, resolved), resolved);
}

export async function observeSimilarity(
  model: EmbeddingModel,
  rows: Iterable<SimilarityRow> | AsyncIterable<SimilarityRow>,
  resolved: ResolvedEvaluateOptions,
): Promise<Observation<SimilarityMetrics>> {
  const begun = performance.now();
  const embedder = embedderOf(model, resolved, 'similarity');
  const scores: number[] = [];
  const textsOf = (row: SimilarityRow, index: number): readonly [string, string] => {
    const score: unknown = (row as Partial<SimilarityRow> | null)?.score;
    const texts = pairTexts(row, index);
    if (typeof score !== 'number' || !Number.isFinite(score)) {
      throw new InvalidArgumentError(
        'ERR_SCORE_RANGE',
        `A score must be a finite number, but that of row ${index} (counted from 0) is ${show(score)}.`,
        { row: index },
      );
    }
    scores.push(score);
    return texts;
  };
  const similarities = await pairSimilarities(rows, textsOf, embedder, resolved);
  if (scores.length < 2) throw tooFew('pairs with scores', 2, scores.length);
  const observed = new Map<SimilarityName, SimilarityObserved>();
  for (const [name, found] of similarities) {
    observed.set(name, await inPieces(SimilarityObserved.of(found, scores), resolved.signal));
  }
  return { observed, embedder, begun };
}

/** The two texts of a row. */
export function pairTexts(row: unknown, index: number): readonly [string, string] {
  const { text1, text2 } = asObject(row, '{ text1, text2, … }', index);
  return [checkText(text1, 'text1', { row: index }), checkText(text2, 'text2', { row: index })];
}

export function asObject(row: unknown, form: string, index: number): Record<string, unknown> {
  if (typeof row === 'object' && row !== null) return row as Record<string, unknown>;
  throw new InvalidArgumentError(
    'ERR_INVALID_ARGUMENT',
    `A row must be an object ${form}, but row ${index} (counted from 0) is ${show(row)}.`,
    { row: index },
  );
}

export function tooFew(what: string, least: number, found: number): InvalidArgumentError {
  return new InvalidArgumentError(
    'ERR_EMPTY_DATA',
    `There must be at least ${least} ${what} to measure, but there ${found === 1 ? 'is' : 'are'} ${found}.`,
  );
}
