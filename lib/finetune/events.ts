import type { ValidationMetrics } from './metrics';
import type { FinetuneReport } from './report';

/** The data is read, tokenised and split. */
export interface DataEvent {
  kind: 'data';
  rows: number;
  trainingRows: number;
  validationRows: number;
  /** Tokens of all texts, special tokens included. */
  tokens: number;
  /** Tokens of the longest text. */
  longest: number;
  maxInputLength: number;
}

/** Where the run computes. */
export interface DeviceEvent {
  kind: 'device';
  /** 'cpu', or a GPU as 'cuda:0'. */
  device: string;
  /** Name of the GPU; null on the processor. */
  gpu: string | null;
  /** Which device, and why; where 'auto' found no GPU, what is missing. */
  message: string;
}

/** Memory of the GPU after a part of the run, in bytes. On the processor there are no such events. */
export interface DeviceMemoryEvent {
  kind: 'device-memory';
  after: 'finder' | 'epoch' | 'out-of-memory';
  /** What tensors hold, and the most they held since the last such event. */
  allocated: number;
  peak: number;
  /** What this process holds of the GPU. */
  reserved: number;
  /** Share of `reserved` that is free, but in pieces of larger blocks; from 0 to 1. */
  fragmentation: number;
  /** Of the GPU, whoever uses it. */
  free: number;
  total: number;
}

/** What is about to be trained. */
export interface SummaryEvent {
  kind: 'summary';
  parameters: number;
  trainableParameters: number;
  /** Of the weights in fp32. */
  bytes: number;
  /** `bytes` in millions, with three decimals, e.g. '540.511'. */
  megabytes: string;
  precision: 'fp32' | 'bf16' | 'tf32' | 'fp16';
  /** 'cpu', or a GPU as 'cuda:0'. */
  device: string;
  /** Name of the GPU; null on the processor. */
  gpu: string | null;
  threads: number;
  seed: number;
  /** Bytes that the engine may hold; null where there is no limit. */
  memoryLimit: number | null;
}

/** One trial of the batch-size finder, or its end; `message` says it in a sentence. */
export interface FinderEvent {
  kind: 'finder';
  outcome: 'succeeded' | 'failed' | 'finished';
  batchSize: number;
  /** The size that comes next; null when the search is over. */
  next: number | null;
  message: string;
}

export interface EpochStartEvent {
  kind: 'epoch-start';
  /** Counts from 1; epoch 0 is the untrained model. */
  epoch: number;
  /** At most; early stopping may end training before. */
  epochs: number;
  /** Steps of this epoch. */
  steps: number;
}

export interface StepEvent {
  kind: 'step';
  epoch: number;
  epochs: number;
  /** Step of the epoch, from 1 to `steps`. */
  step: number;
  steps: number;
  /** Steps since training began, from 1. */
  totalSteps: number;
  /** Mean squared error of the step's rows before the step. */
  loss: number;
  learningRate: number;
  /** Global norm before clipping; null without maxGradientNorm. */
  gradientNorm: number | null;
  /** Tokens of the step, and the rate over the last steps. */
  tokens: number;
  tokensPerSecond: number;
  /** Seconds until all epochs are done, if none is saved by early stopping. */
  eta: number;
}

/** Validation goes on. */
export interface ValidatingEvent {
  kind: 'validating';
  epoch: number;
  done: number;
  rows: number;
}

/** An epoch was validated; epoch 0 is the untrained model. */
export interface ValidationEvent {
  kind: 'validation';
  epoch: number;
  /** Mean loss of the epoch's steps; null for epoch 0. */
  trainingLoss: number | null;
  metrics: ValidationMetrics;
  /** Whether the loss is the lowest so far; the model now has these weights. */
  best: boolean;
}

/** There was not enough memory; the same rows are computed again in smaller parts. */
export interface OutOfMemoryEvent {
  kind: 'out-of-memory';
  during: 'step' | 'validation';
  epoch: number;
  batchSize: number;
  /** Rows computed at once from now on. */
  next: number;
  message: string;
}

export interface EarlyStopEvent {
  kind: 'early-stop';
  epoch: number;
  bestEpoch: number;
  patience: number;
}

/** Training goes on from a checkpoint, or was to but there is none and it begins afresh. */
export interface RestoredEvent {
  kind: 'restored';
  /** The checkpoint; null where there is none. */
  from: string | null;
  /** Steps done, epochs that are over, and the epoch whose weights the model has. */
  totalSteps: number;
  epoch: number;
  bestEpoch: number;
  before: ValidationMetrics | null;
  after: ValidationMetrics | null;
  /** What `allowInexact` let pass: each says what was in the checkpoint and what is now. */
  differences: readonly string[];
  message: string;
}

/** A checkpoint is not whole; the one before it is tried. */
export interface CheckpointDamagedEvent {
  kind: 'checkpoint-damaged';
  folder: string;
  message: string;
}

/** A checkpoint is written, flushed to disk and in its place. */
export interface CheckpointEvent {
  kind: 'checkpoint';
  folder: string;
  totalSteps: number;
  bytes: number;
  /** From the copy of the state until it is in place. */
  seconds: number;
  /** false where memory did not suffice for a copy: training then waited for the disk. */
  copied: boolean;
}

/** A checkpoint could not be written, or an old one not removed. Training goes on; those before it are untouched. */
export interface CheckpointFailedEvent {
  kind: 'checkpoint-failed';
  totalSteps: number;
  error: Error;
  message: string;
}

/** The run stands, after `pause`; nothing is under way. */
export interface PausedEvent {
  kind: 'paused';
  totalSteps: number;
}

/** The run goes on, after `resume`. */
export interface ResumedEvent {
  kind: 'resumed';
  totalSteps: number;
}

export interface DoneEvent {
  kind: 'done';
  report: FinetuneReport;
}

/** What a run tells while it goes on, told apart by `kind`. */
export type FinetuneEvent =
  | DataEvent
  | DeviceEvent
  | DeviceMemoryEvent
  | SummaryEvent
  | FinderEvent
  | EpochStartEvent
  | StepEvent
  | ValidatingEvent
  | ValidationEvent
  | OutOfMemoryEvent
  | EarlyStopEvent
  | RestoredEvent
  | CheckpointDamagedEvent
  | CheckpointEvent
  | CheckpointFailedEvent
  | PausedEvent
  | ResumedEvent
  | DoneEvent;

/** Bytes in millions with three decimals. */
export function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(3);
}
