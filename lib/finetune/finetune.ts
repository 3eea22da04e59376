import { Checkpointer } from './checkpoint/checkpointer';
import { CheckpointFolder, listCheckpoints } from './checkpoint/folder';
import { arithmeticOf, computationOf, hashData, hashTokens, optionsOf } from './checkpoint/identity';
import { findCheckpoint, restore, type FoundCheckpoint } from './checkpoint/restore';
import { smallSetNotes } from '../data/facts';
import { describeForm, isPairs, widths } from '../data/form';
import { groupTexts } from '../data/groups';
import type { TextPair } from '../data/pair';
import { countRepeats, repeatNotes } from '../data/repeats';
import type { CollectedData } from '../data/source';
import { CheckpointError, hasCode } from '../system/errors';
import type { DatasetHandle, EngineAddon, NativeLoss, NativePrecision, TrainerHandle } from '../engine/addon';
import { chooseDevice, choosePrecision } from '../engine/devices';
import { planBatches } from './batch-plan';
import { checkFreeze, checkLimit, checkMeasure, onGpu } from './checks';
import { megabytes, told, type EventContent, type FinetuneEvent } from './events';
import { blends, train } from './loop';
import { fittedThreshold, logistic } from './fitted-threshold';
import { gainOf } from './gain';
import { KeepSet, keptReport, readKeep } from './keep';
import type { ResolvedLoss } from './losses/choice';
import { checkFits, samplerOf } from './losses/fit';
import { toldLoss } from './losses/told';
import { OwnLossCaller } from './own-loss';
import { applyRecipe } from './recipes/apply';
import { fromText } from './units';
import { defaultMemoryLimit, MemoryFollower } from './memory-limit';
import type { ResolvedOptions } from './resolved-options';
import type { Progress } from './progress';
import type { CheckpointReport, FinetuneReport } from './report';
import type { RunControl } from './run-control';
import { RandomPairsWatch, reported, withRandomPairs } from './random-pairs';
import { RunReport } from './run-report';
import { splitData } from './split';
import { taught, type TeacherJob } from './teacher';
import { appended, tokeniseRows } from './tokens';
import { inputLength, type TrainableModel } from './trainable-model';
import { checkRows } from './training-rows';
import { option, say } from '../system/wording';

export interface FinetuneJob {
  /** Reads and checks the training data. */
  data: (signal: AbortSignal) => Promise<CollectedData>;
  /** Loads the model, if that has not been done. */
  model: () => Promise<TrainableModel>;
  options: ResolvedOptions;
  /** Whose vectors take the place of labels, and what frees it. */
  teacher?: (() => TeacherJob & { release: () => Promise<void> }) | undefined;
}

/** «4,000 pairs with label 0/1: 1,512 ones; columns question1, question2, is_duplicate». */
function understood(data: CollectedData): string {
  const { columns } = data.facts;
  return columns.length === 0 ? describeForm(data) : `${describeForm(data)}; columns ${columns.join(', ')}`;
}

/** Whether an event is told of a run that is stopped already: its last checkpoint is written after that. */
const late = ({ type }: FinetuneEvent): boolean => type === 'checkpoint' || type === 'checkpoint-failed';

