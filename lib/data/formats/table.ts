import { InvalidArgumentError } from '../../system/errors';
import type { Wording } from '../../system/wording';
import { JsonShapeError } from '../text/json-values';
import { LongLineError } from '../text/lines';
import { UndecodableError } from '../text/text-source';

/** A row as it stands in a file, cut to the columns that were asked for. */
export interface TableRow {
  /** A value for each of those columns, in their order; `undefined` where this row has no such column. */
  cells: readonly unknown[];
  /** Line of the file that it begins in, from 1; absent where the format has no lines. */
  line?: number;
  /** The whole row, where it may have other columns than the first. */
  record?: Readonly<Record<string, unknown>>;
  /** What is wrong with the row itself; it has no cells then, and the next one can be read. */
  fault?: Error;
}

/** Where the names of columns come from: the first row, the format, or nowhere, so that they are numbers. */
export type ColumnNames = 'first row' | 'format' | 'none';

/** A file of rows, opened: what its columns are is known, its rows are read on demand. */
export interface Table {
  /** Names of the columns; '0', '1', … where they have none. */
  readonly columns: readonly string[];
  /** Where those names come from. */
  readonly names: ColumnNames;
  /** 'utf-8', …; null where the format is not text. */
  readonly encoding: string | null;
  /** Between the fields of a row; null where the format has none. */
  readonly delimiter: string | null;
  /**
   * The rows, in the file's order, some at once; between two pieces the event loop has had its turn. May be called once.
   *
   * @param positions of the wanted columns
   * @param isRow whether cells, one for each wanted column, are what a row would have: tells rows from a text that a stray
   *   quote makes of them
   */
  rows(positions: readonly number[], isRow: (cells: readonly unknown[]) => boolean): AsyncGenerator<TableRow[], void>;
  /** What is worth knowing about the rows that were read, a sentence each. */
  notes(): readonly string[];
  /** Frees the file; `rows` does it when it ends. */
  close(): Promise<void>;
}

/** Where in a file something is wrong. */
export interface FilePlace {
  file: string;
  /** From 0, without the header. */
  row?: number | undefined;
  /** From 1. */
  line?: number | undefined;
  /** Of the line, from 1. */
  character?: number | undefined;
  /** Its name. */
  column?: string | undefined;
}

/** `data.csv, line 3, character 7 (row 1, counted from 0; column "text1")`, as much of it as is known. */
export function placeOf({ file, row, line, character, column }: FilePlace): string {
  const inText = [line === undefined ? '' : `line ${line}`, character === undefined ? '' : `character ${character}`];
  const inTable = [
    row === undefined ? '' : `row ${row}, counted from 0`,
    column === undefined ? '' : `column "${column}"`,
  ];
  const known = (parts: readonly string[]) => parts.filter((part) => part !== '');
  const place = known([file, ...inText]).join(', ');
  const cell = known(inTable).join('; ');
  return cell === '' ? place : `${place} (${cell})`;
}

/** A file that cannot be read as rows. `message` is a sentence that follows the place. */
export function tableError(
  place: FilePlace,
  message: string | Wording,
  remedy?: Wording,
  cause?: unknown,
): InvalidArgumentError {
  const { file, row, line } = place;
  return new InvalidArgumentError(
    'ERR_DATA_FILE',
    [`${placeOf(place)}: `, ...(typeof message === 'string' ? [message] : message)],
    {
      file,
      row,
      line,
      remedy,
      ...(cause !== undefined && { cause }),
    },
  );
}

/** Errors of the text below a format, with the row and column that they are in. Others are returned as they are. */
export function inTable(error: unknown, file: string, row: number | undefined, column?: string): unknown {
  if (error instanceof UndecodableError) {
    return tableError({ file, row, ...error.place, column }, error.message, error.remedy, error);
  }
  if (error instanceof LongLineError || error instanceof JsonShapeError) {
    return tableError({ file, row, line: error.line, column }, `${error.message}.`, undefined, error);
  }
  return error;
}
