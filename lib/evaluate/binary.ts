import { performance } from 'node:perf_hooks';
import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import { resolveTable } from '../system/option-table';
import type { EmbeddingModel } from './embedding';
import { embedderOf, evaluation, type Evaluation, type Observed, type Observation } from './evaluation';
import { evaluateTable, type EvaluateOptions, type ResolvedEvaluateOptions } from './options';
import { LabelledSimilarities, type BinaryMetrics } from './metrics/classification';
import { pairSimilarities } from './pairs';
import { pairTexts, tooFew } from './similarity';
import { isDistance, type SimilarityName } from './similarities';
import { inPieces, type Work } from './work';

/** Two texts and whether they mean the same. */
export interface BinaryRow {
  /** The first text. */
  text1: string;
  /** The second text. */
  text2: string;
  /** 1 or true: the same; 0 or false: not. */
  label: number | boolean;
}

/** Similarities and labels of rows, sorted once. */
export class BinaryObserved implements Observed<BinaryMetrics> {
  readonly form = 'binary';
  readonly unit = 'pairs';
  readonly primary = 'averagePrecision';

  readonly #distance: boolean;

  private constructor(
    readonly sorted: LabelledSimilarities,
    distance: boolean,
  ) {
    this.#distance = distance;
  }

  static *of(similarities: ArrayLike<number>, labels: ArrayLike<number>, name: SimilarityName): Work<BinaryObserved> {
    return new BinaryObserved(yield* LabelledSimilarities.of(similarities, labels), isDistance(name));
  }

  get count(): number {
    return this.sorted.positive.length;
  }

  get resampled(): number {
    return this.count;
  }

  *measure(counts?: Uint32Array): Work<BinaryMetrics | null> {
    const metrics = yield* this.sorted.metrics(counts);
    if (metrics === null || !this.#distance) return metrics;
    // Of distances the user knows the positive number.
    return { ...metrics, f1Threshold: -metrics.f1Threshold, accuracyThreshold: -metrics.accuracyThreshold };
  }

  /** The place of a row's similarity among all, from 0 to 1; of rows of label 0 from the other end. */
  *goodness(): Work<Float64Array> {
    const places = this.sorted.places();
    yield;
    return places.map((place, i) => (this.sorted.positive[i] ? place : 1 - place));
  }
}

/**
 * Whether similarity tells pairs that mean the same from others: average precision (the primary measure), best F1 and
 * accuracy with their thresholds, Matthews' correlation; as sentence-transformers 6.2.0's BinaryClassificationEvaluator.
 * The thresholds of 'euclidean' and 'manhattan' are distances: pairs up to them count as the same.
 *
 * @throws InvalidArgumentError ERR_SINGLE_CLASS: all labels are equal; a row or an option; AbortError; and what the
 *   model's `embed` rejects with
 */
export async function evaluateBinary(
  model: EmbeddingModel,
  rows: Iterable<BinaryRow> | AsyncIterable<BinaryRow>,
  options?: EvaluateOptions,
): Promise<Evaluation<BinaryMetrics>> {
  const resolved = resolveTable(evaluateTable, options, { name: 'evaluateBinary', path: '' });
  return evaluation(await observeBinary(model, rows, resolved), resolved);
}

export async function observeBinary(
  model: EmbeddingModel,
  rows: Iterable<BinaryRow> | AsyncIterable<BinaryRow>,
  resolved: ResolvedEvaluateOptions,
): Promise<Observation<BinaryMetrics>> {
  const begun = performance.now();
  const embedder = embedderOf(model, resolved, 'binary');
  const labels: number[] = [];
  const textsOf = (row: BinaryRow, index: number): readonly [string, string] => {
    const texts = pairTexts(row, index);
    const label: unknown = row.label;
    if (label !== 0 && label !== 1 && typeof label !== 'boolean') {
      throw new InvalidArgumentError(
        'ERR_SCORE_RANGE',
        `A label must be 0 or 1, but that of row ${index} (counted from 0) is ${show(label)}.`,
        { row: index },
      );
    }
    labels.push(Number(label));
    return texts;
  };
  const similarities = await pairSimilarities(rows, textsOf, embedder, resolved);
  if (labels.length === 0) throw tooFew('pairs with labels', 2, 0);
  if (labels.every((label) => label === labels[0])) {
    throw new InvalidArgumentError(
      'ERR_SINGLE_CLASS',
      `All ${labels.length} labels are ${labels[0]}, so that there is nothing to tell apart. Add rows of the other label.`,
    );
  }
  const observed = new Map<SimilarityName, BinaryObserved>();
  for (const [name, found] of similarities) {
    observed.set(name, await inPieces(BinaryObserved.of(found, labels, name), resolved.signal));
  }
  return { observed, embedder, begun };
}
