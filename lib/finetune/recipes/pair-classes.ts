import { course, foldsOf, noneOfBase } from './course';
import type { RecipeEntry } from './recipe';

/** Pairs with one of several classes, such as premise and hypothesis: as sentence-transformers trains on NLI. */
export const pairClasses: RecipeEntry = {
  about:
    'pairs with one of several classes: a classifier of both vectors and their difference, trained beside the model',
  forms: ['classified-pairs'],
  of: ({ data, trainingRows }) => ({
    ...course,
    loss: 'softmax',
    effectiveBatchSize: 16,
    learningRate: 2e-5,
    epochs: trainingRows < 10_000 ? 4 : 1,
    merge: noneOfBase,
    // Other rows come here by the recipe's name and a loss of their own.
    measure: data.form === 'classified-pairs' ? 'labelAccuracy' : 'loss',
    folds: foldsOf(trainingRows),
  }),
};
