import type { Gain } from './gain';
import type { KeptReport } from './keep';
import type { MeasureName } from './measure';
import type { Sampler } from './losses/table';
import type { RecipeName } from './recipes/recipe';
import type { ToldSettings } from './recipes/settings';
import type { PromptChoice } from './prompts';
import type { SettingsSearchReport } from './settings-trials';
import type { TriedShare } from './share';
import type { DataForm } from '../data/form';
import type { NativeLoss } from '../engine/training';
import type { Outcome } from '../report/outcome';
import type { ResolvedAdamW } from './optimizer';
import type { ValidationMetrics } from './metrics';
import type { ScheduleKind } from './schedule';

/** Mean cosine similarity of random pairs of training texts: near 1, all texts look alike to a model. */
export interface RandomPairs {
  /** Pairs that were drawn by the seed, each of two texts that no row has together; a text may be in several. */
  pairs: number;
  /** Of the untrained model, from -1 to 1; null where it could not be measured. */
  before: number | null;
  /** Of the model as it is now; null as `before` is. */
  after: number | null;
  /**
   * Rank correlation of the pairs' similarities before with those now: 1 where the order of all is as it was, 0 where
   * nothing of it is left. null where it is not defined, or was not measured.
   */
  spearman: number | null;
  /** Mean of how far a pair's similarity moved, up or down, from 0 to 2; null as `spearman` is. */
  meanChange: number | null;
}

/** What one epoch came to. */
export interface EpochReport {
  /** Counts from 1. */
  epoch: number;
  /** Mean of the steps' losses, each weighed by its rows. */
  trainingLoss: number;
  /** Of several data sets: the same of each set's steps, null where it had none. Absent for one. */
  sets?: Record<string, number | null> | undefined;
  /** Of the share that was taken; null without validation rows, or where no share keeps what must be kept. */
  validation: ValidationMetrics | null;
  /** How much of the trained weights was taken, the rest being what the model was; null where none could be. */
  share: number | null;
  /** Every share that was measured; where there was a choice, 0 too, the untrained weights. */
  tried: TriedShare[];
  /** What became of its weights. Absent of epochs before a checkpoint of an earlier version. */
  outcome?: Outcome;
  /** Training and validation of the epoch together. */
  seconds: number;
}

/** What became of a run's checkpoints. */
export interface CheckpointReport {
  /** null where the run went on from a checkpoint but wrote none. */
  folder: string | null;
  /** The checkpoint that the run went on from. */
  restoredFrom: string | null;
  /** How many were written whole. */
  written: number;
  /** How many could not be written; training went on. */
  failed: number;
  /** Of the last failure; null where all went well. */
  error: {
    /** A code of `ErrorCode`. */
    code: string;
    /** The error's text. */
    message: string;
  } | null;
}

/** What one of several data sets came to; what its validation rows measure is in `before.sets` and `after.sets`. */
export interface SetReport {
  /** What its rows are. */
  form: DataForm;
  /** How its rows were divided. */
  rows: {
    /** Rows trained on. */
    training: number;
    /** Rows kept for validation. */
    validation: number;
  };
  /** The recipe that its loss and its measure are of, where no option says them. */
  recipe: RecipeName;
  /** The loss that was trained on its rows. */
  loss: NativeLoss;
  /** How its rows came together in batches. */
  sampler: Sampler;
  /** What its validation rows are measured by. */
  measure: MeasureName;
  /** What training changed in it; null where it cannot be told. */
  gain: Gain | null;
}

/** What a finished run did. Plain data: it survives JSON. */
export interface FinetuneReport {
  /** Name of the model that training began with: a hub id, or the folder's name. */
  model: string;
  /** The untrained model on the validation rows; null without validation rows. */
  before: ValidationMetrics | null;
  /** The model as it is now on the same rows; null without validation rows. */
  after: ValidationMetrics | null;
  /**
   * How alike texts look that were drawn at random, before and after: a rise by more than a quarter of what was left to 1
   * is the event 'collapse'. null where there are no two different texts.
   */
  randomPairs: RandomPairs | null;
  /** One entry for each epoch that was completed, in order. */
  epochs: EpochReport[];
  /** What chose the epoch and the share; null without validation rows. */
  measure: MeasureName | null;
  /** What training changed in it, and whether that is more than chance; null where it cannot be told. */
  gain: Gain | null;
  /**
   * Of a small set: how many rows were measured, in how many parts, each under a model that had not seen it; `before`,
   * `after`, `gain` and the epochs' measures are of those. null where the validation rows alone were measured.
   */
  crossCheck: {
    /** Parts that took turns. */
    folds: number;
    /** Rows of all parts together. */
    rows: number;
  } | null;
  /** The trials that chose learning rate and batch; null without the option `search`. */
  search: SettingsSearchReport | null;
  /** The rows to keep; null without the option `keep`. */
  kept: KeptReport | null;
  /** What stood before the texts: one text, or one by column; null where nothing did. */
  prompts: PromptChoice | null;
  /** The recipe. */
  recipe: RecipeName;
  /**
   * Everything that the recipe says, with what the options say instead, as the event 'summary' tells it: warm-up, epochs,
   * early stopping, clipping, sampler, shares to choose from, folds and the rest.
   */
  settings: ToldSettings;
  /** How much of the trained weights the model has, the rest being what it was: from 0 (untrained) to 1. */
  share: number;
  /** The epoch whose weights the model has; 0 where none was taken, and the model is as before. */
  bestEpoch: number;
  /** Whether the model has trained weights, or else why it is as it was. */
  outcome: Outcome;
  /** Whether early stopping ended training before the last epoch. */
  stoppedEarly: boolean;
  /** How the rows were divided. */
  rows: {
    /** Rows trained on. */
    training: number;
    /** Rows kept for validation. */
    validation: number;
  };
  /** Of several data sets: each by its name. null of one. */
  sets: Record<string, SetReport> | null;
  /** The loss that was trained, and the options that it was given; of several data sets { name: 'several', sets }. */
  loss: NativeLoss;
  /** Optimiser steps. */
  steps: number;
  /** Tokens trained on, each as often as it was trained on. */
  tokens: number;
  /** Rows computed at once at the end: out of memory halves them. */
  batchSize: number;
  /** Rows of one optimiser step. */
  effectiveBatchSize: number;
  /** Most tokens of a text, special tokens included. */
  maxInputLength: number;
  /** Peak learning rate. */
  learningRate: number;
  /** Course of the learning rate after warm-up. */
  schedule: ScheduleKind;
  /** Steps over which the learning rate rose from 0. */
  warmupSteps: number;
  /** AdamW's constants. */
  optimizer: ResolvedAdamW;
  /** Seed of the split, the order of rows and dropout. */
  seed: number;
  /** Threads that computed. */
  threads: number;
  /** Precision of the products; weights are fp32 in all. */
  precision: 'fp32' | 'bf16' | 'tf32' | 'fp16';
  /** 'cpu', or a GPU as 'cuda:0'. */
  device: string;
  /** Name of the GPU; null on the processor. */
  gpu: string | null;
  /** Numbers that the model is made of. */
  parameters: number;
  /** Those of them that were not frozen. */
  trainableParameters: number;
  /** Version of LibTorch that did the work. */
  libtorch: string;
  /** null without the options `checkpoint` and `resume`. */
  checkpoint: CheckpointReport | null;
  /** From the call to the result, tokenisation, finder and validation included. */
  seconds: number;
}
