import { cosine, negativeDistance, product, type Vector } from '../embed/similarity';
import { InvalidArgumentError } from '../system/errors';
import { atOnce, type Work } from './work';

/**
 * How two vectors are compared: the cosine of their angle, their product, or a distance. Of distances the similarity is
 * the negative: of every function the higher number is the nearer pair, as in sentence-transformers.
 */
export type SimilarityName = 'cosine' | 'dot' | 'euclidean' | 'manhattan';

export const similarityNames: readonly SimilarityName[] = ['cosine', 'dot', 'euclidean', 'manhattan'];

export function isDistance(name: SimilarityName): boolean {
  return name === 'euclidean' || name === 'manhattan';
}

function manhattan(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; ++i) sum += Math.abs(a[i]! - b[i]!);
  return -sum;
}

const functions: Record<SimilarityName, (a: Vector, b: Vector) => number> = {
  cosine,
  dot: product,
  euclidean: negativeDistance,
  manhattan,
};

/** Similarity of two vectors of one length, in double precision. */
export function similarityFunction(name: SimilarityName): (a: Vector, b: Vector) => number {
  return functions[name];
}

/** Pairs between two pauses. */
const AT_ONCE = 512;

/** As `pairwiseSimilarities`, in pieces. */
export function* comparePairs(
  left: readonly Vector[],
  right: readonly Vector[],
  name: SimilarityName,
): Work<Float32Array> {
  const similarity = functions[name];
  const found = new Float32Array(left.length);
  for (let i = 0; i < left.length; ++i) {
    found[i] = similarity(left[i]!, right[i]!);
    if (i % AT_ONCE === 0) yield;
  }
  return found;
}

/**
 * Similarity of each vector on the left with the one at its place on the right. Float32, as vectors are: what differs by
 * less than their precision is a tie.
 *
 * @throws InvalidArgumentError ERR_LENGTH_MISMATCH: the lists, or two vectors, differ in length
 */
export function pairwiseSimilarities(
  left: readonly Vector[],
  right: readonly Vector[],
  name: SimilarityName = 'cosine',
): Float32Array {
  checkSameLength(left, right, 'vectors on the left', 'on the right');
  left.forEach((vector, i) => checkSameLength(vector, right[i]!, `numbers in vector ${i} on the left`, 'on the right'));
  return atOnce(comparePairs(left, right, name));
}

export function checkSameLength(a: ArrayLike<unknown>, b: ArrayLike<unknown>, as: string, bs: string): void {
  if (a.length === b.length) return;
  throw new InvalidArgumentError(
    'ERR_LENGTH_MISMATCH',
    `There must be as many ${as} as ${bs}, but there are ${a.length} and ${b.length}.`,
  );
}
