import { show } from '../system/options';
import { InvalidArgumentError } from '../system/errors';

/** A vector as `embed` gives it, or any other list of numbers. */
export type Vector = ArrayLike<number>;

function isVector(value: unknown): value is Vector {
  const list = value as { length?: unknown; 0?: unknown } | null;
  return (
    typeof list === 'object' &&
    list !== null &&
    typeof list.length === 'number' &&
    list.length > 0 &&
    typeof list[0] === 'number'
  );
}

function checkVector(name: string, value: unknown, length?: number): Vector {
  if (!isVector(value)) {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `${name} must be a vector, a list of numbers as embed gives it, ` + `but is ${show(value)}.`,
    );
  }
  if (length !== undefined && value.length !== length) {
    throw new InvalidArgumentError(
      'ERR_LENGTH_MISMATCH',
      `Vectors that are compared must be of one length, but there are ` +
        `${length} numbers on the left and ${value.length} in ${name}.`,
    );
  }
  return value;
}

/** `cosineSimilarity` of two vectors that are known to be such. */
export function cosine(a: Vector, b: Vector): number {
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; ++i) {
    ab += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
  }
  // Of the roots, not the root of the product, which leaves the range of numbers sooner.
  const norms = Math.sqrt(aa) * Math.sqrt(bb);
  return norms === 0 ? 0 : Math.max(-1, Math.min(1, ab / norms));
}

/** `dot` of two vectors that are known to be such. */
export function product(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; ++i) sum += a[i]! * b[i]!;
  return sum;
}

/** `euclidean` of two vectors that are known to be such. */
export function negativeDistance(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; ++i) sum += (a[i]! - b[i]!) ** 2;
  return -Math.sqrt(sum);
}

/** A similarity of two vectors of one length, or of one with each of a list. */
interface Similarity {
  (a: Vector, b: Vector): number;
  (a: Vector, b: readonly Vector[]): number[];
}

function checked(similarity: (a: Vector, b: Vector) => number): Similarity {
  return ((a: Vector, b: Vector | readonly Vector[]): number | number[] => {
    const left = checkVector('the left-hand side', a);
    const isList = Array.isArray(b) && typeof b[0] !== 'number';
    if (!isList) return similarity(left, checkVector('the right-hand side', b, left.length));
    return (b as readonly Vector[]).map((vector, i) =>
      similarity(left, checkVector(`vector ${i} on the right-hand side`, vector, left.length)),
    );
  }) as Similarity;
}

const checkedCosine = checked(cosine);

/**
 * Product of two vectors, Σ a·b, in double precision; with a list on the right one for each. Of vectors of length 1 it is
 * their cosine.
 *
 * @throws InvalidArgumentError ERR_INVALID_ARGUMENT: not vectors; ERR_LENGTH_MISMATCH: of different length.
 */
export const dot: Similarity = checked(product);

/**
 * Negative of the distance between two vectors, -‖a - b‖, in double precision, so that the higher number is the nearer
 * pair, as in sentence-transformers; with a list on the right one for each.
 *
 * @throws InvalidArgumentError ERR_INVALID_ARGUMENT: not vectors; ERR_LENGTH_MISMATCH: of different length.
 */
export const euclidean: Similarity = checked(negativeDistance);

/**
 * Cosine of the angle between two vectors, a · b / (‖a‖ ‖b‖), from -1 to 1: the nearer to 1, the more alike the
 * texts. With a list of vectors on the right there is one number for each. The cosine with a vector of zeros is
 * 0, as in sentence-transformers; NaN in a vector gives NaN.
 *
 * @throws InvalidArgumentError ERR_INVALID_ARGUMENT: not vectors; ERR_LENGTH_MISMATCH: of different length.
 */
export function cosineSimilarity(a: Vector, b: Vector): number;
export function cosineSimilarity(a: Vector, b: readonly Vector[]): number[];
export function cosineSimilarity(a: Vector, b: Vector | readonly Vector[]): number | number[] {
  return checkedCosine(a, b as Vector);
}
