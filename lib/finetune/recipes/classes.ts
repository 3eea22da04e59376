import { course, foldsOf, someOfBase } from './course';
import type { RecipeEntry } from './recipe';

/** Texts with classes. */
export const classes: RecipeEntry = {
  about: 'texts with classes: texts of one class nearer than those of others, then a share of the trained weights',
  forms: ['classes'],
  of: ({ trainingRows }) => ({
    ...course,
    loss: { name: 'batch-all-triplet', distance_metric: 'cosine', margin: 0.2 },
    effectiveBatchSize: 32,
    learningRate: 2e-5,
    epochs: trainingRows < 10_000 ? 2 : 1,
    merge: someOfBase,
    measure: 'knnAccuracy',
    folds: foldsOf(trainingRows),
  }),
};
