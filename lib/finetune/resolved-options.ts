import { resolve } from 'node:path';
import { resolveTable, type Misnomers, type Owner } from '../system/option-table';
import { InvalidArgumentError } from '../system/errors';
import { option, placeholder, say, words } from '../system/wording';
import type { ReadOptions } from '../data/read-options';
import type { DeviceOption } from '../engine/devices';
import type { EmbeddingModel } from '../evaluate/embedding';
import type { ResolvedCheckpoint } from './checkpoint/options';
import type { FinetuneEvent } from './events';
import type { ResolvedLoss } from './losses/choice';
import type { Sampler } from './losses/table';
import type { ResolvedKeep } from './keep';
import type { MeasureName } from './measure';
import type { ResolvedAdamW } from './optimizer';
import type { Stopping } from './early-stopping-options';
import { finetuneTable } from './options';
import type { PromptChoice } from './prompts';
import type { RecipeName } from './recipes/recipe';
import type { ScheduleKind } from './schedule';
import type { MultiDatasetSampler } from './sets/turns';
import { searchOption, type ResolvedSearch } from './settings-search-options';

/** `FinetuneOptions` after checks. What depends on the data, the model or the machine is still open. */
export interface ResolvedOptions {
  recipe: RecipeName | 'auto';
  // What is null here is the recipe's to say: see `applyRecipe`.
  measure: MeasureName | null;
  merge: readonly number[] | null;
  folds: number | null;
  search: ResolvedSearch | null;
  keep: ResolvedKeep | null;
  /** null where it was left to the form of the data. */
  loss: ResolvedLoss | null;
  sampler: Sampler | null;
  /** null where it was not asked for. */
  multiDatasetSampler: MultiDatasetSampler | null;
  teacher: EmbeddingModel | string | null;
  teacherFile: string | null;
  onBadRow: 'refuse' | 'skip';
  maxInputLength: number | null;
  prompts: PromptChoice | null;
  validationSplit: number;
  groupedSplit: boolean;
  epochs: number | null;
  batchSize: number | 'auto';
  /** null where it was left to vectune. */
  effectiveBatchSize: number | null;
  earlyStopping: { patience: number; minDelta: number } | false | null;
  learningRate: number | null;
  schedule: ScheduleKind | null;
  warmup: { steps: number } | { ratio: number } | null;
  optimizer: Readonly<ResolvedAdamW> | null;
  /** null is no clipping, undefined is the recipe's. */
  maxGradientNorm: number | null | undefined;
  freeze: readonly string[];
  shuffle: boolean;
  dropout: number | null;
  precision: 'auto' | 'fp32' | 'bf16' | 'tf32' | 'fp16';
  seed: number;
  memoryLimit: number | null;
  /** null where it was left to the model's option, as `memoryFraction`. */
  device: DeviceOption | null;
  memoryFraction: number | null;
  allowConstantScores: boolean;
  split: string | null;
  file: ReadOptions | undefined;
  checkpoint: ResolvedCheckpoint | null;
  /** The folder to resume from. */
  resume: string | null;
  allowInexact: boolean;
  /** The page's absolute path. */
  report: string | null;
  signal: AbortSignal | undefined;
  onProgress: ((event: FinetuneEvent) => void) | undefined;
}

const savedAfter = say`${words('The run saves nothing by itself: call save(folder) after it.', 'Did you mean --out?')}`;

/** What other programs call something that is no single option here. */
export const finetuneMisnomers: Misnomers = {
  gradientAccumulationSteps: say`Give ${option('effectiveBatchSize', placeholder)}, the rows of one step, and ${option('batchSize', placeholder)}, the rows computed at once.`,
  fp16: (value) => (value === false ? say`Leave it out.` : say`Did you mean ${option('precision', 'fp16')}?`),
  bf16: (value) => (value === false ? say`Leave it out.` : say`Did you mean ${option('precision', 'bf16')}?`),
  tf32: (value) => (value === false ? say`Leave it out.` : say`Did you mean ${option('precision', 'tf32')}?`),
  useAmp: say`Did you mean ${option('precision', 'auto')}?`,
  outputDir: savedAfter,
  outputPath: savedAfter,
  savePath: savedAfter,
  out: savedAfter,
  loadBestModelAtEnd: say`Leave it out: the best weights are always kept.`,
  saveBestModel: say`Leave it out: the best weights are always kept.`,
  weightDecay: (value) => say`Did you mean ${option('optimizer.weightDecay', value)}?`,
};

