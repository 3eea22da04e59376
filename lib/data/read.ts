import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { checkBoolean, checkChoice, checkNumber, checkOptionNames, invalidOption, show } from '../system/options';
import { InvalidArgumentError } from '../system/errors';
import { roles, type ColumnChoice } from './columns';
import { readDelimited } from './formats/delimited';
import { readJsonLines } from './formats/jsonl';
import type { ScoredRow } from './pair';
import { readParquet } from './formats/parquet';
import { checkScore, checkText, emptyData } from './validate';

/** Formats of data files; 'jsonl' is one JSON object in each line. */
export type DataFormat = 'csv' | 'tsv' | 'jsonl' | 'parquet';

/** How a data file is read: options of `readRows` and `streamRows`, and `file` of `finetune`. */
export interface ReadOptions {
  /** Default: by the file's extension (.csv, .tsv, .jsonl or .ndjson, .parquet). */
  format?: DataFormat;
  /** Default: text1/sentence1/question1, text2/sentence2/question2, score/similarity/label/is_duplicate. */
  columns?: ColumnChoice;
  /** CSV and TSV: whether the first row names the columns. Default: true, unless all columns are numbers. */
  header?: boolean;
  /** CSV and TSV: whether a field may stand in double quotes. Default true; false for files that never quote. */
  quoting?: boolean;
  /** The lowest and highest score of the file, brought to 0 and 1 linearly. Default [0, 1]. */
  scoreRange?: readonly [number, number];
}

/** `ReadOptions` after checks, with every default filled in. */
export interface ResolvedReadOptions {
  format: DataFormat;
  columns: ColumnChoice;
  header: boolean;
  quoting: boolean;
  scoreRange: readonly [number, number];
}

/** One row of a file before its values are checked. */
export interface RawRow {
  text1: unknown;
  text2: unknown;
  score: unknown;
}

const extensions: Record<string, DataFormat> = {
  '.csv': 'csv',
  '.tsv': 'tsv',
  '.tab': 'tsv',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.parquet': 'parquet',
};

function resolveFormat(file: string, format: unknown): DataFormat {
  if (format !== undefined) return checkChoice('format', format, ['csv', 'tsv', 'jsonl', 'parquet']);
  const extension = extname(file).toLowerCase();
  const known = extensions[extension];
  if (known !== undefined) return known;
  throw new InvalidArgumentError(
    'ERR_DATA_FILE',
    `${file}: the format is not clear from the extension ` +
      `${show(extension)}. Known are ${Object.keys(extensions).join(', ')}; for another name give the option format.`,
    { file },
  );
}

export function resolveReadOptions(file: string, options: unknown): ResolvedReadOptions {
  const given = checkOptionNames(options, ['format', 'columns', 'header', 'quoting', 'scoreRange'], 'reading a file');
  const format = resolveFormat(file, given.format);
  const columns = checkOptionNames(given.columns, roles, 'columns');
  for (const role of roles) {
    const column = columns[role];
    const valid =
      column === undefined || typeof column === 'string' || (Number.isSafeInteger(column) && Number(column) >= 0);
    if (!valid) throw invalidOption(`columns.${role}`, 'a column name, or its number from 0', column);
  }
  const numbered = roles.every((role) => typeof columns[role] === 'number');
  const delimited = format === 'csv' || format === 'tsv';
  for (const name of ['header', 'quoting'] as const) {
    if (given[name] !== undefined && !delimited) {
      throw new InvalidArgumentError(
        'ERR_INVALID_OPTION',
        `${name} is an option of CSV and TSV files; ${file} is read ` + `as ${format}.`,
      );
    }
  }
  const range: unknown = given.scoreRange ?? [0, 1];
  if (!Array.isArray(range) || range.length !== 2) throw invalidOption('scoreRange', 'a list of two numbers', range);
  const low = checkNumber('scoreRange[0]', range[0], 'a finite number', () => true);
  const high = checkNumber('scoreRange[1]', range[1], `a finite number above ${low}`, (n) => n > low);
  return {
    format,
    columns: columns as ColumnChoice,
    header: given.header === undefined ? !numbered : checkBoolean('header', given.header),
    quoting: given.quoting === undefined ? true : checkBoolean('quoting', given.quoting),
    scoreRange: [low, high],
  };
}

/** The number that a file's field stands for: a number, a truth value, or a text that spells one of them. */
function scoreNumber(value: unknown): unknown {
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'string') return value;
  const text = value.trim();
  if (/^true$/i.test(text)) return 1;
  if (/^false$/i.test(text)) return 0;
  return text === '' ? value : Number(text);
}

function checkFileScore(value: unknown, range: readonly [number, number], row: number, file: string): number {
  const number = scoreNumber(value);
  const [low, high] = range;
  if (typeof number === 'number' && number >= low && number <= high) {
    return checkScore((number - low) / (high - low), { row, file });
  }
  const scale =
    typeof number === 'number' && number > high && low === 0 && high === 1
      ? ` If the file's scores go further, say so, for example with scoreRange: [0, 5].`
      : '';
  throw new InvalidArgumentError(
    'ERR_SCORE_RANGE',
    `A score must be a number from ${low} to ${high}, but that of ` +
      `${file}, row ${row} (counted from 0), is ${show(value)}.${scale}`,
    { row, file },
  );
}

function rawRows(file: string, options: ResolvedReadOptions): AsyncIterable<RawRow> {
  switch (options.format) {
    case 'csv':
      return readDelimited(file, ',', options);
    case 'tsv':
      return readDelimited(file, '\t', options);
    case 'jsonl':
      return readJsonLines(file, options);
    case 'parquet':
      return readParquet(file, options);
  }
}

/**
 * Streams the rows of a CSV, TSV, JSON Lines or Parquet file, in the file's order. Rejects with
 * ERR_DATA_FILE where the file cannot be read as such, ERR_TEXT_TYPE or ERR_SCORE_RANGE for a bad value; each
 * names the file and the row, counted from 0 without the header.
 */
export async function* streamRows(file: string, options?: ReadOptions): AsyncGenerator<ScoredRow, void, undefined> {
  const resolved = resolveReadOptions(file, options);
  const found = await stat(file).catch((cause: unknown) => {
    throw new InvalidArgumentError('ERR_DATA_FILE', `${file} cannot be read: ${(cause as Error).message}`, {
      cause,
      file,
    });
  });
  if (!found.isFile()) throw new InvalidArgumentError('ERR_DATA_FILE', `${file} is not a file.`, { file });
  let row = 0;
  for await (const raw of rawRows(file, resolved)) {
    const place = { row, file };
    yield {
      text1: checkText(raw.text1, 'text1', place),
      text2: checkText(raw.text2, 'text2', place),
      score: checkFileScore(raw.score, resolved.scoreRange, row, file),
    };
    ++row;
  }
  if (row === 0) throw emptyData(`${file} has no rows`, file);
}

/** All rows of a data file at once (see `streamRows`), ready for `balance` or `finetune`. */
export async function readRows(file: string, options?: ReadOptions): Promise<ScoredRow[]> {
  const rows: ScoredRow[] = [];
  for await (const row of streamRows(file, options)) rows.push(row);
  return rows;
}
