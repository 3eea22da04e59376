import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { InvalidArgumentError } from '../../system/errors';
import { resolveColumns, roles, type Role } from '../columns';
import type { ResolvedReadOptions } from '../read-options';
import type { RawRow } from './raw-row';

/**
 * Rows of a JSON Lines file: each line an object, or a list where the columns are numbers. The first row's
 * keys decide the columns; keys may come in any order in later rows. Empty lines are skipped.
 */
export async function* readJsonLines(
  file: string,
  options: ResolvedReadOptions,
): AsyncGenerator<RawRow, void, undefined> {
  const input = createReadStream(file, 'utf8');
  let failure: Error | undefined;
  const lines = createInterface({ input, crlfDelay: Infinity });
  // readline ends quietly when its input fails.
  input.on('error', (error) => {
    failure = error;
    lines.close();
  });

  let keys: Record<Role, string> | undefined;
  let row = 0;
  let lineNumber = 0;
  const broken = (message: string, cause?: unknown) =>
    new InvalidArgumentError('ERR_DATA_FILE', `${file}, line ${lineNumber} (row ${row}, counted from 0): ${message}`, {
      cause,
      file,
      row,
    });
  try {
    for await (const line of lines) {
      ++lineNumber;
      const text = lineNumber === 1 && line.startsWith('\uFEFF') ? line.slice(1) : line;
      if (text.trim() === '') continue;
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch (cause) {
        throw broken(`this is not JSON: ${(cause as Error).message}`, cause);
      }
      if (typeof value !== 'object' || value === null) throw broken('each line must be a JSON object.');
      const record = value as Record<string, unknown>;
      if (keys === undefined) {
        const names = Object.keys(record);
        const position = resolveColumns(file, names, options.columns);
        keys = { text1: names[position.text1]!, text2: names[position.text2]!, score: names[position.score]! };
      }
      for (const role of roles) {
        if (!Object.hasOwn(record, keys[role])) throw broken(`there is no "${keys[role]}", which the first row has.`);
      }
      yield { text1: record[keys.text1], text2: record[keys.text2], score: record[keys.score] };
      ++row;
    }
    if (failure !== undefined) throw broken(`cannot be read: ${failure.message}`, failure);
  } finally {
    lines.close();
    input.destroy();
  }
}
