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
  const left = checkVector('the left-hand side', a);
  const isList = Array.isArray(b) && typeof b[0] !== 'number';
  if (!isList) return cosine(left, checkVector('the right-hand side', b, left.length));
  return (b as readonly Vector[]).map((vector, i) =>
    cosine(left, checkVector(`vector ${i} on the right-hand side`, vector, left.length)),
  );
}
