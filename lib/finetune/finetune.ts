import { nearest } from '../arguments';
import type { PairData } from '../data/pair';
import { InvalidArgumentError } from '../errors';
import type { DatasetHandle, EngineAddon, ModelHandle, NativePrecision, TrainerHandle } from '../native/addon';
import { megabytes, type FinetuneEvent } from './events';
import { effectiveBatch, findBatchSize, finderLimit } from './finder';
import { train } from './loop';
import { defaultMemoryLimit } from './memory-limit';
import type { ResolvedOptions } from './options';
import { longestRows } from './order';
import type { FinetuneReport } from './report';
import type { RunControl } from './run-control';
import { splitRows } from './split';
import { tokenisePairs, type TextEncoder } from './tokens';

/** What a run needs of a loaded model. */
export interface TrainableModel {
  addon: EngineAddon;
  handle: ModelHandle;
  /** Name for messages. */
  id: string;
  tokeniser: TextEncoder;
  /** Most tokens of a text: the folder's limit, and what the position table allows. */
  maxInputLength: number;
  positions: number;
  /** Put before every text, in training as in `embed`. */
  defaultPrompt: string;
}

export interface FinetuneJob {
  /** Reads and checks the training data. */
  data: (signal: AbortSignal) => Promise<PairData>;
  /** Loads the model, if that has not been done. */
  model: () => Promise<TrainableModel>;
  options: ResolvedOptions;
}

/** Most tokens of a text: the folder's limit, or what was asked for if the model has positions for it. */
export function inputLength(asked: number | null, model: Pick<TrainableModel, 'id' | 'maxInputLength' | 'positions'>): number {
  if (asked === null) return model.maxInputLength;
  if (asked <= model.positions) return asked;
  throw new InvalidArgumentError('ERR_MAX_INPUT_LENGTH', `maxInputLength is ${asked}, but ${model.id} has positions for ` +
    `${model.positions} tokens. Ask for ${model.positions} or fewer.`);
}

/** 'auto' is bf16 where the processor multiplies it faster. */
export function choosePrecision(precision: ResolvedOptions['precision'], addon: EngineAddon): NativePrecision {
  return precision === 'auto' ? (addon.info().bf16 ? 'bf16' : 'fp32') : precision;
}

/** Refuses a name to freeze that is neither a parameter nor a module, and freezing everything. */
function checkFreeze(freeze: readonly string[], model: TrainableModel): void {
  if (freeze.length === 0) return;
  const parameters = model.addon.parameters(model.handle).map(({ name }) => name);
  const covers = (frozen: string, name: string) => name === frozen || name.startsWith(`${frozen}.`);
  for (const frozen of freeze) {
    if (parameters.some((name) => covers(frozen, name))) continue;
    const modules = parameters.flatMap((name) => name.split('.').map((_, i, parts) => parts.slice(0, i + 1).join('.')));
    const meant = nearest(frozen, [...new Set(modules)]);
    throw new InvalidArgumentError('ERR_INVALID_OPTION', `freeze names "${frozen}", but ${model.id} has no such parameter ` +
      `or module. ${meant === undefined ? `Its parameters are ${parameters.slice(0, 3).join(', ')} and ` +
      `${parameters.length - 3} more.` : `Did you mean "${meant}"?`}`);
  }
  if (parameters.every((name) => freeze.some((frozen) => covers(frozen, name)))) {
    throw new InvalidArgumentError('ERR_INVALID_OPTION', `freeze covers all ${parameters.length} parameters of ${model.id}; ` +
      'there is nothing left to train.');
  }
}

/** A run from data to report. Rejects with what `control` says where that stopped it. */
export async function finetune(job: FinetuneJob, control: RunControl): Promise<FinetuneReport> {
  const { options } = job;
  let addon: EngineAddon | undefined;
  let dataset: DatasetHandle | undefined;
  let trainer: TrainerHandle | undefined;
  // Queued work and the running call fail at once; the loop then waits for them and ends.
  const cancel = () => {
    if (addon !== undefined && trainer !== undefined) addon.cancel(trainer);
  };
  control.signal.addEventListener('abort', cancel);
  if (options.signal !== undefined) control.follow(options.signal);
  const emit = control.emitter<FinetuneEvent>(options.onProgress);
  const started = performance.now();
  try {
    control.check();
    const data = await job.data(control.signal);
    const split = splitRows(data.pairs.length, options.validationSplit, options.seed);
    control.check();
    const model = await job.model();
    addon = model.addon;
    const maxInputLength = inputLength(options.maxInputLength, model);
    checkFreeze(options.freeze, model);

    const tokens = await tokenisePairs(model.tokeniser, data.pairs, maxInputLength, model.defaultPrompt,
      () => control.check());
    const { lengths } = tokens;
    emit({
      kind: 'data', rows: data.pairs.length, trainingRows: split.train.length, validationRows: split.validation.length,
      tokens: tokens.ids.length, longest: tokens.longest, maxInputLength,
    });
    const precision = choosePrecision(options.precision, addon);
    const memoryLimit = options.memoryLimit ?? defaultMemoryLimit(addon.memory());
    dataset = await addon.createDataset(tokens.ids, tokens.offsets, Float32Array.from(data.scores));
    control.check();
    trainer = await addon.createTrainer(model.handle, dataset, {
      precision, seed: options.seed, dropout: options.dropout, ...options.optimizer,
      maxGradientNorm: options.maxGradientNorm, freeze: [...options.freeze], memoryLimit,
    });
    control.check();

    const engine = addon.info();
    const stats = addon.trainerStats(trainer);
    const bytes = 4 * stats.parameters;
    const facts = {
      precision, device: options.device, threads: engine.threads, seed: options.seed,
      parameters: stats.parameters, trainableParameters: stats.trainableParameters,
    };
    emit({ kind: 'summary', ...facts, bytes, megabytes: megabytes(bytes), memoryLimit });

    const plan = {
      device: options.device, trainingRows: split.train.length, effectiveBatchSize: options.effectiveBatchSize,
    };
    const found = options.batchSize !== 'auto' ? options.batchSize : await findBatchSize({
      limit: finderLimit(plan),
      probe: async (size) => {
        control.check();
        await addon!.probe(trainer!, longestRows(split.train, lengths, size));
      },
      onEvent: emit,
    });
    control.check();
    const effective = effectiveBatch(plan, found);
    const result = await train({
      addon, trainer, split, lengths, scores: data.scores, options, control, emit,
      microBatch: Math.min(found, effective), effectiveBatch: effective,
    });
    const report: FinetuneReport = {
      before: result.before, after: result.after, epochs: result.epochs, bestEpoch: result.bestEpoch,
      stoppedEarly: result.stoppedEarly,
      rows: { training: split.train.length, validation: split.validation.length },
      steps: result.steps, tokens: result.tokens, batchSize: result.microBatch, effectiveBatchSize: effective,
      maxInputLength, learningRate: options.learningRate, schedule: options.schedule, warmupSteps: result.warmupSteps,
      optimizer: options.optimizer, ...facts, libtorch: engine.libtorch, seconds: (performance.now() - started) / 1000,
    };
    emit({ kind: 'done', report });
    control.check();
    return report;
  } catch (error) {
    throw control.explain(error);
  } finally {
    control.signal.removeEventListener('abort', cancel);
    control.release();
    if (addon !== undefined && trainer !== undefined) addon.disposeTrainer(trainer);
    if (addon !== undefined && dataset !== undefined) addon.disposeDataset(dataset);
  }
}
