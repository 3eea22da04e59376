import type { Readable } from 'node:stream';
import { InvalidArgumentError } from '../system/errors';
import { invalidOption, nearest, show } from '../system/options';
import { choice, custom, optional } from '../system/option-table';
import { option, options as settings, say } from '../system/wording';
import { plainName, quotedColumn as quoted, listedColumns } from './columns';
import { isId } from './form-columns';
import { titledText } from './formats/beir';
import { tableError, type FilePlace, type Table } from './formats/table';
import { openTable } from './read';
import { formatByName, readTable, resolveReadOptions } from './read-options';
import { checkIsFile } from './text/text-source';
import { readJsonValues, readTexts, type JsonValue } from './texts';

/** Texts with their ids, from lines, JSON and the columns of tables: what is embedded and is no data to train on. */

/** How a file holds texts: 'lines' one in each, the others as data files. */
const TEXT_FORMATS = ['lines', 'csv', 'tsv', 'jsonl', 'json', 'parquet'] as const;
/** A format of texts. */
export type TextFormat = (typeof TEXT_FORMATS)[number];

const column = custom<string | number>('column', (path, value) => {
  if ((typeof value === 'string' && value !== '') || (Number.isSafeInteger(value) && Number(value) >= 0))
    return value as string | number;
  throw invalidOption(path, 'a column name, or its number from 0', value);
});

/** Which texts of a file, and their ids. */
export const textRowsTable = {
  /**
   * Of a file of texts. Default: by the ending of its name, before .gz where it is packed: .csv, .tsv, .jsonl (.ndjson),
   * .json, .parquet; a text in each line where it has another.
   */
  inputFormat: optional(choice(...TEXT_FORMATS), undefined, {
    flag: '--input-format <name>',
    help: 'of the texts: lines, csv, tsv, jsonl, json or parquet',
    unset: 'by the ending of the name',
  }),
  /** Column (or member) of the texts. Default: text, or the only one that is usual for texts, or the only one but ids. */
  textColumn: optional(column, undefined, {
    flag: '--text-column <column>',
    help: 'of a table or of JSON: where the texts are; its name, or #0 for the first one',
    unset: 'text, or the only one that may be',
    aliases: ['textField', 'textKey'],
  }),
  /** Column of the ids, which stand beside the vectors. Default: id or _id where there is one. */
  idColumn: optional(column, undefined, {
    flag: '--id-column <column>',
    help: 'where the ids are that stand beside the vectors',
    unset: 'id or _id where there is one',
    aliases: ['idField', 'idKey'],
  }),
  /** Column of a title that goes before the text, as in a corpus in BEIR's layout. Default: none does. */
  titleColumn: optional(column, undefined, {
    flag: '--title-column <column>',
    help: 'where a title is that goes before the text',
    unset: 'none',
    aliases: ['titleField', 'titleKey'],
  }),
};

/** How tables are read: as `file` of those that read data. */
export const textTableTable = {
  /** Whether the first row names the columns. Default: true, unless all columns are numbers. */
  header: readTable.header,
  /** Whether a field may stand in double quotes. Default: true. */
  quoting: readTable.quoting,
  /** What separates fields, one character. Default: as the first rows show. */
  delimiter: readTable.delimiter,
};

export type TextId = string | number;

/** A text, and the id that its row has, where rows have ids. */
export interface TextRow {
  text: string;
  id: TextId | undefined;
}

type Column = string | number;

