import { atOnce, type Work } from '../work';
import { ascending, tieEnds } from './order';

// Measures of similarities against labels 0 and 1. Rows of equal similarity fall on the same side of every threshold, as
// in sentence-transformers 6.2.0; average precision is scikit-learn's.

type Numbers = ArrayLike<number>;

/** Distinct similarities between two pauses. */
const AT_ONCE = 1 << 14;

/** How well similarities tell rows of one class from the others. */
export interface BinaryMetrics {
  /** Σ (recall_k − recall_(k−1)) · precision_k over the distinct similarities, from the highest down; 0 to 1. */
  averagePrecision: number;
  /** Best F1 of the positive class over all thresholds, 0 to 1. */
  f1: number;
  /** Rows count as positive from this similarity on (for distances: down from this distance). */
  f1Threshold: number;
  /** Of the positive class at `f1Threshold`. */
  precision: number;
  /** Of the positive class at `f1Threshold`. */
  recall: number;
  /** Best share of rows on their right side, 0 to 1; "all" and "none" are tried too. */
  accuracy: number;
  /** As `f1Threshold`, for the accuracy. */
  accuracyThreshold: number;
  /** Matthews' correlation coefficient at `f1Threshold`, -1 to 1; 0 where it is not defined. */
  mcc: number;
}

/** A point of the precision-recall curve. */
export interface PrecisionRecallPoint {
  threshold: number;
  precision: number;
  recall: number;
}

/** The next number after `value`: of float32 where `single`, as the similarities of vectors are, else of float64. */
export function nextAbove(value: number, single: boolean): number {
  if (value === 0) return single ? 2 ** -149 : Number.MIN_VALUE;
  const view = new DataView(new ArrayBuffer(8));
  const away = value > 0 ? 1 : -1;
  if (single) {
    view.setFloat32(0, value);
    view.setInt32(0, view.getInt32(0) + away);
    return view.getFloat32(0);
  }
  view.setFloat64(0, value);
  view.setBigInt64(0, view.getBigInt64(0) + BigInt(away));
  return view.getFloat64(0);
}

/** Similarities with labels, sorted once; measured as they are, or as a resample in which row i counts `counts[i]` times. */
export class LabelledSimilarities {
  readonly #order: Uint32Array;
  readonly #ends: Uint32Array;

  private constructor(
    readonly similarities: Numbers,
    readonly positive: ArrayLike<boolean | number>,
    /** From the highest similarity down. */
    order: Uint32Array,
    ends: Uint32Array,
  ) {
    this.#order = order;
    this.#ends = ends;
  }

  static *of(similarities: Numbers, positive: ArrayLike<boolean | number>): Work<LabelledSimilarities> {
    const order = (yield* ascending(similarities)).reverse();
    return new LabelledSimilarities(similarities, positive, order, yield* tieEnds(similarities, order));
  }

