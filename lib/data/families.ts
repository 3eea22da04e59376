import type { Groups } from './groups';

/** Rows taken at once; between them the event loop has its turn. */
const rowsAtOnce = 4096;

/**
 * Rows that hang together by texts that they share, at once or through others: the first row of each row's family.
 *
 * @param width how many of a row's texts count, from the first
 * @param check throws if that is to stop
 */
export async function rowFamilies(
  { columns, offsets }: Pick<Groups, 'columns' | 'offsets'>,
  width: number,
  check: () => void,
): Promise<Int32Array> {
  const rows = offsets.length - 1;
  const parent = Int32Array.from({ length: rows }, (_, row) => row);
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
  const firstOf = new Map<number, number>();
  for (let row = 0; row < rows; ++row) {
    if (row % rowsAtOnce === 0) {
      check();
      await new Promise(setImmediate);
    }
    const end = Math.min(offsets[row + 1]!, offsets[row]! + width);
    for (let i = offsets[row]!; i < end; ++i) {
      const other = firstOf.get(columns[i]!);
      if (other === undefined) firstOf.set(columns[i]!, row);
      else {
        const [a, b] = [rootOf(row), rootOf(other)];
        parent[Math.max(a, b)] = Math.min(a, b);
      }
    }
  }
  for (let row = 0; row < rows; ++row) parent[row] = rootOf(row);
  return parent;
}