/** The data, with the teacher's numbers where there is one. */
async function learnt(
  { data, teacher, options }: FinetuneJob,
  emit: (event: EventContent) => void,
  control: RunControl,
): Promise<CollectedData> {
  const read = await data(control.signal);
  if (teacher === undefined) return read;
  const { release, ...job } = teacher();
  try {
    return await taught(read, options.loss, job, emit, control.signal);
  } finally {
    await release();
  }
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
    // Before hours of training, not after them.
    if (options.report !== null) page = await RunReport.open(options.report);
    const data = await learnt(job, emit, control);
    const check = (): void => control.check();
    const groups = await groupTexts(data.rows, check);
    const { validationSplit, seed, groupedSplit: grouped } = options;
    const split = await splitData(groups, data.form, { share: validationSplit, seed, grouped }, check);
    const repeats = await countRepeats(groups, data, check);
    const settings = applyRecipe(options, data, split.train.length, split.validation.length > 0);
    checkFits(settings.loss ?? logistic(0), data);
    checkMeasure(settings.measure, data);
    const keep = options.keep === null ? null : await readKeep(options.keep, options.seed, control.signal);
    const warnings = checkRows(data, split, options.allowConstantScores);
    control.check();
    const model = await job.model();
    addon = model.addon;
    const maxInputLength = inputLength(options.maxInputLength, model);
    checkFreeze(options.freeze, model);
    const chosen = await chooseDevice(
      options.device ?? model.device,
      options.memoryFraction ?? (options.device === 'cpu' ? null : model.memoryFraction),
      addon,
    );
    checkLimit(options.memoryLimit, chosen);
    const precision = choosePrecision(options.precision, chosen, addon) as NativePrecision; // int8 is no option of a run
    const found = await openCheckpoints();
    control.check();

    const tokens = await tokeniseRows(model.tokeniser, groups, maxInputLength, model.defaultPrompt, check);
    const { lengths } = tokens;
    emit({
      type: 'data',
      form: data.form,
      understood: understood(data),
      rows: data.rows.length,
      trainingRows: split.train.length,
      validationRows: split.validation.length,
      tokens: lengths.reduce((sum, length) => sum + length, 0),
      longest: tokens.longest,
      maxInputLength,
      emptyTexts: data.facts.emptyTexts,
      skippedRows: data.facts.skipped,
      duplicateRows: repeats.duplicates,
      contradictoryRows: repeats.contradictions,
      sharedValidationRows: split.shared,
      file: data.facts.file,
      notes: [
        ...data.facts.notes,
        ...repeatNotes(repeats, data.form),
        ...split.notes,
        ...smallSetNotes(split.train.length, split.validation.length),
      ],
    });
    for (const warning of warnings) emit(warning);
    emit({ type: 'device', device: chosen.device, gpu: chosen.gpu, message: chosen.message });
    const asked = chosen.limit === null ? options.memoryLimit : Math.min(chosen.limit, options.memoryLimit ?? Infinity);
    const memoryLimit = onGpu(chosen) ? null : (asked ?? defaultMemoryLimit(addon.memory()));
    const { columns, rowOffsets, labels, random } = withRandomPairs(
      { ...tokens, labels: data.labels, labelWidth: data.labelWidth },
      widths(data.rows).least,
      split.train,
      options.seed,
    );
    const kept =
      keep === null
        ? null
        : await tokeniseRows(
            model.tokeniser,
            await groupTexts(keep.rows, check),
            maxInputLength,
            model.defaultPrompt,
            check,
          );
    const texts = kept === null ? tokens : appended(tokens, kept);
    dataset = await addon.createDataset(texts.ids, texts.offsets, columns, rowOffsets, labels);
    control.check();
    // Of a run that goes on it is what it began with: the model may have other weights now.
    const loss =
      settings.loss ??
      logisticOf(found) ??
      logistic(
        await fittedThreshold({
          addon,
          model: model.handle,
          device: chosen.device,
          precision,
          promptTokens: model.promptTokens,
          tokens,
          labels: data.labels,
          rows: split.train,
          check: () => control.check(),
        }),
      );
    control.check();
    trainer = await addon.createTrainer(model.handle, dataset, {
      device: chosen.device,
      precision,
      loss: loss.native,
      seed: options.seed,
      dropout: options.dropout,
      ...settings.optimizer,
      maxGradientNorm: settings.maxGradientNorm,
      freeze: [...options.freeze],
      memoryLimit,
      promptTokens: model.promptTokens,
      keepBase: blends(settings.merge),
    });
    control.applyReference((wanted) => addon!.keepAlive(trainer!, wanted));
    control.check();

    const engine = addon.info();
    const stats = addon.trainerStats(trainer);
    const bytes = 4 * stats.parameters;
    const facts = {
      loss: toldLoss(loss),
      precision,
      device: chosen.device,
      gpu: chosen.gpu,
      threads: engine.threads,
      seed: options.seed,
      parameters: stats.parameters,
      trainableParameters: stats.trainableParameters,
    };
    const { recipe, loss: _loss, ...told } = settings;
    emit({ type: 'summary', recipe, settings: told, ...facts, bytes, megabytes: megabytes(bytes), memoryLimit });

    const run =
      options.checkpoint === null && options.resume === null
        ? undefined
        : {
            model: {
              id: model.id,
              before: await addon.fingerprint(model.handle),
              computes: computationOf(model.spec, options.dropout),
            },
            data: { rows: data.rows.length, sha256: await hashData(data) },
            tokenizer: await hashTokens(tokens),
            options: {
              ...optionsOf(options, settings, toldLoss(loss), split.grouped),
              keep: keep === null ? null : { margin: options.keep!.margin, sha256: await hashData(keep) },
            },
            arithmetic: await arithmeticOf(addon, precision, chosen),
          };
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
        rows: split.train,
        lengths,
        device: chosen.device === 'cpu' ? 'cpu' : 'cuda',
        batchSize: options.batchSize,
        settings,
        probe: async (rows) => {
          await control.resumed();
          control.check();
          await addon!.probe(trainer!, rows);
        },
        emit,
      });
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
    const result = await train(
      {
        addon,
        model: model.handle,
        trainer,
        split,
        lengths,
        data,
        groups: tokens,
        sampler: samplerOf(loss, data),
        ownLoss: loss.own === undefined ? null : new OwnLossCaller(loss.own, control.signal),
        options: { ...settings, seed: options.seed, shuffle: options.shuffle },
        keep: kept === null ? null : new KeepSet(keep!, kept, tokens.offsets.length - 1, options.keep!.margin),
        control,
        checkpointer,
        emit,
        watch: new RandomPairsWatch({
          addon,
          trainer,
          rows: random,
          pairsOfRow: widths(data.rows).least - 1,
          stopped: () => control.stopped,
          emit,
        }),
        // A GPU's memory is its allocator's to bound.
        memory: onGpu(chosen) ? { follow: () => undefined } : new MemoryFollower(addon, trainer, asked),
        onDevice: chosen.device === 'cpu' ? null : tellMemory,
        // Pairs are what the page compares row by row.
        onMeasured: page && isPairs(data.form) ? (similarities) => page!.measured(similarities) : undefined,
      },
      progress,
    );
    await checkpointer?.settled();
    control.check();
    const {
      before,
      after,
      randomPairs,
      epochs,
      bestEpoch,
      steps,
      tokens: trained,
      microBatch,
      effectiveBatch: effective,
    } = progress;
    const { measure, units, share } = progress;
    const gain =
      measure == null || units == null
        ? null
        : await gainOf(
            measure,
            { data, rows: split.validation },
            fromText(units.before),
            fromText(units.after),
            control.signal,
          );
    const report: FinetuneReport = {
      recipe: settings.recipe,
      measure: measure ?? null,
      gain,
      kept: keptReport(keep, options.keep?.margin ?? 0, progress.kept),
      share: bestEpoch === 0 ? 0 : (share ?? 1),
      before,
      after,
      randomPairs: reported(randomPairs),
      epochs,
      bestEpoch,
      stoppedEarly: result.stoppedEarly,
      rows: { training: split.train.length, validation: split.validation.length },
      steps,
      tokens: trained,
      batchSize: microBatch,
      effectiveBatchSize: effective,
      maxInputLength,
      learningRate: settings.learningRate,
      schedule: settings.schedule,
      warmupSteps: result.warmupSteps,
      optimizer: settings.optimizer,
      ...facts,
      libtorch: engine.libtorch,
      checkpoint: run === undefined ? null : checkpointReport(found),
      seconds: (performance.now() - started) / 1000,
    };
    if (page !== undefined) {
      const textsOf = (row: number) => data.rows[row] as TextPair;
      const { signal } = control;
      const facts = { report, model: model.id, rows: split.validation, scores: data.labels, textsOf, signal };
      emit(await page.write(facts));
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
    throw control.explain(error);
  } finally {
    await checkpointer?.settled();
    folder?.close();
    control.signal.removeEventListener('abort', cancel);
    control.release();
    if (addon !== undefined && trainer !== undefined) addon.disposeTrainer(trainer);
    if (addon !== undefined && dataset !== undefined) addon.disposeDataset(dataset);
  }

  /** Takes the folder, so that no other run gets it, and looks for what to go on from: before the long work begins. */
  async function openCheckpoints(): Promise<FoundCheckpoint | null> {
    const { checkpoint, resume } = options;
    if (checkpoint !== null) {
      folder = await CheckpointFolder.open(checkpoint.folder, addon!);
      const there = resume === checkpoint.folder ? [] : await listCheckpoints(checkpoint.folder);
      if (there.length > 0) {
        throw new CheckpointError(
          'ERR_CHECKPOINT_EXISTS',
          `The checkpoint folder ${checkpoint.folder} has checkpoints of an earlier run (${there[0]} is the newest).`,
          {
            file: checkpoint.folder,
            remedy: say`Pass ${option('resume', true)} to go on with it, or name or empty a folder for the new run.`,
          },
        );
      }
    }
    return resume === null ? null : findCheckpoint(resume, addon!, emit);
  }

  function checkpointReport(found: FoundCheckpoint | null): CheckpointReport {
    const error = checkpointer?.lastError ?? null;
    return {
      folder: options.checkpoint?.folder ?? null,
      restoredFrom: found?.path ?? null,
      written: checkpointer?.written ?? 0,
      failed: checkpointer?.failed ?? 0,
      error: error && { code: error.code, message: error.message },
    };
  }
}

/** What a checkpoint's run was trained with, where that was a fitted threshold. */
function logisticOf(found: FoundCheckpoint | null): ResolvedLoss | undefined {
  const then = found?.checkpoint.run.options['loss'] as NativeLoss | undefined;
  return then?.name === 'logistic' && typeof then['threshold'] === 'number' ? logistic(then['threshold']) : undefined;
}

function nothingToResume(folder: string): EventContent {
  return {
    type: 'restored',
    from: null,
    totalSteps: 0,
    epoch: 0,
    bestEpoch: 0,
    share: 0,
    before: null,
    after: null,
    differences: [],
    message: `There is no checkpoint in ${folder}; training begins afresh`,
  };
}
