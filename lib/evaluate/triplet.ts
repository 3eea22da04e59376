import { performance } from 'node:perf_hooks';
import { checkText } from '../data/validate';
import { numeric, optional, resolveTable, type OptionsOf, type ResolvedOf } from '../system/option-table';
import { lengthOf, type EmbeddingModel } from './embedding';
import { embedderOf, evaluation, Means, type Evaluation, type Observation } from './evaluation';
import { evaluateTable } from './options';
import { pairSimilarities } from './pairs';
import { asObject, tooFew } from './similarity';
import { checkSameLength } from './similarities';

/** A text, one that must be near it and one that must be farther. */
export interface TripletRow {
  /** The text that the others are compared with. */
  anchor: string;
  /** What must be near. */
  positive: string;
  /** What must be farther. */
  negative: string;
}

/** How often the positive is nearer. */
export interface TripletMetrics {
  /** Share of the rows whose positive is nearer than the negative by more than the margin, 0 to 1. */
  accuracy: number;
}

export const tripletTable = {
  ...evaluateTable,
  /** By how much the positive's similarity must be above the negative's. Default 0. */
  margin: optional(
    numeric('a finite number', () => true),
    0,
  ),
};

/** Options of `evaluateTriplet`. */
export interface TripletEvaluateOptions extends OptionsOf<typeof tripletTable> {}

/**
 * Share of rows with positive > negative + margin.
 *
 * @throws InvalidArgumentError ERR_LENGTH_MISMATCH
 */
export function tripletMetrics(positives: ArrayLike<number>, negatives: ArrayLike<number>, margin = 0): TripletMetrics {
  checkSameLength(positives, negatives, 'similarities of positives', 'of negatives');
  const right = rightRows(positives, negatives, margin);
  return { accuracy: right.reduce((sum, value) => sum + value, 0) / right.length };
}

function rightRows(positives: ArrayLike<number>, negatives: ArrayLike<number>, margin: number): Float64Array {
  return Float64Array.from(positives, (positive, i) => (positive > negatives[i]! + margin ? 1 : 0));
}

/**
 * How often the positive is nearer to the anchor than the negative is, as sentence-transformers 6.2.0's
 * TripletEvaluator; anchors are embedded as queries, the others as documents.
 *
 * @throws InvalidArgumentError: a row or an option; AbortError; and what the model's `embed` rejects with
 */
export async function evaluateTriplet(
  model: EmbeddingModel,
  rows: Iterable<TripletRow> | AsyncIterable<TripletRow>,
  options?: TripletEvaluateOptions,
): Promise<Evaluation<TripletMetrics>> {
  const resolved = resolveTable(tripletTable, options, { name: 'evaluateTriplet', path: '' });
  return evaluation(await observeTriplet(model, rows, resolved), resolved);
}

export async function observeTriplet(
  model: EmbeddingModel,
  rows: Iterable<TripletRow> | AsyncIterable<TripletRow>,
  resolved: ResolvedOf<typeof tripletTable>,
): Promise<Observation<TripletMetrics>> {
  const begun = performance.now();
  const embedder = embedderOf(model, resolved, 'triplet');
  // Each row is two pairs in a block, so that its anchor is embedded once.
  const count = lengthOf(rows);
  const similarities = await pairSimilarities(
    twice(rows),
    (pair) => pair,
    embedder,
    resolved,
    ['query', 'document'],
    count === null ? null : 2 * count,
  );
  const observed = new Map(
    [...similarities].map(([name, both]) => {
      const positives = both.filter((_, i) => i % 2 === 0);
      const negatives = both.filter((_, i) => i % 2 === 1);
      const values = { accuracy: rightRows(positives, negatives, resolved.margin) };
      const margins = Float64Array.from(positives, (positive, i) => positive - negatives[i]!);
      return [name, new Means<TripletMetrics>('triplet', 'triplets', 'accuracy', values, margins)] as const;
    }),
  );
  if ([...observed.values()][0]!.count === 0) throw tooFew('triplets', 1, 0);
  return { observed, embedder, begun };
}

async function* twice(
  rows: Iterable<TripletRow> | AsyncIterable<TripletRow>,
): AsyncGenerator<readonly [string, string], void, undefined> {
  let index = 0;
  for await (const row of rows) {
    const place = { row: index };
    const { anchor, positive, negative } = asObject(row, '{ anchor, positive, negative }', index++);
    const text = checkText(anchor, 'anchor', place);
    yield [text, checkText(positive, 'positive', place)];
    yield [text, checkText(negative, 'negative', place)];
  }
}
