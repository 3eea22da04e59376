import { AT_ONCE, inTurns, type Turns } from '../system/turns';

/** Rows of texts: each distinct text is there once, and rows of 1…n columns name them. A pair is a row of two. */
export interface Groups {
  /** Distinct, in the order in which rows first name them. */
  texts: string[];
  /** Row r names texts[columns[i]] for each i of offsets[r] .. offsets[r + 1]. */
  columns: Int32Array;
  /** One more than there are rows. */
  offsets: Int32Array;
}

/** Maps that share the texts among them: one of all would stand still for a tenth of a second when it grows. */
const MAPS = 64;

/** Which of the maps has a text: by its length and some of its characters. */
function mapOf(text: string): number {
  const { length } = text;
  let hash = length;
  for (let i = 0; i < 8; ++i) hash = Math.imul(hash ^ text.charCodeAt((i * length) >> 3), 0x01000193);
  return (hash ^ (hash >>> 13)) & (MAPS - 1);
}

function* grouping(rows: readonly (readonly string[])[]): Turns<Groups> {
  const offsets = new Int32Array(rows.length + 1);
  for (let row = 0; row < rows.length; ++row) {
    offsets[row + 1] = offsets[row]! + rows[row]!.length;
    if (row % (16 * AT_ONCE) === 0) yield;
  }
  const columns = new Int32Array(offsets.at(-1)!);
  const texts: string[] = [];
  const numbers = Array.from({ length: MAPS }, () => new Map<string, number>());
  for (let row = 0; row < rows.length; ++row) {
    if (row % AT_ONCE === 0) yield;
    let at = offsets[row]!;
    for (const text of rows[row]!) {
      const map = numbers[mapOf(text)]!;
      let number = map.get(text);
      if (number === undefined) {
        map.set(text, (number = texts.length));
        texts.push(text);
      }
      columns[at++] = number;
    }
  }
  return { texts, columns, offsets };
}

/** Finds the distinct texts of rows. `check` throws if that is to stop. */
export function groupTexts(rows: readonly (readonly string[])[], check: () => void): Promise<Groups> {
  return inTurns(grouping(rows), check);
}
