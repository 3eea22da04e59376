import { LabelledSimilarities } from '../evaluate/metrics/classification';
import { reciprocalRank } from '../evaluate/metrics/ranking';
import { pearson, rankCorrelation } from '../evaluate/metrics/correlation';
import { atOnce, type Work } from '../evaluate/work';

type Numbers = ArrayLike<number>;

/** Retrieval among all texts but the anchors, negatives too, of up to 2,000 rows: the validation rows and training rows. */
export interface RetrievalQuality {
  /** Mean of 1 / rank of the first text that belongs to the query, 0 from rank 11 on; from 0 to 1. */
  mrr10: number;
  /** Normalised discounted cumulative gain of the first ten, from 0 to 1. */
  ndcg10: number;
  /** Share of what belongs to a query that is put first. */
  recall1: number;
  /** Share of it that is among the first three. */
  recall3: number;
  /** Share of it that is among the first five. */
  recall5: number;
  /** Share of it that is among the first ten. */
  recall10: number;
  /** Share of queries whose nearest text belongs to them. */
  accuracy1: number;
  /** Texts that were searched with. */
  queries: number;
  /** Texts that were searched in. */
  documents: number;
}

/** A measure of classification at the threshold that is best for it. */
export interface ThresholdMetric {
  /** Best value over all thresholds. */
  value: number;
  /** A pair counts as similar from this cosine similarity on. */
  threshold: number;
}

/** Quality of a model on validation rows. */
export interface ValidationMetrics {
  /**
   * The loss that is trained on, of the validation rows without dropout. Of a loss that looks at whole batches it is the
   * mean over batches of as many rows as a training step has, in the rows' order, each batch by its rows: it can be
   * compared between epochs of a run, and with runs of the same batch size alone.
   */
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
  /** Matthews' correlation coefficient at the threshold of `f1`, from -1 to 1; null as `averagePrecision` is. */
  mcc: number | null;
  /**
   * Of rows with negatives: share of those whose positive is nearer to the anchor than all of its negatives, from 0 to 1.
   * Absent for other data.
   */
  tripletAccuracy?: number;
  /**
   * Of rows of an anchor and what belongs to it: retrieval among the texts of up to 2,000 rows, the validation rows and
   * training rows. Absent for other data.
   */
  retrieval?: RetrievalQuality;
  /**
   * Of classes: share of texts whose class most of their 5 nearest others have, of up to 2,000 rows, the validation rows and
   * training rows; from 0 to 1. Absent for other data.
   */
  knnAccuracy?: number;
  /**
   * Of pairs with classes: share of pairs whose class is found by a linear classifier of both vectors and their difference,
   * fitted on up to 2,000 training rows under the same weights; of up to 4,096 validation rows, from 0 to 1. Absent for
   * other data.
   */
  labelAccuracy?: number;
  /** Of classes: mean silhouette under cosine distance among the same, from -1 to 1. Absent for other data. */
  silhouette?: number;
  /**
   * Of a teacher's vectors: mean cosine with them, or, where they are of another length or the loss projects, Spearman of how
   * alike rows are under both, each with the row after it. Of a teacher's scores: Spearman of the margins between a query's first
   * candidate and its others. From -1 to 1; absent for other data.
   */
  teacherAgreement?: number;
  /** Of rows with negatives: mean of 1 / rank of the positive among the row's own texts, 0 from rank 11 on. Absent for other data. */
  ownMrr10?: number;
  /**
   * Of several data sets: the mean of the measures that their recipes go by, each by its set's weight: its share of the
   * training rows, or with turns in 'round-robin' the same for all. `loss` is such a mean too. Absent for one data set, and
   * where a measure is not defined.
   */
  average?: number;
  /** Of several data sets, those with validation rows by their names. Absent for one. */
  sets?: Record<string, ValidationMetrics>;
}

/** Of data whose similarities are not compared with anything. */
export function lossAlone(loss: number): ValidationMetrics {
  return { loss, pearson: null, spearman: null, averagePrecision: null, f1: null, accuracy: null, mcc: null };
}

/**
 * Of the similarities of anchors with their positives and negatives, row after row, where row r has `widths[r]` of them,
 * the positive first. Rows without negatives are not counted; empty where there are no others. Ties count against a model.
 */
export function rankingOf(
  similarities: Numbers,
  widths: Int32Array,
): Pick<ValidationMetrics, 'tripletAccuracy' | 'ownMrr10'> {
  let rows = 0;
  let right = 0;
  let reciprocal = 0;
  let at = 0;
  for (const width of widths) {
    if (width > 1) {
      const own = Array.from({ length: width }, (_, i) => similarities[at + i]!);
      const nearer = own.slice(1).filter((similarity) => !(own[0]! > similarity)).length;
      right += Number(nearer === 0);
      reciprocal += reciprocalRank([...Array<boolean>(nearer).fill(false), true], 10);
      ++rows;
    }
    at += width;
  }
  return rows === 0 ? {} : { tripletAccuracy: right / rows, ownMrr10: reciprocal / rows };
}

/** The two values of two-valued scores, lower first; null where there are fewer or more. */
export function twoValues(scores: Numbers): readonly [number, number] | null {
  const values = new Set<number>();
  for (let i = 0; i < scores.length && values.size < 3; ++i) values.add(scores[i]!);
  const [a, b] = [...values].sort((x, y) => x - y);
  return values.size === 2 ? [a!, b!] : null;
}

/**
 * Compares similarities with scores; `loss` is the engine's. `classes` are the data's two scores, where there are only two; rows of
 * both classes must be among these for the classification measures, else they are null.
 */
export function validationMetrics(...given: Parameters<typeof measuring>): ValidationMetrics {
  return atOnce(measuring(...given));
}

/** The same in pieces. */
export function* measuring(
  loss: number,
  similarities: Numbers,
  scores: Numbers,
  classes: readonly [number, number] | null,
): Work<ValidationMetrics> {
  const metrics: ValidationMetrics = { ...lossAlone(loss), pearson: pearson(similarities, scores) };
  yield;
  metrics.spearman = yield* rankCorrelation(similarities, scores);
  yield;
  if (classes === null || Number.isNaN(loss)) return metrics;
  const positive = Array.from(scores, (score) => score === classes[1]);
  const binary = yield* (yield* LabelledSimilarities.of(similarities, positive)).metrics();
  if (binary === null) return metrics;
  metrics.averagePrecision = binary.averagePrecision;
  metrics.f1 = { value: binary.f1, threshold: binary.f1Threshold };
  metrics.accuracy = { value: binary.accuracy, threshold: binary.accuracyThreshold };
  metrics.mcc = binary.mcc;
  return metrics;
}
