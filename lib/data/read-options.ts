import { extname } from 'node:path';
import { InvalidArgumentError } from '../system/errors';
import { checkBoolean, checkChoice, checkNumber, checkOptionNames, invalidOption, show } from '../system/options';
import { roles, type ColumnChoice } from './columns';

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
