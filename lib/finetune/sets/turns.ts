import { Random, Stream } from '../../data/random';

/** How several sets take turns, as sentence-transformers' MultiDatasetBatchSamplers. */
export const multiDatasetSamplers = ['proportional', 'round-robin'] as const;
/** 'proportional': every batch of every set once; 'round-robin': one of each in turn, until a set has no more. */
export type MultiDatasetSampler = (typeof multiDatasetSamplers)[number];

/** Seed of what is drawn for a set alone; that of the first is the run's. */
export function seedOf(seed: number, set: number): number {
  return set === 0 ? seed : Random.of(seed, Stream.Sets, set).next();
}

/** Steps of an epoch, of the batches that each set has. */
export function turnsOf(sampler: MultiDatasetSampler, batches: readonly number[]): number {
  return sampler === 'round-robin'
    ? Math.min(...batches) * batches.length
    : batches.reduce((sum, count) => sum + count, 0);
}

/**
 * Which set's next batch each step of an epoch takes. 'round-robin': one of each set in turn, until a set has no more, so
 * that all count the same and what is left of the others waits for another epoch. 'proportional': every batch of every set,
 * in an order drawn by the seed and the epoch, or, where nothing is shuffled, as evenly as may be.
 */
export function takeTurns(
  sampler: MultiDatasetSampler,
  batches: readonly number[],
  { seed, epoch, shuffle }: { seed: number; epoch: number; shuffle: boolean },
): Int32Array {
  if (sampler === 'round-robin')
    return Int32Array.from({ length: turnsOf(sampler, batches) }, (_, i) => i % batches.length);
  const turns = batches.flatMap((count, set) =>
    Array.from({ length: count }, (_, i) => ({ set, at: (i + 0.5) / count })),
  );
  // Of equal places the first set's comes first: sort is stable.
  if (!shuffle)
    return Int32Array.from(
      turns.sort((a, b) => a.at - b.at),
      ({ set }) => set,
    );
  return Random.of(seed, Stream.Turns, epoch).shuffle(Int32Array.from(turns, ({ set }) => set));
}
