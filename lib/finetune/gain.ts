import { BinaryObserved } from '../evaluate/binary';
import type { Interval, Verdict } from '../evaluate/bootstrap';
import { differences, type Resampled } from '../evaluate/differences';
import { Means } from '../evaluate/evaluation';
import { SimilarityObserved } from '../evaluate/similarity';
import type { NativeLoss } from '../engine/training';
import { inPieces } from '../evaluate/work';
import { measures, type MeasureName } from './measure';
import { alikeToTeacher, margins, type ValidationRows } from './quality';
import { rowLosses } from './losses/row-losses';

/** What training changed in the measure that the run goes by, on the validation rows. */
export interface Gain {
  /** The measure. */
  measure: MeasureName;
  /** Of the untrained model. */
  before: number;
  /** Of the model as it is now. */
  after: number;
  /** After - before. */
  difference: number;
  /** Bounds of the difference by the paired bootstrap; null where rows are too few or too alike. */
  interval: Interval | null;
  /** Share of the resamples between the bounds. */
  confidence: number;
  /** Whether it is more than what chance makes of so many rows; null without an interval. */
  verdict: Verdict | null;
}

/** How the intervals are drawn. */
export const INTERVALS = { samples: 1000, confidence: 0.95, seed: 1 };

async function observed(
  measure: MeasureName,
  given: Pick<ValidationRows, 'data' | 'rows'>,
  units: Float32Array,
  loss: NativeLoss | undefined,
  signal: AbortSignal | undefined,
): Promise<{ of: Resampled; name: string } | null> {
  const { data, rows } = given;
  const labels = Array.from(rows, (row) => data.labels[row]!);
  switch (measure) {
    case 'averagePrecision': {
      const most = labels.reduce((a, b) => Math.max(a, b), -Infinity);
      const positive = labels.map((label) => Number(label === most));
      return { of: await inPieces(BinaryObserved.of(units, positive, 'cosine'), signal), name: measure };
    }
    case 'spearman':
      return { of: await inPieces(SimilarityObserved.of(units, labels), signal), name: measure };
    case 'teacherAgreement':
      if (data.form === 'candidates') {
        // The similarities are in the units already; of the teacher's numbers only the margins are wanted.
        const width = given.rows.reduce((sum, row) => sum + data.rows[row]!.length - 1, 0);
        const { wanted } = margins(given, new Float32Array(width));
        return { of: await inPieces(SimilarityObserved.of(units, wanted), signal), name: 'spearman' };
      }
      if (data.otherSpace)
        return { of: await inPieces(SimilarityObserved.of(units, alikeToTeacher(given)), signal), name: 'spearman' };
      return { of: means(measure, units), name: measure };
    case 'mrr10':
    case 'knnAccuracy':
    case 'labelAccuracy':
      return { of: means(measure, units), name: measure };
    case 'loss': {
      const lossOf = loss === undefined ? null : rowLosses(loss);
      // With its sign turned, so that here too the higher is the better.
      return lossOf === null
        ? null
        : {
            of: means(
              measure,
              units.map((unit, i) => -lossOf(unit, labels[i]!)),
            ),
            name: measure,
          };
    }
    case 'average':
      return null;
  }
}

function means(name: string, units: Float32Array): Resampled {
  return new Means<Record<string, number>>('retrieval', 'queries', name, { [name]: Float64Array.from(units) });
}

export interface GainOptions {
  /** Share of the resamples between the bounds. Default 0.95. */
  confidence?: number;
  /** What was trained, where the measure is the loss. */
  loss?: NativeLoss | undefined;
  signal?: AbortSignal;
}

/** Null where the measure is not defined on these rows, or is a loss of which single rows have none. */
export async function gainOf(
  measure: MeasureName,
  given: Pick<ValidationRows, 'data' | 'rows'>,
  before: Float32Array,
  after: Float32Array,
  { confidence = INTERVALS.confidence, loss, signal }: GainOptions = {},
): Promise<Gain | null> {
  const intervals = { ...INTERVALS, confidence };
  if (before.length === 0 || before.length !== after.length) return null;
  const [first, second] = [
    await observed(measure, given, before, loss, signal),
    await observed(measure, given, after, loss, signal),
  ];
  if (first === null || second === null) return null;
  const found = (await differences(first.of, second.of, { intervals, signal })).measures[first.name];
  if (found === undefined || found.a === null || found.b === null) return null;
  const turned = measures[measure].lower === true;
  const [a, b] = turned ? [-found.a, -found.b] : [found.a, found.b];
  const interval =
    turned && found.interval !== null ? { low: -found.interval.high, high: -found.interval.low } : found.interval;
  return {
    measure,
    before: a,
    after: b,
    difference: b - a,
    interval,
    confidence,
    verdict: found.verdict,
  };
}
