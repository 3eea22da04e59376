import { course, foldsOf, someOfBase } from './course';
import type { RecipeEntry } from './recipe';

/** Texts with what belongs to them, with or without texts that do not. */
export const positives: RecipeEntry = {
  about:
    'texts with what belongs to them: ranked before all other texts of the batch, then a share of the trained weights',
  forms: ['positive-pairs', 'triplets'],
  of: ({ trainingRows }) => ({
    ...course,
    loss: 'multiple-negatives-ranking',
    effectiveBatchSize: 32,
    learningRate: 2e-5,
    epochs: trainingRows < 10_000 ? 2 : 1,
    merge: someOfBase,
    measure: 'mrr10',
    folds: foldsOf(trainingRows),
  }),
};
