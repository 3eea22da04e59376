import { evaluateTriplet, tripletMetrics } from '../../lib/evaluate/triplet';
import { similarityNames } from '../../lib/evaluate/similarities';
import { readFixture, Table, type Vectors } from './support';

interface Case {
  vectors: Vectors;
  rows: [string, string, string][];
  margin: number;
  expected: Record<string, number>;
}

test.each(readFixture<Case[]>('triplet').map((c, i) => [i, c] as const))(
  'case %i, as sentence-transformers',
  async (_, c) => {
    const rows = c.rows.map(([anchor, positive, negative]) => ({ anchor, positive, negative }));
    const found = await evaluateTriplet(new Table(c.vectors), rows, { similarity: similarityNames, margin: c.margin });
    for (const name of similarityNames) {
      expect(found.bySimilarity[name]!.accuracy).toBeCloseTo(c.expected[`${name}_accuracy`]!, 6);
    }
    expect(found).toMatchObject({ form: 'triplet', unit: 'triplets', count: 50, primary: 'accuracy' });
  },
);

test('an anchor is a query, the others are documents', async () => {
  const asked: [string, string[]][] = [];
  const model = {
    embed: () => Promise.reject(new Error('not asked')),
    embedQueries: (texts: readonly string[]) => {
      asked.push(['queries', [...texts]]);
      return Promise.resolve(texts.map(() => [1, 0]));
    },
    embedDocuments: (texts: readonly string[]) => {
      asked.push(['documents', [...texts]]);
      return Promise.resolve(texts.map((text) => (text === 'p' ? [1, 0] : [0, 1])));
    },
  };
  const found = await evaluateTriplet(model, [{ anchor: 'a', positive: 'p', negative: 'n' }]);
  expect(found.metrics.accuracy).toBe(1);
  expect(asked).toEqual([
    ['queries', ['a']],
    ['documents', ['p', 'n']],
  ]);
});

test('equal similarities are no success, and the margin is above', () => {
  expect(tripletMetrics([0.5, 0.5, 0.75], [0.5, 0.25, 0.5])).toEqual({ accuracy: 2 / 3 });
  expect(tripletMetrics([0.5, 0.5, 0.75], [0.5, 0.25, 0.5], 0.25)).toEqual({ accuracy: 0 });
  expect(() => tripletMetrics([1], [])).toThrow('1 and 0');
});

test('a row without a negative is named', async () => {
  const rows = [{ anchor: 'a', positive: 'p' } as never];
  await expect(evaluateTriplet(new Table({}), rows)).rejects.toMatchObject({ code: 'ERR_TEXT_TYPE', row: 0 });
  await expect(evaluateTriplet(new Table({}), [])).rejects.toMatchObject({ code: 'ERR_EMPTY_DATA' });
});
