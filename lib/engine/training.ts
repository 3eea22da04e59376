/** What the engine's trainers take and give. */

import type { NativeDevice, NativePrecision } from './compute';

/** A loss by its name, and its options. One that is not known, or has no such option, is refused. */
export interface NativeLoss {
  /** As in the table of losses. */
  name: string;
  [option: string]: unknown;
}

/** Rows that stand behind each other and have a loss of their own. */
export interface RowSet {
  rows: number;
  /** Numbers of each row. */
  labelWidth: number;
}

export interface TrainerOptions {
  /** Default 'cpu'. */
  device?: NativeDevice;
  precision: NativePrecision;
  /** Of a data set of several sets, one for each. */
  loss: NativeLoss | readonly NativeLoss[];
  /** Seeds dropout; 32-bit. */
  seed: number;
  /** null keeps the model's own probabilities; a number replaces both. */
  dropout: number | null;
  beta1: number;
  beta2: number;
  eps: number;
  /** Decoupled weight decay; not applied to biases and layer norms. */
  weightDecay: number;
  biasCorrection: boolean;
  /** Clips the global gradient norm; null does not. */
  maxGradientNorm: number | null;
  /** Parameters whose name equals, or starts with, one of these followed by '.', are not trained. */
  freeze: string[];
  /** Bytes the engine may hold while this trainer works; null is the process-wide limit. */
  memoryLimit: number | null;
  /** No parts of a step but those that `microBatch` asks for, whatever memory they would save. Default false. */
  wholeSteps?: boolean;
  /** Holds the weights that training begins with, for `blend`. Default false. */
  keepBase?: boolean;
}

export interface StepRequest {
  /** Rows of the dataset that make the effective batch, in order. */
  rows: Int32Array;
  /** Rows computed at once; gradients are accumulated over the rest. */
  microBatch: number;
  /** And no more of them than have so many tokens, but one row in any case. Default: any number. */
  microTokens?: number;
  learningRate: number;
  /** Counts epochs from 0; part of the dropout mask's key. */
  epoch: number;
  /** Steps that must have been taken before this one, where the caller asks for steps before it knows how others went. */
  after?: number;
  /** Of the loss 'given', what the caller has computed of the same rows' `vectors`. */
  given?: {
    loss: number;
    /** In the order of `vectors`. */
    gradient: Float32Array;
  };
}

/** Vectors of rows under the trainer's weights, with the dropout of a step. */
export interface StepVectors {
  /** [columns][rows][dimensions] */
  vectors: Float32Array;
  columns: number;
  rows: number;
  dimensions: number;
  /** [rows][labels of each] */
  labels: Float32Array;
}

export interface StepResult {
  /** The trainer's loss of the rows, before the step. */
  loss: number;
  /** Global norm of the gradient before clipping; null where no clipping was asked for. */
  gradientNorm: number | null;
  /** Tokens of the rows, special tokens included; a text counts as often as rows name it. */
  tokens: number;
}

/** null is possible only where the request says `after`. */
export type StepOutcome<R extends StepRequest> = R extends { after: number } ? StepResult | null : StepResult;

export interface Evaluation {
  /** The trainer's loss of the rows; of one that looks at whole batches the mean over the batches, each by its rows. */
  loss: number;
  /** Cosine similarities of each row's first column with each of its others, row after row. */
  similarities: Float32Array;
  /** Where the loss is 'given', the rows' vectors [columns][rows][dimensions], without dropout; `loss` is 0 then. */
  vectors: Float32Array | null;
}

export interface TrainerStats {
  /** Optimiser steps taken. */
  steps: number;
  parameters: number;
  trainableParameters: number;
  /** Parameters in AdamW: trainable ones, embedding rows that no text uses left out. */
  optimisedParameters: number;
  /** Parameters of the loss's own, such as a classifier's: trained, but no part of the model. */
  lossParameters: number;
  /** Of the weights, and of the gradients and both moments of what is trained. */
  bytes: number;
  /** Rows (tokens, rounded up) and bytes of the activation buffers as they stand. */
  workspaceRows: number;
  workspaceBytes: number;
  workspaceGrowths: number;
}
