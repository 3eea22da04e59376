import type { Work } from './work';

/** Rows of numbers, row after row. */
export interface Features {
  values: Float32Array;
  width: number;
}

/** Sums of products between two pauses: some milliseconds. */
const PRODUCTS_AT_ONCE = 1 << 20;
/** Steps that the direction of the next is made of (L-BFGS). */
const MEMORY = 10;
/** Where no number of the gradient is larger, the least is found. */
const TOLERANCE = 1e-6;
const MOST_STEPS = 500;
/** Of a step's first-order gain as much must come true (Armijo). */
const ARMIJO = 1e-4;

/**
 * A linear softmax classifier (multinomial logistic regression, Bishop 2006, 4.3.4) of numbers that are brought to mean 0 and
 * variance 1 over the rows that it is fitted on. It has the least mean cross-entropy + penalty / 2 · the sum of the squared
 * weights, the intercepts left out: one such there is, whatever the search for it begins with (L-BFGS: Nocedal and Wright
 * 2006, 7.2).
 */
export class LinearClassifier {
  private constructor(
    readonly classes: number,
    readonly means: Float64Array,
    readonly scales: Float64Array,
    /** Of each class the weights and its intercept. */
    readonly weights: Float64Array,
  ) {}

  /**
   * @param labels the class of each row, from 0 to classes - 1
   * @returns null where the rows hold numbers that are none
   */
  static *fit(
    { values, width }: Features,
    labels: ArrayLike<number>,
    classes: number,
    penalty: number,
  ): Work<LinearClassifier | null> {
    const rows = labels.length;
    const { means, scales } = yield* moments(values, width, rows);
    if (!means.every(Number.isFinite) || !scales.every(Number.isFinite)) return null;
    const standard = yield* standardised(values, means, scales);
    const size = classes * (width + 1);
    const weights = new Float64Array(size);
    const loss = (at: Float64Array, gradient: Float64Array): Work<number> =>
      crossEntropy(standard, labels, classes, penalty, at, gradient);
    yield* minimise(loss, weights);
    return new LinearClassifier(classes, means, scales, weights);
  }

  /** Of each row the probability of each class, row after row. */
  *probabilities({ values, width }: Features): Work<Float64Array> {
    const { values: standard } = yield* standardised(values, this.means, this.scales);
    const rows = standard.length / width;
    const found = new Float64Array(rows * this.classes);
    const pause = Math.max(1, Math.floor(PRODUCTS_AT_ONCE / (width * this.classes)));
    for (let row = 0; row < rows; ++row) {
      const own = found.subarray(row * this.classes, (row + 1) * this.classes);
      scores(standard, row, width, this.weights, own);
      softmax(own);
      if (row % pause === 0) yield;
    }
    return found;
  }
}

function* moments(
  values: Float32Array,
  width: number,
  rows: number,
): Work<{ means: Float64Array; scales: Float64Array }> {
  const [means, scales] = [new Float64Array(width), new Float64Array(width)];
  const pause = Math.max(1, Math.floor(PRODUCTS_AT_ONCE / width));
  for (let row = 0, at = 0; row < rows; ++row) {
    for (let i = 0; i < width; ++i) means[i]! += values[at++]! / rows;
    if (row % pause === 0) yield;
  }
  for (let row = 0, at = 0; row < rows; ++row) {
    for (let i = 0; i < width; ++i) scales[i]! += (values[at++]! - means[i]!) ** 2 / rows;
    if (row % pause === 0) yield;
  }
  // What is the same in all rows but for rounding tells nothing, and is left at 0.
  for (let i = 0; i < width; ++i)
    scales[i] = scales[i]! <= 10 * Number.EPSILON * (scales[i]! + means[i]! ** 2) ? 1 : Math.sqrt(scales[i]!);
  return { means, scales };
}

function* standardised(values: Float32Array, means: Float64Array, scales: Float64Array): Work<Features> {
  const width = means.length;
  const found = new Float32Array(values.length);
  const pause = Math.max(1, Math.floor(PRODUCTS_AT_ONCE / width));
  for (let at = 0, row = 0; at < values.length; ++row) {
    for (let i = 0; i < width; ++i, ++at) found[at] = (values[at]! - means[i]!) / scales[i]!;
    if (row % pause === 0) yield;
  }
  return { values: found, width };
}

function scores(values: Float32Array, row: number, width: number, weights: Float64Array, into: Float64Array): void {
  const first = row * width;
  for (let c = 0; c < into.length; ++c) {
    const own = c * (width + 1);
    let sum = weights[own + width]!;
    for (let i = 0; i < width; ++i) sum += weights[own + i]! * values[first + i]!;
    into[c] = sum;
  }
}

