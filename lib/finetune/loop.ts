import { OutOfMemoryError, firstSentence, hasCode } from '../system/errors';
import { option, say } from '../system/wording';
import type { Outcome } from '../report/outcome';
import { Batches } from './batches';
import type { CrossCheck } from './cross-check';
import { EarlyStopping } from './early-stopping';
import type { Gain } from './gain';
import type { LoopRequest, LoopSet } from './loop-request';
import { costOf, measureValue } from './measure';
import { notDefined, notShown, nothingKeeps } from './not-taken';
import type { Progress } from './progress';
import type { EpochReport } from './report';
import { runSteps } from './run-steps';
import { runValidator } from './run-validator';
import { learningRateAt, warmupSteps } from './schedule';
import type { AllMeasured } from './sets/measured';
import { blends, type TriedShare } from './share';
import type { PlannedStep } from './step-queue';
import { StepTimer } from './step-timer';
import { toldShares, tryShares, type Tried } from './try-shares';
import { fromTexts, toTexts } from './units';

export interface LoopResult {
  stoppedEarly: boolean;
  warmupSteps: number;
}

/**
 * Trains epoch by epoch, from where `progress` is, which is kept up to date. The model takes the trainer's weights, or a
 * share of them, only through `commit`, after an epoch that is the best so far in the measure that the run goes by (the
 * untrained model counts as epoch 0), so whenever this ends, and however, the model has its best weights so far and nothing needs restoring. Without
 * validation rows there is no better and worse: each finished epoch is committed, but for one that does not keep what must be
 * kept.
 */
