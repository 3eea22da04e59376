import type { DataForm, TrainingData } from '../../data/form';
import type { ResolvedAdamW } from '../optimizer';
import type { LossChoice } from '../losses/choice';
import type { Sampler } from '../losses/table';
import type { MeasureName } from '../measure';
import type { ScheduleKind } from '../schedule';

/** How a run trains and what it goes by, where the options do not say it. */
export interface Recipe {
  name: RecipeName;
  loss: LossChoice;
  /** How rows come together in batches. Default: as the loss wants them. */
  sampler?: Sampler;
  /** Rows of one optimiser step; null leaves it to the batch-size finder, up to 32. */
  effectiveBatchSize: number | null;
  learningRate: number;
  schedule: ScheduleKind;
  warmup: { steps: number } | { ratio: number };
  optimizer: Readonly<ResolvedAdamW>;
  maxGradientNorm: number | null;
  epochs: number;
  /** Epochs without improvement after which training ends; null trains them all. */
  patience: number | null;
  /**
   * Shares of the trained weights, the rest being the base's: one of them is chosen on the validation rows, of `keeping`
   * where there are rows to keep; without validation rows it is `unmeasured`, or the largest of `keeping` below that which
   * keeps what must be kept. [1] is training as it is.
   */
  merge: { shares: readonly number[]; keeping: readonly number[]; unmeasured: number };
  measure: MeasureName;
  /** Parts of the rows that take turns to be measured by models that have not seen them; 1: the validation rows alone. */
  folds: number;
}

/** What a recipe goes by. */
export interface RecipeFacts {
  data: Pick<TrainingData, 'form' | 'rows' | 'labelWidth'>;
  trainingRows: number;
}

/** 'auto' takes the one of the data's form. */
export const recipeNames = ['notebook', 'labels', 'scores', 'positives', 'classes', 'pair-classes', 'teacher'] as const;
export type RecipeName = (typeof recipeNames)[number];

/** A recipe, and what it is for. */
export interface RecipeEntry {
  /** In a line, for people. */
  about: string;
  /** Forms that it is `auto`'s for. */
  forms: readonly DataForm[];
  /** By the number of rows. */
  of(facts: RecipeFacts): Omit<Recipe, 'name'>;
}
