import { stat } from 'node:fs/promises';
import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import { readDelimited } from './formats/delimited';
import { readJsonLines } from './formats/jsonl';
import { readParquet } from './formats/parquet';
import type { RawRow } from './formats/raw-row';
import type { ScoredRow } from './pair';
import { resolveReadOptions, type ReadOptions, type ResolvedReadOptions } from './read-options';
import { checkScore, checkText, emptyData } from './validate';

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
