import { AT_ONCE, type Turns } from '../system/turns';
import type { Groups } from './groups';

/**
 * Rows that hang together by texts that they share, at once or through others: the first row of each row's family.
 *
 * @param width how many of a row's texts count, from the first
 */
export function* rowFamilies(
  { columns, offsets }: Pick<Groups, 'columns' | 'offsets'>,
  width: number,
): Turns<Int32Array> {
  const rows = offsets.length - 1;
  const parent = new Int32Array(rows);
  for (let row = 0; row < rows; ++row) parent[row] = row;
  const rootOf = (row: number): number => {
    let root = row;
    while (parent[root] !== root) root = parent[root]!;
    for (let at = row; at !== root; ) {
      const next = parent[at]!;
      parent[at] = root;
      at = next;
    }
    return root;
  };
  let texts = 0;
  for (let i = offsets[0]!; i < offsets[rows]!; ++i) texts = Math.max(texts, columns[i]! + 1);
  // By text: the first row that has it, and one more; 0 for none.
  const firstOf = new Int32Array(texts);
  for (let row = 0; row < rows; ++row) {
    if (row % AT_ONCE === 0) yield;
    const end = Math.min(offsets[row + 1]!, offsets[row]! + width);
    for (let i = offsets[row]!; i < end; ++i) {
      const text = columns[i]!;
      const other = firstOf[text]! - 1;
      if (other < 0) firstOf[text] = row + 1;
      else {
        const [a, b] = [rootOf(row), rootOf(other)];
        parent[Math.max(a, b)] = Math.min(a, b);
      }
    }
  }
  for (let row = 0; row < rows; ++row) {
    if (row % (16 * AT_ONCE) === 0) yield;
    parent[row] = rootOf(row);
  }
  return parent;
}
