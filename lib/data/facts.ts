/** How a data file was understood. */
export interface FileFacts {
  /** 'csv', 'tsv', 'json', 'jsonl' or 'parquet'; 'beir' of a folder in BEIR's layout. */
  format: string;
  /** The encoding of its text; null where it is no text. */
  encoding: string | null;
  /** What separates the fields of a row; null where nothing does. */
  delimiter: string | null;
  /**
   * The column of each part: its name, or its number from 0 where columns have no names. The parts are text1, text2 and
   * score, or those of `ColumnChoice` that the data's form has.
   */
  columns: Readonly<Record<string, string | number | readonly (string | number)[]>>;
  /** The words that were taken as 0 and as 1; null where the scores are numbers or truth values. */
  labels: {
    /** Those taken as 0. */
    zero: string[];
    /** Those taken as 1. */
    one: string[];
  } | null;
}

/** What reading the data found out. */
export interface DataFacts {
  /** Rows in which a text is empty, or only space. */
  emptyTexts: number;
  /** How the file was understood; null where the data is no file. */
  file: FileFacts | null;
  /** Names of the columns or members that were read, in their order; none where the data is lists. */
  columns: readonly string[];
  /** Rows that were left out because they cannot be used. */
  skipped: number;
  /** What is worth knowing before hours of training, a sentence each. */
  notes: string[];
}

/** Counts what a row alone does not show. */
export class TextCounts {
  /** Rows in which a text is empty, or only space. */
  empty = 0;
  #all = 0;
  #first = 0;
  #replaced = 0;
  #rows = 0;

  add(texts: readonly string[]): void {
    let empty = 0;
    let replaced = false;
    for (const text of texts) {
      if (text.trim() === '') ++empty;
      replaced ||= text.includes('\ufffd');
    }
    if (empty > 0 && ++this.empty === 1) this.#first = this.#rows;
    if (empty === texts.length && empty > 1) ++this.#all;
    if (replaced) ++this.#replaced;
    ++this.#rows;
  }

  notes(): string[] {
    const notes: string[] = [];
    if (this.empty > 0) {
      const both =
        this.#all === 0 ? '' : `, ${this.#all === this.empty ? 'on both sides' : `${this.#all} of them on both sides`}`;
      const where = this.empty === 1 ? `row ${this.#first}` : `the first is row ${this.#first}`;
      notes.push(
        `${this.empty === 1 ? '1 row has' : `${this.empty} rows have`} an empty text${both} (${where}, counted from 0); it is trained on as it is.`,
      );
    }
    if (this.#replaced > 0) {
      notes.push(
        `${this.#replaced === 1 ? '1 row has' : `${this.#replaced} rows have`} U+FFFD in a text: characters were lost before the data came here.`,
      );
    }
    return notes;
  }
}

/** Rows below which nothing that is measured can be relied on. */
const few = 20;

/** What can be expected of a small set, in a sentence. */
export function smallSetNotes(training: number, validation: number): string[] {
  const rows = training + validation;
  if (rows >= few) return [];
  const count = (n: number) => (n === 1 ? '1 row' : `${n} rows`);
  const split =
    validation === 0
      ? `${count(rows)} to train on, none to validate with`
      : `${count(training)} to train on and ${validation} to validate with`;
  const measured =
    validation === 0 ? 'nothing tells whether the model gets better' : 'what is measured on so few says little';
  return [`Only ${split}: ${measured}, and a model learns little from them. Some hundred rows are a beginning.`];
}
