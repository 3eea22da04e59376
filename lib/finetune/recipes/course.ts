import { optimizerPresets } from '../optimizer';
import type { Recipe } from './recipe';

/** How all recipes but the notebook's train: a rate that rises for a tenth of the steps and falls to 0, all epochs. */
export const course = {
  schedule: 'linear',
  warmup: { ratio: 0.1 },
  optimizer: optimizerPresets.torch,
  maxGradientNorm: 1,
  patience: null,
} as const satisfies Partial<Recipe>;

/**
 * Fewer rows to train on have fewer than some 35 to validate with, by which a gain cannot be told from chance; of so few
 * rows five trainings take seconds.
 */
const FEW_ROWS = 200;

export function foldsOf(trainingRows: number): number {
  return trainingRows < FEW_ROWS ? 5 : 1;
}

/** Shares to choose from where what the base could do is worth keeping. */
const shares = [1, 0.85, 0.7, 0.5];
export const someOfBase: Recipe['merge'] = { shares, keeping: shares, unmeasured: 0.7 };

/** Where nothing of the base is wanted, unless there are rows to keep. */
export const noneOfBase: Recipe['merge'] = { shares: [1], keeping: shares, unmeasured: 1 };
