import { readTable, type ReadOptions } from '../../data/read-options';
import type { DataSource } from '../../data/source';
import type { EmbeddingModel } from '../../evaluate/embedding';
import { InvalidArgumentError } from '../../system/errors';
import { choice, custom, optional, required, resolveTable, text, type OptionsOf } from '../../system/option-table';
import { invalidOption, show } from '../../system/options';
import { option, say, words } from '../../system/wording';
import type { ResolvedLoss } from '../losses/choice';
import { measureNames, type MeasureName } from '../measure';
import { lossCheck, teacherCheck } from '../options';
import type { ResolvedOptions } from '../resolved-options';

/** Where the rows of a set may come from: a path, rows of objects, or rows of texts. */
export type SetSource = DataSource | readonly string[] | readonly (readonly string[])[];

export const setTable = {
  /** A file, a BEIR folder or a data set of the hub, rows of objects, or rows of texts, as `finetune` takes them. */
  data: required(
    custom<SetSource, SetSource>('program', (path, value) => {
      if (typeof value === 'string' ? value !== '' : isRows(value)) return value as SetSource;
      throw invalidOption(path, 'the path of a file, or rows', value);
    }),
  ),
  /** What is trained on its rows. Default: the run's `loss`, else by the form of the rows. */
  loss: optional(lossCheck, null),
  /** What its validation rows are measured by. Default: the run's `measure`, else the recipe's for its form. */
  measure: optional(choice(...measureNames), null),
  /** Where its data is a file: its format and columns. Default: the run's `file`. */
  file: optional(
    custom<ReadOptions, ReadOptions>('program', (_, value) => value as ReadOptions, readTable),
    undefined,
  ),
  /** Of a BEIR folder: whose judgements; of a data set of the hub: which split. Default: the run's `split`. */
  split: optional(text(), null),
  /** A model that its rows learn from, as the run's option `teacher`. Default: none. */
  teacher: optional(teacherCheck, null),
  /** File that keeps that teacher's vectors. Default: none. */
  teacherFile: optional(text('the path of a file'), null),
};

/** One of several data sets of a run. */
export interface DataSetOptions extends OptionsOf<typeof setTable> {}

/** Several data sets by their names; each has its form and its loss. */
export type DataSets = Readonly<Record<string, SetSource | DataSetOptions>>;

/** What was asked of a set, with the run's options where it says nothing itself. */
export interface AskedSet {
  name: string;
  data: SetSource;
  loss: ResolvedLoss | null;
  measure: MeasureName | null;
  file: ReadOptions | undefined;
  split: string | null;
  teacher: EmbeddingModel | string | null;
  teacherFile: string | null;
}

function isRows(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const rows = value as Partial<Iterable<unknown> & AsyncIterable<unknown>>;
  return typeof rows[Symbol.iterator] === 'function' || typeof rows[Symbol.asyncIterator] === 'function';
}

/** Whether what `finetune` was given is an object of named sets. (Two lists in an object are none: see `collectRows`.) */
export function areDataSets(source: unknown): source is DataSets {
  if (typeof source !== 'object' || source === null || isRows(source) || ArrayBuffer.isView(source)) return false;
  const sets: unknown[] = Object.values(source);
  const isSource = (value: unknown): boolean => {
    if (typeof value === 'string') return true;
    if (isRows(value)) return !Array.isArray(value) || typeof value[0] !== 'number';
    return typeof value === 'object' && value !== null && 'data' in value;
  };
  return sets.length > 0 && sets.every(isSource);
}

/** @throws InvalidArgumentError ERR_INVALID_OPTION, ERR_UNKNOWN_OPTION: names the set; options of the run that are a set's */
export function resolveSets(given: DataSets, options: ResolvedOptions): AskedSet[] {
  for (const name of ['teacher', 'teacherFile'] as const) {
    if (options[name] === null) continue;
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option(name)} is for one data set, but there are sets of the names ${Object.keys(given).join(', ')}.`,
      {
        remedy: say`${words(`Give it with the set that learns from it, as { data, ${name} }.`, 'Train with it alone, on one file.')}`,
      },
    );
  }
  return Object.entries(given).map(([name, value]) => {
    const whole = typeof value === 'string' || isRows(value) ? { data: value } : value;
    const set = resolveTable(setTable, whole, { name: say`The data set "${name}"`, path: name });
    return {
      ...set,
      name,
      loss: set.loss ?? options.loss,
      measure: set.measure ?? options.measure,
      file: set.file ?? (typeof set.data === 'string' ? options.file : undefined),
      split: set.split ?? options.split,
    };
  });
}

/** Refuses an option that says how several sets take turns, where there is one. */
export function checkSampler(sampler: string | null, sets: number): void {
  if (sampler === null || sets > 1) return;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option('multiDatasetSampler')} is ${show(sampler)} and says how several data sets take turns, but there is one.`,
    {
      remedy: say`Leave it out, or give ${words('several sets by their names, as finetune({ pairs, questions })', 'several files')}.`,
    },
  );
}
