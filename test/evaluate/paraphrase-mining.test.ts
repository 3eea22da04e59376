import { loadEngine, loadedEngine } from '../../lib/engine/load';
import { evaluateParaphraseMining, miningMetrics } from '../../lib/evaluate/paraphrase-mining';
import { expectNumbers, readFixture, Table, type Vectors } from './support';

interface Case {
  vectors: Vectors;
  sentences: Record<string, string>;
  duplicates: [string, string][];
  transitive: boolean;
  topK: number;
  maxPairs: number;
  expected: Record<string, number>;
  total: number;
}

const cases = readFixture<Case[]>('paraphrase-mining');
const here = cases.map((c, i) => [i, 'without the engine', c] as const);
const there = cases.map((c, i) => [i, 'by the engine', c] as const);

test.each([...here, ...there])('case %i, %s, as sentence-transformers', async (_, by, c) => {
  if (by === 'by the engine') await loadEngine();
  expect(loadedEngine() !== undefined).toBe(by === 'by the engine');
  const texts = Object.entries(c.sentences).map(([id, text]) => ({ id, text }));
  const { topK, maxPairs, transitive } = c;
  const found = await evaluateParaphraseMining(
    new Table(c.vectors),
    { texts, duplicates: c.duplicates },
    { topK, maxPairs, transitive },
  );
  const { average_precision: averagePrecision, ...rest } = c.expected;
  expectNumbers(found.metrics, { averagePrecision: averagePrecision!, ...rest });
  expect(found).toMatchObject({
    form: 'paraphrase-mining',
    unit: 'texts',
    count: 60,
    primary: 'averagePrecision',
    duplicates: c.total,
    intervals: null,
  });
  expect(found.candidates).toBeLessThanOrEqual(Math.min(maxPairs, (60 * 59) / 2));
});

test('duplicates that were not found count as not found', () => {
  expect(miningMetrics([0.9, 0.8], [true, false], 4)).toEqual({
    averagePrecision: 0.25,
    f1: 0.4,
    precision: 1,
    recall: 0.25,
    threshold: expect.closeTo(0.85, 12) as number,
  });
});

test('data without duplicates, and ids that are not their own, are refused', async () => {
  const model = new Table({ x: [1, 0], y: [0, 1] });
  const texts = [
    { id: 'a', text: 'x' },
    { id: 'b', text: 'y' },
  ];
  const run = (data: object) => evaluateParaphraseMining(model, { texts, duplicates: [['a', 'b']], ...data });
  await expect(run({ duplicates: [['a', 'a'] as const] })).rejects.toMatchObject({ code: 'ERR_EMPTY_DATA' });
  await expect(run({ duplicates: [['a'] as never] })).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', row: 0 });
  await expect(run({ texts: [texts[0], texts[0]] })).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', row: 1 });
});