/** The given early stopping; null leaves it to the recipe. */
function stopping(given: boolean | Stopping | null, validationSplit: number): Stopping | false | null {
  if (given === false || given === null) return given;
  if (validationSplit === 0) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${words(say`${option('earlyStopping')} needs`, say`${option('earlyStopping.patience')} and ${option('earlyStopping.minDelta')} need`)} validation rows, but ${option('validationSplit')} is 0.`,
      {
        remedy: say`Leave ${words(say`${option('earlyStopping')}`, 'them')} out, or give a ${option('validationSplit')} above 0.`,
      },
    );
  }
  return given === true ? { patience: 1, minDelta: 0 } : given;
}

function warmup(steps: number | null, ratio: number | null): ResolvedOptions['warmup'] {
  if (steps !== null && ratio !== null) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('warmupSteps')} and ${option('warmupRatio')} say the same in two ways; give one.`,
    );
  }
  return ratio !== null ? { ratio } : steps !== null ? { steps } : null;
}

/** @throws InvalidArgumentError ERR_INVALID_OPTION: several shares, and nothing to choose by */
function sharesOf(
  given: readonly number[] | null,
  { validationSplit, keep }: { validationSplit: number; keep: ResolvedKeep | null },
): readonly number[] | null {
  // Of rows to keep the largest share is taken that keeps them.
  if (given === null || given.length === 1 || validationSplit > 0 || keep !== null) return given;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option('merge')} has several shares to choose from on the validation rows, but ${option('validationSplit')} is 0.`,
    { remedy: say`Give one share, as ${option('merge', 0.7)}, or a ${option('validationSplit')} above 0.` },
  );
}

/** @throws InvalidArgumentError ERR_INVALID_OPTION: parts to measure, and nothing is measured */
function foldsOf(folds: number | null, validationSplit: number): number | null {
  if (folds === null || folds === 1) return folds;
  if (validationSplit === 0) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('folds')} needs validation rows, but ${option('validationSplit')} is 0.`,
      { remedy: say`Leave ${option('folds')} out, or give a ${option('validationSplit')} above 0.` },
    );
  }
  return folds;
}

/** @throws InvalidArgumentError ERR_INVALID_OPTION: nothing to search for, or to search by */
function checkSearch(
  search: ResolvedSearch | null,
  given: { validationSplit: number; learningRate: number | null; effectiveBatchSize: number | null },
): void {
  if (search === null) return;
  if (given.validationSplit === 0) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${searchOption} goes by validation rows, but ${option('validationSplit')} is 0.`,
      { remedy: say`Leave ${searchOption} out, or give a ${option('validationSplit')} above 0.` },
    );
  }
  if (given.learningRate !== null && given.effectiveBatchSize !== null) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${searchOption} has nothing to look for: ${option('learningRate')} and ${option('effectiveBatchSize')} are both given.`,
      { remedy: say`Leave one of the two out, or ${searchOption}.` },
    );
  }
}

function resumeFolder(resume: boolean | string, checkpoint: ResolvedCheckpoint | null): string | null {
  if (typeof resume === 'string') return resolve(resume);
  if (!resume) return null;
  if (checkpoint !== null) return checkpoint.folder;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${words(say`${option('resume')} is true`, say`${option('resume')} was given`)}, but no ${option('checkpoint.folder')} tells where to look.`,
    {
      remedy: say`Give ${option('checkpoint.folder', placeholder)}, or the folder as ${option('resume', placeholder)}.`,
    },
  );
}

/**
 * Checks every option; `elsewhere` are tables of others, for who passed theirs here.
 * Throws InvalidArgumentError: ERR_UNKNOWN_OPTION, ERR_INVALID_OPTION.
 */
export function resolveOptions(given: unknown, elsewhere: Owner['elsewhere'] = []): ResolvedOptions {
  const { warmupSteps, warmupRatio, ...o } = resolveTable(finetuneTable, given, {
    name: 'finetune',
    path: '',
    misnomers: finetuneMisnomers,
    elsewhere,
  });
  const { batchSize, effectiveBatchSize, checkpoint } = o;
  if (effectiveBatchSize !== null && batchSize !== 'auto' && batchSize > effectiveBatchSize) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('batchSize')} (rows computed at once) is ${batchSize}, but ${option('effectiveBatchSize')} (rows of one step) is only ${effectiveBatchSize}.`,
      { remedy: say`Raise ${option('effectiveBatchSize')}, or lower ${option('batchSize')}.` },
    );
  }
  checkSearch(o.search, o);
  const resume = resumeFolder(o.resume, checkpoint);
  if (o.allowInexact && resume === null) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('allowInexact')} says how to resume, but ${option('resume')} was not given.`,
    );
  }
  return {
    ...o,
    effectiveBatchSize: effectiveBatchSize ?? (batchSize !== 'auto' && batchSize > 32 ? batchSize : null),
    earlyStopping: stopping(o.earlyStopping, o.validationSplit),
    merge: sharesOf(o.merge, o),
    folds: foldsOf(o.folds, o.validationSplit),
    // The notebook drew rows.
    groupedSplit: o.groupedSplit ?? o.recipe !== 'notebook',
    warmup: warmup(warmupSteps, warmupRatio),
    checkpoint,
    resume,
    report: o.report === null ? null : resolve(o.report),
  };
}
