import { counted, isPairs, type DataForm, type TrainingData } from './form';
import { AT_ONCE, inTurns, type Turns } from '../system/turns';
import type { Groups } from './groups';
import { HashChains } from './hash-chains';

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
export function countRepeats(
  groups: Pick<Groups, 'columns' | 'offsets'>,
  data: Pick<TrainingData, 'form' | 'labels' | 'labelWidth'>,
  check: () => void,
): Promise<Repeats> {
  return inTurns(counting(groups, data), check);
}

function* counting(
  { columns, offsets }: Pick<Groups, 'columns' | 'offsets'>,
  { form, labels, labelWidth }: Pick<TrainingData, 'form' | 'labels' | 'labelWidth'>,
): Turns<Repeats> {
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
  const denied = form === 'triplets' ? yield* deniedRows({ columns, offsets }) : null;
  // The rows whose texts no earlier row has.
  const firsts = new HashChains(rows);
  for (let row = 0; row < rows; ++row) {
    if (row % AT_ONCE === 0) yield;
    let hash = 0x811c9dc5; // FNV-1a
    for (let i = 0; i < widthOf(row); ++i) hash = Math.imul(hash ^ textOf(row, i), 0x01000193);
    const earlier = firsts.find(hash, (other) => sameTexts(row, other));
    if (earlier < 0) firsts.add(hash, row);
    else if (sameLabel(row, earlier)) {
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
function* deniedRows({ columns, offsets }: Pick<Groups, 'columns' | 'offsets'>): Turns<Uint8Array> {
  const rows = offsets.length - 1;
  const denied = new Uint8Array(rows);
  // Rows by their anchor and positive.
  const belong = new HashChains(rows);
  const hashOf = (anchor: number, text: number): number => Math.imul(anchor ^ 0x811c9dc5, 0x01000193) ^ text;
  for (const pass of ['positives', 'negatives'] as const) {
    for (let row = 0; row < rows; ++row) {
      if (row % AT_ONCE === 0) yield;
      const at = offsets[row]!;
      const anchor = columns[at]!;
      if (pass === 'positives') {
        const hash = hashOf(anchor, columns[at + 1]!);
        const same = (other: number) =>
          columns[offsets[other]!] === anchor && columns[offsets[other]! + 1] === columns[at + 1];
        if (belong.find(hash, same) < 0) belong.add(hash, row);
        continue;
      }
      for (let i = at + 2; i < offsets[row + 1]!; ++i) {
        const text = columns[i]!;
        const is = (other: number) => columns[offsets[other]!] === anchor && columns[offsets[other]! + 1] === text;
        if (belong.find(hashOf(anchor, text), is) >= 0) denied[row] = 1;
      }
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
