import type { ResolvedLoss } from '../losses/choice';
import type { MeasureName } from '../measure';
import type { ResolvedAdamW } from '../optimizer';
import type { ScheduleKind } from '../schedule';
import type { RecipeName } from './recipe';

/** What a run does: what its options say, and the recipe where they do not. */
export interface RunSettings {
  recipe: RecipeName;
  /** null: logistic, with a threshold that the model has yet to give. */
  loss: ResolvedLoss | null;
  effectiveBatchSize: number | null;
  learningRate: number;
  schedule: ScheduleKind;
  warmup: { steps: number } | { ratio: number };
  optimizer: Readonly<ResolvedAdamW>;
  maxGradientNorm: number | null;
  epochs: number;
  earlyStopping: { patience: number; minDelta: number } | null;
  /** Shares to choose from on the validation rows; of one there is no choice. */
  merge: readonly number[];
  measure: MeasureName;
  /** Parts of the rows that take turns to be measured by models that have not seen them; 1: the validation rows alone. */
  folds: number;
}
