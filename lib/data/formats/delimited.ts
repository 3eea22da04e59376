import { createReadStream } from 'node:fs';
import { parse } from 'csv-parse';
import { InvalidArgumentError } from '../../system/errors';
import { resolveColumns, roles, type Role } from '../columns';
import type { ResolvedReadOptions } from '../read-options';
import type { RawRow } from './raw-row';

/** Rows of a CSV (RFC 4180) or TSV file in UTF-8, with or without a byte order mark; empty lines are skipped. */
export async function* readDelimited(
  file: string,
  delimiter: string,
  options: ResolvedReadOptions,
): AsyncGenerator<RawRow, void, undefined> {
  const parser = parse({
    bom: true,
    delimiter,
    quote: options.quoting ? '"' : false,
    skip_empty_lines: true,
    // The rows' lengths are checked here, where the message can name the file.
    relax_column_count: true,
  });
  const input = createReadStream(file);
  input.on('error', (error) => parser.destroy(error));
  input.pipe(parser);

  let columns: Record<Role, number> | undefined;
  // A header says how many columns there are; without one, rows may have more than those that are read.
  let least = 0;
  let most = Infinity;
  let row = 0;
  try {
    for await (const record of parser as AsyncIterable<string[]>) {
      if (columns === undefined) {
        const names = options.header ? record.map((name) => name.trim()) : record.map((_, i) => `${i}`);
        columns = resolveColumns(file, names, options.columns);
        if (options.header) {
          least = most = record.length;
          continue;
        }
        least = Math.max(...Object.values(columns)) + 1;
      }
      if (record.length < least || record.length > most) {
        const hint =
          record.length > most && options.quoting ? ' A text with the delimiter in it must stand in quotes.' : '';
        throw new InvalidArgumentError(
          'ERR_DATA_FILE',
          `${file}, row ${row} (counted from 0): ${least} columns are ` + `expected, ${record.length} found.${hint}`,
          { file, row },
        );
      }
      const position = columns;
      const [text1, text2, score] = roles.map((role) => record[position[role]]);
      yield { text1, text2, score };
      ++row;
    }
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw error;
    const hint = options.quoting ? ' If the file never puts fields in quotes, pass quoting: false.' : '';
    throw new InvalidArgumentError(
      'ERR_DATA_FILE',
      `${file}, row ${row} (counted from 0) cannot be read: ` + `${(error as Error).message}${hint}`,
      { cause: error, file, row },
    );
  } finally {
    input.destroy();
  }
}
