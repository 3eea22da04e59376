import { nearest } from '../system/options';
import { Checkpointer } from './checkpoint/checkpointer';
import { CheckpointFolder, listCheckpoints } from './checkpoint/folder';
import { arithmeticOf, computationOf, hashData, hashTokens, optionsOf } from './checkpoint/identity';
import { findCheckpoint, restore, type FoundCheckpoint } from './checkpoint/restore';
import { smallSetNotes } from '../data/facts';
import { describeForm, formWords, isPairs, widths, type TrainingData } from '../data/form';
import { groupTexts } from '../data/groups';
import type { TextPair } from '../data/pair';
import { countRepeats, repeatNotes } from '../data/repeats';
import type { CollectedData } from '../data/source';
import { CheckpointError, hasCode, InvalidArgumentError } from '../system/errors';
import type {
  DatasetHandle,
  EngineAddon,
  ModelHandle,
  NativeLoss,
  NativeModelSpec,
  NativePrecision,
  TrainerHandle,
} from '../engine/addon';
import { chooseDevice, choosePrecision, type ChosenDevice, type DeviceOption } from '../engine/devices';
import { megabytes, told, type EventContent, type FinetuneEvent } from './events';
import { effectiveBatch, findBatchSize, finderLimit, searchBudget } from './finder';
import { blends, train } from './loop';
import { fittedThreshold, SCALE } from './fitted-threshold';
import { gainOf } from './gain';
import { KeepSet, readKeep, type KeptReport } from './keep';
import { checkFits, resolveLoss, samplerOf, toldLoss, type ResolvedLoss } from './losses';
import { OwnLossCaller } from './own-loss';
import { measures, measuresOf, type MeasureName } from './measure';
import { applyRecipe } from './recipes/apply';
import type { RunSettings } from './recipes/settings';
import { fromText } from './units';
import { defaultMemoryLimit, MemoryFollower } from './memory-limit';
import type { ResolvedOptions } from './options';
import { longestRows } from './order';
import { freshProgress, type Progress } from './progress';
import type { CheckpointReport, FinetuneReport, RandomPairs } from './report';
import type { RunControl } from './run-control';
import { RandomPairsWatch, withRandomPairs, type WatchedPairs } from './random-pairs';
import { RunReport } from './run-report';
import { splitData } from './split';
import { taught, type TeacherJob } from './teacher';
import { tokeniseRows, type TokenisedRows } from './tokens';
import type { TextEncoder } from '../tokenisation/tokenised-texts';
import { checkRows } from './training-rows';
import { option, say } from '../system/wording';

/** What a run needs of a loaded model. */
export interface TrainableModel {
  addon: EngineAddon;
  handle: ModelHandle;
  /** What the options of the run do not say. */
  device: DeviceOption;
  memoryFraction: number | null;
  /** Name for messages. */
  id: string;
  /** What the model computes; part of a checkpoint's identity. */
  spec: NativeModelSpec;
  tokeniser: TextEncoder;
  /** Most tokens of a text: the folder's limit, and what the position table allows. */
  maxInputLength: number;
  positions: number;
  /** Put before every text, in training as in `embed`. */
  defaultPrompt: string;
  /** Its tokens that the pooling leaves out. */
  promptTokens: number;
}

export interface FinetuneJob {
  /** Reads and checks the training data. */
  data: (signal: AbortSignal) => Promise<CollectedData>;
  /** Loads the model, if that has not been done. */
  model: () => Promise<TrainableModel>;
  options: ResolvedOptions;
  /** Whose vectors take the place of labels, and what frees it. */
  teacher?: (() => TeacherJob & { release: () => Promise<void> }) | undefined;
}

