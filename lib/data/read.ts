import { reword } from '../system/errors';
import { rows as rowsSurface } from '../system/wording';
import type { BadRows } from './bad-rows';
import { resolveColumns, roles } from './columns';
import type { FileFacts } from './facts';
import { fitsForm } from './form-columns';
import { unreadNotes } from './form-rows';
import { openDelimited } from './formats/delimited';
import { openJson } from './formats/json';
import { openParquet } from './formats/parquet';
import { tableError, type Table, type TableRow } from './formats/table';
import type { ScoredRow } from './pair';
import { resolveReadOptions, type ReadOptions, type ResolvedReadOptions } from './read-options';
import { ScoreColumn } from './scores';
import { checkIsFile } from './text/text-source';
import { checkText, emptyData } from './validate';

/** What is looked for in a table, where it is not rows to train on. */
export interface TableAim {
  /** Whether these names of columns are those that are looked for. */
  fits: (columns: readonly string[]) => boolean;
  /** Is told the bytes of each piece of text that was read, packed as they lie. */
  onBytes?: ((bytes: number) => void) | undefined;
}

export async function openTable(file: string, options: ResolvedReadOptions, aim?: TableAim): Promise<Table> {
  const { format } = options;
  const found = await checkIsFile(file, 'a data file');
  switch (format) {
    case 'csv':
    case 'tsv':
      return openDelimited(file, {
        ...options,
        usual: format === 'csv' ? ',' : '\t',
        fits: aim?.fits ?? ((columns) => fitsForm(columns, options.columns)),
        onBytes: aim?.onBytes,
      });
    case 'json':
    case 'jsonl':
      return openJson(file, { ...options, lines: format === 'jsonl' });
    case 'parquet':
      if (!found.isFile()) throw tableError({ file }, 'Parquet is read from a file on disk only, not from a pipe.');
      return openParquet(file, options.signal);
  }
}

/** How the reading of a file went on; complete when its rows are read. */
export interface Reading {
  file: FileFacts | null;
  /** Names of the columns that were read. */
  columns: readonly string[];
  notes: string[];
}

/** What is worth knowing of how a table was read, and was not asked for. */
export function tableNotes(table: Table, { encoding }: ResolvedReadOptions): string[] {
  const found = table.encoding;
  const told = encoding === undefined && found !== null && found !== 'utf-8';
  return [...(told ? [`The text is in ${found}, as its byte order mark says.`] : []), ...table.notes()];
}

/**
 * The rows of a data file, those of a piece together; between two pieces the event loop has had its turn, and the signal is
 * heard. Fills `reading` as it goes on.
 */
export async function* readScored(
  file: string,
  options: ReadOptions | undefined,
): AsyncGenerator<ScoredRow[], void, undefined> {
  await checkIsFile(file, 'a data file'); // before its format, which a folder has none of
  const resolved = resolveReadOptions(file, options);
  yield* scoredRows(file, await openTable(file, resolved), resolved);
}

/** The same of a table that is open, which is closed in the end. `bad` takes the faults of rows. */
export async function* scoredRows(
  file: string,
  table: Table,
  resolved: ResolvedReadOptions,
  reading?: Reading,
  bad?: BadRows,
): AsyncGenerator<ScoredRow[], void, undefined> {
  let row = 0;
  try {
    // A text file without a first row has no columns either.
    if (table.columns.length === 0) throw emptyData(`${file} has no rows`, file);
    const position = resolveColumns(file, table.columns, resolved.columns, table.names);
    const score = new ScoreColumn({ range: resolved.scoreRange, labels: resolved.labels });
    const positions = roles.map((role) => position[role]);
    const read = ({ cells, line, fault }: TableRow): ScoredRow => {
      if (fault !== undefined) throw fault;
      const place = { file, row, line };
      roles.forEach((role, i) => {
        if (cells[i] !== undefined) return;
        const name = table.columns[position[role]]!;
        throw tableError(place, `there is no "${name}", which the first row has.`);
      });
      return {
        text1: checkText(cells[0], 'text1', place),
        text2: checkText(cells[1], 'text2', place),
        score: score.read(cells[2], place),
      };
    };
    for await (const piece of table.rows(positions, (cells) => score.accepts(cells[2]))) {
      const rows: ScoredRow[] = [];
      for (const one of piece) {
        const found = bad === undefined ? read(one) : bad.read(() => read(one));
        if (found !== undefined) rows.push(found);
        ++row;
      }
      yield rows;
    }
    if (row === 0) throw emptyData(`${file} has no rows`, file);
    bad?.check();
    if (reading === undefined) return;
    const column = (role: (typeof roles)[number]) =>
      table.names !== 'none' ? table.columns[position[role]]! : position[role];
    const { format, labels } = { ...resolved, labels: score.labels };
    const { encoding, delimiter } = table;
    const columns = { text1: column('text1'), text2: column('text2'), score: column('score') };
    reading.file = { format, encoding, delimiter, columns, labels };
    reading.columns = positions.map((at) => table.columns[at]!);
    const unread = unreadNotes(table.columns.filter((_, at) => !positions.includes(at)));
    reading.notes.push(...tableNotes(table, resolved), ...unread, ...score.notes());
  } finally {
    await table.close();
  }
}

/**
 * Streams the rows of a CSV, TSV, JSON, JSON Lines or Parquet file, in the file's order. Text may be packed with gzip.
 * Rejects with ERR_DATA_FILE where the file cannot be read as such, ERR_TEXT_TYPE or ERR_SCORE_RANGE for a bad value; each
 * names the file, the row, counted from 0 without the header, and the line where there are lines.
 */
export async function* streamRows(file: string, options?: ReadOptions): AsyncGenerator<ScoredRow, void, undefined> {
  try {
    for await (const piece of readScored(file, options)) yield* piece;
  } catch (error) {
    throw reword(error, rowsSurface);
  }
}

/** All rows of a data file at once (see `streamRows`), ready for `balance` or `finetune`. */
export async function readRows(file: string, options?: ReadOptions): Promise<ScoredRow[]> {
  const all: ScoredRow[] = [];
  try {
    for await (const piece of readScored(file, options)) for (const row of piece) all.push(row);
  } catch (error) {
    throw reword(error, rowsSurface);
  }
  return all;
}
