import { bootstrap, verdictOf, type Interval, type Verdict } from './bootstrap';
import { numbersOf, resamplesOf, type Observed } from './evaluation';
import type { Measures, ResolvedEvaluateData } from './evaluate';
import { inPieces, type Work } from './work';

/** One measure of two models on the same rows. */
export interface MeasureDifference {
  /** Of the first model; null where it is not defined. */
  a: number | null;
  /** Of the second model. */
  b: number | null;
  /** b − a. */
  difference: number | null;
  /** Of the difference, by the paired bootstrap; null where there is none. */
  interval: Interval | null;
  /**
   * Whether the second model is better, worse, or the difference within what chance makes of so many rows; null without an
   * interval, and for what goes with a threshold that each model has of its own: precision and recall there.
   */
  verdict: Verdict | null;
}

/** Rows of each kind that are told. */
const TOLD = 10;
/** Belong to a model; a difference says nothing. */
const isThreshold = (name: string): boolean => /threshold$/i.test(name);
/** At the threshold that is each model's own: one rises as the other falls. */
const atThreshold = new Set(['precision', 'recall']);

/** As much of what was observed as differences need. */
export type Resampled = Pick<Observed<object>, 'measure' | 'resampled' | 'goodness'>;

/** What differs between two models that were observed on the same units. */
export interface Differences {
  measures: Record<string, MeasureDifference>;
  /** Share of the resamples between the bounds of an interval; null without intervals. */
  confidence: number | null;
  /** The units that changed most each way. */
  better: Change[];
  worse: Change[];
}

/** A unit and how much better the second model answers it. */
export interface Change {
  unit: number;
  change: number;
}

export async function differences(
  first: Resampled,
  second: Resampled,
  { intervals: wanted, signal }: Pick<ResolvedEvaluateData, 'intervals' | 'signal'>,
  /** Is told how many resamples are drawn. */
  onSample?: (done: number) => void,
): Promise<Differences> {
  const [one, other] = [
    await inPieces(numbersOf(first.measure()), signal),
    await inPieces(numbersOf(second.measure()), signal),
  ];
  const resamples = resamplesOf(first, wanted);
  const intervals =
    resamples === null
      ? {}
      : await inPieces(
          bootstrap(
            first.resampled,
            (counts) => difference(first.measure(counts), second.measure(counts)),
            resamples,
            onSample,
          ),
          signal,
        );
  const measures: Record<string, MeasureDifference> = {};
  for (const [name, a] of Object.entries(one)) {
    const b = other[name] ?? null;
    const interval = isThreshold(name) ? null : (intervals[name] ?? null);
    measures[name] = {
      a,
      b,
      difference: a === null || b === null ? null : b - a,
      interval,
      verdict: interval === null || atThreshold.has(name) ? null : verdictOf(interval),
    };
  }
  const changes = await mostChanged(
    await inPieces(first.goodness(), signal),
    await inPieces(second.goodness(), signal),
  );
  return { measures, confidence: resamples?.confidence ?? null, ...changes };
}

function* difference(a: Work<object | null>, b: Work<object | null>): Work<Measures> {
  const [one, other] = [yield* numbersOf(a), yield* numbersOf(b)];
  return Object.fromEntries(
    Object.entries(one).map(([name, value]) => {
      const second = other[name];
      return [name, value === null || second === null || second === undefined ? null : second - value];
    }),
  );
}

/** The units that changed most each way; kept while walking through all. */
export async function mostChanged(a: Float64Array, b: Float64Array): Promise<{ better: Change[]; worse: Change[] }> {
  let better: Change[] = [];
  let worse: Change[] = [];
  for (let unit = 0; unit < a.length; ++unit) {
    const change = b[unit]! - a[unit]!;
    if (change > 0) better.push({ unit, change });
    if (change < 0) worse.push({ unit, change });
    if (better.length > 20 * TOLD) better = most(better, -1);
    if (worse.length > 20 * TOLD) worse = most(worse, 1);
    if (unit % (1 << 15) === 0) await new Promise(setImmediate);
  }
  return { better: most(better, -1), worse: most(worse, 1) };
}

function most(changes: Change[], sign: 1 | -1): Change[] {
  return changes.sort((a, b) => sign * (a.change - b.change) || a.unit - b.unit).slice(0, TOLD);
}
