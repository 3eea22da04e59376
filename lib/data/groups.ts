import { AT_ONCE, inTurns, type Turns } from '../system/turns';
import { HashChains } from './hash-chains';

/** Rows of texts: each distinct text is there once, and rows of 1…n columns name them. A pair is a row of two. */
export interface Groups {
  /** Distinct, in the order in which rows first name them. */
  texts: string[];
  /** Row r names texts[columns[i]] for each i of offsets[r] .. offsets[r + 1]. */
  columns: Int32Array;
  /** One more than there are rows. */
  offsets: Int32Array;
}

/** Characters that are read in one turn. */
const CHARACTERS_AT_ONCE = 1 << 20;

function* grouping(rows: readonly (readonly string[])[]): Turns<Groups> {
  const offsets = new Int32Array(rows.length + 1);
  for (let row = 0; row < rows.length; ++row) {
    offsets[row + 1] = offsets[row]! + rows[row]!.length;
    if (row % (16 * AT_ONCE) === 0) yield;
  }
  const columns = new Int32Array(offsets.at(-1)!);
  const texts: string[] = [];
  // A Map of half a million texts stands still for a tenth of a second when it grows.
  const chains = new HashChains(columns.length);
  let characters = 0;
  for (let row = 0; row < rows.length; ++row) {
    if (row % AT_ONCE === 0) yield;
    let at = offsets[row]!;
    for (const text of rows[row]!) {
      let hash = 0x811c9dc5; // FNV-1a
      for (let i = 0; i < text.length; ++i) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
      let number = chains.find(hash, (other) => texts[other] === text);
      if (number < 0) {
        number = texts.length;
        chains.add(hash, number);
        texts.push(text);
      }
      columns[at++] = number;
      characters += text.length;
    }
    if (characters < CHARACTERS_AT_ONCE) continue;
    characters = 0;
    yield;
  }
  return { texts, columns, offsets };
}

/** Finds the distinct texts of rows. `check` throws if that is to stop. */
export function groupTexts(rows: readonly (readonly string[])[], check: () => void): Promise<Groups> {
  return inTurns(grouping(rows), check);
}
