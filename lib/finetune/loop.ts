import type { TrainingData } from '../data/form';
import type { Checkpointer } from './checkpoint/checkpointer';
import { OutOfMemoryError, firstSentence, hasCode } from '../system/errors';
import type { EngineAddon, ModelHandle, TrainerHandle } from '../engine/addon';
import { EarlyStopping } from './early-stopping';
import type { EventContent } from './events';
import type { MemoryFollower } from './memory-limit';
import type { ValidationMetrics } from './metrics';
import type { ResolvedOptions } from './options';
import type { Sampler } from './losses';
import { sampledInTurns } from './order';
import { evaluateOwn, stepByOwn, type OwnLossCaller } from './own-loss';
import type { Progress } from './progress';
import type { RunControl } from './run-control';
import { learningRateAt, warmupSteps } from './schedule';
import type { Split } from './split';
import type { RandomPairsWatch } from './random-pairs';
import { IN_FLIGHT, IN_FLIGHT_ON_DEVICE, StepQueue, type PlannedStep } from './step-queue';
import { StepTimer } from './step-timer';
import type { TokenisedRows } from './tokens';
import { Validator } from './validator';
import { option, say } from '../system/wording';

export interface LoopRequest {
  addon: Pick<EngineAddon, 'step' | 'vectors' | 'evaluate' | 'commit' | 'fingerprint'>;
  model: ModelHandle;
  trainer: TrainerHandle;
  split: Split;
  /** Tokens of each row of the data set, by row. */
  lengths: Int32Array;
  data: TrainingData;
  /** The texts of the rows. */
  groups: Pick<TokenisedRows, 'columns' | 'rowOffsets'>;
  sampler: Sampler;
  /** The caller's own loss, where the trainer's is given. */
  ownLoss: OwnLossCaller | null;
  options: ResolvedOptions;
  control: RunControl;
  memory: Pick<MemoryFollower, 'follow'>;
  watch: Pick<RandomPairsWatch, 'begin' | 'look'>;
  /** On a GPU: tells its memory. */
  onDevice: ((after: 'epoch' | 'out-of-memory') => Promise<void>) | null;
  /** Is given the similarities of the validation rows, before the event of the validation. */
  onMeasured: ((similarities: Float32Array) => void) | undefined;
  /** null where none are written. */
  checkpointer: Checkpointer | null;
  emit: (event: EventContent) => void;
}

export interface LoopResult {
  stoppedEarly: boolean;
  warmupSteps: number;
}

/**
 * Trains epoch by epoch, from where `progress` is, which is kept up to date. The model takes the trainer's weights only
 * through `commit`, after an epoch whose validation loss is the lowest so far (the untrained model counts as epoch 0),
 * so whenever this ends, and however, the model has its best weights so far and nothing needs restoring. Without
 * validation rows there is no better and worse: each finished epoch is committed.
 */
