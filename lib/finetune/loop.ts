import type { TrainingData } from '../data/form';
import type { Checkpointer } from './checkpoint/checkpointer';
import { OutOfMemoryError, firstSentence, hasCode } from '../system/errors';
import type { EngineAddon, ModelHandle, TrainerHandle } from '../engine/addon';
import { Batches } from './batches';
import type { CrossCheck } from './cross-check';
import { EarlyStopping } from './early-stopping';
import type { EventContent } from './events';
import type { Gain } from './gain';
import type { MemoryFollower } from './memory-limit';
import type { KeepSet } from './keep';
import { costOf, measures, measureValue, type MeasureName } from './measure';
import type { RunSettings } from './recipes/settings';
import type { ResolvedOptions } from './resolved-options';
import type { Sampler } from './losses/table';
import { evaluateOwn, stepByOwn, type OwnLossCaller } from './own-loss';
import type { Progress } from './progress';
import type { RunControl } from './run-control';
import type { EpochReport } from './report';
import { learningRateAt, warmupSteps } from './schedule';
import { SetsValidator, type AllMeasured } from './sets/measured';
import { amongAll } from './sets/training-set';
import type { MultiDatasetSampler } from './sets/turns';
import { chooseShare, type TriedShare } from './share';
import type { Split } from './split';
import type { RandomPairsWatch } from './random-pairs';
import { IN_FLIGHT, IN_FLIGHT_ON_DEVICE, StepQueue, type PlannedStep } from './step-queue';
import { StepTimer } from './step-timer';
import type { TokenisedRows } from './tokens';
import { fromTexts, toTexts } from './units';
import { Validator } from './validator';
import { option, say } from '../system/wording';

/** A set of rows that is trained on with a loss of its own. Row numbers count from its first row. */
export interface LoopSet {
  name: string | null;
  /** Of its first row among the rows of all sets. */
  first: number;
  split: Split;
  /** Tokens of each row. */
  lengths: Int32Array;
  data: TrainingData;
  /** The texts of the rows. */
  groups: Pick<TokenisedRows, 'columns' | 'rowOffsets' | 'sources'>;
  sampler: Sampler;
  /** Rows whose texts the validation rows search among, their own too; null: those alone. */
  among: Int32Array | null;
  /** What its validation rows are measured by. */
  measure: MeasureName;
  /** The caller's own loss, where the trainer's is given. */
  ownLoss: OwnLossCaller | null;
}

export interface LoopRequest {
  addon: Pick<EngineAddon, 'step' | 'vectors' | 'evaluate' | 'embedTexts' | 'blend' | 'commit' | 'fingerprint'>;
  model: ModelHandle;
  trainer: TrainerHandle;
  sets: readonly LoopSet[];
  /** What the options say, and the recipe where they do not. */
  options: Pick<ResolvedOptions, 'seed' | 'shuffle'> & { multiDatasetSampler: MultiDatasetSampler } & RunSettings;
  /** How much of all training is done before the first step, from 0 to 1; default 0. */
  doneBefore?: number;
  /** Of a small set: what was measured beside the run, by which a gain must show; null else. */
  crossed: CrossCheck | null;
  /** What must stay; null where nothing was asked for. */
  keep: KeepSet | null;
  control: RunControl;
  memory: Pick<MemoryFollower, 'follow'>;
  watch: Pick<RandomPairsWatch, 'begin' | 'look'>;
  /** On a GPU: tells its memory. */
  onDevice: ((after: 'epoch' | 'out-of-memory') => Promise<void>) | null;
  /** Is given what the validation rows came to, before the event of the validation. */
  onMeasured: ((measured: AllMeasured) => void) | undefined;
  /** Is given what the validation rows came to: of the untrained model, epoch 0, and of each share of an epoch. */
  onTried?: (epoch: number, measured: AllMeasured) => void;
  /** null where none are written. */
  checkpointer: Checkpointer | null;
  emit: (event: EventContent) => void;
}

export interface LoopResult {
  stoppedEarly: boolean;
  warmupSteps: number;
}

/**
 * Trains epoch by epoch, from where `progress` is, which is kept up to date. The model takes the trainer's weights, or a
 * share of them, only through `commit`, after an epoch that is the best so far in the measure that the run goes by (the
 * untrained model counts as epoch 0), so whenever this ends, and however, the model has its best weights so far and nothing needs restoring. Without
 * validation rows there is no better and worse: each finished epoch is committed.
 */
