import { evaluateReranking, rerankingMetrics } from '../../lib/evaluate/reranking';
import { expectNumbers, readFixture, Table, type Vectors } from './support';

interface Case {
  vectors: Vectors;
  samples: { query: string; positive: string[]; negative: string[] }[];
  at: number;
  expected: Record<string, number>;
}

test.each(readFixture<Case[]>('reranking').map((c, i) => [i, c] as const))(
  'case %i, as sentence-transformers',
  async (_, c) => {
    const found = await evaluateReranking(new Table(c.vectors), c.samples, { at: c.at });
    expect(Object.keys(found.metrics).sort()).toEqual(Object.keys(c.expected).sort());
    expectNumbers(found.metrics, c.expected);
    const kept = c.samples.filter(({ positive, negative }) => positive.length > 0 && negative.length > 0).length;
    expect(found).toMatchObject({ form: 'reranking', count: kept, withoutBoth: 30 - kept, primary: `ndcg@${c.at}` });
  },
);

test('equal candidates share their places in nDCG', () => {
  const [first, second] = [1, 1 / Math.log2(3)];
  expect(rerankingMetrics([0.5, 0.5], [true, false])['ndcg@10']).toBeCloseTo((first + second) / 2, 12);
});

test('a single text may stand for a list; anything else is named', async () => {
  const model = new Table({ q: [1, 0], p: [1, 0], n: [0, 1] });
  const found = await evaluateReranking(model, [{ query: 'q', positive: 'p', negative: 'n' }]);
  expect(found.metrics).toEqual({ map: 1, 'mrr@10': 1, 'ndcg@10': 1 });
  const bad = [{ query: 'q', positive: 'p', negative: ['n', 3] } as never];
  await expect(evaluateReranking(model, bad)).rejects.toMatchObject({ code: 'ERR_TEXT_TYPE', row: 0 });
  const none = [{ query: 'q', positive: 'p', negative: [] }];
  await expect(evaluateReranking(model, none)).rejects.toMatchObject({ code: 'ERR_EMPTY_DATA' });
});