  /** null where not both classes are there, or a similarity is not a number. */
  *metrics(counts?: Numbers): Work<BinaryMetrics | null> {
    const { similarities, positive } = this;
    const [order, ends] = [this.#order, this.#ends];
    let rows = 0;
    let positives = 0;
    for (let i = 0; i < order.length; ++i) {
      const count = counts === undefined ? 1 : counts[i]!;
      if (Number.isNaN(similarities[i]!)) return null;
      rows += count;
      if (positive[i]) positives += count;
    }
    if (positives === 0 || positives === rows) return null;

    let averagePrecision = 0;
    let f1 = 0;
    let f1At = 0;
    let precisionAt = 0;
    let recallAt = 0;
    let truePositivesAt = 0;
    let namedAt = 0;
    let accuracy = (rows - positives) / rows; // none is named positive
    let accuracyAt = -1;
    let named = 0;
    let truePositives = 0;
    let start = 0;
    for (let group = 0; group < ends.length; start = ends[group++]!) {
      const truePositivesBefore = truePositives;
      const namedBefore = named;
      for (let i = start; i < ends[group]!; ++i) {
        const row = order[i]!;
        const count = counts === undefined ? 1 : counts[row]!;
        named += count;
        if (positive[row]) truePositives += count;
      }
      if (group % AT_ONCE === 0) yield;
      if (named === namedBefore) continue;
      const right = (truePositives + rows - positives - (named - truePositives)) / rows;
      if (right > accuracy) {
        accuracy = right;
        accuracyAt = group;
      }
      if (truePositives === 0) continue;
      const precision = truePositives / named;
      const recall = truePositives / positives;
      averagePrecision += ((truePositives - truePositivesBefore) / positives) * precision;
      // In this order of operations, as the reference: of thresholds that are equally good the rounding chooses.
      const value = (2 * precision * recall) / (precision + recall);
      if (value > f1) {
        f1 = value;
        f1At = group;
        precisionAt = precision;
        recallAt = recall;
        truePositivesAt = truePositives;
        namedAt = named;
      }
    }
    return {
      averagePrecision,
      f1,
      f1Threshold: this.#thresholdAfter(f1At, counts),
      precision: precisionAt,
      recall: recallAt,
      accuracy,
      accuracyThreshold: accuracyAt < 0 ? this.#aboveAll(counts) : this.#thresholdAfter(accuracyAt, counts),
      mcc: matthews(truePositivesAt, namedAt - truePositivesAt, positives - truePositivesAt, rows),
    };
  }

  /** Where each row stands between the lowest similarity, 0, and the highest, 1; equal ones share the mean. */
  places(): Float64Array {
    const places = new Float64Array(this.#order.length);
    let start = 0;
    for (const end of this.#ends) {
      const place = 1 - (start + end - 1) / 2 / Math.max(1, places.length - 1);
      for (let i = start; i < end; ++i) places[this.#order[i]!] = place;
      start = end;
    }
    return places;
  }

  /** Precision and recall at each distinct similarity, from the highest down; empty where there are no positive rows. */
  curve(): PrecisionRecallPoint[] {
    const positives = Array.from(this.positive).filter(Boolean).length;
    if (positives === 0) return [];
    const points: PrecisionRecallPoint[] = [];
    let truePositives = 0;
    let start = 0;
    for (const end of this.#ends) {
      for (let i = start; i < end; ++i) if (this.positive[this.#order[i]!]) ++truePositives;
      const threshold = this.similarities[this.#order[start]!]!;
      points.push({ threshold, precision: truePositives / end, recall: truePositives / positives });
      start = end;
    }
    return points;
  }

  /** Similarity of a group of equal rows, or undefined where there is none that counts. */
  #similarity(group: number, counts?: Numbers): number | undefined {
    const start = group === 0 ? 0 : this.#ends[group - 1]!;
    for (let i = start; i < (this.#ends[group] ?? 0); ++i) {
      if (counts === undefined || counts[this.#order[i]!]! > 0) return this.similarities[this.#order[i]!];
    }
    return undefined;
  }

  /** Halfway to the next lower similarity, or the lowest similarity itself. */
  #thresholdAfter(group: number, counts?: Numbers): number {
    const lowest = this.#similarity(group, counts)!;
    for (let next = group + 1; next < this.#ends.length; ++next) {
      const lower = this.#similarity(next, counts);
      if (lower === undefined) continue;
      const middle = (lowest + lower) / 2;
      // A rounded middle must not take the next group in.
      return middle === lower ? lowest : middle;
    }
    return lowest;
  }

  #aboveAll(counts?: Numbers): number {
    for (let group = 0; ; ++group) {
      const highest = this.#similarity(group, counts);
      if (highest !== undefined) return nextAbove(highest, isSingle(this.similarities));
    }
  }
}

function matthews(truePositives: number, falsePositives: number, falseNegatives: number, rows: number): number {
  const trueNegatives = rows - truePositives - falsePositives - falseNegatives;
  const scale =
    Math.sqrt((truePositives + falsePositives) * (truePositives + falseNegatives)) *
    Math.sqrt((trueNegatives + falsePositives) * (trueNegatives + falseNegatives));
  return scale === 0 ? 0 : (truePositives * trueNegatives - falsePositives * falseNegatives) / scale;
}

/**
 * Measures similarities against labels: `labels[i]` is 1 (or true) for the positive class, else 0. Null where not both
 * classes are there or a similarity is not a number.
 */
export function binaryMetrics(
  similarities: ArrayLike<number>,
  labels: ArrayLike<boolean | number>,
): BinaryMetrics | null {
  return atOnce(atOnce(LabelledSimilarities.of(similarities, labels)).metrics());
}

/** Not by `instanceof`: the array may come from another context of the virtual machine. */
function isSingle(values: Numbers): boolean {
  return (values as Partial<Float32Array>).BYTES_PER_ELEMENT === 4;
}