export async function train(request: LoopRequest, progress: Progress): Promise<LoopResult> {
  const { addon, trainer, sets, options, control, memory, checkpointer, emit, doneBefore = 0 } = request;
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

  const validatorOf = ({ split, data, groups, among, first, ownLoss }: LoopSet, before: number): Validator =>
    new Validator(
      {
        rows: split.validation,
        among,
        data,
        batch: progress.effectiveBatch,
        groups,
        embed: (texts, atOnce) => {
          memory.follow();
          return addon.embedTexts(trainer, texts, atOnce);
        },
        evaluate: (rows, microBatch) => {
          memory.follow();
          const batch = progress.effectiveBatch;
          return ownLoss === null
            ? addon.evaluate(trainer, amongAll(rows, { first }), microBatch, batch)
            : evaluateOwn(ownLoss, { addon, trainer, data, first }, rows, microBatch, batch);
        },
        onProgress: (at, done) => emit({ type: 'validating', epoch: at, done: before + done, rows: validator.rows }),
        onSplit: (at, rows, after) => {
          progress.validationBatch = after;
          onSplit('validation')(at, rows, after);
        },
        ready,
      },
      progress.validationBatch,
    );
  let validated = 0;
  const validator: SetsValidator = new SetsValidator(
    sets.map((set) => {
      const one = validatorOf(set, validated);
      validated += one.rows;
      const weight = options.multiDatasetSampler === 'round-robin' ? 1 : set.split.train.length;
      return { name: set.name, measure: set.measure, weight, validator: one };
    }),
  );

  const queue: StepQueue = new StepQueue(
    {
      run: ({ set, ...step }) => {
        memory.follow();
        const { ownLoss, first } = sets[set]!;
        if (ownLoss === null) return addon.step(trainer, step);
        const { microTokens: _, ...byRows } = step;
        return stepByOwn(ownLoss, { addon, trainer, first }, { ...byRows, microBatch: queue.microBatch });
      },
      // A loss of the caller's own is computed of the weights that the step before has left.
      inFlight: sets.some(({ ownLoss }) => ownLoss !== null)
        ? 1
        : request.onDevice === null
          ? IN_FLIGHT
          : IN_FLIGHT_ON_DEVICE,
      stopped: () => control.stopped,
      onStep: (step, { loss, gradientNorm, tokens }) => {
        ++progress.steps;
        ++progress.epochSteps;
        progress.tokens += tokens;
        progress.epochLoss += (loss * step.rows.length) / rowsOfEpoch;
        if (sets.length > 1) {
          progress.setLosses ??= sets.map(() => ({ sum: 0, rows: 0 }));
          const own = progress.setLosses[step.set]!;
          own.sum += loss * step.rows.length;
          own.rows += step.rows.length;
        }
        const speed = timer.done(tokens);
        emit({
          type: 'step',
          epoch: progress.epoch + 1,
          epochs,
          ...(sets.length > 1 && { set: sets[step.set]!.name! }),
          step: progress.epochSteps,
          steps: stepsOf[progress.epoch]!,
          totalSteps: progress.steps,
          loss,
          learningRate: step.learningRate,
          gradientNorm,
          tokens,
          ...speed,
          fraction: doneBefore + (1 - doneBefore) * (progress.steps / totalSteps),
        });
      },
      onSplit: (before, after) => {
        progress.microBatch = after;
        progress.microTokens = null;
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
    progress.microTokens ?? null,
  );

  const commit = async (epoch: number): Promise<void> => {
    await addon.commit(trainer);
    progress.bestEpoch = epoch;
    if (checkpointer !== null) progress.committed = await addon.fingerprint(request.model);
  };

  const { keep, crossed } = request;
  const kept = async (): Promise<number | null> => {
    await ready();
    memory.follow();
    return keep!.value((texts) => addon.embedTexts(trainer, texts, 2 * validator.microBatch));
  };
  let stopping: EarlyStopping | null = null;
  if (validator.rows > 0) {
    const { patience, minDelta } = options.earlyStopping ?? { patience: null, minDelta: 0 };
    if (progress.stopping !== null) {
      progress.measure ??= 'loss'; // which a checkpoint of an earlier version went by
      stopping = EarlyStopping.from(patience, minDelta, progress.stopping);
    } else {
      const own = await validator.measure(0);
      request.onTried?.(0, own);
      const before = crossed === null ? own : crossed.before(own);
      progress.measure = measureValue(options.measure, before.metrics) === null ? 'loss' : options.measure;
      stopping = new EarlyStopping(patience, minDelta, costOf(progress.measure, before.metrics));
      const units = toTexts(before.units);
      Object.assign(progress, { before: before.metrics, after: before.metrics, stopping: stopping.state });
      progress.units = { before: units, after: units };
      if (keep !== null) {
        const value = await kept();
        progress.kept = { before: value, after: value, bound: false };
      }
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

  /** The share of the trained weights to take, measured; the trainer has it at work then, until `blend` is 1 again. */
  const choose = async (epoch: number): Promise<Tried | null> => {
    const tried: Tried[] = [];
    const bound = keep === null || progress.kept?.before == null ? null : progress.kept.before - keep.margin;
    for (const [i, share] of options.merge.entries()) {
      if (blends(options.merge)) await addon.blend(trainer, share);
      const own = await validator.measure(epoch);
      request.onTried?.(epoch, own);
      const measured = crossed === null ? own : (crossed.epoch(epoch, i, own) ?? own);
      const value = bound === null ? undefined : await kept();
      tried.push({
        share,
        measured,
        cost: costOf(progress.measure!, measured.metrics),
        kept: value,
        keeps: value === undefined || (value !== null && value >= bound!),
      });
    }
    told = tried.map(({ share, measured, kept: value }) => ({
      share,
      value: measureValue(progress.measure!, measured.metrics),
      ...(value !== undefined && { kept: value }),
    }));
    const chosen = chooseShare(tried, costOf(progress.measure!, progress.before!)) ?? null;
    if (bound !== null && chosen?.share !== options.merge[0])
      progress.kept!.bound ||= tried.some(({ keeps }) => !keeps);
    if (chosen !== null && blends(options.merge)) await addon.blend(trainer, chosen.share);
    return chosen;
  };
  let told: TriedShare[] = [];

  /** What was gained on all rows of a small set. */
  const gained = (check: CrossCheck, { measured }: Tried): Promise<Gain | null> =>
    check.gain(progress.measure!, fromTexts(progress.units!.before)[0]!, measured.units[0]!, control.signal);

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
    let best = true;
    told = [];
    if (stopping !== null) {
      chosen = await choose(epoch);
      const gain = chosen === null || crossed === null ? null : await gained(crossed, chosen);
      const shown = crossed === null || gain?.verdict === 'better';
      ({ best } = stopping.update(epoch, chosen === null || !shown ? Infinity : chosen.cost));
      if (chosen !== null && !shown) emit(notShown(epoch, crossed!, gain));
      if (chosen === null) emit(nothingKeeps(epoch, keep!, progress.kept!.before!, told));
    } else if (blends(options.merge)) await addon.blend(trainer, options.merge[0]!);
    const validation = chosen?.measured.metrics ?? null;
    const share = chosen?.share ?? (stopping === null ? options.merge[0]! : null);
    // Before the event: whoever is told that these weights are the best may stop the run at once.
    if (best) {
      await commit(epoch);
      progress.share = share!;
      // A checkpoint of an earlier version has not kept those of the untrained model.
      if (chosen !== null && progress.units)
        progress.units = { ...progress.units, after: toTexts(chosen.measured.units) };
      if (chosen?.kept !== undefined) progress.kept = { ...progress.kept!, after: chosen.kept };
    }
    progress.epochs.push({
      epoch,
      trainingLoss,
      ...(progress.setLosses && { sets: lossesOf(sets, progress.setLosses) }),
      validation,
      share,
      tried: told,
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
    if (chosen !== null) request.onMeasured?.(chosen.measured);
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

/** A share of the trained weights and what it came to. */
interface Tried {
  share: number;
  measured: AllMeasured;
  cost: number;
  kept: number | null | undefined;
  keeps: boolean;
}

/** Whether anything but the trained weights themselves may be taken. */
export function blends(shares: readonly number[]): boolean {
  return shares.some((share) => share !== 1);
}

function nothingKeeps(epoch: number, keep: KeepSet, before: number, tried: readonly TriedShare[]): EventContent {
  const found = tried.map(({ share, kept }) => `${kept?.toFixed(4) ?? 'none'} with ${share} of it`).join(', ');
  const name = keep.measure === 'spearman' ? 'Spearman' : 'average precision';
  return {
    type: 'keep-failed',
    epoch,
    before,
    margin: keep.margin,
    tried,
    message:
      `What epoch ${epoch} learned costs the rows to keep more than ${keep.margin}: their ${name} was ${before.toFixed(4)} ` +
      `and is ${found}. The model stays as it was before this epoch`,
  };
}

function notShown(epoch: number, { rows, folds }: CrossCheck, gain: Gain | null): EventContent {
  const name = gain === null ? 'the measure' : measures[gain.measure].words;
  const signed = (value: number) => `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(4)}`;
  const found =
    gain === null
      ? 'is not defined'
      : `went from ${gain.before.toFixed(4)} to ${gain.after.toFixed(4)}` +
        (gain.interval === null ? '' : `, ${signed(gain.interval.low)} to ${signed(gain.interval.high)} by chance`);
  return {
    type: 'gain-not-shown',
    epoch,
    folds,
    rows: rows.length,
    gain,
    message:
      `Whether epoch ${epoch} made the model better does not show: ${name} ${found}, on ${rows.length} rows, each under a ` +
      'model that had not seen it. The model stays as it was before this epoch; more rows would tell',
  };
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