export async function train(request: LoopRequest, progress: Progress): Promise<LoopResult> {
  const { addon, trainer, split, options, control, memory, checkpointer, emit } = request;
  const { epochs } = options;
  const batchesOf = batchesIn(request, progress.effectiveBatch);
  // Of each epoch: rows that must not meet may need another number of batches in another order.
  const stepsOf = await countSteps(batchesOf, request, progress.effectiveBatch);
  const totalSteps = stepsOf.reduce((sum, steps) => sum + steps, 0);
  const warmup = warmupSteps(options.warmup, totalSteps);
  const timer = new StepTimer(totalSteps - progress.steps);
  let stoppedEarly = false;

  const ready = async (): Promise<void> => {
    if (control.paused) {
      emit({ type: 'paused', totalSteps: progress.steps });
      await control.resumed();
      emit({ type: 'resumed', totalSteps: progress.steps });
      timer.start();
    }
    control.check();
  };

  const onSplit = (during: 'step' | 'validation') => (at: number, before: number, after: number) =>
    emit({
      type: 'out-of-memory',
      during,
      epoch: at,
      batchSize: before,
      next: after,
      message: `Out of memory with batch size ${before}, the same rows are computed again with batch size ${after}`,
    });

  const validator = new Validator(
    {
      rows: split.validation,
      data: request.data,
      batch: progress.effectiveBatch,
      evaluate: (rows, microBatch) => {
        memory.follow();
        const batch = progress.effectiveBatch;
        return request.ownLoss === null
          ? addon.evaluate(trainer, rows, microBatch, batch)
          : evaluateOwn(request.ownLoss, { addon, trainer, data: request.data }, rows, microBatch, batch);
      },
      onMeasured: request.onMeasured,
      onProgress: (at, done) => emit({ type: 'validating', epoch: at, done, rows: split.validation.length }),
      onSplit: (at, before, after) => {
        progress.validationBatch = after;
        onSplit('validation')(at, before, after);
      },
      ready,
    },
    progress.validationBatch,
  );

  const queue = new StepQueue(
    {
      run: (step) => {
        memory.follow();
        return request.ownLoss === null
          ? addon.step(trainer, step)
          : stepByOwn(request.ownLoss, { addon, trainer }, step);
      },
      // A loss of the caller's own is computed of the weights that the step before has left.
      inFlight: request.ownLoss !== null ? 1 : request.onDevice === null ? IN_FLIGHT : IN_FLIGHT_ON_DEVICE,
      stopped: () => control.stopped,
      onStep: (step, { loss, gradientNorm, tokens }) => {
        ++progress.steps;
        ++progress.epochSteps;
        progress.tokens += tokens;
        progress.epochLoss += (loss * step.rows.length) / split.train.length;
        const speed = timer.done(tokens);
        emit({
          type: 'step',
          epoch: progress.epoch + 1,
          epochs,
          step: progress.epochSteps,
          steps: stepsOf[progress.epoch]!,
          totalSteps: progress.steps,
          loss,
          learningRate: step.learningRate,
          gradientNorm,
          tokens,
          ...speed,
        });
      },
      onSplit: (before, after) => {
        progress.microBatch = after;
        progress.splits.push({ step: progress.steps + 1, from: before, to: after });
        onSplit('step')(progress.epoch + 1, before, after);
      },
      rests: (taken) => control.paused || (checkpointer?.due(taken) ?? false),
      rest: async () => {
        await checkpointer?.atStep(progress);
        if (control.paused) await ready();
      },
      // The copy of a checkpoint that is on its way to disk.
      relieve: async () => {
        await request.onDevice?.('out-of-memory');
        return checkpointer?.settled() ?? false;
      },
    },
    progress.microBatch,
    progress.steps,
  );

  const commit = async (epoch: number): Promise<void> => {
    await addon.commit(trainer);
    progress.bestEpoch = epoch;
    if (checkpointer !== null) progress.committed = await addon.fingerprint(request.model);
  };

  let stopping: EarlyStopping | null = null;
  if (validator.rows > 0) {
    const { patience, minDelta } = options.earlyStopping ?? { patience: null, minDelta: 0 };
    if (progress.stopping !== null) stopping = EarlyStopping.from(patience, minDelta, progress.stopping);
    else {
      const before = await validator.measure(0);
      stopping = new EarlyStopping(patience, minDelta, before.loss);
      Object.assign(progress, { before, after: before, stopping: stopping.state });
      emit({ type: 'validation', epoch: 0, trainingLoss: null, metrics: before, best: true });
    }
  }

  // Not of a run that goes on: the model has trained weights then.
  if (progress.steps === 0 && progress.epoch === 0) progress.randomPairs = await request.watch.begin();

  while (progress.epoch < epochs) {
    if (stopping?.exhausted === true) {
      stoppedEarly = true;
      emit({ type: 'early-stop', epoch: progress.epoch, bestEpoch: progress.bestEpoch, patience: stopping.patience! });
      break;
    }
    await ready();
    const epoch = progress.epoch + 1;
    const started = performance.now() - progress.epochSeconds * 1000;
    emit({ type: 'epoch-start', epoch, epochs, steps: stepsOf[epoch - 1]! });
    const batches = await batchesOf(epoch - 1);
    const firstStep = stepsOf.slice(0, epoch - 1).reduce((sum, steps) => sum + steps, 0);
    const steps = batches.map(
      (rows, i): PlannedStep => ({
        rows,
        learningRate: learningRateAt(options.schedule, options.learningRate, firstStep + i, warmup, totalSteps),
        epoch: epoch - 1,
      }),
    );
    timer.start();
    try {
      await queue.drain(steps.slice(progress.epochSteps));
    } catch (error) {
      throw hasCode(error, 'ERR_OUT_OF_MEMORY') && !control.stopped ? outOfMemory(error) : error;
    } finally {
      progress.epochSeconds = (performance.now() - started) / 1000;
    }
    await ready();

    const trainingLoss = progress.epochLoss;
    let validation: ValidationMetrics | null = null;
    let best = true;
    if (stopping !== null) {
      validation = await validator.measure(epoch);
      ({ best } = stopping.update(epoch, validation.loss));
    }
    // Before the event: whoever is told that these weights are the best may stop the run at once.
    if (best) await commit(epoch);
    progress.epochs.push({ epoch, trainingLoss, validation, seconds: (performance.now() - started) / 1000 });
    Object.assign(progress, {
      epoch,
      epochSteps: 0,
      epochLoss: 0,
      epochSeconds: 0,
      stopping: stopping?.state ?? null,
      after: best ? validation : progress.after,
    });
    if (validation !== null) emit({ type: 'validation', epoch, trainingLoss, metrics: validation, best });
    if (best) progress.randomPairs = await request.watch.look(epoch, progress.randomPairs ?? null);
    await request.onDevice?.('epoch');
    await checkpointer?.atEpochEnd(progress);
  }
  control.check();
  return { stoppedEarly, warmupSteps: warmup };
}

/** The batches of an epoch, counted from 0. */
function batchesIn(
  { split, lengths, options, sampler, groups, data, control }: LoopRequest,
  batchSize: number,
): (epoch: number) => Promise<Int32Array[]> {
  const { seed, shuffle } = options;
  const labels = data.form === 'classes' ? data.labels : [];
  return (epoch) =>
    sampledInTurns(
      { rows: split.train, lengths, batchSize, shuffle, seed, epoch },
      sampler,
      { ...groups, labels },
      () => control.check(),
    );
}

async function countSteps(
  batchesOf: (epoch: number) => Promise<Int32Array[]>,
  { sampler, split, options }: LoopRequest,
  batchSize: number,
): Promise<number[]> {
  const steps: number[] = [];
  for (let epoch = 0; epoch < options.epochs; ++epoch) {
    if (sampler !== 'no-duplicates') steps.push(Math.ceil(split.train.length / batchSize));
    else steps.push((await batchesOf(epoch)).length);
  }
  return steps;
}

function outOfMemory(cause: Error): OutOfMemoryError {
  return new OutOfMemoryError(
    'ERR_OUT_OF_MEMORY',
    `A training step does not fit in memory even with one row at once (${firstSentence(cause)}). The model keeps its best weights so far.`,
    { cause, remedy: say`Lower ${option('maxInputLength')}, or raise ${option('memoryLimit')}.` },
  );
}
