import { groupTexts, type Groups } from '../../data/groups';
import { countRepeats } from '../../data/repeats';
import type { CollectedData } from '../../data/source';
import { InvalidArgumentError, rementioned } from '../../system/errors';
import { option, say } from '../../system/wording';
import { checkDefined, checkMeasure } from '../checks';
import { whyUndefined } from '../defined-measure';
import type { EventContent } from '../events';
import type { ResolvedLoss } from '../losses/choice';
import { checkBatches, checkFits } from '../losses/fit';
import type { Sampler } from '../losses/table';
import { measures, measuresOf, type MeasureName } from '../measure';
import { applyRecipe } from '../recipes/apply';
import { checkRecipe } from '../recipes/check';
import type { RunSettings, SetSettings } from '../recipes/settings';
import type { ResolvedOptions } from '../resolved-options';
import type { RunControl } from '../run-control';
import { splitData } from '../split';
import { taught, type TeacherJob } from '../teacher';
import { checkRows } from '../training-rows';
import { ofSet, type TrainingSet } from './training-set';
import { seedOf } from './turns';

/** Rows to train on, and what was asked of them. */
export interface SetJob {
  /** null of the one set of a run, which needs none. */
  name: string | null;
  /** Reads and checks them. */
  data: (signal: AbortSignal) => Promise<CollectedData>;
  /** Whether they stand in memory, and are read from at once: they may change after the call. */
  atOnce: boolean;
  loss: ResolvedLoss | null;
  sampler: Sampler | null;
  measure: MeasureName | null;
  /** Whose vectors take the place of labels, and what frees it. */
  teacher?: (() => TeacherJob & { release: () => Promise<void> }) | undefined;
}

/** The sets of a run, the texts of all their rows, and how the run trains. */
export interface ReadSets {
  sets: TrainingSet[];
  groups: Groups;
  settings: RunSettings;
}

/** An error of a set that has a name, with it. */
export function errorOfSet(name: string | null, error: unknown): unknown {
  if (name === null || !(error instanceof InvalidArgumentError)) return error;
  return rementioned(error, (mention) => mention, say`Data set "${name}": `);
}

async function inSet<T>(name: string | null, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw errorOfSet(name, error);
  }
}

/** The data, with the teacher's numbers where there is one. */
async function learnt(
  { teacher, loss }: SetJob,
  read: CollectedData,
  emit: (event: EventContent) => void,
  signal: AbortSignal,
): Promise<CollectedData> {
  if (teacher === undefined) return read;
  const { release, ...job } = teacher();
  try {
    return await taught(read, loss, job, emit, signal);
  } finally {
    await release();
  }
}

/** The rows of the sets, one set after the other; those in memory are read from before anything is awaited. */
async function collectSets(
  jobs: readonly SetJob[],
  emit: (event: EventContent) => void,
  signal: AbortSignal,
): Promise<CollectedData[]> {
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const begun = jobs.map(({ atOnce, data }) => (atOnce ? data(stop) : undefined));
  // Each is awaited in its turn, or not at all where one before it failed.
  const settled = Promise.allSettled(begun);
  try {
    const datas: CollectedData[] = [];
    for (const [i, job] of jobs.entries())
      datas.push(await inSet(job.name, async () => learnt(job, await (begun[i] ?? job.data(stop)), emit, signal)));
    return datas;
  } catch (error) {
    failed.abort();
    await settled;
    throw error;
  }
}

