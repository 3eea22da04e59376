import { optimizerPresets } from '../optimizer';
import type { RecipeEntry } from './recipe';

/** Texts with classes. */
export const classes: RecipeEntry = {
  about: 'texts with classes: texts of one class nearer than those of others, then a share of the trained weights',
  forms: ['classes'],
  of: ({ trainingRows }) => ({
    loss: { name: 'batch-all-triplet', distance_metric: 'cosine', margin: 0.2 },
    effectiveBatchSize: 32,
    learningRate: 2e-5,
    schedule: 'linear',
    warmup: { ratio: 0.1 },
    optimizer: optimizerPresets.torch,
    maxGradientNorm: 1,
    epochs: trainingRows < 10_000 ? 2 : 1,
    patience: null,
    merge: { shares: [1, 0.85, 0.7, 0.5], unmeasured: 0.7 },
    measure: 'knnAccuracy',
  }),
};
