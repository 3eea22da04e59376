import { extname } from 'node:path';
import { InvalidArgumentError } from '../system/errors';
import {
  choice,
  custom,
  flag,
  object,
  optional,
  resolveTable,
  signal,
  signalNames,
  type Check,
  type OptionsOf,
  type ResolvedOf,
} from '../system/option-table';
import { invalidOption, show } from '../system/options';
import { option, say, words } from '../system/wording';
import { columnsTable, roles, type ColumnChoice, type Role } from './columns';
import type { ScoreOptions } from './scores';
import { containerByExtension } from './text/containers';
import { checkEncoding } from './text/encoding';

/** Formats of data files; 'jsonl' is one JSON object in each line, 'json' one list of them. */
export type DataFormat = 'csv' | 'tsv' | 'jsonl' | 'json' | 'parquet';

const formats = ['csv', 'tsv', 'jsonl', 'json', 'parquet'] as const;

/** One character, or its name: a tab is hard to type on a command line. */
const delimiter = custom<string>('text', (path, value) => {
  const named: Record<string, string> = { tab: '\t', '\\t': '\t', comma: ',', semicolon: ';', bar: '|', pipe: '|' };
  const character = typeof value === 'string' ? (named[value] ?? value) : undefined;
  if (character !== undefined && [...character].length === 1 && !/["\r\n]/.test(character)) return character;
  throw invalidOption(path, "one character that is no quote and no line end, or 'tab'", value);
});

const scoreRange = custom<readonly [number, number]>('range', (path, value) => {
  const inOrder =
    Array.isArray(value) && value.length === 2 && value.every((bound) => Number.isFinite(bound)) && value[0] < value[1];
  if (inOrder) return [value[0] as number, value[1] as number];
  throw invalidOption(
    path,
    say`${words('a list of two numbers, the lower one first', 'two numbers, the lower one first, as 0,5')}`,
    value,
  );
});

const labels = custom<readonly [string, string]>('words', (path, value) => {
  const valid =
    Array.isArray(value) &&
    value.length === 2 &&
    value.every((word) => typeof word === 'string' && word.trim() !== '') &&
    value[0].trim().toLowerCase() !== value[1].trim().toLowerCase();
  if (valid) return [value[0] as string, value[1] as string];
  throw invalidOption(path, 'two different words, the one for 0 and the one for 1', value);
});

/** Typed as parts with their columns. */
const columns: Check<ColumnChoice, ResolvedOf<typeof columnsTable>> = { ...object(columnsTable), typed: 'columns' };

/** How a data file is read. */
export const readTable = {
  /** Default: by the file's extension (.csv, .tsv, .jsonl or .ndjson, .json, .parquet), before .gz where it is packed. */
  format: optional(choice(...formats), undefined, {
    flag: '--format <name>',
    help: 'csv, tsv, jsonl, json or parquet',
    unset: "by the file's extension",
  }),
  /**
   * Also the members of rows that are objects. Default: text1/sentence1/question1, text2/sentence2/question2,
   * score/similarity/label/is_duplicate; for training, evaluation and mining also those of the other forms, and else as
   * sentence-transformers has it: the first of label, labels, score and scores is the
   * label, and all others are texts, in their order.
   */
  columns: optional(columns, undefined, {
    flag: '--columns <part=column,…>',
    help: 'columns by their parts, as anchor=question,positive=answer,negative=n1,negative=n2',
    unset: 'by their usual names',
  }),
  /** CSV and TSV: whether the first row names the columns. Default: true, unless all columns are numbers. */
  header: optional(flag, undefined, {
    flag: '--no-header',
    help: "the file's first row is data already; columns are then #0, #1, …",
  }),
  /**
   * CSV and TSV: whether a field may stand in double quotes; false for files that never quote. Default: true, but a quote
   * that makes one row of several whole ones is refused, which an explicit true accepts.
   */
  quoting: optional(flag, undefined, { flag: '--no-quoting', help: 'double quotes are ordinary characters' }),
  /** CSV and TSV: what separates fields, one character. Default: comma, tab, semicolon or bar, as the first rows show. */
  delimiter: optional(delimiter, undefined, {
    flag: '--delimiter <character>',
    help: 'between the fields of CSV and TSV; tab is one too',
    unset: 'as the first rows show',
    aliases: ['separator', 'sep'],
  }),
  /**
   * Encoding of the text: any label of the Encoding Standard, as 'windows-1252', 'utf-16le', 'shift_jis', 'gb18030'.
   * Default: as the byte order mark says, else UTF-8. Bytes that mean nothing in it are refused.
   */
  encoding: optional(custom<string>('text', checkEncoding), undefined, {
    flag: '--encoding <name>',
    help: 'of the text, as windows-1252',
    unset: 'by the byte order mark, else utf-8',
    aliases: ['charset'],
  }),
  /** The lowest and highest score, brought to 0 and 1 linearly. Of rows in memory too. Default [0, 1]. */
  scoreRange: optional(scoreRange, undefined, {
    flag: '--score-range <low,high>',
    help: 'lowest and highest score of the file',
    unset: '0,1',
  }),
  /**
   * The two words of the column of scores: the one that stands for 0, then the one that stands for 1. Of rows in memory too.
   * Default: true and false, yes and no, duplicate and not duplicate, and their like are known; an event of `finetune` tells
   * what was taken.
   */
  labels: optional(labels, undefined, {
    flag: '--labels <zero,one>',
    help: 'the two words of the column of scores, the one for 0 first',
    unset: 'yes and no, duplicate and not duplicate, and their like are known',
  }),
  /** Stops the reading between two pieces. */
  signal: optional(signal, undefined, signalNames),
};

/**
 * How a data file is read: options of `readRows` and `streamRows`, and `file` of `finetune`. Of rows that are objects
 * `columns`, `scoreRange` and `labels` are meant too, of lists `scoreRange` and `labels`.
 */
export interface ReadOptions extends OptionsOf<typeof readTable> {}

/** The option `file` of whoever takes data; it is checked where it is known what it is to read. */
export const fileOption = optional(
  custom<ReadOptions, ReadOptions>('program', (_, value) => value as ReadOptions, readTable),
  undefined,
);

/** The option `onBadRow`. */
export const onBadRowOption = optional(choice('refuse', 'skip'), 'refuse', {
  flag: '--on-bad-row <refuse|skip>',
  help: 'what happens to rows that cannot be used',
  aliases: ['onBadRows', 'badRows', 'onError', 'skipBadRows'],
});

/** `ReadOptions` after checks, with every default filled in; null where the file is to show it. */
export interface ResolvedReadOptions {
  format: DataFormat;
  columns: ColumnChoice;
  header: boolean;
  quoting: boolean;
  quotingAsked: boolean;
  delimiter: string | null;
  encoding: string | undefined;
  scoreRange: readonly [number, number];
  labels: readonly [string, string] | null;
  signal: AbortSignal | undefined;
}

const extensions: Record<string, DataFormat> = {
  '.csv': 'csv',
  '.tsv': 'tsv',
  '.tab': 'tsv',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.json': 'json',
  '.parquet': 'parquet',
};

function extensionOf(file: string): string {
  return extname(file.replace(/\.gz$/i, '')).toLowerCase();
}

/** The format that a file's name says, before .gz where it is packed; undefined where it says none. */
export function formatByName(file: string): DataFormat | undefined {
  return extensions[extensionOf(file)];
}

function formatOf(file: string): DataFormat {
  const extension = extensionOf(file);
  const known = formatByName(file);
  if (known !== undefined) return known;
  const container = containerByExtension(extension);
  if (container !== undefined) {
    throw new InvalidArgumentError('ERR_DATA_FILE', `${file} is ${container.is}.`, { file, remedy: container.remedy });
  }
  throw new InvalidArgumentError(
    'ERR_DATA_FILE',
    `${file}: the format is not clear from the extension ${show(extension)}. Known are ${Object.keys(extensions).join(', ')}.`,
    {
      file,
      remedy: say`For another name give the option ${option('file.format')}, as ${option('file.format', 'csv')}.`,
    },
  );
}

/** Whether all that is looked for is named by number, so that there need be no names. */
function allNumbers(columns: ColumnChoice): boolean {
  const given = Object.entries(columns).filter(([, one]) => one !== undefined);
  if (given.length === 0 || given.some(([, one]) => [one].flat().some((name) => typeof name !== 'number')))
    return false;
  return !given.some(([part]) => roles.includes(part as Role)) || roles.every((role) => columns[role] !== undefined);
}

export function resolveReadOptions(file: string, options: unknown): ResolvedReadOptions {
  const given = resolveTable(readTable, options, { name: say`${option('file')}`, path: 'file' });
  const format = given.format ?? formatOf(file);
  const columns = given.columns ?? {};
  const delimited = format === 'csv' || format === 'tsv';
  const only = (name: 'header' | 'quoting' | 'delimiter' | 'encoding', allowed: boolean, whose: string) => {
    if (given[name] === undefined || allowed) return;
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option(`file.${name}`)} is an option of ${whose}; ${file} is read as ${format}.`,
    );
  };
  for (const name of ['header', 'quoting', 'delimiter'] as const) only(name, delimited, 'CSV and TSV files');
  only('encoding', format !== 'parquet', 'text files');
  checkScoreOptions(given);
  return {
    format,
    columns: chosen(columns),
    header: given.header ?? !allNumbers(columns),
    quoting: given.quoting ?? true,
    quotingAsked: given.quoting === true,
    delimiter: given.delimiter ?? null,
    encoding: given.encoding,
    scoreRange: given.scoreRange ?? [0, 1],
    labels: given.labels ?? null,
    signal: given.signal,
  };
}

function chosen(columns: ResolvedOf<typeof columnsTable> | ColumnChoice): ColumnChoice {
  return Object.fromEntries(Object.entries(columns).filter(([, one]) => one !== undefined));
}

function checkScoreOptions({ labels, scoreRange }: Pick<ResolvedOf<typeof readTable>, 'labels' | 'scoreRange'>): void {
  if (labels === undefined || scoreRange === undefined) return;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option('file.labels')} is for scores that are words, ${option('file.scoreRange')} for numbers; give one of them.`,
  );
}

/** How rows that are no file's are read: what of `ReadOptions` does not belong to a file alone. */
export interface RowOptions {
  columns: ColumnChoice;
  score: ScoreOptions;
  signal: AbortSignal | undefined;
}

/** What rows in memory may be, for messages, and the options that they have no use for. */
const inMemory = {
  objects: { are: 'rows that are objects', without: ['format', 'header', 'quoting', 'delimiter', 'encoding'] },
  lists: { are: 'lists', without: ['format', 'header', 'quoting', 'delimiter', 'encoding', 'columns'] },
} as const;

/** @throws InvalidArgumentError ERR_INVALID_OPTION: an option of a file, and what `resolveReadOptions` throws */
export function resolveRowOptions(options: unknown, rows: keyof typeof inMemory): RowOptions {
  const given = resolveTable(readTable, options, { name: say`${option('file')}`, path: 'file' });
  const { are, without } = inMemory[rows];
  const other = without.find((name) => given[name] !== undefined);
  if (other !== undefined) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      other === 'columns'
        ? say`${option('file.columns')} names columns, but the data is lists, in which the order says what is what.`
        : say`${option(`file.${other}`)} tells how to read a data file, but the data is ${are}.`,
    );
  }
  checkScoreOptions(given);
  return {
    columns: chosen(given.columns ?? {}),
    score: { range: given.scoreRange ?? [0, 1], labels: given.labels ?? null },
    signal: given.signal,
  };
}

/**
 * How texts alone are read: of a file its encoding.
 *
 * @throws InvalidArgumentError ERR_INVALID_OPTION: a list of them has no use for any but `signal`
 */
export function resolveTextOptions(options: unknown, list: boolean): Pick<ResolvedReadOptions, 'encoding' | 'signal'> {
  const { encoding, signal, ...others } = resolveTable(readTable, options, {
    name: say`${option('file')}`,
    path: 'file',
  });
  if (!list) return { encoding, signal };
  const other = Object.entries({ encoding, ...others }).find(([, value]) => value !== undefined)?.[0];
  if (other === undefined) return { encoding: undefined, signal };
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option(`file.${other}`)} tells how data is read, but a list of texts alone is taken as it is.`,
  );
}

/** Of the options of a run those that mean something to rows in memory, where the run has files as well. */
export function rowOptionsOf(file: ReadOptions | undefined, rows: keyof typeof inMemory): ReadOptions | undefined {
  if (file === undefined) return undefined;
  const without: readonly string[] = inMemory[rows].without;
  return Object.fromEntries(Object.entries(file).filter(([name]) => !without.includes(name)));
}
