import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { averageRanks, pearson, spearman } from '../../../lib/evaluate/metrics/correlation';
import { twoValues, validationMetrics } from '../../../lib/finetune/metrics';

const reference = JSON.parse(readFileSync(join(__dirname, 'fixtures/reference.json'), 'utf8')) as {
  correlations: { a: number[]; b: number[]; pearson: number; spearman: number; ranks: number[] }[];
  classification: {
    similarities: number[];
    labels: number[];
    averagePrecision: number;
    f1: number;
    accuracy: number;
  }[];
};

test.each(reference.correlations.map((c, i) => [i, c] as const))('correlations as scipy, case %i', (_, c) => {
  expect(pearson(c.a, c.b)).toBeCloseTo(c.pearson, 12);
  expect(spearman(c.a, c.b)).toBeCloseTo(c.spearman, 12);
  expect([...averageRanks(c.a)]).toEqual(c.ranks);
});

test.each(reference.classification.map((c, i) => [i, c] as const))(
  'classification as scikit-learn, case %i',
  (_, c) => {
    const { averagePrecision, f1, accuracy } = validationMetrics(0, c.similarities, c.labels, [0, 1]);
    expect(averagePrecision).toBeCloseTo(c.averagePrecision, 12);
    expect(f1!.value).toBeCloseTo(c.f1, 12);
    expect(accuracy!.value).toBeCloseTo(c.accuracy, 12);
    // The thresholds give what they promise.
    const similar = (threshold: number) => c.similarities.map((s) => s >= threshold);
    const truePositives = similar(f1!.threshold).filter((s, i) => s && c.labels[i] === 1).length;
    const named = similar(f1!.threshold).filter(Boolean).length;
    const positives = c.labels.filter((label) => label === 1).length;
    expect((2 * truePositives) / (named + positives)).toBeCloseTo(c.f1, 12);
    const right = similar(accuracy!.threshold).filter((s, i) => s === (c.labels[i] === 1)).length;
    expect(right / c.labels.length).toBeCloseTo(c.accuracy, 12);
  },
);

test('a perfect ranking', () => {
  expect(validationMetrics(0, [0.875, 0.75, 0.25, 0.125], [1, 1, 0, 0], [0, 1])).toMatchObject({
    averagePrecision: 1,
    f1: { value: 1, threshold: 0.5 },
    accuracy: { value: 1, threshold: 0.5 },
    mcc: 1,
  });
  // Two right and one wrong are named similar, the fourth row rightly is not: 2 / √(3 · 2 · 2 · 1).
  expect(validationMetrics(0, [0.9, 0.8, 0.7, 0.1], [1, 0, 1, 0], [0, 1]).mcc).toBeCloseTo(2 / Math.sqrt(12), 12);
});

test('where nothing is named similar by the best threshold, none reaches it', () => {
  const { accuracy } = validationMetrics(0, [1, 0.5, 0.4, 0.3], [0, 0, 0, 1], [0, 1]);
  expect(accuracy!.value).toBe(0.75);
  expect(accuracy!.threshold).toBeGreaterThan(1);
});

test('what is not defined is null', () => {
  expect(pearson([1], [1])).toBeNull();
  expect(pearson([0.1, 0.1, 0.1], [1, 2, 3])).toBeNull();
  expect(spearman([1, 2, 3], [5, 5, 5])).toBeNull();
  expect(spearman([1, NaN, 3], [1, 2, 3])).toBeNull();
  expect(pearson([1, NaN, 3], [1, 2, 3])).toBeNull();
  expect(validationMetrics(0, [0.1, 0.2], [1, 1], [0, 1])).toMatchObject({
    averagePrecision: null,
    f1: null,
    accuracy: null,
    mcc: null,
  });
  expect(validationMetrics(0, [0.1, 0.2], [0.3, 1], null)).toMatchObject({
    averagePrecision: null,
    f1: null,
    accuracy: null,
    mcc: null,
  });
  expect(validationMetrics(NaN, [NaN, 0.2], [0, 1], [0, 1])).toMatchObject({ loss: NaN, averagePrecision: null });
});

test('two-valued scores, whatever the values', () => {
  expect(twoValues([1, 0, 0, 1])).toEqual([0, 1]);
  expect(twoValues([0.8, 0.2])).toEqual([0.2, 0.8]);
  expect(twoValues([1, 1])).toBeNull();
  expect(twoValues([0, 0.5, 1])).toBeNull();
  expect(validationMetrics(0, [0.9, 0.1], [0.8, 0.2], [0.2, 0.8]).averagePrecision).toBe(1);
});
