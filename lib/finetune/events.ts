import type { FileFacts } from '../data/facts';
import type { DataForm } from '../data/form';
import type { DeviceMemory, NativeLoss } from '../engine/addon';
import type { MeasureName } from './measure';
import type { ValidationMetrics } from './metrics';
import type { RunSettings } from './recipes/settings';
import type { TriedShare } from './share';
import type { FinetuneReport } from './report';

/** The data is read, tokenised and split. */
export interface DataEvent {
  /** Tells it from the other events. */
  type: 'data';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'data';
  /** What the rows are; the loss follows from it, unless the option `loss` says it. */
  form: DataForm;
  /** How the data was understood, in a line: «4,000 pairs with label 0/1: 1,512 ones; columns question1, question2, is_duplicate». */
  understood: string;
  /** Rows of the data. */
  rows: number;
  /** Rows to train on. */
  trainingRows: number;
  /** Rows kept for validation. */
  validationRows: number;
  /** Tokens of all rows, special tokens included; a text counts as often as rows name it. */
  tokens: number;
  /** Tokens of the longest text. */
  longest: number;
  /** Most tokens of a text, special tokens included. */
  maxInputLength: number;
  /** Rows in which a text is empty, or only space; they are trained on. */
  emptyTexts: number;
  /** Rows that were left out because they cannot be used: see the option `onBadRow`. */
  skippedRows: number;
  /** Rows with the texts and the label of an earlier row; they are trained on. */
  duplicateRows: number;
  /**
   * Rows with the texts of an earlier row and another label, or with a negative that belongs to their anchor; they are
   * trained on.
   */
  contradictoryRows: number;
  /** Validation rows that share a text with a row that is trained on: see the option `groupedSplit`. */
  sharedValidationRows: number;
  /** How the file was understood; null where the data is no file. */
  file: FileFacts | null;
  /** What is worth knowing before hours of training, a sentence each: empty texts, words taken as scores, few rows. */
  notes: readonly string[];
}

/** Something about the training rows that a person should know; training goes on. */
export interface DataWarningEvent {
  /** Tells it from the other events. */
  type: 'data-warning';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'data-warning';
  /**
   * Of pairs with scores or labels. 'mostly-one-score': fewer than one training row in 20 differs from the score that the others have;
   * 'constant-validation': the scores of all validation rows lie within a hundredth; 'constant-text': one of the two texts
   * is the same in all training rows.
   */
  reason: 'mostly-one-score' | 'constant-validation' | 'constant-text';
  /** The same in a sentence. */
  message: string;
}

/** Where the run computes. */
export interface DeviceEvent {
  /** Tells it from the other events. */
  type: 'device';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'device';
  /** 'cpu', or a GPU as 'cuda:0'. */
  device: string;
  /** Name of the GPU; null on the processor. */
  gpu: string | null;
  /** Which device, and why; where 'auto' found no GPU, what is missing. */
  message: string;
}

/** Memory of the GPU after a part of the run, in bytes. On the processor there are no such events. */
export interface DeviceMemoryEvent extends DeviceMemory {
  /** Tells it from the other events. */
  type: 'device-memory';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'device-memory';
  /** What came before it. */
  after: 'finder' | 'epoch' | 'out-of-memory';
}

/** What is about to be trained. */
export interface SummaryEvent {
  /** Tells it from the other events. */
  type: 'summary';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'summary';
  /** The recipe, and what it and the options came to. */
  recipe: RunSettings['recipe'];
  /** Everything that the recipe says, with what the options say instead. */
  settings: Omit<RunSettings, 'recipe' | 'loss'>;
  /** The loss that is trained, and the options that it was given. */
  loss: NativeLoss;
  /** Numbers that the model is made of. */
  parameters: number;
  /** Those of them that are not frozen. */
  trainableParameters: number;
  /** Of the weights in fp32. */
  bytes: number;
  /** `bytes` in millions, with three decimals, e.g. '540.511'. */
  megabytes: string;
  /** Precision of the products; weights are fp32 in all. */
  precision: 'fp32' | 'bf16' | 'tf32' | 'fp16';
  /** 'cpu', or a GPU as 'cuda:0'. */
  device: string;
  /** Name of the GPU; null on the processor. */
  gpu: string | null;
  /** Threads that compute on the processor. */
  threads: number;
  /** Seed of the split, the order of rows and dropout. */
  seed: number;
  /** Bytes that the engine may hold; null where there is no limit. */
  memoryLimit: number | null;
}

/** One trial of the batch-size finder, or its end; `message` says it in a sentence. */
export interface FinderEvent {
  /** Tells it from the other events. */
  type: 'finder';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'finder';
  /** Of the trial; 'finished' is the search's end. */
  outcome: 'succeeded' | 'failed' | 'finished';
  /** The size that was tried; with 'finished', the one to train with. */
  batchSize: number;
  /** The size that comes next; null when the search is over. */
  next: number | null;
  /** The same in a sentence. */
  message: string;
}

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
  /** Rows of all validation. */
  rows: number;
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
  /** What the run goes by: a name in `metrics`. */
  measure: MeasureName;
  /** How much of the trained weights was taken, the rest being what the model was; null for epoch 0. */
  share: number | null;
  /** Every share that was measured. */
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

/** The page that `report` asks for is written. */
export interface ReportEvent {
  /** Tells it from the other events. */
  type: 'report';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'report';
  /** The page's absolute path. */
  file: string;
}

/** The page that `report` asks for could not be written; the run is not harmed by it. */
export interface ReportFailedEvent {
  /** Tells it from the other events. */
  type: 'report-failed';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'report-failed';
  /** Where it was to be. */
  file: string;
  /** What went wrong. */
  error: Error;
  /** The same in a sentence. */
  message: string;
}

/** The run is over. */
export interface DoneEvent {
  /** Tells it from the other events. */
  type: 'done';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'done';
  /** What the run did, as its promise gives it. */
  report: FinetuneReport;
}

/** Texts were embedded by the teacher, before training. */
export interface TeacherEvent {
  /** Tells it from the other events. */
  type: 'teacher';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'teacher';
  /** Different texts so far. */
  done: number;
  /** All of them. */
  texts: number;
}

/** What a run tells while it goes on, told apart by `type`. */
export type FinetuneEvent =
  | DataEvent
  | DataWarningEvent
  | TeacherEvent
  | DeviceEvent
  | DeviceMemoryEvent
  | SummaryEvent
  | FinderEvent
  | EpochStartEvent
  | StepEvent
  | ValidatingEvent
  | ValidationEvent
  | KeepFailedEvent
  | OutOfMemoryEvent
  | CollapseEvent
  | EarlyStopEvent
  | RestoredEvent
  | CheckpointDamagedEvent
  | CheckpointEvent
  | CheckpointFailedEvent
  | PausedEvent
  | ResumedEvent
  | ReportEvent
  | ReportFailedEvent
  | DoneEvent;

/** An event as it is made: `kind` is added where it is told. */
export type EventContent = FinetuneEvent extends infer Event
  ? Event extends FinetuneEvent
    ? Omit<Event, 'kind'>
    : never
  : never;

/** The event with `kind`, by which events were told apart before they all had `type`. */
export function told(event: EventContent): FinetuneEvent {
  const { type, ...rest } = event;
  return { type, kind: type, ...rest } as FinetuneEvent;
}

/** Bytes in millions with three decimals. */
export function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(3);
}
