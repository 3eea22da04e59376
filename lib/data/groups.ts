/** Rows of texts: each distinct text is there once, and rows of 1…n columns name them. A pair is a row of two. */
export interface Groups {
  /** Distinct, in the order in which rows first name them. */
  texts: string[];
  /** Row r names texts[columns[i]] for each i of offsets[r] .. offsets[r + 1]. */
  columns: Int32Array;
  /** One more than there are rows. */
  offsets: Int32Array;
}

/** Rows taken at once; between them the event loop has its turn. */
const rowsAtOnce = 4096;

/** Finds the distinct texts of rows. `check` throws if that is to stop. */
export async function groupTexts(rows: readonly (readonly string[])[], check: () => void): Promise<Groups> {
  const offsets = new Int32Array(rows.length + 1);
  for (let row = 0; row < rows.length; ++row) offsets[row + 1] = offsets[row]! + rows[row]!.length;
  const columns = new Int32Array(offsets.at(-1)!);
  const numbers = new Map<string, number>();
  for (let first = 0; first < rows.length; first += rowsAtOnce) {
    check();
    for (let row = first; row < Math.min(rows.length, first + rowsAtOnce); ++row) {
      rows[row]!.forEach((text, column) => {
        let number = numbers.get(text);
        if (number === undefined) numbers.set(text, (number = numbers.size));
        columns[offsets[row]! + column] = number;
      });
    }
    await new Promise(setImmediate);
  }
  return { texts: [...numbers.keys()], columns, offsets };
}
