import { Random, Stream } from './random';

/** Rows in `count` parts, by the seed; rows of one family are in one part. Parts may be empty. */
export function foldsOf(rows: Int32Array, families: Int32Array, count: number, seed: number): Int32Array[] {
  const folds: number[][] = Array.from({ length: count }, () => []);
  const members = new Map<number, number[]>();
  for (const row of Random.of(seed, Stream.Folds).shuffle(rows.slice())) {
    const family = members.get(families[row]!);
    if (family === undefined) members.set(families[row]!, [row]);
    else family.push(row);
  }
  for (const family of members.values()) {
    const least = folds.reduce((a, b) => (b.length < a.length ? b : a));
    // One by one: as arguments of one call a family of a hundred thousand rows would be too many.
    for (const row of family) least.push(row);
  }
  return folds.map((fold) => Int32Array.from(fold).sort());
}
