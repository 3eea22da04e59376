import { defaultLoss } from '../losses/fit';
import { optimizerPresets } from '../optimizer';
import { noneOfBase } from './course';
import type { RecipeEntry } from './recipe';

/** The job of Backprop's notebook "Finetuning for Text Vectorisation": what vectune did by default before it had recipes. */
export const notebook: RecipeEntry = {
  about: "the notebook's job: steady small steps, up to 20 epochs, the epoch of the lowest loss",
  forms: [],
  of: ({ data }) => ({
    loss: defaultLoss(data).native as { name: 'cosine-mse' },
    effectiveBatchSize: null,
    learningRate: 2e-5,
    schedule: 'constant',
    warmup: { steps: 0 },
    optimizer: optimizerPresets.notebook,
    maxGradientNorm: null,
    epochs: 20,
    patience: 1,
    merge: noneOfBase,
    measure: 'loss',
    folds: 1,
  }),
};
