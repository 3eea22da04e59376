/** Mean, quantiles and extremes of similarities; null where there are none. */
export interface ScoreStatistics {
  /** Similarities. */
  count: number;
  /** Their mean. */
  mean: number | null;
  /** Half of them are below: of an even number the lower of the two in the middle. */
  median: number | null;
  /** Standard deviation, divided by count - 1; null for less than two. */
  std: number | null;
  /** The lowest. */
  min: number | null;
  /** A quarter of them are below, interpolated. */
  quartile1: number | null;
  /** Half of them are below, interpolated. */
  quartile2: number | null;
  /** Three quarters of them are below, interpolated. */
  quartile3: number | null;
  /** The highest. */
  max: number | null;
}

/** Candidates that one option dropped. */
export interface Dropped {
  /** The option. */
  option: 'absoluteMargin' | 'relativeMargin' | 'maxScore' | 'minScore';
  /** Its value. */
  value: number;
  /** Candidates. */
  count: number;
  /** Of those that were candidates before it, from 0 to 1. */
  share: number;
}

/** What came of mining, as sentence-transformers prints it. */
export interface MineReport {
  /** Rows that were read. */
  pairs: number;
  /** Different anchors. */
  anchors: number;
  /** Different texts that were searched. */
  corpus: number;
  /** The most similar texts that were looked at. */
  rangeMax: number;
  /** Rows that were made. */
  rows: number;
  /** Similarities of positives with their anchors. */
  positive: ScoreStatistics;
  /** Similarities of negatives with their anchors. */
  negative: ScoreStatistics;
  /** Positive less negative, of each row's. */
  difference: ScoreStatistics;
  /** By option, those that dropped any. */
  dropped: readonly Dropped[];
  /** Rows for which there were not enough negatives. */
  missing: number;
  /** Rows that there could have been. */
  possible: number;
  /** What is worth knowing about the data, a sentence each. */
  notes: readonly string[];
}

export function statisticsOf(scores: readonly number[]): ScoreStatistics {
  const sorted = Float64Array.from(scores).sort();
  const count = sorted.length;
  if (count === 0) {
    const nothing = { mean: null, median: null, std: null, min: null, max: null };
    return { count, ...nothing, quartile1: null, quartile2: null, quartile3: null };
  }
  const mean = sorted.reduce((sum, x) => sum + x, 0) / count;
  const squares = sorted.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  const quantile = (q: number): number => {
    const at = q * (count - 1);
    const low = sorted[Math.floor(at)]!;
    return low + (sorted[Math.ceil(at)]! - low) * (at % 1);
  };
  return {
    count,
    mean,
    median: sorted[(count - 1) >> 1]!,
    std: count < 2 ? null : Math.sqrt(squares / (count - 1)),
    min: sorted[0]!,
    quartile1: quantile(0.25),
    quartile2: quantile(0.5),
    quartile3: quantile(0.75),
    max: sorted[count - 1]!,
  };
}
