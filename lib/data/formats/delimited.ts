import { option, say, words } from '../../system/wording';
import { notData } from '../text/containers';
import { TextSource } from '../text/text-source';
import { DelimitedRecords, QuoteError, type DelimitedRecord } from './delimited-records';
import { delimiterName, findDelimiter } from './delimiter';
import { inTable, tableError, type ColumnNames, type Table, type TableRow } from './table';

export interface DelimitedOptions {
  /** The extension's. */
  usual: string;
  /** As the caller said; null is found. */
  delimiter: string | null;
  /** Whether the first row names the columns. */
  header: boolean;
  quoting: boolean;
  /** Whether the caller said that there are quotes: then a text may look like rows. */
  quotingAsked: boolean;
  encoding: string | undefined;
  signal: AbortSignal | undefined;
  /** Whether these names of columns are those that are looked for. */
  fits: (names: readonly string[]) => boolean;
  /** Is told the bytes of each piece that was read, packed as they lie. */
  onBytes?: ((bytes: number) => void) | undefined;
}

/** Characters from which the delimiter is found. */
const sampleSize = 1 << 16;

const neverQuoted = say`If the file never puts fields in quotes, pass ${option('file.quoting', false)}.`;

/** A CSV or TSV file (RFC 4180), or another whose fields a semicolon or a bar separates; empty lines are skipped. */
export async function openDelimited(file: string, options: DelimitedOptions): Promise<Table> {
  const text = await TextSource.open(file, file, options);
  const pieces = text.pieces();
  try {
    let sample = '';
    let failure: unknown;
    while (sample.length < sampleSize) {
      const next = await pieces.next().catch((error: unknown) => {
        // Told in its turn: then the row and the column are known.
        failure = error;
        return { done: true as const };
      });
      if (next.done === true) break;
      sample += next.value;
    }
    if (sample === '' && failure !== undefined) throw failure;
    const stranger = notData(sample);
    if (stranger !== undefined) throw tableError({ file }, `this is ${stranger.is}.`, stranger.remedy);
    if (/\r[^\n]/.test(sample) && !sample.includes('\n')) {
      throw tableError(
        { file },
        'lines end in CR alone, as on the first Macintosh.',
        say`Write it again with LF or CR LF.`,
      );
    }
    // Excel's own first line.
    const said = /^sep=(.)\r?\n/.exec(sample);
    if (said !== null) sample = sample.slice(said[0].length);
    const names = (fields: readonly string[]) =>
      options.header ? fields.map((name) => name.trim()) : fields.map((_, i) => `${i}`);
    const delimiter =
      options.delimiter ??
      said?.[1] ??
      findDelimiter(sample, options.usual, options.quoting, (fields) => options.fits(names(fields)));
    const firstLine = said === null ? 1 : 2;
    const table = new Delimited(file, text, pieces, { text: sample, failure }, delimiter, options, firstLine);
    await table.begin(names);
    return table;
  } catch (error) {
    await pieces.return();
    await text.close();
    throw inTable(error, file, undefined);
  }
}

class Delimited implements Table {
  readonly delimiter: string;
  readonly encoding: string;
  readonly names: ColumnNames;
  columns: readonly string[] = [];
  readonly #file: string;
  readonly #text: TextSource;
  readonly #pieces: AsyncGenerator<string, void, undefined>;
  readonly #options: DelimitedOptions;
  readonly #parser: DelimitedRecords;
  /** The sample, until it is taken; what went wrong behind it. */
  #next: string | null;
  readonly #failure: unknown;
  #ready: DelimitedRecord[] = [];
  #row = 0;
  #broken = 0;
  #firstBroken: DelimitedRecord | undefined;

  constructor(
    file: string,
    text: TextSource,
    pieces: AsyncGenerator<string, void, undefined>,
    sample: { text: string; failure: unknown },
    delimiter: string,
    options: DelimitedOptions,
    firstLine: number,
  ) {
    this.#file = file;
    this.#text = text;
    this.#pieces = pieces;
    this.#next = sample.text;
    this.#failure = sample.failure;
    this.#options = options;
    this.delimiter = delimiter;
    this.encoding = text.encoding;
    this.names = options.header ? 'first row' : 'none';
    this.#parser = new DelimitedRecords(delimiter, options.quoting, firstLine);
  }

