import type { ResolvedLoss } from '../losses/choice';
import type { Sampler } from '../losses/table';
import type { PromptChoice } from '../prompts';
import type { Recipe, RecipeName } from './recipe';

/** What a run does: what its options say, and the recipe where they do not. */
export interface RunSettings extends Omit<Recipe, 'name' | 'loss' | 'sampler' | 'patience' | 'merge'> {
  /** The one that was taken. */
  recipe: RecipeName;
  /** Its thresholds are yet to be fitted, where it has such; null of several sets, each of which has its own. */
  loss: ResolvedLoss | null;
  /** How rows come together in batches; of several sets each by its name. */
  sampler: Sampler | Readonly<Record<string, Sampler>>;
  /** When training ends before its last epoch; null: never. */
  earlyStopping: {
    /** Epochs without improvement. */
    patience: number;
    /** What counts as one, at least. */
    minDelta: number;
  } | null;
  /** Shares to choose from on the validation rows; of one there is no choice. */
  merge: readonly number[];
}

/** Of one set of rows. */
export type SetSettings = RunSettings & { loss: ResolvedLoss; sampler: Sampler };

/** What is told of settings and options. */
export function toldSettings(
  { recipe: _recipe, loss: _loss, ...settings }: RunSettings,
  { dropout, freeze, validationSplit, groupedSplit, shuffle }: Omit<ToldSettings, keyof RunSettings | 'prompts'>,
  prompts: PromptChoice | null,
): ToldSettings {
  return { ...settings, prompts, dropout, freeze: [...freeze], validationSplit, groupedSplit, shuffle };
}

/** What events and the report tell of them beside recipe and loss, with what else must be set to do it again. */
export interface ToldSettings extends Omit<RunSettings, 'recipe' | 'loss'> {
  /** What stood before the texts: one text, or one by column; null where nothing did. */
  prompts: PromptChoice | null;
  /** In place of the model's own; null where that was left to it. */
  dropout: number | null;
  /** What was not trained. */
  freeze: readonly string[];
  /** Share of the rows that was asked to be held out. */
  validationSplit: number;
  /** Whether rows that share a text were kept on one side. */
  groupedSplit: boolean;
  /** Whether rows came in a new order in each epoch. */
  shuffle: boolean;
}
