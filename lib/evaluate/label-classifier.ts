import type { Vector } from '../embed/similarity';
import { LinearClassifier, type Features } from './linear-classifier';
import type { Work } from './work';

/** Two vectors whose pair has a class. */
export type VectorPair = readonly [Vector, Vector];

/** Of more classes no classifier is fitted: its weights would be more than the rows can tell. */
export const MOST_CLASSES = 100;
/** Rows that are made between two pauses. */
const AT_ONCE = 512;

/** What the classifier sees of a pair: both vectors and their difference without its sign, as 6.2.0's SoftmaxLoss. */
function* featuresOf(pairs: readonly VectorPair[]): Work<Features> {
  const length = pairs[0]?.[0].length ?? 0;
  const values = new Float32Array(3 * length * pairs.length);
  for (const [row, [u, v]] of pairs.entries()) {
    const at = 3 * length * row;
    for (let i = 0; i < length; ++i) {
      values[at + i] = u[i]!;
      values[at + length + i] = v[i]!;
      values[at + 2 * length + i] = Math.abs(u[i]! - v[i]!);
    }
    if (row % AT_ONCE === 0) yield;
  }
  return { values, width: 3 * length };
}

/** Of each pair whether the class that was found is its own, and how likely that is held to be. */
export interface Judged {
  /** 1 where it is, else 0. */
  right: Float64Array;
  /** Of its own class, 0 to 1. */
  probability: Float64Array;
}

/**
 * Fits a classifier on pairs and judges others by it: null where a vector holds numbers that are none, or there is nothing
 * to fit on. A pair of a class that none of the fitted ones has is judged wrongly. Of classes that are equally likely the
 * lower is found.
 */
export function* judged(
  fitted: { pairs: readonly VectorPair[]; labels: readonly number[] },
  others: { pairs: readonly VectorPair[]; labels: readonly number[] },
): Work<Judged | null> {
  const classes = [...new Set(fitted.labels)].sort((a, b) => a - b);
  if (classes.length === 0 || classes.length > MOST_CLASSES) return null;
  const places = new Map(classes.map((label, place) => [label, place]));
  const features = yield* featuresOf(fitted.pairs);
  const labels = fitted.labels.map((label) => places.get(label)!);
  // As many rows' worth of evidence as there are numbers: a vector has hundreds, and of so few rows all can be told apart.
  const penalty = features.width / fitted.pairs.length;
  const classifier = yield* LinearClassifier.fit(features, labels, classes.length, penalty);
  if (classifier === null) return null;
  const found = yield* classifier.probabilities(yield* featuresOf(others.pairs));
  if (!found.every(Number.isFinite)) return null;
  const right = new Float64Array(others.pairs.length);
  const probability = new Float64Array(others.pairs.length);
  for (const [row, label] of others.labels.entries()) {
    const own = found.subarray(row * classes.length, (row + 1) * classes.length);
    const place = places.get(label);
    right[row] = own.indexOf(Math.max(...own)) === place ? 1 : 0;
    probability[row] = place === undefined ? 0 : own[place]!;
  }
  return { right, probability };
}
