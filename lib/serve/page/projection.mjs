// Vectors of length 1 as similarities and as points of a plane.

/** Most rounds of the iteration, and the change of direction at which it ends. */
const ROUNDS = 2000;
const STILL = 1e-12;

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; ++i) sum += a[i] * b[i];
  return sum;
}

/** All cosines, [texts × texts]. */
export function similarities(vectors) {
  return vectors.map((a) => vectors.map((b) => dot(a, b)));
}

/**
 * The points of vectors on their first two principal components, [vectors × 2], and the share of the spread that is in
 * each. By the products of the vectors with each other: there are fewer of them than numbers in one.
 */
export function plane(vectors) {
  const count = vectors.length;
  const mean = vectors[0].map((_, i) => vectors.reduce((sum, vector) => sum + vector[i], 0) / count);
  const centred = vectors.map((vector) => vector.map((x, i) => x - mean[i]));
  const products = centred.map((a) => centred.map((b) => dot(a, b)));
  const spread = products.reduce((sum, row, i) => sum + row[i], 0);
  const found = [];
  const shares = [];
  for (let component = 0; component < 2; ++component) {
    const { direction, value } = strongest(products, found);
    // What is left by rounding alone is nothing.
    const there = value > 1e-9 * spread;
    found.push(direction);
    shares.push(there ? value / spread : 0);
    const scale = there ? Math.sqrt(value) : 0;
    const sign = Math.sign(direction.reduce((most, x) => (Math.abs(x) > Math.abs(most) + 1e-9 ? x : most), 0)) || 1;
    found[component].points = direction.map((x) => x * scale * sign);
  }
  return { points: vectors.map((_, i) => [found[0].points[i], found[1].points[i]]), shares };
}

/** The eigenvector of the largest eigenvalue, orthogonal to those before it, by iteration. */
function strongest(matrix, before) {
  const count = matrix.length;
  const straighten = (vector) => {
    for (const other of before) {
      const along = dot(vector, other);
      for (let i = 0; i < count; ++i) vector[i] -= along * other[i];
    }
    const length = Math.sqrt(dot(vector, vector));
    return { length, vector: length > 1e-150 ? vector.map((x) => x / length) : vector };
  };
  let direction = straighten(Array.from({ length: count }, (_, i) => Math.sin(1 + 12.9898 * i))).vector;
  let value = 0;
  for (let round = 0; round < ROUNDS; ++round) {
    const next = straighten(matrix.map((row) => dot(row, direction)));
    value = next.length;
    const still = 1 - Math.abs(dot(next.vector, direction)) < STILL;
    direction = next.vector;
    if (still) break;
  }
  return { direction, value };
}

/** Points turned, and mirrored where that is nearer, so that they lie as near to others as they can (Procrustes). */
export function aligned(points, others) {
  let [xx, xy, yx, yy] = [0, 0, 0, 0];
  points.forEach(([x, y], i) => {
    const [u, v] = others[i];
    xx += x * u;
    xy += x * v;
    yx += y * u;
    yy += y * v;
  });
  const mirror = Math.hypot(xx - yy, xy + yx) > Math.hypot(xx + yy, xy - yx) ? -1 : 1;
  const angle = Math.atan2(xy - mirror * yx, xx + mirror * yy);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return points.map(([x, y]) => [x * cos - mirror * y * sin, x * sin + mirror * y * cos]);
}
