import { option, say } from '../../system/wording';
import { show } from '../../system/options';
import { fitsForm } from '../form-columns';
import { Members } from '../members';
import { notData } from '../text/containers';
import { jsonTexts } from '../text/json-texts';
import type { JsonText } from '../text/json-values';
import { TextSource } from '../text/text-source';
import { inTable, tableError, type ColumnNames, type Table, type TableRow } from './table';

export interface JsonOptions {
  /** Whether each line is a value (JSON Lines), unless the file is one list. */
  lines: boolean;
  encoding: string | undefined;
  signal: AbortSignal | undefined;
}

type Container = Record<string, unknown>;

/**
 * Rows as JSON: a value in each line, one list of them, or one after another, whichever the file is. A row is an object, or
 * a list, whose columns have numbers. The first row says what the columns are; keys may come in any order in later rows.
 */
export async function openJson(file: string, options: JsonOptions): Promise<Table> {
  const text = await TextSource.open(file, file, options);
  const table = new Json(file, text, options.lines);
  try {
    await table.begin();
    return table;
  } catch (error) {
    await table.close();
    throw error;
  }
}

class Json implements Table {
  readonly delimiter = null;
  readonly encoding: string;
  columns: readonly string[] = [];
  names: ColumnNames = 'format';
  readonly #file: string;
  readonly #text: TextSource;
  readonly #pieces: AsyncGenerator<string, void, undefined>;
  readonly #values: AsyncGenerator<JsonText[], void, undefined>;
  readonly #lines: boolean;
  #members: Members | undefined;
  #ready: JsonText[] = [];
  #row = 0;

  constructor(file: string, text: TextSource, lines: boolean) {
    this.#file = file;
    this.#text = text;
    this.encoding = text.encoding;
    this.#lines = lines;
    this.#pieces = text.pieces();
    this.#values = jsonTexts(this.#pieces, lines, true);
  }

  async begin(): Promise<void> {
    while (this.#ready.length === 0) {
      const more = await this.#more();
      if (more === null) return;
      this.#ready = more;
    }
    const first = this.#parse(this.#ready[0]!);
    this.columns = Object.keys(first);
    if (Array.isArray(first)) this.names = 'none';
    else {
      this.#members = new Members(first);
      this.columns = this.#members.names;
    }
  }

  async *rows(positions: readonly number[]): AsyncGenerator<TableRow[], void> {
    const keys = positions.map((position) => this.columns[position]!);
    const members = this.#members;
    try {
      for (let values: JsonText[] | null = this.#ready; values !== null; values = await this.#more()) {
        const rows: TableRow[] = [];
        for (const value of values) {
          let record: Container;
          try {
            record = this.#parse(value);
          } catch (error) {
            rows.push({ cells: [], line: value.line, fault: error as Error });
            ++this.#row;
            continue;
          }
          rows.push({
            cells:
              members === undefined || Array.isArray(record)
                ? keys.map((key) => (Object.hasOwn(record, key) ? record[key] : undefined))
                : positions.map((position) => members.at(record, position)),
            line: value.line,
            record,
          });
          ++this.#row;
        }
        if (rows.length > 0) yield rows;
      }
    } finally {
      await this.close();
    }
  }

  notes(): readonly string[] {
    return [];
  }

  async close(): Promise<void> {
    await this.#values.return();
    await this.#pieces.return();
    await this.#text.close();
  }

  async #more(): Promise<JsonText[] | null> {
    try {
      const next = await this.#values.next();
      return next.done === true ? null : next.value;
    } catch (error) {
      throw inTable(error, this.#file, this.#row);
    }
  }

  #parse({ text, line }: JsonText): Container {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw this.#notJson(text, line, cause as Error);
    }
    if (typeof value === 'object' && value !== null) {
      this.#checkRows(value as Container, line);
      return value as Container;
    }
    throw this.#broken(line, `each row must be a JSON object, but this is ${show(value)}.`);
  }

  #notJson(text: string, line: number, cause: Error): Error {
    const stranger = this.#row === 0 ? notData(text) : undefined;
    if (stranger !== undefined) return this.#broken(line, `this is ${stranger.is}.`, cause, stranger.remedy);
    const spread = this.#lines && /^\s*[{[]\s*$/.test(text);
    return this.#broken(
      line,
      `this is not JSON: ${cause.message}.`.replace('..', '.'),
      cause,
      spread
        ? say`In JSON Lines each row is one line; if rows go over several lines, pass ${option('file.format', 'json')}.`
        : undefined,
    );
  }

  /** A whole table in one object, as pandas writes it by default. */
  #checkRows(value: Container, line: number): void {
    if (this.#row > 0 || Array.isArray(value)) return;
    const members = Object.entries(value);
    const inside = members.find(
      ([, member]) => Array.isArray(member) && typeof member[0] === 'object' && member[0] !== null,
    );
    // Unless they are what a row has, such as a query with its passages.
    const isRow = () =>
      (this.#lines && members.some(([, member]) => typeof member === 'string')) ||
      fitsForm(new Members(value).names, {});
    if (members.length <= 3 && inside !== undefined && !isRow()) {
      throw this.#broken(
        line,
        `the rows stand in the member "${inside[0]}" of one object.`,
        undefined,
        say`Write that list as the whole file.`,
      );
    }
    const byColumn = members.length > 1 && members.every(([, member]) => isColumn(member));
    if (!byColumn) return;
    const remedy = say`Write a row for each object, as pandas does with to_json(…, orient='records').`;
    throw this.#broken(line, 'this is one object of columns, not of rows.', undefined, remedy);
  }

  #broken(line: number, message: string, cause?: unknown, remedy?: ReturnType<typeof say>): Error {
    return tableError({ file: this.#file, row: this.#row, line }, message, remedy, cause);
  }
}

/** Values by their row's number, as pandas writes a column. */
function isColumn(member: unknown): boolean {
  return (
    typeof member === 'object' && member !== null && Object.keys(member).length > 0 && Object.keys(member)[0] === '0'
  );
}
