import { resolve } from 'node:path';
import {
  checkBoolean,
  checkChoice,
  checkFunction,
  checkInteger,
  checkNumber,
  checkOptionNames,
  checkSignal,
  invalidOption,
} from '../system/options';
import { resolveCheckpoint, type CheckpointOptions, type ResolvedCheckpoint } from './checkpoint/options';
import type { ReadOptions } from '../data/read-options';
import { InvalidArgumentError } from '../system/errors';
import { checkDevice, type DeviceOption } from '../engine/devices';
import type { FinetuneEvent } from './events';
import { resolveOptimizer, type AdamWOptions, type OptimizerPreset, type ResolvedAdamW } from './optimizer';
import type { ScheduleKind } from './schedule';

/** When training ends before its last epoch. */
export interface EarlyStoppingOptions {
  /** Epochs without improvement after which training ends, from 1. Default 1. */
  patience?: number;
  /** By how much the validation loss must fall to count as an improvement. Default 0. */
  minDelta?: number;
}

/** Options of `finetune`. Each is honoured or refused; a name that is not here is refused. */
export interface FinetuneOptions {
  /** Most tokens of a text, special tokens included; the rest is cut off. Default: the model folder's limit. */
  maxInputLength?: number;
  /** Share of the rows kept for validation, from 0 (none) to below 1. Default 0.15. */
  validationSplit?: number;
  /** Passes over the training rows, at most. Default 20. */
  epochs?: number;
  /** Rows computed at once; 'auto' looks for the most that fit in memory. Default 'auto'. */
  batchSize?: number | 'auto';
  /** Rows of one optimiser step. Default 32, or `batchSize` where that is a larger number. */
  effectiveBatchSize?: number;
  /** Whether to stop when validation gets no better; needs validation rows. Default: patience 1, with them. */
  earlyStopping?: boolean | EarlyStoppingOptions;
  /** Peak learning rate. Default 2e-5. */
  learningRate?: number;
  /** Course of the learning rate after warm-up: steady, or down to 0 at the last epoch's end. Default 'constant'. */
  schedule?: ScheduleKind;
  /** Steps over which the learning rate rises from 0. Default 0. */
  warmupSteps?: number;
  /** The same as a share of all steps, from 0 to 1; not together with `warmupSteps`. */
  warmupRatio?: number;
  /** AdamW's constants: a preset, or numbers of one's own (those left out are the preset 'torch'). Default 'notebook'. */
  optimizer?: OptimizerPreset | AdamWOptions;
  /** Clips the global gradient norm to this. Default: no clipping. */
  maxGradientNorm?: number;
  /** Names of parameters, or of modules (as 'encoder.layer.0'), that keep their weights. Default none. */
  freeze?: readonly string[];
  /** Whether each epoch takes the rows in a new order. Default true; false keeps the data's order. */
  shuffle?: boolean;
  /** Replaces the dropout probabilities of the model's config, from 0 to below 1. Default: the config's. */
  dropout?: number;
  /**
   * Compute precision; 'auto' is bf16 where the device multiplies it faster, else fp32. A processor without instructions for
   * it does 'bf16' all the same, and takes about three times as long as for fp32. On GPUs there are also 'tf32' (fp32 whose
   * products are done in TF32) and 'fp16' (with loss scaling). Default 'auto'.
   */
  precision?: 'auto' | 'fp32' | 'bf16' | 'tf32' | 'fp16';
  /** Seeds the split, the order of rows and dropout: an integer from 0 to 2^32 - 1. Default 1. */
  seed?: number;
  /**
   * Bytes the engine may hold while it trains on the processor (on a GPU it is refused). Default: what the machine or its
   * control group has free.
   */
  memoryLimit?: number;
  /**
   * Where to train: 'auto' is the first NVIDIA GPU where one can be used, else the processor, and an event tells which and
   * why; 'cuda', 'cuda:1' or 'cpu' is that or an error. On a GPU the sums of a run are not the same to the last bit each
   * time. Default: the model's own option.
   */
  device?: DeviceOption;
  /**
   * Share of a GPU's memory that this process may take, above 0 to 1; it counts for the whole process and cannot be
   * changed once a GPU is used. Default: the model's own option.
   */
  memoryFraction?: number;
  /** Where the data is a file: its format and columns. */
  file?: ReadOptions;
  /** Writes the run's state to a folder as it goes on, so that it can be resumed. Default: no checkpoints. */
  checkpoint?: CheckpointOptions;
  /**
   * Goes on from the newest whole checkpoint of `checkpoint.folder`, or of the folder that is named, as if the run had
   * never been interrupted: losses and weights come out the same to the last bit. Where there is no checkpoint training
   * begins afresh. Data, model and options must be those of the checkpoint (`epochs` may be more where the learning
   * rate does not depend on them). Default false.
   */
  resume?: boolean | string;
  /**
   * Resumes also with other threads, on another processor or with another version of LibTorch or vectune than the
   * checkpoint was written with; the numbers are then about the same, not the same. Default false.
   */
  allowInexact?: boolean;
  /** Stops the run within one step. */
  signal?: AbortSignal;
  /**
   * Is called with each event. If it throws, or returns a promise that rejects, the run stops and rejects
   * with that error; the model keeps its best weights so far.
   */
  onProgress?: (event: FinetuneEvent) => void;
}

