import type { Groups } from '../../data/groups';
import type { Repeats } from '../../data/repeats';
import type { CollectedData } from '../../data/source';
import type { ResolvedLoss } from '../losses/choice';
import type { Sampler } from '../losses/table';
import type { MeasureName } from '../measure';
import type { RecipeName } from '../recipes/recipe';
import type { GroupedSplit } from '../split';
import type { DataWarning } from '../training-rows';

/** Rows that are trained on together. A run of one has no name for it. Row numbers count from its own first row. */
export interface TrainingSet {
  name: string | null;
  /** Place among the sets. */
  number: number;
  /** Of its first row among the rows of all sets, which is how the engine has them. */
  first: number;
  data: CollectedData;
  groups: Pick<Groups, 'columns' | 'offsets'>;
  split: GroupedSplit;
  repeats: Repeats;
  warnings: readonly DataWarning[];
  recipe: RecipeName;
  /** Its thresholds are yet to be fitted, where it has such. */
  loss: ResolvedLoss;
  /** How its rows come together in batches. */
  sampler: Sampler;
  /** What its validation rows are measured by. */
  measure: MeasureName;
}

/** Numbers of rows among those of all sets. */
export function amongAll(rows: Int32Array, { first }: Pick<TrainingSet, 'first'>): Int32Array {
  return first === 0 ? rows : rows.map((row) => row + first);
}

/** What each row of a set has, of lists that have it of all rows. */
export function ofSet<List extends { subarray(begin: number, end: number): List }>(
  all: List,
  { first, data }: Pick<TrainingSet, 'first' | 'data'>,
  more = 0,
): List {
  return all.subarray(first, first + data.rows.length + more);
}