/** Reads the sets one after the other, splits each, and finds what each is trained with. */
export async function readSets(
  jobs: readonly SetJob[],
  options: ResolvedOptions,
  emit: (event: EventContent) => void,
  control: RunControl,
): Promise<ReadSets> {
  const check = (): void => control.check();
  const datas = await collectSets(jobs, emit, control.signal);
  const groups = await groupTexts(datas.length === 1 ? datas[0]!.rows : datas.flatMap(({ rows }) => rows), check);
  const sets: TrainingSet[] = [];
  let first = 0;
  for (const [number, job] of jobs.entries()) {
    const { name } = job;
    await inSet(name, async () => {
      const data = datas[number]!;
      const own = { columns: groups.columns, offsets: ofSet(groups.offsets, { first, data }, 1) };
      const { validationSplit: share, groupedSplit: grouped } = options;
      const seed = seedOf(options.seed, number);
      const split = await splitData(own, data.form, { share, seed, grouped }, check);
      const repeats = await countRepeats(own, data, check);
      const set = { name, number, first, data, groups: own, split, repeats };
      checkRecipe(options.recipe, job, data, split.train.length);
      const found = settingsOf(set, job, options);
      checkFits(found.loss, data);
      checkBatches(found.sampler, data);
      checkMeasure(found.measure, data);
      if (job.measure !== null) checkDefined(job.measure, data);
      const warnings = checkRows(data, split, options.allowConstantScores);
      sets.push({ ...set, warnings, ...found });
      first += data.rows.length;
    });
  }
  if (sets.length === 1) return ofOne(sets[0]!, jobs[0]!, options, groups);
  const comparable = alike(sets, jobs, options);
  return { sets: comparable, groups, settings: settingsOfAll(comparable, options) };
}

function settingsOf(
  { data, split }: Pick<TrainingSet, 'data' | 'split'>,
  { loss, sampler, measure }: Pick<SetJob, 'loss' | 'sampler' | 'measure'>,
  options: ResolvedOptions,
): SetSettings {
  const own = { ...options, loss, sampler, measure };
  return applyRecipe(own, data, split.train.length, split.validation.length > 0);
}

/** A run of one set: where the recipe's measure has no value on such rows, whatever the model is, another stands in, which is told. */
function ofOne(set: TrainingSet, job: SetJob, options: ResolvedOptions, groups: Groups): ReadSets {
  const reason = set.split.validation.length === 0 ? undefined : whyUndefined(set.measure, set.data);
  if (reason === undefined) return { sets: [set], groups, settings: settingsOf(set, job, options) };
  const measure = measuresOf(set.data.form).find((one) => whyUndefined(one, set.data) === undefined)!;
  const warning = {
    type: 'data-warning',
    reason: 'measure-not-defined',
    message: `The recipe goes by ${measures[set.measure].words}, but ${reason}: the run goes by ${measure === 'loss' ? 'the loss' : measures[measure].words}`,
  } as const;
  const settings = settingsOf(set, { ...job, measure }, options);
  return { sets: [{ ...set, ...settings, warnings: [...set.warnings, warning] }], groups, settings };
}

/**
 * The sets, all measured or none: where a set has no measure but its loss, the others go by theirs too, unless a
 * measure was asked for.
 */
function alike(sets: readonly TrainingSet[], jobs: readonly SetJob[], options: ResolvedOptions): TrainingSet[] {
  const byLoss = sets.filter(({ measure }) => measure === 'loss');
  if (byLoss.length === 0 || byLoss.length === sets.length) return [...sets];
  if (jobs.some(({ measure }) => measure !== null)) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`A run of several data sets goes by the losses of all or by measures of all, but ${option('measure')} is the loss for ${byLoss.map(({ name }) => `"${name}"`).join(', ')} alone.`,
      { remedy: say`Give ${option('measure', 'loss')} for the run, or another measure for each set.` },
    );
  }
  return sets.map((set) => ({ ...set, ...settingsOf(set, { ...jobs[set.number]!, measure: 'loss' }, options) }));
}

/**
 * What there is one of in a run of several sets (learning rate, batch, epochs, merging, …) is as the recipe of the set with
 * the most training rows has it, for as many rows as there are in all; each set's loss and measure are its own.
 */
function settingsOfAll(sets: readonly TrainingSet[], options: ResolvedOptions): RunSettings {
  const largest = sets.reduce((most, set) => (set.split.train.length > most.split.train.length ? set : most));
  const rows = sets.reduce((sum, { split }) => sum + split.train.length, 0);
  const validates = sets.some(({ split }) => split.validation.length > 0);
  const found = applyRecipe(options, largest.data, rows, validates);
  const sampler = Object.fromEntries(sets.map((set) => [set.name!, set.sampler]));
  return { ...found, loss: null, sampler, measure: sets[0]!.measure === 'loss' ? 'loss' : 'average', folds: 1 };
}
