import type { EventContent } from './events';
import { effectiveBatch, findBatchSize, finderLimit, searchBudget } from './finder';
import { longestRows } from './order';
import { freshProgress, type Progress } from './progress';
import type { RunSettings } from './recipes/settings';

export interface BatchPlan {
  /** Rows to train on. */
  rows: Int32Array;
  /** Tokens of each row of the data set. */
  lengths: Int32Array;
  device: 'cpu' | 'cuda';
  batchSize: number | 'auto';
  settings: Pick<RunSettings, 'effectiveBatchSize' | 'epochs' | 'earlyStopping'>;
  /** Runs the rows at once; rejects with OutOfMemoryError where they do not fit. */
  probe: (rows: Int32Array) => Promise<void>;
  emit: (event: EventContent) => void;
}

/** A new run's batch sizes: as asked for, or as the finder finds them. */
export async function planBatches({ rows, lengths, settings, ...plan }: BatchPlan): Promise<Progress> {
  const request = {
    device: plan.device,
    trainingRows: rows.length,
    effectiveBatchSize: settings.effectiveBatchSize,
  };
  const tokensOf = (some: Int32Array) => some.reduce((sum, row) => sum + lengths[row]!, 0);
  const found =
    plan.batchSize !== 'auto'
      ? plan.batchSize
      : await findBatchSize({
          limit: finderLimit(request),
          probe: (size) => plan.probe(longestRows(rows, lengths, size)),
          onEvent: plan.emit,
          budget: {
            tokens: searchBudget(tokensOf(rows), settings.epochs, settings.earlyStopping?.patience ?? null),
            cost: (size) => tokensOf(longestRows(rows, lengths, size)),
          },
        });
  const effective = effectiveBatch(request, found);
  return freshProgress(Math.min(found, effective), effective);
}