/** Most tokens of a text: the folder's limit, or what was asked for if the model has positions for it. */
export function inputLength(
  asked: number | null,
  model: Pick<TrainableModel, 'id' | 'maxInputLength' | 'positions'>,
): number {
  if (asked === null) return model.maxInputLength;
  if (asked <= model.positions) return asked;
  throw new InvalidArgumentError(
    'ERR_MAX_INPUT_LENGTH',
    say`${option('maxInputLength')} is ${asked}, but ${model.id} has positions for ${model.positions} tokens.`,
    { remedy: say`Ask for ${model.positions} or fewer.` },
  );
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
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('freeze')} names "${frozen}", but ${model.id} has no such parameter or module.`,
      {
        remedy:
          meant === undefined
            ? say`Its parameters are ${parameters.slice(0, 3).join(', ')} and ${parameters.length - 3} more.`
            : say`Did you mean "${meant}"?`,
      },
    );
  }
  if (parameters.every((name) => freeze.some((frozen) => covers(frozen, name)))) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('freeze')} covers all ${parameters.length} parameters of ${model.id}; there is nothing left to train.`,
    );
  }
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
      progress = await plan(split.train, lengths, chosen.device === 'cpu' ? 'cpu' : 'cuda', settings);
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
      kept: keptReport(keep, options.keep?.margin ?? 0, progress),
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

  /** A new run's batch sizes: as asked for, or as the finder finds them. */
  async function plan(
    rows: Int32Array,
    lengths: Int32Array,
    device: 'cpu' | 'cuda',
    settings: RunSettings,
  ): Promise<Progress> {
    const request = { device, trainingRows: rows.length, effectiveBatchSize: settings.effectiveBatchSize };
    const tokensOf = (some: Int32Array) => some.reduce((sum, row) => sum + lengths[row]!, 0);
    const found =
      options.batchSize !== 'auto'
        ? options.batchSize
        : await findBatchSize({
            limit: finderLimit(request),
            probe: async (size) => {
              await control.resumed();
              control.check();
              await addon!.probe(trainer!, longestRows(rows, lengths, size));
            },
            onEvent: emit,
            budget: {
              tokens: searchBudget(tokensOf(rows), settings.epochs, settings.earlyStopping?.patience ?? null),
              cost: (size) => tokensOf(longestRows(rows, lengths, size)),
            },
          });
    const effective = effectiveBatch(request, found);
    return freshProgress(Math.min(found, effective), effective);
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

function logistic(threshold: number): ResolvedLoss {
  return resolveLoss('loss', { name: 'logistic', threshold, scale: SCALE });
}

/** What a checkpoint's run was trained with, where that was a fitted threshold. */
function logisticOf(found: FoundCheckpoint | null): ResolvedLoss | undefined {
  const then = found?.checkpoint.run.options['loss'] as NativeLoss | undefined;
  return then?.name === 'logistic' && typeof then['threshold'] === 'number' ? logistic(then['threshold']) : undefined;
}

/** @throws InvalidArgumentError ERR_INVALID_OPTION: a measure that rows of this form do not have */
function checkMeasure(measure: MeasureName, { form }: TrainingData): void {
  const known = measuresOf(form);
  if (known.includes(measure)) return;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option('measure')} is ${measures[measure].words}, but the data is ${formWords[form]}.`,
    { remedy: say`There is ${known.join(', ')}.` },
  );
}

/** The tokens of `more` behind those of the rows; no row names them. */
function appended(tokens: TokenisedRows, more: TokenisedRows): Pick<TokenisedRows, 'ids' | 'offsets'> {
  const [a, b] = [tokens.ids.length, tokens.offsets.length];
  const ids = new Int32Array(a + more.ids.length);
  ids.set(tokens.ids);
  ids.set(more.ids, a);
  const offsets = new Int32Array(b + more.offsets.length - 1);
  offsets.set(tokens.offsets);
  more.offsets.forEach((offset, i) => {
    if (i > 0) offsets[b + i - 1] = a + offset;
  });
  return { ids, offsets };
}

/** Without what is kept for a checkpoint. A checkpoint of an earlier version has none, or less. */
function reported(pairs: WatchedPairs | null | undefined): RandomPairs | null {
  if (pairs === null || pairs === undefined) return null;
  const { similarities: _similarities, spearman = null, meanChange = null, ...rest } = pairs;
  return { ...rest, spearman, meanChange };
}

function keptReport(keep: TrainingData | null, margin: number, { kept }: Progress): KeptReport | null {
  if (keep === null || kept === null || kept === undefined) return null;
  const measure = keep.form === 'labelled-pairs' ? 'averagePrecision' : 'spearman';
  return { measure, rows: keep.rows.length, margin, ...kept };
}

function onGpu({ device }: ChosenDevice): boolean {
  return device.startsWith('cuda');
}

function checkLimit(memoryLimit: number | null, chosen: ChosenDevice): void {
  if (memoryLimit === null || !onGpu(chosen)) return;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option('memoryLimit')} bounds the processor's memory, but ${chosen.device} is used.`,
    { remedy: say`Use ${option('memoryFraction')}, a share of the GPU's memory, or ${option('device', 'cpu')}.` },
  );
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