/** `FinetuneOptions` after checks. What depends on the data, the model or the machine is still open. */
export interface ResolvedOptions {
  maxInputLength: number | null;
  validationSplit: number;
  epochs: number;
  batchSize: number | 'auto';
  /** null where it was left to vectune. */
  effectiveBatchSize: number | null;
  earlyStopping: { patience: number; minDelta: number } | null;
  learningRate: number;
  schedule: ScheduleKind;
  warmup: { steps: number } | { ratio: number };
  optimizer: ResolvedAdamW;
  maxGradientNorm: number | null;
  freeze: readonly string[];
  shuffle: boolean;
  dropout: number | null;
  precision: 'auto' | 'fp32' | 'bf16' | 'tf32' | 'fp16';
  seed: number;
  memoryLimit: number | null;
  /** null where it was left to the model's option, as `memoryFraction`. */
  device: DeviceOption | null;
  memoryFraction: number | null;
  file: ReadOptions | undefined;
  checkpoint: ResolvedCheckpoint | null;
  /** The folder to resume from. */
  resume: string | null;
  allowInexact: boolean;
  signal: AbortSignal | undefined;
  onProgress: ((event: FinetuneEvent) => void) | undefined;
}

const names: readonly (keyof FinetuneOptions)[] = [
  'maxInputLength',
  'validationSplit',
  'epochs',
  'batchSize',
  'effectiveBatchSize',
  'earlyStopping',
  'learningRate',
  'schedule',
  'warmupSteps',
  'warmupRatio',
  'optimizer',
  'maxGradientNorm',
  'freeze',
  'shuffle',
  'dropout',
  'precision',
  'seed',
  'memoryLimit',
  'device',
  'memoryFraction',
  'file',
  'checkpoint',
  'resume',
  'allowInexact',
  'signal',
  'onProgress',
];

export function checkMemoryFraction(value: unknown): number {
  return checkNumber('memoryFraction', value, 'a number above 0 and at most 1', (n) => n > 0 && n <= 1);
}

function checkEarlyStopping(value: unknown, validationSplit: number): ResolvedOptions['earlyStopping'] {
  if (value === undefined) return validationSplit > 0 ? { patience: 1, minDelta: 0 } : null;
  if (value === false) return null;
  if (validationSplit === 0) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      'earlyStopping needs validation rows, but validationSplit is 0. ' +
        'Leave earlyStopping out, or give a validationSplit above 0.',
    );
  }
  if (value === true) return { patience: 1, minDelta: 0 };
  if (typeof value !== 'object' || value === null)
    throw invalidOption('earlyStopping', 'true, false or an object', value);
  const given = checkOptionNames(value, ['patience', 'minDelta'], 'earlyStopping');
  return {
    patience: given.patience === undefined ? 1 : checkInteger('earlyStopping.patience', given.patience, 1),
    minDelta:
      given.minDelta === undefined
        ? 0
        : checkNumber('earlyStopping.minDelta', given.minDelta, 'a number from 0', (n) => n >= 0),
  };
}

function checkWarmup(steps: unknown, ratio: unknown): ResolvedOptions['warmup'] {
  if (steps !== undefined && ratio !== undefined) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      'warmupSteps and warmupRatio say the same in two ways; give one.',
    );
  }
  if (ratio !== undefined) {
    return { ratio: checkNumber('warmupRatio', ratio, 'a number from 0 to 1', (n) => n >= 0 && n <= 1) };
  }
  return { steps: steps === undefined ? 0 : checkInteger('warmupSteps', steps, 0) };
}

function checkFreeze(value: unknown): readonly string[] {
  if (value === undefined) return [];
  if (Array.isArray(value) && value.every((name) => typeof name === 'string' && name !== ''))
    return [...value] as string[];
  throw invalidOption('freeze', 'a list of names of parameters or modules', value);
}