  /** Reads the first record, which says what the columns are. */
  async begin(names: (fields: readonly string[]) => string[]): Promise<void> {
    while (this.#ready.length === 0) {
      const records = await this.#more();
      if (records === null) return;
      this.#ready = records;
    }
    this.columns = names(this.#ready[0]!.fields);
    if (this.#options.header) this.#ready.shift();
  }

  async *rows(
    positions: readonly number[],
    isRow: (cells: readonly unknown[]) => boolean,
  ): AsyncGenerator<TableRow[], void> {
    // A header says how many columns there are; without one, rows may have more than those that are read.
    const least = this.#options.header ? this.columns.length : Math.max(...positions) + 1;
    const most = this.#options.header ? this.columns.length : Infinity;
    const pick = (fields: readonly string[]) => positions.map((position) => fields[position]);
    try {
      for (let records: DelimitedRecord[] | null = this.#ready; records !== null; records = await this.#more()) {
        const rows: TableRow[] = [];
        for (const record of records) {
          const { fields, line } = record;
          if (fields.length === 1 && least > 1 && fields[0]!.trim() === '') continue;
          if (record.broken !== null)
            this.#checkBroken(record, (parts) => parts.length >= least && parts.length <= most && isRow(pick(parts)));
          if (fields.length < least || fields.length > most)
            rows.push({ cells: [], line, fault: this.#wrongWidth(record, least) });
          else rows.push({ cells: pick(fields), line });
          ++this.#row;
        }
        if (rows.length > 0) yield rows;
      }
    } finally {
      await this.close();
    }
  }

  notes(): readonly string[] {
    const notes: string[] = [];
    const { usual, delimiter } = this.#options;
    if (delimiter === null && this.delimiter !== usual) {
      notes.push(`The fields are separated by ${delimiterName(this.delimiter)}.`);
    }
    if (this.#firstBroken !== undefined) {
      const { line, lastLine } = this.#firstBroken;
      const one = this.#broken === 1;
      notes.push(
        `${one ? 'One row has' : `${this.#broken} rows have`} a field in quotes that goes on in the next line ` +
          `(${one ? '' : 'the first is '}lines ${line} to ${lastLine}).`,
      );
    }
    return notes;
  }

  async close(): Promise<void> {
    await this.#pieces.return();
    await this.#text.close();
  }

  /** The records of the next piece; null where there are no more. */
  async #more(): Promise<DelimitedRecord[] | null> {
    try {
      if (this.#next !== null) {
        const piece = this.#next;
        this.#next = null;
        return this.#parser.push(piece);
      }
      this.#parser.check();
      if (this.#failure !== undefined) throw this.#failure;
      const next = await this.#pieces.next();
      if (next.done !== true) return this.#parser.push(next.value);
      const last = this.#parser.end();
      return last.length > 0 ? last : null;
    } catch (error) {
      const row = this.columns.length === 0 && this.#options.header ? undefined : this.#row;
      if (error instanceof QuoteError) throw this.#quoteError(error, row);
      throw inTable(error, this.#file, row, this.#columnName(this.#parser.fieldUnderWay));
    }
  }

  #columnName(position: number): string | undefined {
    return this.#options.header ? this.columns[position] : undefined;
  }

  #quoteError(error: QuoteError, row: number | undefined): Error {
    const { kind, line, lastLine } = error;
    const place = { file: this.#file, row, line, column: this.#columnName(error.field) };
    if (kind === 'open') {
      return tableError(
        place,
        'the field begins with a quote that is never closed.',
        say`Close it. ${neverQuoted}`,
        error,
      );
    }
    const where = line === lastLine ? '' : ` in line ${lastLine}`;
    return tableError(
      place,
      `the field begins with a quote, and after the next quote${where}, which closes it, the field goes on.`,
      say`Within quotes a quote is written twice. ${neverQuoted}`,
      error,
    );
  }

  /** A quote that was meant as a character takes the following rows into its field. */
  #checkBroken(record: DelimitedRecord, looksLikeRow: (parts: readonly string[]) => boolean): void {
    const { broken, line, lastLine } = record;
    const lines = broken!.raw.split('\n').map((text) => text.replace(/\r$/, '').split(this.delimiter));
    if (!this.#options.quotingAsked && looksLikeRow(lines[0]!) && looksLikeRow(lines.at(-1)!)) {
      throw tableError(
        { file: this.#file, row: this.#row, line, column: this.#columnName(broken!.field) },
        `a quote opens here and is closed in line ${lastLine} only, but each of these lines is a whole row: the quotes are not balanced, and ${lastLine - line + 1} rows would be read as one.`,
        say`If quotes are ordinary characters in this file, pass ${option('file.quoting', false)}; if the text does go over these lines, ${words(say`pass ${option('file.quoting', true)}`, 'write the rows as JSON Lines')}.`,
      );
    }
    ++this.#broken;
    this.#firstBroken ??= record;
  }

  #wrongWidth(record: DelimitedRecord, expected: number): Error {
    const { fields, line, lastLine, broken } = record;
    const counts = `${expected} columns are expected, ${fields.length} found.`;
    const quoted = broken === null ? '' : ` A quote opens in line ${line} and is closed in line ${lastLine}.`;
    const { quoting } = this.#options;
    const more = fields.length > expected;
    const swallowed = quoting && (broken !== null || (!more && fields.some((field) => field.includes(this.delimiter))));
    const remedy = swallowed
      ? neverQuoted
      : more && quoting
        ? say`A text with the delimiter in it must stand in quotes, the first of them right behind the delimiter.`
        : undefined;
    return tableError({ file: this.#file, row: this.#row, line }, `${counts}${quoted}`, remedy);
  }
}
