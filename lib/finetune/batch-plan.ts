import type { EventContent } from './events';
import { effectiveBatch, findBatchSize, finderLimit, searchBudget } from './finder';
import { longestRows } from './order';
import { freshProgress, type Progress } from './progress';
import type { RunSettings } from './recipes/settings';

export interface BatchPlan {
  /** Rows to train on, of each set by their numbers among all. */
  sets: readonly Int32Array[];
  /** Tokens of each row. */
  lengths: Int32Array;
  device: 'cpu' | 'cuda';
  batchSize: number | 'auto';
  settings: Pick<RunSettings, 'effectiveBatchSize' | 'epochs' | 'earlyStopping'>;
  /** Runs rows of one set at once; rejects with OutOfMemoryError where they do not fit. */
  probe: (rows: Int32Array) => Promise<void>;
  emit: (event: EventContent) => void;
}

/** A new run's batch sizes: as asked for, or as the finder finds them. */
export async function planBatches({ sets, lengths, settings, ...plan }: BatchPlan): Promise<Progress> {
  const request = {
    device: plan.device,
    trainingRows: Math.max(...sets.map(({ length }) => length)),
    effectiveBatchSize: settings.effectiveBatchSize,
  };
  const tokensOf = (some: readonly Int32Array[]) =>
    some.reduce((sum, rows) => sum + rows.reduce((of, row) => of + lengths[row]!, 0), 0);
  // What fits must fit of every set.
  const limit = finderLimit(request);
  const longest = plan.batchSize === 'auto' ? sets.map((rows) => longestRows(rows, lengths, limit)) : [];
  const worst = (size: number) => longest.map((rows) => rows.subarray(0, size));
  const found =
    plan.batchSize !== 'auto'
      ? plan.batchSize
      : await findBatchSize({
          limit,
          probe: async (size) => {
            for (const rows of worst(size)) await plan.probe(rows);
          },
          onEvent: plan.emit,
          budget: {
            tokens: searchBudget(tokensOf(sets), settings.epochs, settings.earlyStopping?.patience ?? null),
            cost: (size) => tokensOf(worst(size)),
          },
        });
  const effective = effectiveBatch(request, found);
  // What the longest rows have, any others may have: more of them, where they are shorter.
  const tokens = Math.max(...worst(found).map((rows) => tokensOf([rows])), 0);
  const microTokens = plan.batchSize === 'auto' && found < effective ? tokens : null;
  return { ...freshProgress(Math.min(found, effective), effective), microTokens };
}
