import { longestLine, LongLineError } from '../text/lines';

/** Fields between two line ends that are in no quotes (RFC 4180). */
export interface DelimitedRecord {
  fields: string[];
  /** Line in which it begins, from 1. */
  line: number;
  /** Line in which it ends. */
  lastLine: number;
  /** Position of the first field whose quotes hold a line end, and the record as it stands; null where none does. */
  broken: { field: number; raw: string } | null;
}

/** A quote that does not stand as it must. */
export class QuoteError extends Error {
  constructor(
    readonly kind: 'open' | 'stray',
    /** Where the field begins. */
    readonly line: number,
    /** Position of the field. */
    readonly field: number,
    /** Where the quote is that ends it too early. */
    readonly lastLine: number,
  ) {
    super(kind);
  }
}

const QUOTE = 0x22;
const LF = 0x0a;
const CR = 0x0d;

function countLines(text: string): number {
  let lines = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) ++lines;
  return lines;
}

/**
 * Cuts text into records: fields end at the delimiter, records at LF or CR LF. A field that begins with a quote ends at the
 * next quote that is not doubled; anywhere else a quote is a character (as in Python's csv and in spreadsheets). Empty
 * lines are no records. A record lies in memory as a whole, and no more than `longestLine` characters of it.
 */
export class DelimitedRecords {
  readonly #delimiter: string;
  readonly #quoting: boolean;
  #text = '';
  #line: number;
  /** Told when the records before it have been taken. */
  #failure: QuoteError | undefined;
  /** Of the record that was read last. */
  #broken = -1;
  #lastLine = 1;

  constructor(delimiter: string, quoting: boolean, firstLine = 1) {
    this.#delimiter = delimiter;
    this.#quoting = quoting;
    this.#line = firstLine;
  }

  /** The records that are whole after this piece. */
  push(piece: string): DelimitedRecord[] {
    this.#text = this.#text === '' ? piece : this.#text + piece;
    const records = this.#take(false);
    if (this.#text.length > longestLine) throw new LongLineError(this.#line);
    return records;
  }

  /** The last record, which no line end need follow. */
  end(): DelimitedRecord[] {
    return this.#take(true);
  }

  /** Throws what is wrong with the record after those that were taken. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Position of the field that the text so far ends in. */
  get fieldUnderWay(): number {
    const fields: string[] = [];
    const lineEnd = this.#text.indexOf('\n');
    try {
      this.#record(this.#text, 0, lineEnd < 0 ? this.#text.length : lineEnd, true, fields);
    } catch {
      return fields.length;
    }
    return Math.max(0, fields.length - 1);
  }

  #take(ended: boolean): DelimitedRecord[] {
    this.check();
    const records: DelimitedRecord[] = [];
    try {
      this.#takeInto(records, ended);
    } catch (error) {
      if (records.length === 0 || !(error instanceof QuoteError)) throw error;
      this.#failure = error;
    }
    return records;
  }

  #takeInto(records: DelimitedRecord[], ended: boolean): void {
    const text = this.#text;
    let from = 0;
    while (from < text.length) {
      const lineEnd = text.indexOf('\n', from);
      if (lineEnd === from || (lineEnd === from + 1 && text.charCodeAt(from) === CR)) {
        ++this.#line;
        from = lineEnd + 1;
        continue;
      }
      const fields: string[] = [];
      const end = this.#record(text, from, lineEnd < 0 ? text.length : lineEnd, ended, fields);
      if (end < 0) break;
      const broken = this.#broken < 0 ? null : { field: this.#broken, raw: text.slice(from, end) };
      records.push({ fields, line: this.#line, lastLine: this.#lastLine, broken });
      this.#line = this.#lastLine;
      if (text.charCodeAt(end) === LF) ++this.#line;
      from = end + 1;
    }
    this.#text = text.slice(from);
  }

  /** Fills `fields` from the record that begins at `from`; gives where it ends, or -1 where it is not whole yet. */
  #record(text: string, from: number, lineEnd: number, ended: boolean, fields: string[]): number {
    const delimiter = this.#delimiter;
    let at = from;
    let end = lineEnd; // of the physical line that is being read
    this.#broken = -1;
    this.#lastLine = this.#line;
    for (;;) {
      if (this.#quoting && text.charCodeAt(at) === QUOTE) {
        const begun = this.#lastLine;
        let value = '';
        let part = at + 1;
        let quote: number;
        for (;;) {
          quote = text.indexOf('"', part);
          if (quote < 0) {
            if (ended) throw new QuoteError('open', begun, fields.length, begun);
            return -1;
          }
          if (text.charCodeAt(quote + 1) !== QUOTE) break;
          value += text.slice(part, quote + 1);
          part = quote + 2;
        }
        value += text.slice(part, quote);
        at = quote + 1;
        if (at > end) {
          const lines = countLines(text.slice(end, at));
          if (lines > 0) {
            if (this.#broken < 0) this.#broken = fields.length;
            this.#lastLine += lines;
            end = text.indexOf('\n', at);
            if (end < 0) end = text.length;
          }
        }
        if (!ended && end === text.length) return -1;
        fields.push(value);
        if (at === end || (at === end - 1 && text.charCodeAt(at) === CR)) return end;
        if (!text.startsWith(delimiter, at)) throw new QuoteError('stray', begun, fields.length - 1, this.#lastLine);
        at += delimiter.length;
        continue;
      }
      if (!ended && end === text.length) return -1;
      const next = text.indexOf(delimiter, at);
      if (next >= 0 && next < end) {
        fields.push(text.slice(at, next));
        at = next + delimiter.length;
        continue;
      }
      fields.push(text.slice(at, text.charCodeAt(end - 1) === CR && end > at ? end - 1 : end));
      return end;
    }
  }
}
