import { evaluateSimilarity, SimilarityObserved, similarityMetrics } from '../../lib/evaluate/similarity';
import { pairwiseSimilarities, similarityNames, type SimilarityName } from '../../lib/evaluate/similarities';
import { atOnce } from '../../lib/evaluate/work';
import { expanded, expectNumbers, measured, readFixture, Table, type Vectors } from './support';

interface Case {
  vectors: Vectors;
  rows: [string, string, number][];
  expected: Record<string, number>;
}
const cases = readFixture<Case[]>('similarity');
const rowsOf = ({ rows }: Case) => rows.map(([text1, text2, score]) => ({ text1, text2, score }));
const expectedOf = ({ expected }: Case, name: SimilarityName) => ({
  spearman: expected[`spearman_${name}`]!,
  pearson: expected[`pearson_${name}`]!,
});

describe.each(cases.map((c, i) => [i === 0 ? 'random' : 'tied', c] as const))('%s vectors', (_, c) => {
  test('every similarity function, as sentence-transformers', async () => {
    const model = new Table(c.vectors);
    const found = await evaluateSimilarity(model, rowsOf(c), { similarity: similarityNames, intervals: false });
    for (const name of similarityNames) expectNumbers(found.bySimilarity[name]!, expectedOf(c, name));
    expect(found).toMatchObject({
      form: 'similarity',
      unit: 'pairs',
      count: 60,
      primary: 'spearman',
      similarity: 'cosine',
      intervals: null,
      dimensions: 8,
    });
    expect(found.metrics).toEqual(found.bySimilarity.cosine);
    // Each distinct text once.
    expect(model.asked).toHaveLength(new Set(model.asked).size);
    expect(found.texts).toBe(model.asked.length);
  });

  test('the measures over vectors are those of the evaluator', () => {
    const vector = (text: string) => c.vectors[text]!;
    const similarities = pairwiseSimilarities(
      c.rows.map(([a]) => vector(a)),
      c.rows.map(([, b]) => vector(b)),
      'euclidean',
    );
    const found = similarityMetrics(
      similarities,
      c.rows.map(([, , score]) => score),
    );
    expectNumbers(found, expectedOf(c, 'euclidean'));
  });

  test('a resample is measured as its rows would be', () => {
    const similarities = pairwiseSimilarities(
      c.rows.map(([a]) => c.vectors[a]!),
      c.rows.map(([, b]) => c.vectors[b]!),
    );
    const scores = c.rows.map(([, , score]) => score);
    const counts = Uint32Array.from(scores, (_, i) => (i * i) % 4);
    const found = measured(atOnce(SimilarityObserved.of(similarities, scores)), counts)!;
    const drawn = similarityMetrics(expanded(similarities, counts), expanded(scores, counts));
    expect(found.spearman).toBeCloseTo(drawn.spearman!, 12);
    expect(found.pearson).toBeCloseTo(drawn.pearson!, 12);
  });
});

test('what does not vary has no correlation', () => {
  expect(similarityMetrics([0.1, 0.1, 0.1], [1, 2, 3])).toEqual({ spearman: null, pearson: null });
  expect(similarityMetrics([0.1, NaN, 0.3], [1, 2, 3])).toEqual({ spearman: null, pearson: null });
});

test('rows that cannot be measured are named', async () => {
  const model = new Table({ a: [1], b: [2] });
  const bad = (row: unknown) => evaluateSimilarity(model, [{ text1: 'a', text2: 'b', score: 1 }, row as never]);
  await expect(bad({ text1: 'a', text2: 'b', score: NaN })).rejects.toMatchObject({ code: 'ERR_SCORE_RANGE', row: 1 });
  await expect(bad({ text1: 'a', text2: 7, score: 1 })).rejects.toMatchObject({ code: 'ERR_TEXT_TYPE', row: 1 });
  await expect(bad(null)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', row: 1 });
  await expect(evaluateSimilarity(model, [])).rejects.toMatchObject({ code: 'ERR_EMPTY_DATA' });
  await expect(evaluateSimilarity(model, [], { similarity: 'cosin' as never })).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
  });
  await expect(evaluateSimilarity(model, [], { similarty: 'dot' } as never)).rejects.toThrow(
    'Did you mean "similarity"?',
  );
  expect(() => similarityMetrics([1], [1, 2])).toThrow('1 and 2');
});
