import type { EarlyStoppingState } from './early-stopping';
import type { CrossChecked } from './cross-check';
import type { MeasureName } from './measure';
import type { ValidationMetrics } from './metrics';
import type { WatchedPairs } from './random-pairs';
import type { EpochReport } from './report';
import type { SettingsSearchReport } from './settings-trials';

/**
 * How far a run is, at a moment when no step is under way: with the trainer's state, all that is needed to go on.
 * Plain data. Between two such moments it is one of them, never something between.
 */
export interface Progress {
  /** Epochs that are over, and steps done of the one after them. */
  epoch: number;
  epochSteps: number;
  /** Of that epoch: its loss as far as it has come, and seconds spent on it. */
  epochLoss: number;
  epochSeconds: number;
  /** Of several sets: of that epoch, the sum of each row's loss, and rows; null before a step. Absent in earlier checkpoints. */
  setLosses?: { sum: number; rows: number }[] | null;
  /** Steps and tokens of all epochs. */
  steps: number;
  tokens: number;
  /** Rows computed at once in training and in validation, and rows of one step. */
  microBatch: number;
  validationBatch: number;
  effectiveBatch: number;
  /**
   * Tokens computed at once in training, whatever rows have them, where the finder found that so many fit; null where rows
   * are counted, by `microBatch`. Absent in checkpoints of earlier versions.
   */
  microTokens?: number | null;
  /** Where the micro-batch was halved: the step that was the first with fewer rows at once, counted from 1. */
  splits: { step: number; from: number; to: number }[];
  before: ValidationMetrics | null;
  after: ValidationMetrics | null;
  /** null before the untrained model is looked at, and where there are no two texts to compare. */
  randomPairs: WatchedPairs | null;
  epochs: EpochReport[];
  bestEpoch: number;
  /** How much of that epoch's weights the model has, from 0 to 1. */
  share: number;
  /** What the run goes by: the measure that was asked for, or the loss where that is not defined. null before validation. */
  measure: MeasureName | null;
  /** What the measures of the untrained model and of the best one were made of, for intervals; see units.ts (of several sets, `toTexts`). */
  units: { before: string; after: string } | null;
  /** The measure of the rows to keep; null where there are none. */
  kept: { before: number | null; after: number | null; bound: boolean } | null;
  /** Of a small set: what was measured beside the run, before its first step; null else. */
  crossed: CrossChecked | null;
  /** The trials that chose learning rate and batch; null where none were asked for. */
  search: SettingsSearchReport | null;
  /** null before the untrained model is validated, and without validation rows. */
  stopping: EarlyStoppingState | null;
  /** Checksum of the model's weights where they are of this run; null where they are from before it, or nobody asked. */
  committed: string | null;
}

/** A run before its first step. */
export function freshProgress(microBatch: number, effectiveBatch: number): Progress {
  return {
    epoch: 0,
    epochSteps: 0,
    epochLoss: 0,
    epochSeconds: 0,
    steps: 0,
    tokens: 0,
    microBatch,
    validationBatch: microBatch,
    effectiveBatch,
    microTokens: null,
    splits: [],
    before: null,
    after: null,
    randomPairs: null,
    epochs: [],
    bestEpoch: 0,
    share: 1,
    measure: null,
    units: null,
    kept: null,
    crossed: null,
    search: null,
    stopping: null,
    committed: null,
  };
}
