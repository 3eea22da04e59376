import { counted, isPairs, type DataForm, type TrainingData } from './form';
import type { Groups } from './groups';

/** Rows taken at once; between them the event loop has its turn. */
const rowsAtOnce = 4096;

/** How often rows say again, or deny, what an earlier row has said. */
export interface Repeats {
  /** Rows with the texts and the label of an earlier row. */
  duplicates: number;
  /** The first of them, from 0. */
  firstDuplicate: number | null;
  /**
   * Rows with the texts of an earlier row and another label; where rows name what belongs to an anchor and what does not,
   * those with a negative that is the anchor's own positive in some row.
   */
  contradictions: number;
  firstContradiction: number | null;
}

/**
 * Compares rows by their texts. The two texts of a scored pair may stand in any order. `check` throws if that is to stop.
 */
export async function countRepeats(
  { columns, offsets }: Groups,
  { form, labels, labelWidth }: Pick<TrainingData, 'form' | 'labels' | 'labelWidth'>,
  check: () => void,
): Promise<Repeats> {
  const found: Repeats = { duplicates: 0, firstDuplicate: null, contradictions: 0, firstContradiction: null };
  const rows = offsets.length - 1;
  const unordered = isPairs(form);
  const textOf = (row: number, i: number): number => {
    const at = offsets[row]!;
    if (!unordered) return columns[at + i]!;
    const [a, b] = [columns[at]!, columns[at + 1]!];
    return i === 0 ? Math.min(a, b) : Math.max(a, b);
  };
  const widthOf = (row: number): number => offsets[row + 1]! - offsets[row]!;
  const sameTexts = (row: number, other: number): boolean => {
    if (widthOf(row) !== widthOf(other)) return false;
    for (let i = 0; i < widthOf(row); ++i) if (textOf(row, i) !== textOf(other, i)) return false;
    return true;
  };
  const sameLabel = (row: number, other: number): boolean => {
    for (let i = 0; i < labelWidth; ++i)
      if (labels[row * labelWidth + i] !== labels[other * labelWidth + i]) return false;
    return true;
  };
  const denied = form === 'triplets' ? await deniedRows({ columns, offsets }, check) : null;
  // By a hash of the texts the last row that has it, and the one before with the same hash; -1 for none.
  const last = new Map<number, number>();
  const before = new Int32Array(rows);
  for (let row = 0; row < rows; ++row) {
    if (row % rowsAtOnce === 0) {
      check();
      await new Promise(setImmediate);
    }
    let hash = 0x811c9dc5; // FNV-1a
    for (let i = 0; i < widthOf(row); ++i) hash = Math.imul(hash ^ textOf(row, i), 0x01000193);
    let earlier = last.get(hash) ?? -1;
    while (earlier >= 0 && !sameTexts(row, earlier)) earlier = before[earlier]!;
    if (earlier < 0) {
      before[row] = last.get(hash) ?? -1;
      last.set(hash, row);
    } else if (sameLabel(row, earlier)) {
      ++found.duplicates;
      found.firstDuplicate ??= row;
    }
    if ((earlier >= 0 && !sameLabel(row, earlier)) || denied?.[row] === 1) {
      ++found.contradictions;
      found.firstContradiction ??= row;
    }
  }
  return found;
}

/** Of rows of anchor, positive and negatives: 1 for those with a negative that is somewhere the anchor's positive. */
async function deniedRows({ columns, offsets }: Pick<Groups, 'columns' | 'offsets'>, check: () => void) {
  const rows = offsets.length - 1;
  let texts = 0;
  for (const text of columns) texts = Math.max(texts, text + 1);
  // Below 2^53: there are no more than 2^26 texts of a process's memory.
  const pairOf = (anchor: number, text: number): number => anchor * texts + text;
  const belong = new Set<number>();
  const denied = new Uint8Array(rows);
  for (const pass of ['positives', 'negatives'] as const) {
    for (let row = 0; row < rows; ++row) {
      if (row % rowsAtOnce === 0) {
        check();
        await new Promise(setImmediate);
      }
      const anchor = columns[offsets[row]!]!;
      if (pass === 'positives') belong.add(pairOf(anchor, columns[offsets[row]! + 1]!));
      else
        for (let i = offsets[row]! + 2; i < offsets[row + 1]!; ++i)
          if (belong.has(pairOf(anchor, columns[i]!))) denied[row] = 1;
    }
  }
  return denied;
}

/** What is worth telling of them, a sentence each. */
export function repeatNotes(
  { duplicates, firstDuplicate, contradictions, firstContradiction }: Repeats,
  form: DataForm,
): string[] {
  const notes: string[] = [];
  const where = (count: number, first: number | null): string =>
    `${count === 1 ? `row ${first}` : `the first is row ${first}`}, counted from 0`;
  if (duplicates > 0) {
    notes.push(
      `${counted(duplicates, 'row says', 'rows say')} what an earlier one says: the same texts${form === 'positive-pairs' || form === 'triplets' ? '' : ' with the same label'} (${where(duplicates, firstDuplicate)}); ${duplicates === 1 ? 'it is' : 'they are'} trained on all the same.`,
    );
  }
  if (contradictions > 0) {
    const what =
      form === 'triplets'
        ? `${counted(contradictions, 'row has', 'rows have')} a negative that belongs to its anchor, here or in another row`
        : `${counted(contradictions, 'row contradicts', 'rows contradict')} an earlier one: the same texts with another label`;
    notes.push(
      `${what} (${where(contradictions, firstContradiction)}); ${contradictions === 1 ? 'it is' : 'they are'} trained on all the same.`,
    );
  }
  return notes;
}