export async function train(request: LoopRequest, progress: Progress): Promise<LoopResult> {
  const { addon, trainer, sets, options, control, checkpointer, emit } = request;
  const { epochs } = options;
  const batches = batchesOf(request, progress.effectiveBatch);
  const stepsOf = await batches.counts(epochs);
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

  const validator = runValidator(request, progress, { ready, onSplit: onSplit('validation') });

  const queue = runSteps(request, progress, {
    ready,
    timer,
    onSplit: onSplit('step'),
    stepsOf,
    totalSteps,
    rowsOfEpoch: () => rowsOfEpoch,
  });

  const commit = async (epoch: number): Promise<void> => {
    await addon.commit(trainer);
    progress.bestEpoch = epoch;
    if (checkpointer !== null) progress.committed = await addon.fingerprint(request.model);
  };

  const { keep } = request;
  let { crossed } = request;
  const kept = async (epoch: number): Promise<number | null> => {
    const { rows } = keep!;
    return keep!.value((texts) =>
      validator.vectors(texts, epoch, (done) =>
        emit({ type: 'validating', epoch, done: Math.floor((done / texts.length) * rows), rows, toKeep: true }),
      ),
    );
  };
  let stopping: EarlyStopping | null = null;
  if (validator.rows > 0) {
    const { patience, minDelta } = options.earlyStopping ?? { patience: null, minDelta: 0 };
    if (progress.stopping !== null) {
      progress.measure ??= 'loss'; // which a checkpoint of an earlier version went by
      stopping = EarlyStopping.from(patience, minDelta, progress.stopping);
    } else {
      const own = await validator.measure(0);
      request.onTried?.(0, own, true);
      let before = crossed === null ? own : crossed.before(own);
      progress.measure = options.measure;
      if (options.measure !== 'loss' && measureValue(options.measure, before.metrics) === null) {
        // A loss has no interval by which a gain could show.
        progress.measure = 'loss';
        crossed = progress.crossed = null;
        before = own;
        emit(notDefined(options.measure));
      }
      stopping = new EarlyStopping(patience, minDelta, costOf(progress.measure, before.metrics));
      const units = toTexts(before.units);
      Object.assign(progress, { before: before.metrics, after: before.metrics, stopping: stopping.state });
      progress.units = { before: units, after: units };
      request.onMeasured?.(before);
      emit({
        type: 'validation',
        epoch: 0,
        trainingLoss: null,
        metrics: before.metrics,
        measure: progress.measure,
        share: null,
        tried: [],
        best: true,
      });
    }
  }
  // Not of a run that goes on: the model has trained weights then.
  if (keep !== null && progress.kept === null && progress.steps === 0) {
    const value = await kept(0);
    progress.kept = { before: value, after: value, bound: false };
  }

  /** The share of the trained weights to take, measured; the trainer has it at work then, until `blend` is 1 again. */
  const choose = async (epoch: number): Promise<Tried | null> => {
    const before = progress.kept?.before;
    const bound = keep === null || before === null || before === undefined ? null : before - keep.margin;
    const { measure } = progress;
    const validate = async (number: number): Promise<AllMeasured> => {
      const own = await validator.measure(epoch);
      return crossed === null ? own : (crossed.epoch(epoch, number, own) ?? own);
    };
    const { chosen, free, tried } = await tryShares({
      shares: options.merge,
      blend: (share) => addon.blend(trainer, share),
      validate: stopping === null ? null : validate,
      onTried: ({ measured, keeps }) => request.onTried?.(epoch, measured!, keeps),
      keep: bound === null ? null : { value: () => kept(epoch), bound },
      measure,
      untrained: stopping === null ? 0 : costOf(measure!, progress.before!),
    });
    told = toldShares(progress, tried, options.merge.length > 1 || keep !== null);
    bounded = free.share !== chosen?.share && (stopping === null || free.cost < stopping.state.best);
    if (chosen !== null && blends(options.merge)) await addon.blend(trainer, chosen.share);
    return chosen;
  };
  let told: TriedShare[] = [];
  /** Whether more would have been taken if nothing had to be kept. */
  let bounded = false;

  /** What was gained on all rows of a small set. */
  const gained = (check: CrossCheck, { units }: AllMeasured): Promise<Gain | null> =>
    check.gain(progress.measure!, fromTexts(progress.units!.before)[0]!, units[0]!, control.signal);

  let rowsOfEpoch = 1;

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
    const planned = await batches.of(epoch - 1);
    rowsOfEpoch = planned.reduce((sum, { rows }) => sum + rows.length, 0);
    const firstStep = stepsOf.slice(0, epoch - 1).reduce((sum, steps) => sum + steps, 0);
    const steps = planned.map(
      (batch, i): PlannedStep => ({
        ...batch,
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
    let chosen: Tried | null = null;
    let outcome: Outcome = 'taken';
    told = [];
    if (stopping !== null || keep !== null) {
      chosen = await choose(epoch);
      if (chosen === null) {
        outcome = 'keep-failed';
        emit(nothingKeeps(epoch, keep!, progress.kept!.before!, told));
      }
    } else if (blends(options.merge)) await addon.blend(trainer, options.merge[0]!);
    if (stopping !== null) {
      const gain = chosen === null || crossed === null ? null : await gained(crossed, chosen.measured!);
      const shown = crossed === null || gain?.verdict === 'better';
      const { best } = stopping.update(epoch, chosen === null || !shown ? Infinity : chosen.cost);
      if (chosen !== null && !shown) emit(notShown(epoch, crossed!, gain));
      if (chosen !== null && !best) outcome = !shown && (gain?.difference ?? 1) > 0 ? 'not-shown' : 'not-better';
    }
    const best = outcome === 'taken';
    const validation = chosen?.measured?.metrics ?? null;
    const share = chosen?.share ?? (best ? options.merge[0]! : null);
    // Before the event: whoever is told that these weights are the best may stop the run at once.
    if (best) {
      await commit(epoch);
      progress.share = share!;
      // A checkpoint of an earlier version has not kept those of the untrained model.
      if (chosen?.measured && progress.units)
        progress.units = { ...progress.units, after: toTexts(chosen.measured.units) };
      if (progress.kept) progress.kept = { ...progress.kept, after: chosen?.kept ?? null, bound: bounded };
    } else if (progress.kept && bounded) progress.kept.bound = true;
    progress.epochs.push({
      epoch,
      trainingLoss,
      ...(progress.setLosses && { sets: lossesOf(sets, progress.setLosses) }),
      validation,
      share,
      tried: told,
      outcome,
      seconds: (performance.now() - started) / 1000,
    });
    Object.assign(progress, {
      epoch,
      epochSteps: 0,
      epochLoss: 0,
      setLosses: null,
      epochSeconds: 0,
      stopping: stopping?.state ?? null,
      after: best ? validation : progress.after,
    });
    if (chosen?.measured) request.onMeasured?.(chosen.measured);
    if (validation !== null)
      emit({
        type: 'validation',
        epoch,
        trainingLoss,
        metrics: validation,
        measure: progress.measure!,
        share,
        tried: told,
        best,
      });
    if (best) progress.randomPairs = await request.watch.look(epoch, progress.randomPairs ?? null);
    if (blends(options.merge)) await addon.blend(trainer, 1);
    await request.onDevice?.('epoch');
    await checkpointer?.atEpochEnd(progress);
  }
  control.check();
  return { stoppedEarly, warmupSteps: warmup };
}

function batchesOf({ sets, options, control }: LoopRequest, batchSize: number): Batches {
  const { seed, shuffle, multiDatasetSampler } = options;
  return new Batches({
    sets: sets.map(({ first, split, lengths, groups, sampler, data }) => ({
      first,
      rows: split.train,
      lengths,
      sampler,
      sampled: {
        columns: groups.sources,
        rowOffsets: groups.rowOffsets,
        labels: data.form === 'classes' ? data.labels : [],
      },
    })),
    batchSize,
    seed,
    shuffle,
    multiDatasetSampler,
    check: () => control.check(),
  });
}

/** Mean loss of each set's steps; null of a set that had none. */
function lossesOf(sets: readonly LoopSet[], sums: readonly { sum: number; rows: number }[]): EpochReport['sets'] {
  return Object.fromEntries(
    sets.map(({ name }, i) => [name!, sums[i]!.rows === 0 ? null : sums[i]!.sum / sums[i]!.rows]),
  );
}

function outOfMemory(cause: Error): OutOfMemoryError {
  return new OutOfMemoryError(
    'ERR_OUT_OF_MEMORY',
    `A training step does not fit in memory even with one row at once (${firstSentence(cause)}). The model keeps its best weights so far.`,
    { cause, remedy: say`Lower ${option('maxInputLength')}, or raise ${option('memoryLimit')}.` },
  );
}
