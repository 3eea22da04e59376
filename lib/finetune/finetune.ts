import { Checkpointer } from './checkpoint/checkpointer';
import type { CheckpointFolder } from './checkpoint/folder';
import { openCheckpoints } from './checkpoint/open';
import { nothingToResume, restore, type FoundCheckpoint } from './checkpoint/restore';
import { identityOf } from './checkpoint/run-identity';
import type { TrainingData } from '../data/form';

import { groupTexts } from '../data/groups';
import { standsInMemory, type CollectedData } from '../data/source';
import { hasCode } from '../system/errors';
import type { DatasetHandle, EngineAddon, TrainerHandle } from '../engine/addon';
import type { NativePrecision } from '../engine/compute';
import type { NativeLoss, TrainerOptions } from '../engine/training';
import { chooseDevice, choosePrecision } from '../engine/devices';
import { ADDON_VERSION } from '../engine/load';
import { planBatches } from './batch-plan';
import { checkedFreeze, checkLimit, checkWithoutLayers, onGpu } from './checks';
import { beforehand, checkBeforehand } from './beforehand';
import { megabytes, told, type EventContent, type FinetuneEvent } from './events';
import { CrossCheck } from './cross-check';
import { train } from './loop';
import type { LoopSet } from './loop-request';
import { withFittedThresholds, withThresholdsOf } from './fitted-threshold';
import { checkpointReport, finalReport } from './final-report';
import { KeepSet, readKeep, type KeepReading } from './keep';
import type { ResolvedLoss } from './losses/choice';
import { OwnLossCaller } from './own-loss';
import { defaultMemoryLimit, MemoryFollower } from './memory-limit';
import type { ResolvedOptions } from './resolved-options';
import type { Progress } from './progress';
import type { FinetuneReport } from './report';
import type { RunControl } from './run-control';
import { keptPrompts, promptsOf, toldPrompts } from './prompts';
import { drawRandomPairs, RandomPairsWatch } from './random-pairs';
import { RunReport, type RunFacts } from './run-report';
import { engineRows, trainingRows } from './sets/engine-rows';
import { searchedRows } from './searched-rows';
import { checkSampler } from './sets/options';
import { blends } from './share';
import { readSets, type ReadSets, type SetJob } from './sets/read';
import { toldSettings } from './recipes/settings';
import { dataEvent, lossOfSet, toldLosses } from './sets/told';
import { amongAll, ofSet } from './sets/training-set';
import type { SettingsPoint } from './settings-trials';
import { inTeachersSpace } from './teacher-space';
import { appended, tokeniseRows } from './tokens';
import { inputLength, type TrainableModel } from './trainable-model';
import type { TrialGround } from './trial';
import { fromTexts } from './units';
import { inTurns } from '../system/turns';

export interface FinetuneJob {
  /** The rows, or several sets of them. */
  sets: readonly SetJob[];
  /** Loads the model, if that has not been done. */
  model: () => Promise<TrainableModel>;
  options: ResolvedOptions;
  /** Of the rows to keep: see `readKeep`. */
  hubFiles?: KeepReading['hubFiles'];
}

/** Whether an event is told of a run that is stopped already: its last checkpoint is written after that. */
const late = ({ type }: FinetuneEvent): boolean =>
  ['checkpoint', 'checkpoint-failed', 'report', 'report-failed'].includes(type);

/** The event loop's turn: of half a million rows each of these steps takes some hundredths of a second. */
const turn = (): Promise<void> => new Promise(setImmediate);

/**
 * The data and the rows to keep, and that the report can be written: before hours of training, not after them. Rows in
 * memory are read from at once, before anything is awaited, as they may change after the call; what is to keep comes from
 * elsewhere when all else has proved right.
 */
async function readAll(
  page: RunReport | undefined,
  readSets: () => Promise<ReadSets>,
  keep: ResolvedOptions['keep'],
  readKeep: (signal: AbortSignal) => Promise<CollectedData>,
  signal: AbortSignal,
): Promise<{ read: ReadSets; keep: (() => Promise<CollectedData>) | null }> {
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const reading = readSets();
  const early = keep !== null && standsInMemory(keep.data) ? readKeep(stop) : undefined;
  reading.catch(() => failed.abort());
  const [read, proved, kept] = await Promise.allSettled([reading, page?.prove(), early]);
  if (proved.status === 'rejected') throw proved.reason;
  if (read.status === 'rejected') throw read.reason;
  const later = (): Promise<CollectedData> => {
    if (kept.status === 'rejected') return Promise.reject(kept.reason as Error);
    return kept.value === undefined ? readKeep(signal) : Promise.resolve(kept.value);
  };
  return { read: read.value, keep: keep === null ? null : later };
}

