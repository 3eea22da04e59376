import { course, foldsOf, someOfBase } from './course';
import type { RecipeEntry } from './recipe';

/**
 * Pairs with label 0 or 1. A logistic loss stops pulling where a pair is right, so that what the model could do before
 * stays; a share of the base's weights brings back most of what was lost all the same (docs/recipes.md).
 */
export const labels: RecipeEntry = {
  about:
    'pairs with label 0/1: logistic loss at the threshold of the model itself, then a share of the trained weights',
  forms: ['labelled-pairs'],
  of: ({ trainingRows }) => ({
    ...course,
    loss: 'logistic',
    effectiveBatchSize: 16,
    learningRate: trainingRows < 200 ? 5e-5 : 1e-4,
    epochs: trainingRows > 50_000 ? 1 : 2,
    merge: someOfBase,
    measure: 'averagePrecision',
    folds: foldsOf(trainingRows),
  }),
};