function checkResume(value: unknown, checkpoint: ResolvedCheckpoint | null): string | null {
  if (value === undefined || value === false) return null;
  if (typeof value === 'string' && value !== '') return resolve(value);
  if (value !== true) throw invalidOption('resume', 'true, false or the path of a folder', value);
  if (checkpoint !== null) return checkpoint.folder;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    'resume is true, but no checkpoint.folder tells where to look. Give ' +
      'checkpoint: { folder }, or the folder as resume.',
  );
}

/** The given option through `check`, or `otherwise` where it was left out. */
function optional<T, D>(value: unknown, otherwise: D, check: (value: unknown) => T): T | D {
  return value === undefined ? otherwise : check(value);
}

/** Checks every option. Throws InvalidArgumentError: ERR_UNKNOWN_OPTION, ERR_INVALID_OPTION. */
export function resolveOptions(options: unknown): ResolvedOptions {
  const o = checkOptionNames(options, names, 'finetune');
  const positive = (name: string) => (v: unknown) => checkNumber(name, v, 'a number above 0', (n) => n > 0);
  const validationSplit = optional(o.validationSplit, 0.15, (v) =>
    checkNumber('validationSplit', v, 'a number from 0 to below 1', (n) => n >= 0 && n < 1),
  );
  const batchSize = optional(o.batchSize, 'auto' as const, (v) => {
    if (v === 'auto') return v;
    if (typeof v === 'string') throw invalidOption('batchSize', `an integer from 1, or 'auto'`, v);
    return checkInteger('batchSize', v, 1);
  });
  const effective = optional(o.effectiveBatchSize, null, (v) => checkInteger('effectiveBatchSize', v, 1));
  if (effective !== null && batchSize !== 'auto' && batchSize > effective) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      `batchSize (rows computed at once) is ${batchSize}, but ` +
        `effectiveBatchSize (rows of one step) is only ${effective}. Raise effectiveBatchSize, or lower batchSize.`,
    );
  }
  const checkpoint = optional(o.checkpoint, null, resolveCheckpoint);
  const resume = checkResume(o.resume, checkpoint);
  if (o.allowInexact === true && resume === null) {
    throw new InvalidArgumentError('ERR_INVALID_OPTION', 'allowInexact says how to resume, but resume was not given.');
  }
  return {
    maxInputLength: optional(o.maxInputLength, null, (v) => checkInteger('maxInputLength', v, 3)),
    validationSplit,
    epochs: optional(o.epochs, 20, (v) => checkInteger('epochs', v, 1)),
    batchSize,
    effectiveBatchSize: effective ?? (batchSize !== 'auto' && batchSize > 32 ? batchSize : null),
    earlyStopping: checkEarlyStopping(o.earlyStopping, validationSplit),
    learningRate: optional(o.learningRate, 2e-5, positive('learningRate')),
    schedule: optional(o.schedule, 'constant' as const, (v) =>
      checkChoice('schedule', v, ['constant', 'linear', 'cosine']),
    ),
    warmup: checkWarmup(o.warmupSteps, o.warmupRatio),
    optimizer: resolveOptimizer(o.optimizer),
    maxGradientNorm: optional(o.maxGradientNorm, null, positive('maxGradientNorm')),
    freeze: checkFreeze(o.freeze),
    shuffle: optional(o.shuffle, true, (v) => checkBoolean('shuffle', v)),
    dropout: optional(o.dropout, null, (v) =>
      checkNumber('dropout', v, 'a number from 0 to below 1', (n) => n >= 0 && n < 1),
    ),
    precision: optional(o.precision, 'auto' as const, (v) =>
      checkChoice('precision', v, ['auto', 'fp32', 'bf16', 'tf32', 'fp16']),
    ),
    seed: optional(o.seed, 1, (v) => checkInteger('seed', v, 0, 2 ** 32 - 1)),
    memoryLimit: optional(o.memoryLimit, null, (v) => checkInteger('memoryLimit', v, 1)),
    device: optional(o.device, null, checkDevice),
    memoryFraction: optional(o.memoryFraction, null, checkMemoryFraction),
    file: o.file as ReadOptions | undefined,
    checkpoint,
    resume,
    allowInexact: optional(o.allowInexact, false, (v) => checkBoolean('allowInexact', v)),
    signal: optional(o.signal, undefined, (v) => checkSignal('signal', v)),
    onProgress: optional(o.onProgress, undefined, (v) =>
      checkFunction<(event: FinetuneEvent) => void>('onProgress', v),
    ),
  };
}
