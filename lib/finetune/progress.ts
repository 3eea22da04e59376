import type { EarlyStoppingState } from './early-stopping';
import type { ValidationMetrics } from './metrics';
import type { RandomPairs } from './report';
import type { EpochReport } from './report';

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
  /** Steps and tokens of all epochs. */
  steps: number;
  tokens: number;
  /** Rows computed at once in training and in validation, and rows of one step. */
  microBatch: number;
  validationBatch: number;
  effectiveBatch: number;
  /** Where the micro-batch was halved: the step that was the first with fewer rows at once, counted from 1. */
  splits: { step: number; from: number; to: number }[];
  before: ValidationMetrics | null;
  after: ValidationMetrics | null;
  /** null before the untrained model is looked at, and where there are no two texts to compare. */
  randomPairs: RandomPairs | null;
  epochs: EpochReport[];
  bestEpoch: number;
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
    splits: [],
    before: null,
    after: null,
    randomPairs: null,
    epochs: [],
    bestEpoch: 0,
    stopping: null,
    committed: null,
  };
}
