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
