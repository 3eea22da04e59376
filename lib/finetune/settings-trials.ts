import type { MeasureName } from './measure';

/** What a run can be told to look for. */
export interface SettingsPoint {
  /** Peak learning rate. */
  learningRate: number;
  /** Rows of one step; null where the batch-size finder chooses them. */
  effectiveBatchSize: number | null;
}

/** One training of the search. */
export interface SettingsTrial extends SettingsPoint {
  /** The best that an epoch and a share of it came to; null where the measure is not defined. */
  value: number | null;
  /** How long it took. */
  seconds: number;
}

/** What the search for learning rate and batch did. */
export interface SettingsSearchReport {
  /** How long it was allowed to take. */
  minutes: number;
  /** Rows that each trial was trained on and measured with. */
  rows: {
    /** Of the rows to train on. */
    training: number;
    /** Of the validation rows. */
    validation: number;
  };
  /** What it went by. */
  measure: MeasureName;
  /** What was tried, in order; the first is the recipe's own. */
  trials: SettingsTrial[];
  /** What the run was trained with. */
  chosen: SettingsPoint;
}
