import { isList } from '../../data/cells';
import { areTextRows, labelsCheck, type LabelList } from '../../data/lists';
import { fileOption, rowOptionsOf, type ReadOptions } from '../../data/read-options';
import type { DataSource } from '../../data/training-row';
import type { EmbeddingModel } from '../../evaluate/embedding';
import { InvalidArgumentError } from '../../system/errors';
import { choice, custom, optional, required, resolveTable, text, type OptionsOf } from '../../system/option-table';
import { invalidOption, show } from '../../system/options';
import { option, say, words } from '../../system/wording';
import type { ResolvedLoss } from '../losses/choice';
import { samplers, type Sampler } from '../losses/table';
import { measureNames, type MeasureName } from '../measure';
import { lossCheck, teacherCheck } from '../options';
import type { ResolvedOptions } from '../resolved-options';

/** Where the rows of a set may come from: a path, rows of objects, or rows of texts. */
export type SetSource = DataSource | readonly string[] | readonly (readonly string[])[];

const setTable = {
  /** A file, a BEIR folder or a data set of the hub, rows of objects, or rows of texts, as `finetune` takes them. */
  data: required(
    custom<SetSource, SetSource>('program', (path, value) => {
      if (typeof value === 'string' ? value !== '' : isRows(value)) return value as SetSource;
      throw invalidOption(path, 'the path of a file, or rows', value);
    }),
  ),
  /**
   * Where `data` is a list of texts, or of rows of texts: of each a score, a class, or a list of a teacher's numbers, as the
   * second list of `finetune`.
   */
  labels: optional(labelsCheck, undefined, { aliases: ['scores'] }),
  /** What is trained on its rows. Default: the run's `loss`, else by the form of the rows. */
  loss: optional(lossCheck, null),
  /** How its rows come together in batches. Default: the run's `sampler`, else as its loss wants them. */
  sampler: optional(choice(...samplers), null),
  /** What its validation rows are measured by. Default: the run's `measure`, else the recipe's for its form. */
  measure: optional(choice(...measureNames), null),
  /** How a file, or rows, are read: format, columns, how scores are written. Default: the run's `file`. */
  file: fileOption,
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
  labels: LabelList | undefined;
  loss: ResolvedLoss | null;
  sampler: Sampler | null;
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
    if (isRows(value)) return !Array.isArray(value) || !['number', 'boolean', 'bigint'].includes(typeof value[0]);
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
  const sets = Object.entries(given).map(([name, value]) => {
    const whole = typeof value === 'string' || isRows(value) ? { data: value } : value;
    const set = resolveTable(setTable, whole, { name: say`The data set "${name}"`, path: name });
    if (set.labels !== undefined && !Array.isArray(set.data)) {
      throw new InvalidArgumentError(
        'ERR_INVALID_OPTION',
        say`${option(`${name}.labels`)} belongs to lists of texts, or of rows of texts, but the data of the set is ${typeof set.data === 'string' ? 'a file' : 'no list'}.`,
      );
    }
    return {
      ...set,
      name,
      loss: set.loss ?? options.loss,
      sampler: set.sampler ?? options.sampler,
      measure: set.measure ?? options.measure,
      file: set.file ?? ofRun(options.file, set),
      split: set.split ?? options.split,
      ownFile: set.file !== undefined,
    };
  });
  const inherited = sets.flatMap(({ file, ownFile }) => (ownFile ? [] : Object.keys(file ?? {})));
  const unused = Object.keys(options.file ?? {}).find((name) => !inherited.includes(name));
  if (unused === undefined) return sets;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option(`file.${unused}`)} tells how data is read, but none of the data sets ${sets.map(({ name }) => name).join(', ')} has a use for it: they are rows, or have an option ${option('file')} of their own.`,
  );
}

/** What of the run's option `file` means something to a set. */
function ofRun(
  file: ReadOptions | undefined,
  { data, labels }: Pick<AskedSet, 'data' | 'labels'>,
): ReadOptions | undefined {
  if (typeof data === 'string') return file;
  const texts = Array.isArray(data) && typeof data[0] === 'string';
  if (labels === undefined && !areTextRows(data) && !texts) return rowOptionsOf(file, 'objects');
  // Lists of two texts and a number, a truth value or a word.
  const scored =
    labels !== undefined && Array.isArray(data) && isList(data[0]) && data[0].length === 2 && !isList(labels[0]);
  return scored ? rowOptionsOf(file, 'lists') : file?.signal === undefined ? undefined : { signal: file.signal };
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
