import { hasCode, OutOfMemoryError } from '../errors';
import type { EngineAddon, TrainerHandle } from '../native/addon';
import { EarlyStopping } from './early-stopping';
import type { FinetuneEvent } from './events';
import type { ValidationMetrics } from './metrics';
import type { ResolvedOptions } from './options';
import { epochBatches } from './order';
import type { EpochReport } from './report';
import type { RunControl } from './run-control';
import { learningRateAt, warmupSteps } from './schedule';
import type { Split } from './split';
import { StepQueue, type PlannedStep } from './step-queue';
import { StepTimer } from './step-timer';
import { Validator } from './validator';

export interface LoopRequest {
  addon: Pick<EngineAddon, 'step' | 'evaluate' | 'commit'>;
  trainer: TrainerHandle;
  split: Split;
  /** Tokens and score of each row of the data set, by row. */
  lengths: Int32Array;
  scores: readonly number[];
  microBatch: number;
  effectiveBatch: number;
  options: ResolvedOptions;
  control: RunControl;
  emit: (event: FinetuneEvent) => void;
}

export interface LoopResult {
  before: ValidationMetrics | null;
  after: ValidationMetrics | null;
  epochs: EpochReport[];
  bestEpoch: number;
  stoppedEarly: boolean;
  steps: number;
  tokens: number;
  microBatch: number;
  warmupSteps: number;
}

/**
 * Trains epoch by epoch. The model takes the trainer's weights only through `commit`, after an epoch whose
 * validation loss is the lowest so far (the untrained model counts as epoch 0), so whenever this ends, and
 * however, the model has its best weights so far and nothing needs restoring. Without validation rows there
 * is no better and worse: each finished epoch is committed.
 */
export async function train(request: LoopRequest): Promise<LoopResult> {
  const { addon, trainer, split, lengths, options, control, emit } = request;
  const { epochs, seed, shuffle } = options;
  const stepsPerEpoch = Math.ceil(split.train.length / request.effectiveBatch);
  const totalSteps = stepsPerEpoch * epochs;
  const warmup = warmupSteps(options.warmup, totalSteps);
  const timer = new StepTimer(totalSteps);
  const result: LoopResult = {
    before: null, after: null, epochs: [], bestEpoch: 0, stoppedEarly: false, steps: 0, tokens: 0,
    microBatch: request.microBatch, warmupSteps: warmup,
  };
  let epoch = 0;
  let epochLoss = 0;

  const onSplit = (during: 'step' | 'validation') => (at: number, before: number, after: number) => emit({
    kind: 'out-of-memory', during, epoch: at, batchSize: before, next: after,
    message: `Out of memory with batch size ${before}, the same rows are computed again with batch size ${after}`,
  });

  const validator = new Validator({
    rows: split.validation,
    scores: request.scores,
    evaluate: (rows, microBatch) => addon.evaluate(trainer, rows, microBatch),
    onProgress: (at, done) => emit({ kind: 'validating', epoch: at, done, rows: split.validation.length }),
    onSplit: onSplit('validation'),
    check: () => control.check(),
  }, request.microBatch);

  const queue = new StepQueue({
    run: (step) => addon.step(trainer, step),
    stopped: () => control.stopped,
    onStep: (step, { loss, gradientNorm, tokens }) => {
      ++result.steps;
      result.tokens += tokens;
      epochLoss += loss * step.rows.length / split.train.length;
      const speed = timer.done(tokens);
      emit({
        kind: 'step', epoch, epochs, step: result.steps - (epoch - 1) * stepsPerEpoch, steps: stepsPerEpoch,
        totalSteps: result.steps, loss, learningRate: step.learningRate, gradientNorm, tokens, ...speed,
      });
    },
    onSplit: (before, after) => onSplit('step')(epoch, before, after),
  }, request.microBatch);

  let stopping: EarlyStopping | null = null;
  if (validator.rows > 0) {
    result.before = result.after = await validator.measure(0);
    stopping = new EarlyStopping(options.earlyStopping?.patience ?? null, options.earlyStopping?.minDelta ?? 0,
      result.before.loss);
    emit({ kind: 'validation', epoch: 0, trainingLoss: null, metrics: result.before, best: true });
  }

  while (epoch < epochs && !result.stoppedEarly) {
    control.check();
    ++epoch;
    epochLoss = 0;
    const started = performance.now();
    emit({ kind: 'epoch-start', epoch, epochs, steps: stepsPerEpoch });
    const batches = epochBatches({
      rows: split.train, lengths, batchSize: request.effectiveBatch, shuffle, seed, epoch: epoch - 1,
    });
    const firstStep = (epoch - 1) * stepsPerEpoch;
    const steps = batches.map((rows, i): PlannedStep => ({
      rows,
      learningRate: learningRateAt(options.schedule, options.learningRate, firstStep + i, warmup, totalSteps),
      epoch: epoch - 1,
    }));
    timer.start();
    try {
      await queue.drain(steps);
    } catch (error) {
      throw hasCode(error, 'ERR_OUT_OF_MEMORY') && !control.stopped ? outOfMemory(error) : error;
    }
    control.check();

    const trainingLoss = epochLoss;
    let validation: ValidationMetrics | null = null;
    if (stopping === null) {
      await addon.commit(trainer);
      result.bestEpoch = epoch;
    } else {
      validation = await validator.measure(epoch);
      const verdict = stopping.update(epoch, validation.loss);
      if (verdict.best) {
        // Before the event: whoever is told that these weights are the best may stop the run at once.
        await addon.commit(trainer);
        result.bestEpoch = epoch;
        result.after = validation;
      }
      emit({ kind: 'validation', epoch, trainingLoss, metrics: validation, best: verdict.best });
      if (verdict.stop && epoch < epochs) {
        result.stoppedEarly = true;
        emit({ kind: 'early-stop', epoch, bestEpoch: result.bestEpoch, patience: stopping.patience! });
      }
    }
    result.epochs.push({ epoch, trainingLoss, validation, seconds: (performance.now() - started) / 1000 });
  }
  control.check();
  result.microBatch = queue.microBatch;
  return result;
}

function outOfMemory(cause: Error): OutOfMemoryError {
  return new OutOfMemoryError('ERR_OUT_OF_MEMORY', 'A training step does not fit in memory even with one row at once. The ' +
    `model keeps its best weights so far. Lower maxInputLength, or raise memoryLimit. (${cause.message})`, { cause });
}
