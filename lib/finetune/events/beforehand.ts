import type { Gain } from '../gain';
import type { MeasureName } from '../measure';

/** Before a run on a small set: a model was trained without a part of the rows and measured on it. */
export interface CrossCheckEvent {
  /** Tells it from the other events. */
  type: 'cross-check';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'cross-check';
  /** Parts that are done. */
  done: number;
  /** All of them; the validation rows are one more, which the run itself measures. */
  folds: number;
}

/**
 * A step is done of a model that is thrown away: of one that measures a part of a small set, or of a trial of the search.
 * Such steps come before the run's own, which have the event 'step', and are none of them.
 */
export interface TrialStepEvent {
  /** Tells it from the other events. */
  type: 'trial-step';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'trial-step';
  /** What the model is trained for. */
  during: 'cross-check' | 'search';
  /** Which of the models it is, from 1; of a search that goes on from a checkpoint, those before it count. */
  trial: number;
  /** How many there are; null of a search, which ends with its time or where nothing is left to try. */
  trials: number | null;
  /** Epoch of this model, from 1. */
  epoch: number;
  /** All of its epochs. */
  epochs: number;
  /** Step of the epoch, from 1 to `steps`. */
  step: number;
  /** Steps of this epoch. */
  steps: number;
  /** Loss of the step's rows, before the step. */
  loss: number;
  /** Tokens of the step. */
  tokens: number;
  /** Rate over the last steps. */
  tokensPerSecond: number;
  /** How much of all training is done, from 0 to 1, the run's own steps included, whose `fraction` goes on from here; null of a search. */
  fraction: number | null;
  /** Seconds until all of it is done, going by those that it has taken so far; null of a search. */
  eta: number | null;
}

/** What an epoch learned of a small set is not more than chance makes of so few rows; the model stays as it was before it. */
export interface GainNotShownEvent {
  /** Tells it from the other events. */
  type: 'gain-not-shown';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'gain-not-shown';
  /** The epoch. */
  epoch: number;
  /** Parts of the rows, each measured by a model that had not seen it. */
  folds: number;
  /** Rows that were measured. */
  rows: number;
  /** What was gained on them, with the bounds that it was judged by; null where the measure is not defined. */
  gain: Gain | null;
  /** The same in a sentence. */
  message: string;
}

/** A trial of the search for learning rate and batch is over, or the search is. */
export interface SettingsSearchEvent {
  /** Tells it from the other events. */
  type: 'search';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'search';
  /** 'tried': one trial; 'finished': the search is over, and this is what it chose. */
  outcome: 'tried' | 'finished';
  /** Peak learning rate. */
  learningRate: number;
  /** Rows of one step; null where the batch-size finder chooses them. */
  effectiveBatchSize: number | null;
  /** What it came to in `measure`; null where that is not defined. */
  value: number | null;
  /** What the search goes by. */
  measure: MeasureName;
  /** Seconds of the whole search so far. */
  seconds: number;
  /** The same in a sentence. */
  message: string;
}
