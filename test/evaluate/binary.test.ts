import { BinaryObserved, evaluateBinary } from '../../lib/evaluate/binary';
import { binaryMetrics, LabelledSimilarities, nextAbove } from '../../lib/evaluate/metrics/classification';
import { pairwiseSimilarities, similarityNames } from '../../lib/evaluate/similarities';
import { atOnce } from '../../lib/evaluate/work';
import { expanded, expectNumbers, measured, readFixture, Table, type Vectors } from './support';

interface Case {
  vectors: Vectors;
  pairs: [string, string][];
  labels: number[];
  expected: Record<string, number>;
}
const cases = readFixture<Case[]>('binary');
const rowsOf = ({ pairs, labels }: Case) => pairs.map(([text1, text2], i) => ({ text1, text2, label: labels[i]! }));
const names = {
  averagePrecision: 'ap',
  f1: 'f1',
  f1Threshold: 'f1_threshold',
  precision: 'precision',
  recall: 'recall',
  accuracy: 'accuracy',
  accuracyThreshold: 'accuracy_threshold',
  mcc: 'mcc',
};
const similaritiesOf = ({ pairs, vectors }: Case) =>
  pairwiseSimilarities(
    pairs.map(([a]) => vectors[a]!),
    pairs.map(([, b]) => vectors[b]!),
  );

describe.each(cases.map((c, i) => [i, c] as const))('case %i', (_, c) => {
  test.each(similarityNames)('%s, as sentence-transformers', async (name) => {
    const found = await evaluateBinary(new Table(c.vectors), rowsOf(c), { similarity: name, intervals: false });
    const expected = Object.fromEntries(
      Object.entries(names).map(([ours, theirs]) => [ours, c.expected[`${name}_${theirs}`]!]),
    );
    expectNumbers(found.metrics, expected);
    expect(found).toMatchObject({ form: 'binary', count: 80, primary: 'averagePrecision' });
  });

  test('a resample is measured as its rows would be', () => {
    const similarities = similaritiesOf(c);
    const counts = Uint32Array.from(c.labels, (_, i) => (i * 7 + (i >> 2)) % 3);
    const drawn = Float32Array.from(expanded(similarities, counts));
    const labels = expanded(c.labels, counts);
    const found = measured(atOnce(BinaryObserved.of(similarities, c.labels, 'cosine')), counts)!;
    const plain = binaryMetrics(drawn, labels)!;
    for (const name of Object.keys(names) as (keyof typeof names)[]) expect(found[name]).toBeCloseTo(plain[name], 12);
  });

  test('the curve has a point for each distinct similarity, and the best F1 on it', () => {
    const similarities = similaritiesOf(c);
    const curve = atOnce(LabelledSimilarities.of(similarities, c.labels)).curve();
    expect(curve).toHaveLength(new Set(similarities).size);
    expect(curve.at(-1)!.recall).toBe(1);
    const best = Math.max(...curve.map(({ precision: p, recall: r }) => (p + r === 0 ? 0 : (2 * p * r) / (p + r))));
    expect(best).toBeCloseTo(c.expected['cosine_f1']!, 6);
  });
});

test('"none" and "all" are tried, and the threshold of "none" lets none through', () => {
  const none = binaryMetrics(Float32Array.of(0.9, 0.5, 0.4, 0.3), [0, 0, 0, 1])!;
  expect(none.accuracy).toBe(0.75);
  expect(none.accuracyThreshold).toBeGreaterThan(Math.fround(0.9));
  expect(none.accuracyThreshold).toBeCloseTo(0.9, 6);
  const all = binaryMetrics(Float32Array.of(0.9, 0.5, 0.4), [0, 1, 1])!;
  expect(all.accuracyThreshold).toBe(Math.fround(0.4));
});

test.each([
  [1, true, 1 + 2 ** -23],
  [-1, true, -1 + 2 ** -24],
  [1, false, 1 + 2 ** -52],
  [0, true, 2 ** -149],
  [-0, false, Number.MIN_VALUE],
])('the number after %d (float32: %p)', (value, single, next) => {
  expect(nextAbove(value, single)).toBe(next);
});

test('labels that cannot be measured are refused', async () => {
  const model = new Table({ a: [1, 0], b: [0, 1] });
  const row = (label: unknown) => ({ text1: 'a', text2: 'b', label }) as never;
  await expect(evaluateBinary(model, [row(1), row(1)])).rejects.toMatchObject({ code: 'ERR_SINGLE_CLASS' });
  await expect(evaluateBinary(model, [row(1), row(0.5)])).rejects.toMatchObject({ code: 'ERR_SCORE_RANGE', row: 1 });
  await expect(evaluateBinary(model, [])).rejects.toMatchObject({ code: 'ERR_EMPTY_DATA' });
  expect(binaryMetrics([0.1, 0.2], [1, 1])).toBeNull();
});
