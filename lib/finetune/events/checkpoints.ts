import type { ValidationMetrics } from '../metrics';

/** Training goes on from a checkpoint, or was to but there is none and it begins afresh. */
export interface RestoredEvent {
  /** Tells it from the other events. */
  type: 'restored';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'restored';
  /** The checkpoint; null where there is none. */
  from: string | null;
  /** Steps done. */
  totalSteps: number;
  /** Epochs that are over. */
  epoch: number;
  /** The epoch whose weights the model has. */
  bestEpoch: number;
  /** How much of them, the rest being what the model was. */
  share: number;
  /** The untrained model on the validation rows; null without them. */
  before: ValidationMetrics | null;
  /** The model as it is now on the same rows; null without them. */
  after: ValidationMetrics | null;
  /** What `allowInexact` let pass: each says what was in the checkpoint and what is now. */
  differences: readonly string[];
  /** The same in a sentence. */
  message: string;
}

/** A checkpoint is not whole; the one before it is tried. */
export interface CheckpointDamagedEvent {
  /** Tells it from the other events. */
  type: 'checkpoint-damaged';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'checkpoint-damaged';
  /** The checkpoint's folder. */
  folder: string;
  /** The same in a sentence. */
  message: string;
}

/** A checkpoint is written, flushed to disk and in its place. */
export interface CheckpointEvent {
  /** Tells it from the other events. */
  type: 'checkpoint';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'checkpoint';
  /** The checkpoint's folder. */
  folder: string;
  /** Steps since training began. */
  totalSteps: number;
  /** Length of its files. */
  bytes: number;
  /** From the copy of the state until it is in place. */
  seconds: number;
  /** false where memory did not suffice for a copy: training then waited for the disk. */
  copied: boolean;
}

/** A checkpoint could not be written, or an old one not removed. Training goes on; those before it are untouched. */
export interface CheckpointFailedEvent {
  /** Tells it from the other events. */
  type: 'checkpoint-failed';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'checkpoint-failed';
  /** Steps since training began. */
  totalSteps: number;
  /** What went wrong. */
  error: Error;
  /** The same in a sentence. */
  message: string;
}
