import { OutOfMemoryError, firstSentence, fromNative, hasCode } from '../system/errors';
import type { FinderEvent } from './events/begin';
import { option, say } from '../system/wording';

/** First size that is tried, and the factor from one to the next. */
const firstSize = 2;
const factor = 2;

export interface FinderRequest {
  /** Largest size that is of use. */
  limit: number;
  /** Runs a batch of that size in its worst case; rejects with OutOfMemoryError where it does not fit. */
  probe: (size: number) => Promise<void>;
  onEvent: (event: Omit<FinderEvent, 'kind'>) => void;
  /**
   * What the trials may cost in all, and what one of a size does, in tokens; the search ends before it would cost more.
   * Default: whatever it takes.
   */
  budget?: { tokens: number; cost: (size: number) => number };
}

/** Share of a run's work that its search for a batch size may take. */
const searchShare = 0.1;
/** A search of so few tokens is over before anyone waits for it. */
const freeTokens = 2048;
/** Rows that are computed at once without having been tried. */
const mostUntried = 128;

/**
 * Tokens that the trials may cost: a tenth of those that the run trains on at the least, if that is not next to nothing. A
 * run may end early; it trains the epochs that show no improvement, and one before.
 */
export function searchBudget(trainingTokens: number, epochs: number, patience: number | null): number {
  const least = patience === null ? epochs : Math.min(epochs, patience + 1);
  return Math.max(freeTokens, searchShare * trainingTokens * least);
}

/**
 * Looks for the largest batch that fits in memory: doubling from 2 until one fails or the limit is reached.
 * A size is proposed only if it was run, unless the search would cost more than its budget: then the limit is, and a step
 * that does not fit after all is done again in smaller parts, as any other. Rejects with OutOfMemoryError where not even
 * one row fits; any other error of a probe ends the search.
 */
export async function findBatchSize({ limit, probe, onEvent, budget }: FinderRequest): Promise<number> {
  const fits = async (size: number): Promise<OutOfMemoryError | null> => {
    try {
      await probe(size);
      return null;
    } catch (error) {
      const failure = fromNative(error);
      if (hasCode(failure, 'ERR_OUT_OF_MEMORY')) return failure as OutOfMemoryError;
      throw failure;
    }
  };
  const trying = (size: number, outcome: 'succeeded' | 'failed', next: number) =>
    onEvent({
      type: 'finder',
      outcome,
      batchSize: size,
      next,
      message: `Batch size ${size} ${outcome}, trying batch size ${next}`,
    });
  const finish = (size: number): number => {
    const message = `Finished batch size finder, will continue with full run using batch size ${size}`;
    onEvent({ type: 'finder', outcome: 'finished', batchSize: size, next: null, message });
    return size;
  };

  const untried = (size: number): number => {
    const message =
      `Finished batch size finder, as more trials would take over a tenth of the run; will continue with full run using ` +
      `batch size ${size}, and less at once where that does not fit`;
    onEvent({ type: 'finder', outcome: 'finished', batchSize: size, next: null, message });
    return size;
  };

  let largest = limit;
  let fitted = 0;
  let size = Math.min(firstSize, limit);
  let spent = 0;
  const affordable = (next: number): boolean => {
    spent += budget?.cost(next) ?? 0;
    return budget === undefined || spent <= budget.tokens;
  };
  if (!affordable(size)) return untried(Math.min(largest, mostUntried));
  // After a failure one row is tried whatever it costs: a run that cannot do that must not begin.
  for (;;) {
    const failure = await fits(size);
    if (failure === null) {
      if (size === largest) return finish(size);
      const next = Math.min(size * factor, largest);
      fitted = size;
      if (!affordable(next)) return untried(Math.max(fitted, Math.min(largest, mostUntried)));
      trying(size, 'succeeded', next);
      size = next;
      continue;
    }
    if (fitted > 0) {
      // Has been run already, as the size before this one.
      trying(size, 'failed', fitted);
      return finish(fitted);
    }
    if (size === 1) {
      throw new OutOfMemoryError(
        'ERR_OUT_OF_MEMORY',
        say`Not even one row fits in memory: a step on the longest row of the training data needs more than there is (${firstSentence(failure)}).`,
        {
          cause: failure,
          remedy: say`Lower ${option('maxInputLength')}, raise ${option('memoryLimit')}, or take a smaller model.`,
        },
      );
    }
    trying(size, 'failed', 1);
    size = largest = 1;
  }
}

export interface BatchPlanRequest {
  device: 'cpu' | 'cuda';
  trainingRows: number;
  /** null where it was left to vectune. */
  effectiveBatchSize: number | null;
}

/** Rows of a step where nothing was asked for: on a processor, and at most on a GPU. */
const defaultEffective = 32;
const largestEffective = 128;

/** The largest batch that the finder should look at: more than a step has, or than there are rows, is of no use. */
export function finderLimit({ device, trainingRows, effectiveBatchSize }: BatchPlanRequest): number {
  if (effectiveBatchSize === null && device === 'cuda') return trainingRows;
  return Math.min(trainingRows, effectiveBatchSize ?? defaultEffective);
}

/** Rows of a step: as asked for; else 32 on a processor, and on a GPU the size that was found, at most 128. */
export function effectiveBatch(request: BatchPlanRequest, microBatch: number): number {
  return (
    request.effectiveBatchSize ??
    (request.device === 'cuda' ? Math.min(microBatch, largestEffective) : defaultEffective)
  );
}