/** A run from data to report. Rejects with what `control` says where that stopped it. */
export async function finetune(job: FinetuneJob, control: RunControl): Promise<FinetuneReport> {
  const { options } = job;
  let addon: EngineAddon | undefined;
  let dataset: DatasetHandle | undefined;
  let trainer: TrainerHandle | undefined;
  let folder: CheckpointFolder | undefined;
  let checkpointer: Checkpointer | null = null;
  let progress: Progress | undefined;
  /** Of the page, as far as it is known. */
  let shown: (() => Pick<RunFacts, 'model' | 'sets'>) | undefined;
  // Queued work and the running call fail at once; the loop then waits for them and ends.
  const cancel = () => {
    if (addon !== undefined && trainer !== undefined) addon.cancel(trainer);
  };
  control.signal.addEventListener('abort', cancel);
  if (options.signal !== undefined) control.follow(options.signal);
  const tell = control.emitter<FinetuneEvent>(options.onProgress, late);
  let page: RunReport | undefined;
  const emit = (event: EventContent): void => {
    page?.note(event);
    tell(told(event));
  };
  const started = performance.now();
  try {
    control.check();
    checkSampler(options.multiDatasetSampler, job.sets.length);
    if (options.report !== null) page = new RunReport(options.report);
    const { read, keep: keepRows } = await readAll(
      page,
      () => readSets(job.sets, options, emit, control),
      options.keep,
      (signal) => readKeep(options.keep!, { ...options, hubFiles: job.hubFiles }, signal),
      control.signal,
    );
    const { groups } = read;
    let { sets, settings } = read;
    checkBeforehand(options, settings, sets.length);
    const check = (): void => control.check();
    const keep = keepRows === null ? null : await keepRows();
    control.check();
    const model = await job.model();
    addon = model.addon;
    const maxInputLength = inputLength(options.maxInputLength, model);
    sets = sets.map((set) => ({ ...set, data: inTeachersSpace(set.data, set.loss.native, model.width) }));
    const frozen = checkedFreeze(options.freeze, model);
    if (model.spec.encoder?.layers === 0) checkWithoutLayers(options, sets, model.id);
    const chosen = await chooseDevice(
      options.device ?? model.device,
      options.memoryFraction ?? (options.device === 'cpu' ? null : model.memoryFraction),
      addon,
    );
    checkLimit(options.memoryLimit, chosen);
    const precision = choosePrecision(options.precision, chosen, addon) as NativePrecision; // int8 is no option of a run
    const opened = await openCheckpoints(options, addon, emit);
    ({ folder } = opened);
    const { found } = opened;
    control.check();

    const prompts = await promptsOf(options.prompts, sets, model.promptOf);
    const tokens = await tokeniseRows(model.tokeniser, groups, maxInputLength, prompts, check);
    await turn();
    const { lengths } = tokens;
    for (const [i, set] of sets.entries()) {
      const unprompted = prompts[i]!.prompts.every(({ text }) => text === '') ? model.unprompted : undefined;
      const event = dataEvent(set, sets.length, tokens, maxInputLength, unprompted);
      emit(i > 0 ? event : { ...event, notes: [...event.notes, ...(keep?.facts.notes ?? []), ...(model.notes ?? [])] });
    }
    for (const warning of sets.flatMap(({ warnings }) => warnings)) emit(warning);
    emit({ type: 'device', device: chosen.device, gpu: chosen.gpu, message: chosen.message });
    const asked = chosen.limit === null ? options.memoryLimit : Math.min(chosen.limit, options.memoryLimit ?? Infinity);
    const memoryLimit = onGpu(chosen) ? null : (asked ?? defaultMemoryLimit(addon.memory()));
    await turn();
    const rows = await inTurns(engineRows(sets), check);
    const randomPairs = await inTurns(drawRandomPairs(tokens, trainingRows(sets), options.seed), check);
    await turn();
    const kept =
      keep === null
        ? null
        : await tokeniseRows(
            model.tokeniser,
            await groupTexts(keep.rows, check),
            maxInputLength,
            await promptsOf(
              keptPrompts(options.prompts, sets),
              [{ name: null, data: { ...keep, facts: sets[0]!.data.facts } }],
              model.promptOf,
            ),
            check,
          );
    const texts = kept === null ? tokens : appended(tokens, kept);
    dataset = await addon.createDataset(
      texts.ids,
      texts.offsets,
      tokens.columns,
      tokens.rowOffsets,
      rows.labels,
      rows.sets,
      texts.promptTokens,
    );
    control.check();
    const losses: ResolvedLoss[] = [];
    for (const set of sets) {
      // Of a run that goes on the threshold is what it began with: the model may have other weights now.
      const then = lossOfSet(found?.checkpoint.run.options['loss'] as NativeLoss | undefined, set.name);
      losses.push(
        withThresholdsOf(set.loss, then) ??
          (await withFittedThresholds(set.loss, {
            addon,
            model: model.handle,
            device: chosen.device,
            precision,
            tokens: { ...tokens, rowOffsets: ofSet(tokens.rowOffsets, set, 1) },
            labels: set.data.labels,
            rows: set.split.train,
            check: () => control.check(),
          })),
      );
    }
    const loss = toldLosses(sets, losses);
    control.check();
    const trainerOptions: TrainerOptions = {
      device: chosen.device,
      precision,
      loss: losses.length === 1 ? losses[0]!.native : losses.map(({ native }) => native),
      seed: options.seed,
      dropout: options.dropout,
      ...settings.optimizer,
      maxGradientNorm: settings.maxGradientNorm,
      freeze: frozen,
      memoryLimit,
      // Sums over parts are rounded otherwise than the notebook's job always was.
      wholeSteps: settings.recipe === 'notebook',
      keepBase: blends(settings.merge),
    };
    const multiDatasetSampler = options.multiDatasetSampler ?? 'proportional';
    const identity =
      options.checkpoint === null && options.resume === null
        ? undefined
        : await identityOf({ addon, model, sets, tokens, options, loss, keep, precision, chosen });
    control.check();
    const followerOf = (one: TrainerHandle): Pick<MemoryFollower, 'follow'> =>
      // A GPU's memory is its allocator's to bound.
      onGpu(chosen) ? { follow: () => undefined } : new MemoryFollower(addon!, one, asked);
    const loopSets = sets.map(
      (set, i): LoopSet => ({
        ...set,
        lengths: ofSet(lengths, set),
        groups: { columns: tokens.columns, sources: tokens.sources, rowOffsets: ofSet(tokens.rowOffsets, set, 1) },
        among: searchedRows(set.data.form, set.split, options.seed),
        ownLoss: losses[i]!.own === undefined ? null : new OwnLossCaller(losses[i]!.own!, control.signal),
      }),
    );
    const ground: TrialGround = {
      addon,
      model: model.handle,
      dataset,
      trainer: trainerOptions,
      set: loopSets[0]!,
      seed: options.seed,
      shuffle: options.shuffle,
      batchSize: options.batchSize === 'auto' ? null : options.batchSize,
      memoryOf: followerOf,
      control,
      emit,
    };
    const keepSet = kept === null ? null : new KeepSet(keep!, kept, tokens.offsets.length - 1, options.keep!.margin);
    const prior =
      found !== null
        ? null
        : await beforehand({ ground, options, settings, keep: keepSet, identity: () => identity!(settings) });
    settings = prior?.settings ?? { ...settings, ...(options.search !== null && searchedOf(found!)) };
    trainer = await addon.createTrainer(model.handle, dataset, trainerOptions);
    control.applyReference((wanted) => addon!.keepAlive(trainer!, wanted));
    control.check();

    const engine = addon.info();
    const stats = addon.trainerStats(trainer);
    const bytes = 4 * stats.parameters;
    const facts = {
      model: model.id,
      loss,
      precision,
      device: chosen.device,
      gpu: chosen.gpu,
      threads: engine.threads,
      seed: options.seed,
      parameters: stats.parameters,
      trainableParameters: stats.trainableParameters,
    };
    const told = toldSettings(settings, options, toldPrompts(prompts, sets));
    const versions = { vectune: ADDON_VERSION, LibTorch: engine.libtorch, 'Node.js': process.versions.node };
    emit({
      type: 'summary',
      recipe: settings.recipe,
      settings: told,
      ...facts,
      versions,
      bytes,
      megabytes: megabytes(bytes),
      memoryLimit,
    });

    const run = await identity?.(settings);
    control.check();
    const tellMemory = async (after: 'finder' | 'epoch' | 'out-of-memory'): Promise<void> => {
      if (chosen.device !== 'cpu')
        emit({ type: 'device-memory', after, ...(await addon!.deviceMemory(chosen.device, true)) });
    };
    if (found !== null) {
      progress = await restore(found, { addon, trainer, run: run!, allowInexact: options.allowInexact, emit });
      // The model that a later run has to begin with is the one that this run began with.
      run!.model.before = found.checkpoint.run.model.before;
    } else {
      if (options.resume !== null) emit(nothingToResume(options.resume));
      progress = await planBatches({
        sets: sets.map((set) => amongAll(set.split.train, set)),
        lengths,
        device: chosen.device === 'cpu' ? 'cpu' : 'cuda',
        batchSize: options.batchSize,
        settings,
        probe: async (some) => {
          await control.resumed();
          control.check();
          await addon!.probe(trainer!, some);
        },
        emit,
      });
      Object.assign(progress, { search: prior?.search ?? null, crossed: prior?.crossed ?? null });
      if (options.batchSize === 'auto') await tellMemory('finder');
    }
    control.check();
    if (folder !== undefined) {
      const here = found !== null && options.resume === folder.path;
      checkpointer = new Checkpointer({
        addon,
        trainer,
        folder,
        when: options.checkpoint!,
        run: run!,
        emit,
        restored: here ? { path: found.path, progress } : null,
      });
      for (const name of here ? found.damaged : []) folder.damaged.add(name);
    }
    const [first] = sets;
    const crossChecked = progress.crossed
      ? new CrossCheck(first!.data, progress.crossed, first!.split.validation)
      : null;
    // Of the one set of a run, or none; where the measure turned out not to be defined, the check was left.
    const measuredRows = () => (progress!.crossed && crossChecked ? crossChecked.rows : first!.split.validation);
    shown = () => ({
      model: model.id,
      sets: sets.map(({ name, data, split }) => ({
        name,
        data,
        rows: sets.length === 1 ? measuredRows() : split.validation,
      })),
    });
    const result = await train(
      {
        addon,
        model: model.handle,
        trainer,
        crossed: crossChecked,
        doneBefore: crossChecked?.shareOfTraining(first!.split) ?? 0,
        sets: crossChecked === null ? loopSets : [{ ...loopSets[0]!, among: allRows(first!.data) }],
        options: { ...settings, seed: options.seed, shuffle: options.shuffle, multiDatasetSampler },
        keep: keepSet,
        control,
        checkpointer,
        emit,
        watch: new RandomPairsWatch({
          addon,
          trainer,
          texts: randomPairs,
          stopped: () => control.stopped,
          emit,
        }),
        memory: followerOf(trainer),
        onDevice: chosen.device === 'cpu' ? null : tellMemory,
        onMeasured: page && ((measured) => page!.measured(measured)),
      },
      progress,
    );
    await checkpointer?.settled();
    control.check();
    const report = await finalReport({
      settings,
      told,
      prompts,
      sets,
      losses,
      crossCheck: progress.crossed ? crossChecked : null,
      measured: measuredRows(),
      keep,
      margin: options.keep?.margin ?? 0,
      progress,
      loop: result,
      maxInputLength,
      facts: { ...facts, libtorch: engine.libtorch },
      checkpoint: run === undefined ? null : checkpointReport(options.checkpoint, found, checkpointer),
      started,
      signal: control.signal,
    });
    if (page !== undefined) {
      const { signal } = control;
      emit(await page.write({ ...shown(), report, stopped: null, units: unitsOf(progress), signal }));
      control.check();
    }
    emit({ type: 'done', report });
    control.check();
    return report;
  } catch (error) {
    // An aborted run stands between two steps: whatever was under way is undone or done.
    if (control.stopped && hasCode(control.signal.reason, 'ERR_ABORTED') && checkpointer !== null) {
      await checkpointer.onAbort(progress!);
    }
    const explained = control.explain(error);
    // The model may have the weights of an epoch all the same.
    if (page?.begun === true && shown !== undefined) {
      const stopped = hasCode(explained, 'ERR_ABORTED') ? 'It was stopped.' : messageOf(explained);
      emit(await page.write({ ...shown(), report: null, stopped, units: unitsOf(progress!) }));
    }
    throw explained;
  } finally {
    await checkpointer?.settled();
    folder?.close();
    control.signal.removeEventListener('abort', cancel);
    control.release();
    if (addon !== undefined && trainer !== undefined) addon.disposeTrainer(trainer);
    if (addon !== undefined && dataset !== undefined) addon.disposeDataset(dataset);
  }
}

/** What the measures were made of, so far. */
function unitsOf({ units }: Pick<Progress, 'units'>): RunFacts['units'] {
  // A checkpoint of an earlier version has none.
  return units == null ? null : { before: fromTexts(units.before), after: fromTexts(units.after) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What the search of a checkpoint's run chose. */
function searchedOf({ checkpoint }: FoundCheckpoint): Partial<SettingsPoint> {
  return checkpoint.progress.search?.chosen ?? {};
}

function allRows({ rows }: Pick<TrainingData, 'rows'>): Int32Array {
  return Int32Array.from(rows, (_, row) => row);
}
