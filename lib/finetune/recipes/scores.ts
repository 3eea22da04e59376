import { course, foldsOf } from './course';
import type { RecipeEntry } from './recipe';

/** Pairs with graded scores. Here a share of the base's weights loses on every measure (docs/recipes.md). */
export const scores: RecipeEntry = {
  about: 'pairs with graded scores: squared error of the cosine, one epoch, a learning rate that falls to 0',
  forms: ['scored-pairs'],
  of: ({ trainingRows }) => ({
    ...course,
    loss: 'cosine-mse',
    effectiveBatchSize: 16,
    learningRate: trainingRows < 1000 ? 2e-5 : 5e-5,
    epochs: trainingRows < 1000 ? 4 : 1,
    merge: { shares: [1, 0.7], unmeasured: 1 },
    measure: 'spearman',
    folds: foldsOf(trainingRows),
  }),
};
