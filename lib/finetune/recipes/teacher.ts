import { defaultLoss } from '../losses/fit';
import { course, foldsOf, noneOfBase } from './course';
import type { RecipeEntry } from './recipe';

/** A teacher's vectors, scores or margins: the nearer to the teacher the better, so nothing of the base is kept. */
export const teacher: RecipeEntry = {
  about: "a teacher's vectors or scores: as near to the teacher as training comes",
  forms: ['vectors', 'candidates'],
  of: ({ data, trainingRows }) => ({
    ...course,
    loss: defaultLoss(data).native as { name: 'mse' },
    effectiveBatchSize: 32,
    learningRate: 5e-5,
    epochs: trainingRows < 10_000 ? 4 : 1,
    merge: noneOfBase,
    measure: 'teacherAgreement',
    folds: foldsOf(trainingRows),
  }),
};
