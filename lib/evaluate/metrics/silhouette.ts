import type { Vector } from '../../embed/similarity';
import type { Work } from '../work';

/**
 * Silhouette coefficient of each vector under cosine distance (Rousseeuw 1987), (b − a) / max(a, b): a is its mean
 * distance to the others of its class, b that to the nearest other class; 0 for a class of one. `classes[i]` is from 0 to
 * `count` - 1. Means of cosine distances follow from the sum of each class's unit vectors: linear time, no matrix.
 */
export function* silhouettes(
  vectors: readonly Vector[],
  classes: ArrayLike<number>,
  count: number,
): Work<Float64Array> {
  const width = vectors[0]?.length ?? 0;
  const sums = Array.from({ length: count }, () => new Float64Array(width));
  const sizes = new Float64Array(count);
  const lengths = Float64Array.from(vectors, (vector) => {
    let squares = 0;
    for (let i = 0; i < width; ++i) squares += vector[i]! ** 2;
    return Math.sqrt(squares);
  });
  for (let row = 0; row < vectors.length; ++row) {
    const sum = sums[classes[row]!]!;
    ++sizes[classes[row]!]!;
    if (lengths[row]! > 0) for (let i = 0; i < width; ++i) sum[i]! += vectors[row]![i]! / lengths[row]!;
    if (row % 256 === 0) yield;
  }
  const found = new Float64Array(vectors.length);
  for (let row = 0; row < vectors.length; ++row) {
    const own = classes[row]!;
    if (sizes[own] === 1) continue;
    const vector = vectors[row]!;
    const length = lengths[row]!;
    const towards = (sum: Float64Array): number => {
      if (length === 0) return 0;
      let product = 0;
      for (let i = 0; i < width; ++i) product += vector[i]! * sum[i]!;
      return product / length;
    };
    const others = sizes[own]! - 1;
    const inside = (others - (towards(sums[own]!) - (length === 0 ? 0 : 1))) / others;
    let outside = Infinity;
    for (let other = 0; other < count; ++other) {
      if (other !== own) outside = Math.min(outside, 1 - towards(sums[other]!) / sizes[other]!);
      if (other % 256 === 255) yield;
    }
    const larger = Math.max(inside, outside);
    found[row] = larger === 0 ? 0 : (outside - inside) / larger;
    if (row % 64 === 0) yield;
  }
  return found;
}
