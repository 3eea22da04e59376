import { BinaryObserved } from '../evaluate/binary';
import { differences, type Resampled } from '../evaluate/compare';
import type { ResolvedIntervals } from '../evaluate/options';
import { SimilarityObserved } from '../evaluate/similarity';
import { inPieces } from '../evaluate/work';
import type { ComparedRow, RunComparison } from './record';

/** Rows whose similarities a record keeps; of more, as many are taken at equal distances. */
const MOST_ROWS = 5000;

/** Rows of two texts under the untrained and the tuned model. */
export interface ScoredSimilarities {
  /** Labels 0 and 1, or scores. */
  wanted: ArrayLike<number>;
  before: ArrayLike<number>;
  after: ArrayLike<number>;
  /** The texts of a row, by its place here. */
  texts: (row: number) => readonly [string, string];
  intervals: ResolvedIntervals | null;
  signal?: AbortSignal | undefined;
}

/** What changed between the two: measures with intervals, the rows that changed most. Null where there is nothing to measure. */
export async function compareRows(rows: ScoredSimilarities): Promise<RunComparison | null> {
  const { wanted, before, after, texts, intervals, signal } = rows;
  const values = new Set(Array.from(wanted));
  if (wanted.length < 2 || values.size < 2) return null;
  const kind = values.size === 2 && values.has(0) && values.has(1) ? 'labels' : 'scores';
  const observe = async (similarities: ArrayLike<number>): Promise<Resampled> =>
    kind === 'labels'
      ? inPieces(BinaryObserved.of(similarities, wanted, 'cosine'), signal)
      : inPieces(SimilarityObserved.of(similarities, wanted), signal);
  const found = await differences(await observe(before), await observe(after), { intervals, signal });
  const told = ({ unit, change }: { unit: number; change: number }): ComparedRow => ({
    row: unit,
    change,
    texts: [...texts(unit)],
    wanted: wanted[unit]!,
    before: before[unit]!,
    after: after[unit]!,
  });
  return {
    kind,
    wanted: thinned(wanted),
    before: thinned(before),
    after: thinned(after),
    measures: found.measures,
    confidence: found.confidence,
    better: found.better.map(told),
    worse: found.worse.map(told),
  };
}

/** As a record keeps them: of many some, to five decimals. */
export function thinned(list: ArrayLike<number>): number[] {
  const every = Math.max(1, list.length / MOST_ROWS);
  const count = Math.min(list.length, MOST_ROWS);
  return Array.from({ length: count }, (_, i) => Number(list[Math.floor(i * every)]!.toFixed(5)));
}
