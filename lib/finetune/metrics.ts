/** Measures of how well similarities agree with scores. All are computed in double precision. */

type Numbers = ArrayLike<number>;

/** A measure of classification at the threshold that is best for it. */
export interface ThresholdMetric {
  /** Best value over all thresholds. */
  value: number;
  /** A pair counts as similar from this cosine similarity on. */
  threshold: number;
}

/** Quality of a model on validation rows. */
export interface ValidationMetrics {
  /** Mean squared error of cosine similarity against score. */
  loss: number;
  /** Correlation from -1 to 1; null where similarities or scores are all equal, or there are fewer than 2 rows. */
  pearson: number | null;
  /** Rank correlation from -1 to 1; null as `pearson` is. */
  spearman: number | null;
  /** For data with two different scores, else null: the higher score is the positive class. */
  averagePrecision: number | null;
  /** Best F1 of the positive class, from 0 to 1; null as `averagePrecision` is. */
  f1: ThresholdMetric | null;
  /** Best share of rows on their right side, from 0 to 1; null as `averagePrecision` is. */
  accuracy: ThresholdMetric | null;
}

export function meanSquaredError(similarities: Numbers, scores: Numbers): number {
  let sum = 0;
  for (let i = 0; i < scores.length; ++i) sum += (similarities[i]! - scores[i]!) ** 2;
  return sum / scores.length;
}

/** Pearson's correlation; null where it is not defined. */
export function pearson(a: Numbers, b: Numbers): number | null {
  const n = a.length;
  if (n < 2) return null;
  let meanA = 0;
  let meanB = 0;
  for (let i = 0; i < n; ++i) {
    meanA += a[i]! / n;
    meanB += b[i]! / n;
  }
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < n; ++i) {
    const da = a[i]! - meanA;
    const db = b[i]! - meanB;
    ab += da * db;
    aa += da * da;
    bb += db * db;
  }
  const correlation = ab / Math.sqrt(aa * bb);
  return Number.isFinite(correlation) && varies(a) && varies(b) ? Math.max(-1, Math.min(1, correlation)) : null;
}

/** Rounding of the mean can leave equal numbers with a variance above 0. */
function varies(values: Numbers): boolean {
  for (let i = 1; i < values.length; ++i) if (values[i] !== values[0]) return true;
  return false;
}

/** Ranks from 1; equal values share the mean of their ranks. */
export function averageRanks(values: Numbers): Float64Array {
  const order = Array.from({ length: values.length }, (_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Float64Array(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && values[order[end]!] === values[order[start]!]) ++end;
    for (let i = start; i < end; ++i) ranks[order[i]!] = (start + 1 + end) / 2;
    start = end;
  }
  return ranks;
}

/** Spearman's rank correlation: Pearson's of the ranks. */
export function spearman(a: Numbers, b: Numbers): number | null {
  for (let i = 0; i < a.length; ++i) if (Number.isNaN(a[i]!) || Number.isNaN(b[i]!)) return null;
  return pearson(averageRanks(a), averageRanks(b));
}

/** Counts of pairs at or above each distinct similarity, from the highest down. */
interface Cut {
  similarity: number;
  truePositives: number;
  falsePositives: number;
}

function cuts(similarities: Numbers, positive: readonly boolean[]): Cut[] {
  const order = Array.from(positive, (_, i) => i).sort((a, b) => similarities[b]! - similarities[a]!);
  const result: Cut[] = [];
  let truePositives = 0;
  let falsePositives = 0;
  order.forEach((row, i) => {
    if (positive[row]) ++truePositives;
    else ++falsePositives;
    const similarity = similarities[row]!;
    const next = order[i + 1];
    // Rows of equal similarity fall on the same side of every threshold.
    if (next === undefined || similarities[next] !== similarity)
      result.push({ similarity, truePositives, falsePositives });
  });
  return result;
}

/** Σ (recall_k - recall_(k-1)) · precision_k over the distinct similarities, from the highest down. */
function averagePrecisionOf(list: readonly Cut[], positives: number): number {
  let sum = 0;
  let before = 0;
  for (const { truePositives, falsePositives } of list) {
    sum += ((truePositives - before) / positives) * (truePositives / (truePositives + falsePositives));
    before = truePositives;
  }
  return sum;
}

/** Halfway to the next lower similarity, or the lowest similarity itself. */
function thresholdAfter(list: readonly Cut[], k: number): number {
  const next = list[k + 1];
  return next === undefined ? list[k]!.similarity : (list[k]!.similarity + next.similarity) / 2;
}

function bestF1(list: readonly Cut[], positives: number): ThresholdMetric {
  let best: ThresholdMetric = { value: -1, threshold: 0 };
  list.forEach(({ truePositives, falsePositives }, k) => {
    const value = (2 * truePositives) / (truePositives + falsePositives + positives);
    if (value > best.value) best = { value, threshold: thresholdAfter(list, k) };
  });
  return best;
}

function bestAccuracy(list: readonly Cut[], positives: number, rows: number): ThresholdMetric {
  const highest = list[0]!.similarity;
  // No pair counts as similar.
  let best: ThresholdMetric = {
    value: (rows - positives) / rows,
    threshold: highest < 1 ? (highest + 1) / 2 : highest + Number.EPSILON * 2,
  };
  list.forEach(({ truePositives, falsePositives }, k) => {
    const value = (truePositives + rows - positives - falsePositives) / rows;
    if (value > best.value) best = { value, threshold: thresholdAfter(list, k) };
  });
  return best;
}

/** The two values of two-valued scores, lower first; null where there are fewer or more. */
export function twoValues(scores: Numbers): readonly [number, number] | null {
  const values = new Set<number>();
  for (let i = 0; i < scores.length && values.size < 3; ++i) values.add(scores[i]!);
  const [a, b] = [...values].sort((x, y) => x - y);
  return values.size === 2 ? [a!, b!] : null;
}

/**
 * Compares similarities with scores. `classes` are the data's two scores, where there are only two; rows of
 * both classes must be among these for the classification measures, else they are null.
 */
export function validationMetrics(
  similarities: Numbers,
  scores: Numbers,
  classes: readonly [number, number] | null,
): ValidationMetrics {
  const metrics: ValidationMetrics = {
    loss: meanSquaredError(similarities, scores),
    pearson: pearson(similarities, scores),
    spearman: spearman(similarities, scores),
    averagePrecision: null,
    f1: null,
    accuracy: null,
  };
  if (classes === null || Number.isNaN(metrics.loss)) return metrics;
  const positive = Array.from(scores, (score) => score === classes[1]);
  const positives = positive.filter(Boolean).length;
  if (positives === 0 || positives === positive.length) return metrics;
  const list = cuts(similarities, positive);
  metrics.averagePrecision = averagePrecisionOf(list, positives);
  metrics.f1 = bestF1(list, positives);
  metrics.accuracy = bestAccuracy(list, positives, positive.length);
  return metrics;
}
