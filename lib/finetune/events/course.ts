import type { MeasureName } from '../measure';
import type { ValidationMetrics } from '../metrics';
import type { TriedShare } from '../share';

/** An epoch begins. */
export interface EpochStartEvent {
  /** Tells it from the other events. */
  type: 'epoch-start';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'epoch-start';
  /** Counts from 1; epoch 0 is the untrained model. */
  epoch: number;
  /** At most; early stopping may end training before. */
  epochs: number;
  /** Steps of this epoch. */
  steps: number;
}

/** A step is done. */
export interface StepEvent {
  /** Tells it from the other events. */
  type: 'step';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'step';
  /** Counts from 1; 0 is the untrained model. */
  epoch: number;
  /** At most; early stopping may end training before. */
  epochs: number;
  /** Of several data sets: the one that the step's rows are of. Absent for one. */
  set?: string;
  /** Step of the epoch, from 1 to `steps`. */
  step: number;
  /** Steps of this epoch. */
  steps: number;
  /** Steps since training began, from 1. */
  totalSteps: number;
  /** Loss of the step's rows, before the step. */
  loss: number;
  /** Learning rate of the step. */
  learningRate: number;
  /** Global norm before clipping; null without maxGradientNorm. */
  gradientNorm: number | null;
  /** Tokens of the step. */
  tokens: number;
  /** Rate over the last steps. */
  tokensPerSecond: number;
  /** Seconds until all epochs are done, if none is saved by early stopping. */
  eta: number;
  /** How much of all training is done, from 0 to 1: of all epochs, and of the models that measured a small set before. */
  fraction: number;
}

/** Validation goes on. */
export interface ValidatingEvent {
  /** Tells it from the other events. */
  type: 'validating';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'validating';
  /** Counts from 1; 0 is the untrained model. */
  epoch: number;
  /** Rows that are done. */
  done: number;
  /** All of them. */
  rows: number;
  /** Whether they are the rows to keep. Absent of validation rows. */
  toKeep?: true;
}

/** An epoch was validated; epoch 0 is the untrained model. */
export interface ValidationEvent {
  /** Tells it from the other events. */
  type: 'validation';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'validation';
  /** Counts from 1; 0 is the untrained model. */
  epoch: number;
  /** Mean loss of the epoch's steps; null for epoch 0. */
  trainingLoss: number | null;
  /** Of the validation rows. */
  metrics: ValidationMetrics;
  /** What the run goes by, of `metrics`: `mrr10` is their `retrieval.mrr10`, the others are of the same name. */
  measure: MeasureName;
  /** How much of the trained weights was taken, the rest being what the model was; null for epoch 0. */
  share: number | null;
  /** Every share that was measured; where there was a choice, 0 too, the untrained weights. */
  tried: readonly TriedShare[];
  /** Whether these weights are the best so far in `measure`; the model now has them. */
  best: boolean;
}

/** No share of an epoch's weights keeps what `keep` asks for; the model stays as it was before the epoch. */
export interface KeepFailedEvent {
  /** Tells it from the other events. */
  type: 'keep-failed';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'keep-failed';
  /** The epoch. */
  epoch: number;
  /** The measure of the rows to keep under the untrained model. */
  before: number;
  /** By how much it may fall. */
  margin: number;
  /** Every share that was measured. */
  tried: readonly TriedShare[];
  /** The same in a sentence. */
  message: string;
}

/** There was not enough memory; the same rows are computed again in smaller parts. */
export interface OutOfMemoryEvent {
  /** Tells it from the other events. */
  type: 'out-of-memory';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'out-of-memory';
  /** What was under way. */
  during: 'step' | 'validation';
  /** Counts from 1; 0 is the untrained model. */
  epoch: number;
  /** Rows computed at once when it happened. */
  batchSize: number;
  /** Rows computed at once from now on. */
  next: number;
  /** The same in a sentence. */
  message: string;
}

/**
 * Training makes all texts alike: the mean cosine similarity of random pairs of training texts went more than a quarter of
 * the way from where it was to 1. Told once; training goes on, and the report has the last number.
 */
export interface CollapseEvent {
  /** Tells it from the other events. */
  type: 'collapse';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'collapse';
  /** The epoch whose weights it was found with, which the model now has. */
  epoch: number;
  /** Mean cosine similarity of random pairs under the untrained model. */
  before: number;
  /** The same now. */
  after: number;
  /** The same in a sentence. */
  message: string;
}

/** Early stopping ends training. */
export interface EarlyStopEvent {
  /** Tells it from the other events. */
  type: 'early-stop';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'early-stop';
  /** The last epoch that was trained. */
  epoch: number;
  /** The epoch whose weights the model has. */
  bestEpoch: number;
  /** Epochs without improvement that were allowed. */
  patience: number;
}

/** The run stands, after `pause`; nothing is under way. */
export interface PausedEvent {
  /** Tells it from the other events. */
  type: 'paused';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'paused';
  /** Steps since training began. */
  totalSteps: number;
}

/** The run goes on, after `resume`. */
export interface ResumedEvent {
  /** Tells it from the other events. */
  type: 'resumed';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'resumed';
  /** Steps since training began. */
  totalSteps: number;
}
