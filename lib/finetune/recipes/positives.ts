import { optimizerPresets } from '../optimizer';
import type { RecipeEntry } from './recipe';

/** Texts with what belongs to them, with or without texts that do not. */
export const positives: RecipeEntry = {
  about:
    'texts with what belongs to them: ranked before all other texts of the batch, then a share of the trained weights',
  forms: ['positive-pairs', 'triplets'],
  of: ({ trainingRows }) => ({
    loss: 'multiple-negatives-ranking',
    effectiveBatchSize: 32,
    learningRate: 2e-5,
    schedule: 'linear',
    warmup: { ratio: 0.1 },
    optimizer: optimizerPresets.torch,
    maxGradientNorm: 1,
    epochs: trainingRows < 10_000 ? 2 : 1,
    patience: null,
    merge: { shares: [1, 0.85, 0.7, 0.5], unmeasured: 0.7 },
    measure: 'mrr10',
  }),
};
