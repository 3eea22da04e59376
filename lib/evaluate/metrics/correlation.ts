import { atOnce, type Work } from '../work';
import { ascending, tieEnds } from './order';

// Correlations are computed in double precision. `counts`, where given, says how often each row counts: a resample.

type Numbers = ArrayLike<number>;

/** Pearson's correlation, from -1 to 1; null for fewer than two rows, or where one side does not vary or is not a number. */
export function pearson(a: Numbers, b: Numbers, counts?: Numbers): number | null {
  let n = 0;
  for (let i = 0; i < a.length; ++i) n += counts === undefined ? 1 : counts[i]!;
  if (n < 2) return null;
  let meanA = 0;
  let meanB = 0;
  for (let i = 0; i < a.length; ++i) {
    const count = counts === undefined ? 1 : counts[i]!;
    meanA += (count * a[i]!) / n;
    meanB += (count * b[i]!) / n;
  }
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; ++i) {
    const count = counts === undefined ? 1 : counts[i]!;
    const da = a[i]! - meanA;
    const db = b[i]! - meanB;
    ab += count * da * db;
    aa += count * da * da;
    bb += count * db * db;
  }
  // Of the roots, not the root of the product, which leaves the range of numbers sooner.
  const correlation = ab / (Math.sqrt(aa) * Math.sqrt(bb));
  const defined = Number.isFinite(correlation) && varies(a, counts) && varies(b, counts);
  return defined ? Math.max(-1, Math.min(1, correlation)) : null;
}

/** Rounding of the mean can leave equal numbers with a variance above 0. */
function varies(values: Numbers, counts?: Numbers): boolean {
  let first: number | undefined;
  for (let i = 0; i < values.length; ++i) {
    if (counts !== undefined && counts[i] === 0) continue;
    first ??= values[i]!;
    if (values[i] !== first) return true;
  }
  return false;
}

/** Values in their order, from which ranks follow in linear time. */
export class Ranking {
  private constructor(
    readonly order: Uint32Array,
    readonly ends: Uint32Array,
  ) {}

  static *of(values: Numbers): Work<Ranking> {
    const order = yield* ascending(values);
    return new Ranking(order, yield* tieEnds(values, order));
  }

  /** Ranks from 1; equal values share the mean of their ranks. A row that counts n times takes n ranks. */
  ranks(counts?: Numbers): Float64Array {
    const ranks = new Float64Array(this.order.length);
    let before = 0;
    let start = 0;
    for (const end of this.ends) {
      let tied = counts === undefined ? end - start : 0;
      if (counts !== undefined) for (let i = start; i < end; ++i) tied += counts[this.order[i]!]!;
      for (let i = start; i < end; ++i) ranks[this.order[i]!] = before + (tied + 1) / 2;
      before += tied;
      start = end;
    }
    return ranks;
  }
}

/** Ranks from 1; equal values share the mean of their ranks. */
export function averageRanks(values: Numbers): Float64Array {
  return atOnce(Ranking.of(values)).ranks();
}

/** Spearman's rank correlation, Pearson's of the average ranks; null as `pearson`. */
export function spearman(a: Numbers, b: Numbers): number | null {
  return atOnce(rankCorrelation(a, b));
}

/** The same in pieces. */
export function* rankCorrelation(a: Numbers, b: Numbers): Work<number | null> {
  for (let i = 0; i < a.length; ++i) if (Number.isNaN(a[i]!) || Number.isNaN(b[i]!)) return null;
  return pearson((yield* Ranking.of(a)).ranks(), (yield* Ranking.of(b)).ranks());
}
