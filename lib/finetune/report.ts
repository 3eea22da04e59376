import type { ResolvedAdamW } from './optimizer';
import type { ValidationMetrics } from './metrics';
import type { ScheduleKind } from './schedule';

export interface EpochReport {
  /** Counts from 1. */
  epoch: number;
  /** Mean of the steps' losses, each weighed by its rows. */
  trainingLoss: number;
  /** null without validation rows. */
  validation: ValidationMetrics | null;
  seconds: number;
}

/** What became of a run's checkpoints. */
export interface CheckpointReport {
  /** null where the run went on from a checkpoint but wrote none. */
  folder: string | null;
  /** The checkpoint that the run went on from. */
  restoredFrom: string | null;
  written: number;
  failed: number;
  /** Of the last failure; null where all went well. */
  error: { code: string; message: string } | null;
}

/** What a finished run did. Plain data: it survives JSON. */
export interface FinetuneReport {
  /** The untrained model on the validation rows, and the model as it is now; null without validation rows. */
  before: ValidationMetrics | null;
  after: ValidationMetrics | null;
  epochs: EpochReport[];
  /** The epoch whose weights the model has; 0 where training made nothing better, and the model is as before. */
  bestEpoch: number;
  /** Whether early stopping ended training before the last epoch. */
  stoppedEarly: boolean;
  rows: { training: number; validation: number };
  /** Optimiser steps, and tokens trained on. */
  steps: number;
  tokens: number;
  /** Rows computed at once at the end (out of memory halves them), and rows of one step. */
  batchSize: number;
  effectiveBatchSize: number;
  maxInputLength: number;
  learningRate: number;
  schedule: ScheduleKind;
  warmupSteps: number;
  optimizer: ResolvedAdamW;
  seed: number;
  threads: number;
  precision: 'fp32' | 'bf16' | 'tf32' | 'fp16';
  /** 'cpu', or a GPU as 'cuda:0'. */
  device: string;
  /** Name of the GPU; null on the processor. */
  gpu: string | null;
  parameters: number;
  trainableParameters: number;
  /** Version of LibTorch that did the work. */
  libtorch: string;
  /** null without the options `checkpoint` and `resume`. */
  checkpoint: CheckpointReport | null;
  /** From the call to the result, tokenisation, finder and validation included. */
  seconds: number;
}
