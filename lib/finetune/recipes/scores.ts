import { course, foldsOf, noneOfBase } from './course';
import type { Recipe, RecipeEntry } from './recipe';

/**
 * Pairs with graded scores. Some hundred teach most in few large steps of a loss that wants their order alone, of which a
 * smaller share is taken; of thousands a share of the base's weights loses on every measure (docs/recipes.md).
 */
export const scores: RecipeEntry = {
  about:
    'pairs with graded scores: squared error of the cosine, or, below 1,000 rows, their correlation with the scores',
  forms: ['scored-pairs'],
  of: ({ trainingRows }) => ({
    ...course,
    ...(trainingRows < 1000 ? few : many),
    effectiveBatchSize: 16,
    measure: 'spearman',
    folds: foldsOf(trainingRows),
  }),
};

const many = {
  loss: 'cosine-mse',
  learningRate: 5e-5,
  epochs: 1,
  merge: noneOfBase,
} as const satisfies Partial<Recipe>;

const few = {
  loss: 'pearson',
  learningRate: 2e-4,
  epochs: 2,
  merge: { shares: [0.5, 0.35], keeping: [0.5, 0.35, 0.2], unmeasured: 0.5 },
} as const satisfies Partial<Recipe>;
