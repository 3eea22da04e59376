import { groupTexts } from '../../../lib/data/groups';

const go = () => undefined;

test('each distinct text once, in the order of the rows; rows of any number of columns', async () => {
  const rows = [['a', 'b'], ['b'], ['c', 'a', 'a', ''], ['', 'b']];
  expect(await groupTexts(rows, go)).toEqual({
    texts: ['a', 'b', 'c', ''],
    columns: Int32Array.of(0, 1, 1, 2, 0, 0, 3, 3, 1),
    offsets: Int32Array.of(0, 2, 3, 7, 9),
  });
});

test('texts are told apart by what they are, not by what they look like', async () => {
  const { texts } = await groupTexts(
    [
      ['é', 'e\u0301'],
      ['__proto__', 'constructor'],
      ['a', 'a '],
    ],
    go,
  );
  expect(texts).toHaveLength(6);
});

test('no rows', async () => {
  expect(await groupTexts([], go)).toEqual({ texts: [], columns: new Int32Array(0), offsets: Int32Array.of(0) });
});

test('100,000 rows: the event loop has its turn, and it ends where it is to', async () => {
  const rows = Array.from({ length: 100_000 }, (_, i) => [`text ${i % 700}`, `text ${i}`]);
  let turns = 0;
  const count = () => {
    ++turns;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  const { texts, columns } = await groupTexts(rows, go);
  clearImmediate(timer);
  expect(turns).toBeGreaterThan(20);
  expect(texts).toHaveLength(100_000);
  for (const row of [0, 699, 700, 99_999])
    expect([texts[columns[2 * row]!], texts[columns[2 * row + 1]!]]).toEqual(rows[row]);
  let asked = 0;
  const stopped = groupTexts(rows, () => {
    if (++asked === 3) throw new RangeError('stop');
  });
  await expect(stopped).rejects.toThrow('stop');
});
