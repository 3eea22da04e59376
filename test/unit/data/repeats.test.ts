import type { DataForm } from '../../../lib/data/form';
import { groupTexts } from '../../../lib/data/groups';
import { countRepeats, repeatNotes } from '../../../lib/data/repeats';

/** Rows that say again, or deny, what an earlier row has said. */

const go = () => undefined;
const count = async (form: DataForm, rows: readonly (readonly string[])[], labels: ArrayLike<number> = []) =>
  countRepeats(await groupTexts(rows, go), { form, labels, labelWidth: labels.length / rows.length }, go);

test('pairs, in any order of their texts', async () => {
  const rows = [
    ['a', 'b'],
    ['c', 'd'],
    ['b', 'a'],
    ['a', 'b'],
    ['a', 'c'],
    ['d', 'c'],
  ];
  const found = await count('labelled-pairs', rows, [1, 0, 1, 0, 1, 0]);
  expect(found).toEqual({ duplicates: 2, firstDuplicate: 2, contradictions: 1, firstContradiction: 3 });
  expect(repeatNotes(found, 'labelled-pairs')).toEqual([
    '2 rows say what an earlier one says: the same texts with the same label (the first is row 2, counted from 0); they are trained on all the same.',
    '1 row contradicts an earlier one: the same texts with another label (row 3, counted from 0); it is trained on all the same.',
  ]);
});

test('of other rows the order counts, and how many texts there are', async () => {
  const rows = [['a', 'b'], ['b', 'a'], ['a', 'b', 'c'], ['a'], ['a', 'b', 'c']];
  expect(await count('positive-pairs', rows)).toMatchObject({ duplicates: 1, firstDuplicate: 4, contradictions: 0 });
});

test('a text of two classes; a vector that differs in one number', async () => {
  expect(await count('classes', [['a'], ['b'], ['a'], ['a']], [0, 1, 1, 0])).toMatchObject({
    duplicates: 1,
    contradictions: 1,
    firstContradiction: 2,
  });
  expect(await count('vectors', [['a'], ['a'], ['a']], [1, 2, 1, 3, 1, 2])).toMatchObject({
    duplicates: 1,
    contradictions: 1,
  });
});

test("a negative that is the anchor's positive in another row, or in its own", async () => {
  const rows = [
    ['a', 'b', 'c'],
    ['a', 'c', 'd'],
    ['x', 'b', 'y'],
    ['z', 'w', 'w'],
  ];
  const found = await count('triplets', rows);
  expect(found).toEqual({ duplicates: 0, firstDuplicate: null, contradictions: 2, firstContradiction: 0 });
  expect(repeatNotes(found, 'triplets')[0]).toMatch(/^2 rows have a negative that belongs to its anchor/);
});

test('nothing is told of what is there once; it stops between two pieces', async () => {
  const rows = Array.from({ length: 10_000 }, (_, i) => [`a${i}`, `b${i}`]);
  const groups = await groupTexts(rows, go);
  const labels = new Array<number>(rows.length).fill(1);
  const found = await countRepeats(groups, { form: 'scored-pairs', labels, labelWidth: 1 }, go);
  expect(repeatNotes(found, 'scored-pairs')).toEqual([]);
  let pieces = 0;
  const stopped = countRepeats(groups, { form: 'scored-pairs', labels, labelWidth: 1 }, () => {
    if (++pieces === 2) throw new Error('stop');
  });
  await expect(stopped).rejects.toThrow('stop');
});
