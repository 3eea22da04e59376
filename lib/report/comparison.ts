import { BinaryObserved } from '../evaluate/binary';
import type { ChangedRow } from '../evaluate/changed-rows';
import type { compared, Comparison } from '../evaluate/compare';
import { differences, mostChanged, type Change, type Resampled } from '../evaluate/differences';
import type { ResolvedIntervals } from '../evaluate/options';
import { SimilarityObserved } from '../evaluate/similarity';
import type { Observation } from '../evaluate/evaluation';
import type { Measures } from '../evaluate/evaluate';
import type { DataSet } from '../evaluate/data-set';
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
  /** Its number in the data, of a row by its place here; default the same. */
  row?: (at: number) => number;
  /** The texts of a row, by its place here. */
  texts: (at: number) => readonly string[];
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
    row: rows.row?.(unit) ?? unit,
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

/** What was found of two models on other data than the run's, as a page shows it: of pairs with their similarities. */
export async function pageComparison(
  { comparison, better, worse }: Awaited<ReturnType<typeof compared>>,
  first: Observation<Measures>,
  second: Observation<Measures>,
  set: DataSet,
  name: string,
  signal?: AbortSignal,
): Promise<RunComparison> {
  const { measures, confidence, primary, count } = comparison;
  const [before, after] = [await valuesOf(first, signal), await valuesOf(second, signal)];
  const pairs = set.form === 'binary' || set.form === 'similarity';
  const told = (rows: readonly ChangedRow[], changes: readonly Change[]): ComparedRow[] =>
    rows.map((row, i) => ({
      ...row,
      before: row.answers === undefined ? before[changes[i]!.unit]! : row.answers.a.place,
      after: row.answers === undefined ? after[changes[i]!.unit]! : row.answers.b.place,
    }));
  return {
    kind: kinds[comparison.form],
    of: { name, rows: count },
    primary,
    wanted: thinned(wantedOf(set)),
    before: thinned(pairs ? before : []),
    after: thinned(pairs ? after : []),
    measures,
    confidence,
    better: told(comparison.better, better),
    worse: told(comparison.worse, worse),
  };
}

const kinds: Readonly<Record<Comparison['form'], RunComparison['kind']>> = {
  binary: 'labels',
  similarity: 'scores',
  triplet: 'triplets',
  retrieval: 'queries',
  reranking: 'queries',
  classes: 'texts',
  'paraphrase-mining': 'texts',
  'teacher-agreement': 'vectors',
  'label-accuracy': 'pairs',
};

/** What stands for each unit: of pairs the similarity, else what tells how well it is answered. */
async function valuesOf({ observed }: Observation<Measures>, signal?: AbortSignal): Promise<ArrayLike<number>> {
  const one: unknown = [...observed.values()][0]!;
  if (one instanceof BinaryObserved) return one.sorted.similarities;
  if (one instanceof SimilarityObserved) return one.similarities;
  return inPieces((one as Resampled).goodness(), signal);
}

function wantedOf(set: DataSet): number[] {
  if (set.form === 'binary') return set.rows.map(({ label }) => Number(label));
  return set.form === 'similarity' ? set.rows.map(({ score }) => score) : [];
}

/** The rows that changed most, each way, by how well each is answered before and after. */
export async function changedRows(
  before: Float64Array,
  after: Float64Array,
  told: (at: number, change: number) => ComparedRow,
): Promise<{ better: ComparedRow[]; worse: ComparedRow[] }> {
  const { better, worse } = await mostChanged(before, after);
  return {
    better: better.map(({ unit, change }) => told(unit, change)),
    worse: worse.map(({ unit, change }) => told(unit, change)),
  };
}

/** As a record keeps them: of many some, to five decimals. */
export function thinned(list: ArrayLike<number>): number[] {
  const every = Math.max(1, list.length / MOST_ROWS);
  const count = Math.min(list.length, MOST_ROWS);
  return Array.from({ length: count }, (_, i) => Number(list[Math.floor(i * every)]!.toFixed(5)));
}