export interface TextRowsOptions {
  inputFormat?: TextFormat | undefined;
  textColumn?: Column | undefined;
  idColumn?: Column | undefined;
  titleColumn?: Column | undefined;
  /** Of CSV and TSV. */
  file?: { header?: boolean | undefined; quoting?: boolean | undefined; delimiter?: string | undefined } | undefined;
  /** As `checkEncoding` gave it. Default: as the byte order mark says, else UTF-8. */
  encoding?: string | undefined;
  /** Is told the bytes of each piece of text that was read, packed as they lie. */
  onBytes?: ((bytes: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** What texts usually are called where they are not called text. */
const USUAL = ['sentence', 'passage', 'document', 'content', 'body'];

/** Texts of a file or of a stream; a stream has them in lines, or as JSON. */
export class TextRows {
  private constructor(
    /** Whether rows have ids. */
    readonly hasIds: boolean,
    readonly pieces: () => AsyncGenerator<TextRow[], void, undefined>,
    /** Where nothing was read. */
    readonly close: () => Promise<void>,
  ) {}

  /**
   * Opened as far as is needed to know whether rows have ids. Frees what it holds when `pieces` ends, or `close` is called.
   *
   * @throws InvalidArgumentError ERR_DATA_FILE: the file, or no column that is known to hold texts; ERR_INVALID_OPTION
   */
  static async open(source: string | Readable, options: TextRowsOptions): Promise<TextRows> {
    const format = options.inputFormat ?? (typeof source === 'string' ? (formatByName(source) ?? 'lines') : 'lines');
    if (typeof source === 'string') await checkIsFile(source, 'a file of texts');
    checkOptions(format, options);
    if (format === 'lines') {
      const nothing = () => Promise.resolve();
      return new TextRows(false, () => linesOf(source, options), nothing);
    }
    if (format === 'json' || format === 'jsonl') return TextRows.#ofJson(source, options);
    if (typeof source !== 'string') {
      throw new InvalidArgumentError(
        'ERR_INVALID_OPTION',
        say`${option('inputFormat')} is '${format}', which is read from a file; the standard input has lines, or JSON Lines.`,
      );
    }
    return TextRows.#ofTable(source, format, options);
  }

  static async #ofJson(source: string | Readable, options: TextRowsOptions): Promise<TextRows> {
    const values = readJsonValues(source, options);
    const close = async () => void (await values.return());
    try {
      const { value: begin = [] } = await values.next();
      const first = begin[0];
      const columns = first === undefined ? undefined : jsonColumns(first, options);
      const pieces = async function* (): AsyncGenerator<TextRow[], void, undefined> {
        try {
          if (begin.length > 0) yield begin.map((one) => jsonRow(one, columns!));
          for await (const some of values) yield some.map((one) => jsonRow(one, columns!));
        } finally {
          await close();
        }
      };
      return new TextRows(columns?.id !== undefined, pieces, close);
    } catch (error) {
      await close();
      throw error;
    }
  }

  static async #ofTable(
    file: string,
    format: Exclude<TextFormat, 'lines' | 'json' | 'jsonl'>,
    options: TextRowsOptions,
  ): Promise<TextRows> {
    const { textColumn, idColumn, titleColumn, encoding, onBytes, signal } = options;
    const asked = [textColumn, idColumn, titleColumn];
    // Columns that all are numbers need no names.
    const nameless = textColumn !== undefined && asked.every((one) => one === undefined || typeof one === 'number');
    const header = options.file?.header ?? (format !== 'parquet' && nameless ? false : undefined);
    const resolved = resolveReadOptions(file, {
      ...Object.fromEntries(Object.entries(options.file ?? {}).filter(([, value]) => value !== undefined)),
      ...(header !== undefined && { header }),
      ...(encoding !== undefined && { encoding }),
      ...(signal && { signal }),
      format,
    });
    const fits = (names: readonly string[]) => mayFit(names, textColumn);
    const table = await openTable(file, resolved, { fits, onBytes });
    try {
      if (table.columns.length === 0)
        return new TextRows(
          false,
          () => nothingOf(table),
          () => table.close(),
        );
      const at = columnsOf({ file }, table.columns, options, table.names !== 'none');
      const positions = [at.text, at.id, at.title].filter((one) => one !== undefined);
      return new TextRows(
        at.id !== undefined,
        () => tableRows(file, table, positions, at),
        () => table.close(),
      );
    } catch (error) {
      await table.close();
      throw error;
    }
  }
}

/** Refuses what lines, or the format, have no use for. */
function checkOptions(format: TextFormat, options: TextRowsOptions): void {
  const refuse = (name: string, whose: string) => {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option(name)} is an option of ${whose}, but the texts are read as ${format}.`,
    );
  };
  if (format === 'lines')
    for (const name of ['textColumn', 'idColumn', 'titleColumn'] as const)
      if (options[name] !== undefined) refuse(name, 'tables and of JSON');
  if (format !== 'csv' && format !== 'tsv')
    for (const name of ['header', 'quoting', 'delimiter'] as const)
      if (options.file?.[name] !== undefined) refuse(`file.${name}`, 'CSV and TSV');
  if (format === 'parquet' && options.encoding !== undefined) refuse('encoding', 'text');
}

async function* linesOf(
  source: string | Readable,
  options: TextRowsOptions,
): AsyncGenerator<TextRow[], void, undefined> {
  for await (const texts of readTexts(source, options)) yield texts.map((text) => ({ text, id: undefined }));
}

async function* nothingOf(table: Table): AsyncGenerator<TextRow[], void, undefined> {
  await table.close();
  yield [];
}

/** Places of columns among their names. */
interface Columns<Place> {
  text: Place;
  id: Place | undefined;
  title: Place | undefined;
}

async function* tableRows(
  file: string,
  table: Table,
  positions: readonly number[],
  at: Columns<number>,
): AsyncGenerator<TextRow[], void, undefined> {
  let row = 0;
  const [idAt, titleAt] = [positions.indexOf(at.id ?? -1), positions.indexOf(at.title ?? -1)];
  // Any line may be a text of its own: no quote is too much by what it holds.
  for await (const piece of table.rows(positions, () => false)) {
    yield piece.map(({ cells, line, fault }): TextRow => {
      if (fault !== undefined) throw fault;
      const place = { file, row: row++, line };
      const text = textOf(cells[0], place, table.columns[at.text]!);
      return {
        text: titleAt === -1 ? text : titledText(cells[titleAt], text),
        id: idAt === -1 ? undefined : idOf(cells[idAt], place, table.columns[at.id!]!),
      };
    });
  }
}

/** The members of JSON's objects that are read; those of the first say which, unless it was said. */
function jsonColumns({ value, place }: JsonValue, options: TextRowsOptions): Columns<Column> | undefined {
  const isList = Array.isArray(value);
  if (typeof value === 'object' && value !== null) {
    const names = Object.keys(value);
    const at = columnsOf(place, names, options, !isList);
    const name = (i: number) => (isList ? i : names[i]!);
    return {
      text: name(at.text),
      id: at.id === undefined ? undefined : name(at.id),
      title: at.title === undefined ? undefined : name(at.title),
    };
  }
  const { textColumn, idColumn, titleColumn } = options;
  const asked = textColumn ?? idColumn ?? titleColumn;
  if (asked !== undefined) {
    throw tableError(place, `there must be an object with a member ${quoted(asked)}, but there is ${show(value)}.`);
  }
  return { text: 'text', id: undefined, title: undefined };
}

function jsonRow({ value, place }: JsonValue, columns: Columns<Column>): TextRow {
  if (typeof value === 'string' && columns.id === undefined) return { text: value, id: undefined };
  if (typeof value !== 'object' || value === null) {
    throw new InvalidArgumentError(
      'ERR_TEXT_TYPE',
      `${place.file}, line ${place.line}: there must be ${columns.id === undefined ? 'a string, or ' : ''}an object with a string ${quoted(columns.text)}, but there is ${show(value)}.`,
      { row: place.row, file: place.file },
    );
  }
  const member = (name: Column): unknown =>
    Object.hasOwn(value, name) ? (value as Record<Column, unknown>)[name] : undefined;
  const text = textOf(member(columns.text), place, columns.text);
  return {
    text: columns.title === undefined ? text : titledText(member(columns.title), text),
    id: columns.id === undefined ? undefined : idOf(member(columns.id), place, columns.id),
  };
}

function textOf(value: unknown, place: FilePlace, name: Column): string {
  if (typeof value === 'string') return value;
  throw new InvalidArgumentError(
    'ERR_TEXT_TYPE',
    `${placed(place)}: there must be a string ${quoted(name)}, but there is ${show(value)}.`,
    { row: place.row, file: place.file, line: place.line },
  );
}

function placed({ file, line, row }: FilePlace): string {
  return line === undefined ? `${file}, row ${row} (counted from 0)` : `${file}, line ${line}`;
}

function idOf(value: unknown, place: FilePlace, name: Column): TextId {
  if (typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value))) return value;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  throw tableError(place, `the id ${quoted(name)} must be a string or a number, but is ${show(value)}.`);
}

/** Whether these may be the names of columns, and not those of another delimiter. */
function mayFit(names: readonly string[], asked: Column | undefined): boolean {
  if (typeof asked === 'number') return asked < names.length;
  return names.some((name) =>
    asked === undefined ? ['text', 'question', 'query', 'title', ...USUAL].includes(plainName(name)) : name === asked,
  );
}

/** The place of the texts by the names of columns; undefined where they do not say it. */
function textAt(names: readonly string[], asked: Column | undefined): number | undefined {
  if (typeof asked === 'number') return asked < names.length ? asked : undefined;
  const only = (places: number[]) => (places.length === 1 ? places[0] : undefined);
  const where = (is: (name: string) => boolean) => names.flatMap((name, i) => (is(name) ? [i] : []));
  if (asked !== undefined) return only(where((name) => name === asked));
  return (
    only(where((name) => plainName(name) === 'text')) ??
    only(where((name) => USUAL.includes(plainName(name)))) ??
    only(where((name) => !isId(name)))
  );
}

/** @throws InvalidArgumentError ERR_DATA_FILE: a column that is not there, or none that is known to hold the texts */
function columnsOf(
  place: FilePlace,
  names: readonly string[],
  { textColumn, idColumn, titleColumn }: TextRowsOptions,
  named: boolean,
): Columns<number> {
  const columns = named
    ? `The columns are: ${listedColumns(names)}.`
    : `The columns have numbers only, 0 to ${names.length - 1}.`;
  const find = (path: string, asked: Column): number => {
    const found = textAt(names, asked);
    if (found !== undefined) return found;
    const meant = typeof asked === 'string' ? nearest(asked, names) : undefined;
    throw tableError(
      place,
      say`there is no one column ${quoted(asked)} (${option(path)}). ${columns}`,
      meant === undefined ? undefined : say`Did you mean ${option(path, meant)}?`,
    );
  };
  const text = textColumn === undefined ? textAt(names, undefined) : find('textColumn', textColumn);
  if (text === undefined) {
    const likely = names.find((name) => USUAL.includes(plainName(name))) ?? names.find((name) => !isId(name));
    throw tableError(
      place,
      `it is not clear which column holds the texts. ${columns}`,
      say`Say which with ${settings({ textColumn: named ? (likely ?? names[0]!) : 0 })}.`,
    );
  }
  const usualId = named ? names.findIndex((name, i) => plainName(name) === 'id' && i !== text) : -1;
  return {
    text,
    id: idColumn === undefined ? (usualId === -1 ? undefined : usualId) : find('idColumn', idColumn),
    title: titleColumn === undefined ? undefined : find('titleColumn', titleColumn),
  };
}
