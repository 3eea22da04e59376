import { Random, Stream } from '../data/random';
import type { ResolvedIntervals } from './options';
import type { Work } from './work';

/** Bounds between which the true value lies with the stated confidence. */
export interface Interval {
  /** The lower bound. */
  low: number;
  /** The upper bound. */
  high: number;
}

/** Of fewer units a bootstrap knows nothing: some draws have one of them only. */
export const FEWEST = 5;

/** Draws between two pauses. */
const AT_ONCE = 1 << 14;

/** Numbers by name; null where one is not defined. */
export type Numbers = Record<string, number | null>;

/**
 * Two-sided percentile intervals (Efron and Tibshirani 1993, chapter 13): `units` rows (or queries) are drawn again with
 * replacement, `measure` is told how often each was drawn, and the bounds cut off equal shares of what it gave. The
 * difference of two models measured on the same draws is the paired bootstrap. Null for a number that is not defined on
 * most of the draws. The same seed gives the same bounds.
 */
export function* bootstrap(
  units: number,
  measure: (counts: Uint32Array) => Work<Numbers>,
  { samples, confidence, seed }: ResolvedIntervals,
  /** Is told how many are drawn, some hundred times. */
  onSample?: (done: number) => void,
): Work<Record<string, Interval | null>> {
  const random = Random.of(seed, Stream.Bootstrap);
  const values = new Map<string, number[]>();
  const counts = new Uint32Array(units);
  for (let sample = 0; sample < samples; ++sample) {
    counts.fill(0);
    for (let drawn = 0; drawn < units; drawn += AT_ONCE) {
      draw(random, counts, Math.min(AT_ONCE, units - drawn));
      yield;
    }
    for (const [name, value] of Object.entries(yield* measure(counts))) {
      let list = values.get(name);
      if (list === undefined) values.set(name, (list = []));
      if (value !== null && !Number.isNaN(value)) list.push(value);
    }
    if ((sample + 1) % Math.ceil(samples / 100) === 0) onSample?.(sample + 1);
    yield;
  }
  const tail = (1 - confidence) / 2;
  const intervals: Record<string, Interval | null> = {};
  for (const [name, list] of values) {
    const sorted = Float64Array.from(list).sort();
    intervals[name] =
      sorted.length < samples / 2 ? null : { low: quantile(sorted, tail), high: quantile(sorted, 1 - tail) };
  }
  return intervals;
}

/** Counts units that are drawn with replacement. That some are likelier by units / 2^32 is nothing to an interval. */
function draw(random: Random, counts: Uint32Array, times: number): void {
  const scale = counts.length / 2 ** 32;
  for (let i = 0; i < times; ++i) ++counts[Math.floor(random.next() * scale)]!;
}

/** Between neighbours by linear interpolation, as numpy. */
function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below]!;
  return low + (place - below) * (sorted[Math.min(below + 1, sorted.length - 1)]! - low);
}

/** What an interval of a difference (second model minus first) says; where it holds 0, chance may have made it. */
export type Verdict = 'better' | 'worse' | 'within noise';

export function verdictOf(difference: Interval, lowerIsBetter = false): Verdict {
  if (difference.low <= 0 && difference.high >= 0) return 'within noise';
  return difference.low > 0 !== lowerIsBetter ? 'better' : 'worse';
}
