import { DelimitedRecords, QuoteError, type DelimitedRecord } from './delimited-records';

/** Looked for, in this order where nothing else decides. */
const candidates = [',', '\t', ';', '|'];

/** For messages, in the plural. */
export function delimiterName(delimiter: string): string {
  const names: Record<string, string> = { ',': 'commas', '\t': 'tabs', ';': 'semicolons', '|': 'bars' };
  return names[delimiter] ?? `"${delimiter}"`;
}

/** The records that a sample begins with; without quotes, where the first one has a quote as it must not be. */
function recordsOf(sample: string, delimiter: string, quoting: boolean): readonly DelimitedRecord[] {
  const parser = new DelimitedRecords(delimiter, quoting);
  try {
    const records = parser.push(sample);
    return records.length > 0 ? records : parser.end(); // the latter of a file of one line
  } catch (error) {
    if (!(error instanceof QuoteError)) throw error;
    return recordsOf(sample, delimiter, false);
  }
}

/** How many of the records have as many fields as the first one, if that is more than one. */
function regularity(records: readonly DelimitedRecord[]): number {
  const width = records[0]?.fields.length ?? 0;
  return width < 2 ? 0 : records.filter(({ fields }) => fields.length === width).length / records.length;
}

/**
 * The delimiter of a file that begins with `sample`: the extension's, if the first row cut by it has the columns that are
 * looked for (`fits`), else another by which it has them, else the one by which most rows have as many fields.
 */
export function findDelimiter(
  sample: string,
  usual: string,
  quoting: boolean,
  fits: (fields: readonly string[]) => boolean,
): string {
  const ordered = [usual, ...candidates.filter((candidate) => candidate !== usual)];
  const cut = ordered.map((delimiter) => ({ delimiter, records: recordsOf(sample, delimiter, quoting) }));
  const fitting = cut.filter(({ records }) => records.length > 0 && fits(records[0]!.fields));
  const among = fitting.length > 0 ? fitting : cut;
  return among.reduce((best, other) => (regularity(other.records) > regularity(best.records) ? other : best)).delimiter;
}
