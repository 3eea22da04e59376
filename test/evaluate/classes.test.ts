import { evaluateClasses, neighbourVotes } from '../../lib/evaluate/classes';
import { silhouettes } from '../../lib/evaluate/metrics/silhouette';
import { atOnce } from '../../lib/evaluate/work';
import { expectNumbers, readFixture, Table, type Vectors } from './support';

interface Case {
  vectors: Vectors;
  labels: string[];
  k: number;
  expected: { knnAccuracy: number; silhouette: number; withSingle: number[] };
}

describe.each(readFixture<Case[]>('classes').map((c) => [c.k, c] as const))('%i neighbours', (k, c) => {
  test('as scikit-learn', async () => {
    const rows = c.labels.map((label, i) => ({ text: `t${i}`, label }));
    const found = await evaluateClasses(new Table(c.vectors), rows, { k });
    const { knnAccuracy, silhouette } = c.expected;
    expectNumbers(found.metrics, { knnAccuracy, silhouette });
    expect(found).toMatchObject({ form: 'classes', unit: 'texts', count: 70, primary: 'knnAccuracy' });
  });

  test('a class of one text has the silhouette 0', () => {
    const classes = [...c.labels.slice(0, -1), 'c'].map((label) => 'abc'.indexOf(label));
    const found = atOnce(silhouettes(Object.values(c.vectors), classes, 3));
    expect(found.at(-1)).toBe(0);
    found.forEach((value, i) => expect(value).toBeCloseTo(c.expected.withSingle[i]!, 5));
  });
});

test('of equally many neighbours the nearest decides', () => {
  const vectors = [
    [1, 0],
    [1, 0.1],
    [1, 0.2],
    [0, 1],
    [0.1, 1],
  ];
  // The first text's two neighbours are of two classes.
  expect(atOnce(neighbourVotes(vectors, [0, 0, 1, 1, 1], 2, 'cosine'))[0]).toBe(1);
  expect(atOnce(neighbourVotes(vectors, [1, 0, 1, 0, 0], 2, 'cosine'))[0]).toBe(0);
});

test('one class alone is refused', async () => {
  const model = new Table({ a: [1], b: [2] });
  const rows = [
    { text: 'a', label: 'x' },
    { text: 'b', label: 'x' },
  ];
  await expect(evaluateClasses(model, rows)).rejects.toMatchObject({ code: 'ERR_SINGLE_CLASS' });
  await expect(evaluateClasses(model, [{ text: 'a', label: true as never }])).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    row: 0,
  });
});
