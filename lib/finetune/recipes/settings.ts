import type { ResolvedLoss } from '../losses/choice';
import type { Recipe, RecipeName } from './recipe';

/** What a run does: what its options say, and the recipe where they do not. */
export interface RunSettings extends Omit<Recipe, 'name' | 'loss' | 'patience' | 'merge'> {
  recipe: RecipeName;
  /** Its thresholds are yet to be fitted, where it has such; null of several sets, each of which has its own. */
  loss: ResolvedLoss | null;
  earlyStopping: { patience: number; minDelta: number } | null;
  /** Shares to choose from on the validation rows; of one there is no choice. */
  merge: readonly number[];
}

/** Of one set of rows. */
export type SetSettings = RunSettings & { loss: ResolvedLoss };
