import type { ResolvedLoss } from '../losses/choice';
import type { Sampler } from '../losses/table';
import type { Recipe, RecipeName } from './recipe';

/** What a run does: what its options say, and the recipe where they do not. */
export interface RunSettings extends Omit<Recipe, 'name' | 'loss' | 'sampler' | 'patience' | 'merge'> {
  recipe: RecipeName;
  /** Its thresholds are yet to be fitted, where it has such; null of several sets, each of which has its own. */
  loss: ResolvedLoss | null;
  /** How rows come together in batches; of several sets each by its name. */
  sampler: Sampler | Readonly<Record<string, Sampler>>;
  earlyStopping: { patience: number; minDelta: number } | null;
  /** Shares to choose from on the validation rows; of one there is no choice. */
  merge: readonly number[];
}

/** Of one set of rows. */
export type SetSettings = RunSettings & { loss: ResolvedLoss; sampler: Sampler };

/** What events and the report tell of them beside recipe and loss. */
export type ToldSettings = Omit<RunSettings, 'recipe' | 'loss'>;
