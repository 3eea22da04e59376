import type { DataForm, TrainingData } from '../../data/form';
import type { ResolvedAdamW } from '../optimizer';
import type { LossChoice } from '../losses/choice';
import type { Sampler } from '../losses/table';
import type { MeasureName } from '../measure';
import type { ScheduleKind } from '../schedule';

/** How a run trains and what it goes by, where the options do not say it. */
export interface Recipe {
  name: RecipeName;
  /** What is made small. */
  loss: LossChoice;
  /** How rows come together in batches. Default: as the loss wants them. */
  sampler?: Sampler;
  /** Rows of one optimiser step; null leaves it to the batch-size finder, up to 32. */
  effectiveBatchSize: number | null;
  /** The highest, after the warm-up. */
  learningRate: number;
  /** What the rate does after the warm-up. */
  schedule: ScheduleKind;
  /** Steps, or the share of all steps, in which the rate rises from 0. */
  warmup:
    | {
        /** How many. */
        steps: number;
      }
    | {
        /** From 0 to 1. */
        ratio: number;
      };
  /** AdamW's numbers. */
  optimizer: Readonly<ResolvedAdamW>;
  /** Gradients of a larger norm are made this long; null leaves them. */
  maxGradientNorm: number | null;
  /** Passes over the training rows, at most. */
  epochs: number;
  /** Epochs without improvement after which training ends; null trains them all. */
  patience: number | null;
  /**
   * Shares of the trained weights, the rest being the base's: one of them is chosen on the validation rows, of `keeping`
   * where there are rows to keep; without validation rows it is `unmeasured`, or the largest of `keeping` below that which
   * keeps what must be kept. [1] is training as it is.
   */
  merge: { shares: readonly number[]; keeping: readonly number[]; unmeasured: number };
  /** What epoch and share are chosen by. */
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
/** A recipe by its name: docs/recipes.md. */
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
