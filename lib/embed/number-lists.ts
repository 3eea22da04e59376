import type { Vector } from './similarity';

/** Numbers that are copied before the event loop gets its turn. */
const NUMBERS_AT_ONCE = 1 << 18;

/** Vectors as plain lists, which frameworks ask for. */
export async function numberLists(vectors: readonly Vector[]): Promise<number[][]> {
  const lists: number[][] = [];
  let copied = 0;
  for (const vector of vectors) {
    lists.push(Array.from(vector));
    copied += vector.length;
    if (copied < NUMBERS_AT_ONCE) continue;
    copied = 0;
    await new Promise(setImmediate);
  }
  return lists;
}
