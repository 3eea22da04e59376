import {
  callback,
  choice,
  custom,
  flag,
  integer,
  numeric,
  optional,
  signal,
  signalNames,
  text,
  type OptionsOf,
} from '../system/option-table';
import { checkInteger, invalidOption } from '../system/options';
import { checkpointing } from './checkpoint/options';
import { fileOption, onBadRowOption } from '../data/read-options';
import { say, words } from '../system/wording';
import { deviceOption, memoryFractionOption } from '../engine/devices';
import type { EmbeddingModel } from '../evaluate/embedding';
import { earlyStopping } from './early-stopping-options';
import type { FinetuneEvent } from './events';
import { resolveLoss, type LossChoice, type ResolvedLoss } from './losses/choice';
import type { OwnLoss } from './own-loss';
import { samplers } from './losses/table';
import { keeping } from './keep';
import { measureNames } from './measure';
import { adamW } from './optimizer';
import { promptChoice } from './prompts';
import { recipeNames } from './recipes/recipe';
import { searching } from './settings-search-options';
import type { ScheduleKind } from './schedule';
import { multiDatasetSamplers } from './sets/turns';

const aboveZero = numeric('a number above 0', (n) => n > 0);
const share = numeric('a number from 0 to below 1', (n) => n >= 0 && n < 1);

const batchSize = custom<number | 'auto'>('number-or-word', (path, value) => {
  if (value === 'auto') return value;
  if (typeof value === 'string')
    throw invalidOption(path, say`an integer from 1, or ${words("'auto'", 'auto')}`, value);
  return checkInteger(path, value, 1);
});

const freeze = custom<readonly string[]>('texts', (path, value) => {
  if (Array.isArray(value) && value.every((name) => typeof name === 'string' && name !== ''))
    return [...value] as string[];
  throw invalidOption(path, 'a list of names of parameters or modules', value);
});

const gradientNorm = custom<number | 'none', number | null>('number-or-word', (path, value) => {
  if (value === 'none') return null;
  if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value;
  throw invalidOption(path, say`a number above 0, or ${words("'none'", 'none')}`, value);
});

const mergeShares = custom<number | readonly number[], readonly number[]>('numbers', (path, value) => {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  const valid = list.every((one) => typeof one === 'number' && one >= 0 && one <= 1);
  // The untrained weights are always among the choices, as epoch 0.
  const above = [...new Set(list as number[])].filter((one) => one > 0).sort((a, b) => b - a);
  if (valid && above.length > 0) return above;
  throw invalidOption(path, 'a number above 0 to 1, or a list of them, which may have 0 too', value);
});

const resuming = custom<boolean | string>('text-or-switch', (path, value) => {
  if (typeof value === 'boolean' || (typeof value === 'string' && value !== '')) return value;
  throw invalidOption(path, 'true, false or the path of a folder', value);
});

/** The option `loss`. */
export const lossCheck = custom<LossChoice | OwnLoss, ResolvedLoss>('loss', resolveLoss);

/** The option `teacher`. */
export const teacherCheck = custom<EmbeddingModel | string>('text', (path, value) => {
  const isModel =
    typeof value === 'object' && value !== null && typeof (value as Partial<EmbeddingModel>).embed === 'function';
  if (isModel || (typeof value === 'string' && value !== '')) return value as EmbeddingModel | string;
  throw invalidOption(path, 'a model with embed, or the name of one, an address or a file', value);
});

