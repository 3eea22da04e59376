import type { ResolvedLoss } from '../losses/choice';
import type { Recipe, RecipeName } from './recipe';

/** What a run does: what its options say, and the recipe where they do not. */
export interface RunSettings extends Omit<Recipe, 'name' | 'loss' | 'patience' | 'merge'> {
  recipe: RecipeName;
  /** null: logistic, with a threshold that the model has yet to give. */
  loss: ResolvedLoss | null;
  earlyStopping: { patience: number; minDelta: number } | null;
  /** Shares to choose from on the validation rows; of one there is no choice. */
  merge: readonly number[];
}
