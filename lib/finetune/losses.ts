import type { NativeLoss } from '../engine/addon';

/** What people read of a loss that the engine has, by its name there. */
export const losses = {
  'cosine-mse': { words: 'mean squared error of the cosine similarity and the score' },
} as const satisfies Record<string, { words: string }>;

export type LossName = keyof typeof losses;

/** Of rows of two texts and a score. */
export const defaultLoss = { name: 'cosine-mse' } as const satisfies NativeLoss & { name: LossName };