export const finetuneTable = {
  /** Most tokens of a text, special tokens included; the rest is cut off. Default: the model folder's limit. */
  maxInputLength: optional(integer(3), null, {
    flag: '--max-input-length <tokens>',
    help: 'most tokens of a text',
    unset: "the model's own limit",
    aliases: ['maxSeqLength', 'maxSequenceLength', 'maxLength', 'modelMaxLength', 'maxTokens'],
  }),
  /**
   * What stands before the texts, in training and validation: one text for all, or one by column, as `{ anchor: 'query: ',
   * positive: 'passage: ' }`; of several data sets either by their names. A column is named by its part (text1, text2; anchor, positive, negative; text; candidates) or
   * by its own name; one that is not named has none. Each is a prompt of the model by its name, or a text of your own, as
   * `prompt` of `embed` is. Where the model's pooling leaves prompts out (`include_prompt: false`), so does training.
   * sentence-transformers' training argument `prompts`. Default: what `embed` puts before every text.
   */
  prompts: optional(promptChoice, null, {
    flag: '--prompts <prompt...>',
    help: "before all texts a name of the model's prompts or a text; by column as anchor='query: ' positive='passage: '",
    aliases: ['prompt', 'promptName', 'trainingPrompts'],
  }),
  /** Share of the rows kept for validation, from 0 (none) to below 1. Default 0.15. */
  validationSplit: optional(share, 0.15, {
    flag: '--validation-split <share>',
    help: 'share of the rows kept for validation',
    aliases: ['evalSplit', 'valSplit', 'testSize', 'validationSize', 'validationFraction', 'validationRatio'],
  }),
  /**
   * Whether rows that share a text stay on one side of the split, so that nothing that is validated with is known from
   * training; validation may come out a little smaller, and where nearly all rows hang together, rows are drawn singly, which
   * the event 'data' tells. Default true, but with the recipe 'notebook'.
   */
  groupedSplit: optional(flag, null, {
    flag: '--no-grouped-split',
    help: 'rows that share a text may stand on both sides of the split',
    aliases: ['groupSplit', 'groupShuffleSplit'],
  }),
  /**
   * What is trained: the name of a loss, or `{ name, … }` with its options under sentence-transformers' names, as
   * `{ name: 'cosent', scale: 30 }`. Which fit which rows, and the options of each: docs/losses.md. Default: the recipe's,
   * logistic for labels 0 and 1, cosine-mse or pearson for scores, multiple-negatives-ranking for anchors with positives,
   * batch-all-triplet for classes, mse for a teacher's vectors, distill-kl-div for its scores of candidates. Or a loss of
   * your own: `{ name, version, compute(vectors, batch) }`, which gives the loss of the vectors and its gradient
   * (OwnLoss); an error in it, or what is no loss or no gradient, ends the run with a LossError.
   */
  loss: optional(lossCheck, null, {
    flag: '--loss <name>',
    help: 'what is trained: a name, its options with --loss-option, or JSON',
    unset: 'by the form of the rows',
    aliases: ['lossFunction', 'lossFn', 'objective', 'criterion'],
  }),
  /**
   * How rows come together in batches. 'any': as the seed draws them. 'no-duplicates': no text of a row is any text of
   * another row of its batch. 'by-class': two rows of each class in turn; of texts with classes alone. As
   * sentence-transformers' `batch_sampler`. Default: as the loss wants them, no duplicates for multiple-negatives-ranking,
   * gist and mega-batch-margin, by class for losses of classes, else any.
   */
  sampler: optional(choice(...samplers), null, {
    flag: '--sampler <name>',
    help: 'how rows come together in batches: any, no-duplicates or by-class',
    unset: 'as the loss wants them',
    aliases: ['batchSampler', 'batchSamplers'],
  }),
  /**
   * Several data sets: whose batches the steps of an epoch take. 'proportional': all of them, in an order drawn by the seed;
   * 'round-robin': one of each set in turn, until a set has no more. As sentence-transformers' samplers of these names.
   * Default 'proportional'.
   */
  multiDatasetSampler: optional(choice(...multiDatasetSamplers), null, {
    flag: '--multi-dataset-sampler <name>',
    help: 'several files: proportional or round-robin',
    unset: 'proportional',
    aliases: ['multiDatasetBatchSampler', 'multiDatasetBatchSamplers'],
  }),
  /**
   * A model to learn from: another TextVectorisation, an EmbeddingsEndpoint, or any object with such an `embed`; its
   * name on the hub or folder; an address of /v1/embeddings; or a file of its vectors (JSON Lines or Parquet with text and
   * vector, as `vectune embed` writes them, or .npy with a row for each different text in the order of the data). Its
   * vectors are computed before training. The rows, which may be texts alone (a list, a .txt), are each different text with
   * its vector, for the losses mse (the default) and embed-distill; for distill-kl-div and margin-mse, a query with its
   * candidates and their cosines; for gist, whose guide it is, what they are. Default: none.
   */
  teacher: optional(teacherCheck, null, {
    flag: '--teacher <model|file|address>',
    help: 'a model to learn from: a name on the hub, a folder, an address of /v1/embeddings, or a file of its vectors',
  }),
  /** File of JSON Lines that keeps the teacher's vectors; where it is there already, they are taken from it. Default: none. */
  teacherFile: optional(text('the path of a file'), null, {
    flag: '--teacher-file <file.jsonl>',
    help: "keeps the teacher's vectors, or has them already",
  }),
  /**
   * What happens to rows that cannot be used: 'refuse' ends the run, for a file when all of its faults are known; 'skip'
   * leaves them out, and the event 'data' tells how many. Default 'refuse'.
   */
  onBadRow: onBadRowOption,
  /**
   * What trains where no other option says it: loss, batch, learning rate, schedule, epochs, merging, measure. 'auto' goes by
   * the form and the number of the rows; the event 'summary' and the report tell what it came to. 'notebook' is the job of
   * Backprop's notebook, and what versions without recipes did; the others are named after the rows they are for (docs/recipes.md).
   * Default 'auto'.
   */
  recipe: optional(choice('auto', ...recipeNames), 'auto', {
    flag: '--recipe <name>',
    help: `auto (by the form of the rows), ${recipeNames.join(', ')}`,
    aliases: ['preset', 'config', 'strategy'],
  }),
  /**
   * What the best epoch, early stopping and the share of the trained weights go by: 'loss', or a measure of the validation
   * rows: 'averagePrecision' (labels), 'spearman' (scores), 'mrr10' (positives and triplets: MRR@10 among their texts and
   * those of training rows, 2,000 rows in all), 'knnAccuracy' (classes: among as many), 'labelAccuracy' (pairs
   * with classes: by a classifier fitted on up to 2,000 training rows), 'teacherAgreement'. One that rows of
   * this form cannot have is refused; where it is not defined on the validation rows the loss stands in, and the event
   * 'data-warning' tells. Default: the recipe's.
   */
  measure: optional(choice(...measureNames), null, {
    flag: '--measure <name>',
    help: "what the best epoch goes by: loss or the form's measure",
    unset: "the recipe's",
    aliases: ['metricForBestModel', 'monitor', 'metric', 'primaryMetric'],
  }),
  /**
   * Shares of the trained weights that the model may take, the rest being what it was: of several, the least with nine tenths
   * of the best one's gain on the validation rows, or without those the largest that keeps the rows to `keep`; 1 is training
   * as it is, and 0, the untrained weights, which may stand in a list, is among them always. Default: the recipe's.
   */
  merge: optional(mergeShares, null, {
    flag: '--merge <shares>',
    help: 'shares of the trained weights to choose from, as 1,0.7,0.5,0; 1 takes them as they are',
    unset: "the recipe's",
    aliases: ['alpha', 'alphas', 'mergeAlpha', 'modelSoup', 'wiseFt'],
  }),
  /**
   * Of how many parts of the rows each is measured by a model that has not seen it, for small sets: with 5, four models
   * that are thrown away train without a fifth of the rows each, before the run. A gain is taken only where it is more than
   * chance makes of so many rows (an interval of 80 % lies above 0), and the event 'gain-not-shown' tells where it is not. 1
   * goes by the validation rows alone. Default: the recipe's, 5 below 200 rows to train on.
   */
  folds: optional(integer(1, 100), null, {
    flag: '--folds <n>',
    help: 'of small sets: parts of the rows, each measured by a model that has not seen it; 1 is none',
    unset: "the recipe's",
    aliases: ['crossValidation', 'crossValidate', 'kFold', 'kFolds', 'nSplits', 'nFolds', 'cv'],
  }),
  /**
   * Looks for learning rate and batch before training: short trainings of a part of the rows, for so many minutes at most,
   * each measured on validation rows. What is given as an option is not searched for. What was tried is in the report; with
   * `checkpoint` it is kept on disk, and `resume` goes on with it. Default: none.
   */
  search: optional(searching, null),
  /** Passes over the training rows, at most. Default: the recipe's. */
  epochs: optional(integer(1), null, {
    flag: '--epochs <n>',
    help: 'passes over the training rows, at most',
    unset: "the recipe's",
    aliases: ['numTrainEpochs', 'numEpochs', 'maxEpochs', 'nEpochs'],
  }),
  /**
   * Rows computed at once, at most; 'auto' looks for the most that fit in memory. On a processor a loss that is a sum over
   * rows is computed 1,536 tokens at a time in any case, which takes no longer. Default 'auto'.
   */
  batchSize: optional(batchSize, 'auto', {
    flag: '--batch-size <rows|auto>',
    help: 'rows computed at once',
    aliases: [
      'perDeviceTrainBatchSize',
      'trainBatchSize',
      'perDeviceBatchSize',
      'microBatchSize',
      'miniBatchSize',
      'bs',
    ],
  }),
  /** Rows of one optimiser step. Default: the recipe's, or `batchSize` where that is a larger number. */
  effectiveBatchSize: optional(integer(1), null, {
    flag: '--effective-batch-size <rows>',
    help: 'rows of one optimiser step',
    unset: "the recipe's",
    aliases: ['totalBatchSize', 'globalBatchSize', 'totalTrainBatchSize'],
  }),
  /** Whether to stop when validation gets no better; needs validation rows. Default: the recipe's. */
  earlyStopping: optional(earlyStopping, null, {
    flag: '--no-early-stopping',
    help: 'train all epochs; the best weights are kept all the same',
  }),
  /** Peak learning rate. Default: the recipe's. */
  learningRate: optional(aboveZero, null, {
    flag: '--learning-rate <rate>',
    help: 'peak learning rate',
    unset: "the recipe's",
    aliases: ['lr', 'peakLr', 'maxLr', 'rate'],
  }),
  /** Course of the learning rate after warm-up: steady, or down to 0 at the last epoch's end. Default: the recipe's. */
  schedule: optional(choice<ScheduleKind>('constant', 'linear', 'cosine'), null, {
    flag: '--schedule <name>',
    help: 'constant, linear or cosine',
    unset: "the recipe's",
    aliases: ['lrSchedulerType', 'lrScheduler', 'lrSchedule', 'scheduler', 'learningRateSchedule'],
  }),
  /** Steps over which the learning rate rises from 0. Default: the recipe's. */
  warmupSteps: optional(integer(0), null, {
    flag: '--warmup-steps <n>',
    help: 'steps of rising learning rate',
    unset: "the recipe's",
    aliases: ['numWarmupSteps', 'warmup'],
  }),
  /** The same as a share of all steps, from 0 to 1; not together with `warmupSteps`. */
  warmupRatio: optional(
    numeric('a number from 0 to 1', (n) => n >= 0 && n <= 1),
    null,
    {
      flag: '--warmup-ratio <share>',
      help: 'the same as a share of all steps',
      aliases: ['warmupProportion', 'warmupFraction', 'warmupShare'],
    },
  ),
  /** AdamW's constants: a preset, or numbers of one's own (those left out are the preset 'torch'). Default: the recipe's. */
  optimizer: optional(adamW, null, {
    flag: '--optimizer <preset>',
    help: "AdamW's constants: notebook or torch",
    unset: "the recipe's",
    aliases: ['optim', 'optimiser', 'optimizerParams', 'optimizerClass'],
  }),
  /** Clips the global gradient norm to this; 'none' does not. Default: the recipe's. */
  maxGradientNorm: optional(gradientNorm, undefined, {
    flag: '--max-gradient-norm <norm>',
    help: 'clip the gradient to this norm; none does not',
    unset: "the recipe's",
    aliases: ['maxGradNorm', 'gradientClipping', 'clipNorm', 'clipGradNorm', 'gradClip'],
  }),
  /**
   * Names of parameters, or of modules (as 'encoder.layer.0'), that keep their weights; of several layers as a range,
   * 'encoder.layer.0-5', the last among them. Default none.
   */
  freeze: optional(freeze, [], {
    flag: '--freeze <name...>',
    help: 'parameters or modules that keep their weights; layers as encoder.layer.0-5',
    aliases: ['frozen', 'freezeLayers', 'freezeModules'],
  }),
  /** Whether each epoch takes the rows in a new order. Default true; false keeps the data's order. */
  shuffle: optional(flag, true, { flag: '--no-shuffle', help: "keep the file's order in every epoch" }),
  /** Replaces the dropout probabilities of the model's config, from 0 to below 1. Default: the config's. */
  dropout: optional(share, null, {
    flag: '--dropout <p>',
    help: "replaces the model's dropout",
    aliases: ['dropoutRate', 'dropoutProb', 'hiddenDropoutProb'],
  }),
  /**
   * Compute precision; 'auto' is bf16 where the device multiplies it faster, else fp32. A processor without instructions for
   * it does 'bf16' all the same, and takes about three times as long as for fp32. On GPUs there are also 'tf32' (fp32 whose
   * products are done in TF32) and 'fp16' (with loss scaling). Default 'auto'.
   */
  precision: optional(choice('auto', 'fp32', 'bf16', 'tf32', 'fp16'), 'auto', {
    flag: '--precision <kind>',
    help: 'auto, fp32 or bf16; on a GPU also tf32 and fp16',
    aliases: ['dtype', 'torchDtype', 'mixedPrecision'],
  }),
  /** Seeds the split, the order of rows and dropout: an integer from 0 to 2^32 - 1. Default 1. */
  seed: optional(integer(0, 2 ** 32 - 1), 1, {
    flag: '--seed <n>',
    help: 'seed of split, order and dropout',
    aliases: ['randomState', 'randomSeed', 'dataSeed'],
  }),
  /**
   * Bytes the engine may hold while it trains on the processor (on a GPU it is refused). Default: what the machine or its
   * control group has free.
   */
  memoryLimit: optional({ ...integer(1), typed: 'bytes' }, null, {
    flag: '--memory-limit <size>',
    help: 'memory that training may hold, e.g. 2GB',
    unset: 'what is free',
    aliases: ['maxMemory', 'memory', 'ram'],
  }),
  /**
   * Where to train: 'auto' is the first NVIDIA GPU where one can be used, else the processor, and an event tells which and
   * why; 'cuda', 'cuda:1' or 'cpu' is that or an error. On a GPU the sums of a run are not the same to the last bit each
   * time. Default: the model's own option.
   */
  device: optional(deviceOption, null, {
    flag: '--device <name>',
    help: 'auto, cpu, cuda or a GPU as cuda:1',
    unset: 'auto',
  }),
  /**
   * Share of a GPU's memory that this process may take, above 0 to 1; it counts for the whole process and cannot be
   * changed once a GPU is used. Default: the model's own option.
   */
  memoryFraction: optional(memoryFractionOption, null, {
    flag: '--memory-fraction <share>',
    help: "share of the GPU's memory that training may take",
    unset: 'all',
  }),
  /**
   * Trains also on rows whose scores are all equal, or all within a hundredth, from which a model learns to make all texts
   * alike, or whose two texts are the same. Default false: they are refused.
   */
  allowConstantScores: optional(flag, false, {
    flag: '--allow-constant-scores',
    help: 'train also where the scores of all rows are equal',
  }),
  /**
   * Where the data is a folder in BEIR's layout: whose judgements, `qrels/<split>.tsv`; of a data set of the hub: which split.
   * Default: train, else the only one.
   */
  split: optional(text(), null, {
    flag: '--split <name>',
    help: 'of a BEIR folder: whose judgements, qrels/<name>.tsv; of a data set of the hub: which split',
    unset: 'train',
  }),
  /** How a file, or rows, are read: format, columns, how scores are written. */
  file: fileOption,
  /**
   * What the model must go on being good at: pairs with scores or labels (a file, `hub:owner/name` or rows, or `{ data, margin }`
   * with `labels`, `file` and `split` as `finetune` takes its own data) whose measure may fall by no more than `margin`. Epoch
   * and share are chosen under that bound, without validation rows the largest share that keeps it, and an event says where
   * none does. Default: none; what moved is measured all the same (`randomPairs` of the report).
   */
  keep: optional(keeping, null),
  /** Writes the run's state to a folder as it goes on, so that it can be resumed. Default: no checkpoints. */
  checkpoint: optional(checkpointing, null),
  /**
   * Goes on from the newest whole checkpoint of `checkpoint.folder`, or of the folder that is named, as if the run had
   * never been interrupted: losses and weights come out the same to the last bit. Where there is no checkpoint training
   * begins afresh. Data, model and options must be those of the checkpoint (`epochs` may be more where the learning
   * rate does not depend on them). Default false.
   */
  resume: optional(resuming, false, {
    flag: '--resume [folder]',
    help: 'go on from the newest checkpoint, of --checkpoint or of another folder',
    aliases: ['resumeFromCheckpoint', 'resumeFrom', 'continueFrom'],
  }),
  /**
   * Resumes also with other threads, on another processor or with another version of LibTorch or vectune than the
   * checkpoint was written with; the numbers are then about the same, not the same. Default false.
   */
  allowInexact: optional(flag, false, {
    flag: '--allow-inexact',
    help: 'resume with other threads, another processor or version, whose numbers differ a little',
  }),
  /**
   * File that the run is written to when it is over, as one HTML page: curves, similarities before and after, the rows
   * that changed, the threshold to use. It holds texts of the validation rows. Default: none.
   */
  report: optional(text('the path of a file'), null, {
    flag: '--report <file.html>',
    help: 'write the run as one HTML page: curves, what changed, the threshold to use',
    aliases: ['reportFile', 'html', 'reportPath'],
  }),
  /** Stops the run within one step. */
  signal: optional(signal, undefined, signalNames),
  /**
   * Is called with each event. If it throws, or returns a promise that rejects, the run stops and rejects
   * with that error; the model keeps its best weights so far.
   */
  onProgress: optional(callback<(event: FinetuneEvent) => void>(), undefined, {
    aliases: ['callback', 'callbacks', 'progress', 'onEvent', 'onStep', 'progressCallback', 'progressHandler'],
  }),
};

/** Options of `finetune`. Each is honoured or refused; a name that is not here is refused. */
export interface FinetuneOptions extends OptionsOf<typeof finetuneTable> {}