/** In place; gives the logarithm of the sum. */
function softmax(scores: Float64Array): number {
  let most = -Infinity;
  for (const score of scores) most = Math.max(most, score);
  let sum = 0;
  for (let c = 0; c < scores.length; ++c) sum += scores[c] = Math.exp(scores[c]! - most);
  for (let c = 0; c < scores.length; ++c) scores[c]! /= sum;
  return most + Math.log(sum);
}

function* crossEntropy(
  { values, width }: Features,
  labels: ArrayLike<number>,
  classes: number,
  penalty: number,
  weights: Float64Array,
  gradient: Float64Array,
): Work<number> {
  gradient.fill(0);
  const rows = labels.length;
  const found = new Float64Array(classes);
  const pause = Math.max(1, Math.floor(PRODUCTS_AT_ONCE / (2 * width * classes)));
  let loss = 0;
  for (let row = 0; row < rows; ++row) {
    scores(values, row, width, weights, found);
    const own = found[labels[row]!]!;
    loss += (softmax(found) - own) / rows;
    const first = row * width;
    for (let c = 0; c < classes; ++c) {
      const off = (found[c]! - (labels[row] === c ? 1 : 0)) / rows;
      const at = c * (width + 1);
      for (let i = 0; i < width; ++i) gradient[at + i]! += off * values[first + i]!;
      gradient[at + width]! += off;
    }
    if (row % pause === 0) yield;
  }
  for (let c = 0; c < classes; ++c) {
    const at = c * (width + 1);
    for (let i = at; i < at + width; ++i) {
      loss += (penalty / 2) * weights[i]! ** 2;
      gradient[i]! += penalty * weights[i]!;
    }
  }
  return loss;
}

/** L-BFGS from where `x` is, which ends where the convex function `value` is least. */
function* minimise(value: (x: Float64Array, gradient: Float64Array) => Work<number>, x: Float64Array): Work<void> {
  const size = x.length;
  let gradient = new Float64Array(size);
  let next = new Float64Array(size);
  let nextGradient = new Float64Array(size);
  const direction = new Float64Array(size);
  const steps: { s: Float64Array; y: Float64Array; rho: number }[] = [];
  let least = yield* value(x, gradient);
  for (let step = 0; step < MOST_STEPS; ++step) {
    if (gradient.every((one) => Math.abs(one) <= TOLERANCE)) return;
    for (let i = 0; i < size; ++i) direction[i] = -gradient[i]!;
    const shares: number[] = [];
    for (const { s, y, rho } of steps.toReversed()) {
      const share = rho * dot(s, direction);
      shares.push(share);
      add(direction, y, -share);
      yield;
    }
    const last = steps.at(-1);
    if (last !== undefined) scale(direction, 1 / (last.rho * dot(last.y, last.y)));
    for (const { s, y, rho } of steps) {
      add(direction, s, shares.pop()! - rho * dot(y, direction));
      yield;
    }
    const slope = dot(gradient, direction);
    if (!(slope < 0)) return;
    let length = last === undefined ? 1 / Math.max(1, Math.sqrt(dot(gradient, gradient))) : 1;
    let found: number;
    for (;;) {
      for (let i = 0; i < size; ++i) next[i] = x[i]! + length * direction[i]!;
      found = yield* value(next, nextGradient);
      if (found <= least + ARMIJO * length * slope) break;
      length /= 2;
      // Below what numbers can tell apart.
      if (length < 1e-10) return;
    }
    const s = new Float64Array(size);
    const y = new Float64Array(size);
    for (let i = 0; i < size; ++i) {
      s[i] = next[i]! - x[i]!;
      y[i] = nextGradient[i]! - gradient[i]!;
    }
    const curvature = dot(s, y);
    if (curvature > 0) steps.push({ s, y, rho: 1 / curvature });
    if (steps.length > MEMORY) steps.shift();
    x.set(next);
    [gradient, nextGradient] = [nextGradient, gradient];
    least = found;
    yield;
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; ++i) sum += a[i]! * b[i]!;
  return sum;
}

function add(to: Float64Array, from: Float64Array, times: number): void {
  for (let i = 0; i < to.length; ++i) to[i]! += times * from[i]!;
}

function scale(x: Float64Array, by: number): void {
  for (let i = 0; i < x.length; ++i) x[i]! *= by;
}
