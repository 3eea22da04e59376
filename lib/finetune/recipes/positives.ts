import { course, foldsOf, someOfBase } from './course';
import type { Recipe, RecipeEntry } from './recipe';

/**
 * Texts with what belongs to them, with or without texts that do not. Of a thousand rows on each is told apart from the
 * anchors and the positives of 63 others, not from their positives alone (Li et al. 2023): measured, random negatives of
 * one direction teach next to nothing to a model that was trained on such pairs (docs/recipes.md).
 */
export const positives: RecipeEntry = {
  about:
    'texts with what belongs to them: ranked before all other texts of the batch, then a share of the trained weights',
  forms: ['positive-pairs', 'triplets'],
  of: ({ trainingRows }) => ({
    ...course,
    ...(trainingRows < 1000 ? few : many),
    epochs: trainingRows < 10_000 ? 2 : 1,
    merge: someOfBase,
    measure: 'mrr10',
    folds: foldsOf(trainingRows),
  }),
};

const few = {
  loss: 'multiple-negatives-ranking',
  effectiveBatchSize: 32,
  learningRate: 2e-5,
} as const satisfies Partial<Recipe>;

const many = {
  loss: {
    name: 'multiple-negatives-ranking',
    directions: ['query_to_doc', 'query_to_query', 'doc_to_query', 'doc_to_doc'],
  },
  effectiveBatchSize: 64,
  learningRate: 5e-5,
} as const satisfies Partial<Recipe>;
