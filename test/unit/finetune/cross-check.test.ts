import type { TrainingData } from '../../../lib/data/form';
import { CrossCheck, pooled, type CrossChecked } from '../../../lib/finetune/cross-check';
import { foldsOf } from '../../../lib/data/folds';
import { validationMetrics } from '../../../lib/finetune/metrics';
import { toText } from '../../../lib/finetune/units';

const rows = (from: number, to: number) => Int32Array.from({ length: to - from }, (_, i) => from + i);
const { signal } = new AbortController();

const data: TrainingData = {
  form: 'labelled-pairs',
  rows: Array.from({ length: 40 }, (_, i) => [`a ${i}`, `b ${i}`]),
  labels: Array.from({ length: 40 }, (_, i) => i % 2),
  labelWidth: 1,
};

const measuredOn = (of: Int32Array, similarity: (row: number) => number) => {
  const units = Float32Array.from(of, similarity);
  const scores = Array.from(of, (row) => data.labels[row]!);
  return { metrics: validationMetrics(0.1 * of.length, units, scores, [0, 1]), units };
};

test('every row is in one part, families stay together, parts are of like size, by the seed', () => {
  const families = Int32Array.from({ length: 100 }, (_, row) => (row < 10 ? 0 : row));
  const all = rows(0, 100);
  const folds = foldsOf(all, families, 4, 1);
  expect(folds.flatMap((fold) => [...fold]).sort((a, b) => a - b)).toEqual([...all]);
  expect(folds.filter((fold) => fold.some((row) => row < 10))).toHaveLength(1);
  for (const fold of folds) expect(Math.abs(fold.length - 25)).toBeLessThanOrEqual(10);
  expect(foldsOf(all, families, 4, 1)).toEqual(folds);
  expect(foldsOf(all, families, 4, 2)).not.toEqual(folds);
});

test('pairs that several models measured are measured as one', () => {
  const wavy = (row: number) => Math.sin(7 * row) + 0.5 * (row % 2);
  const [some, others] = [rows(0, 15), rows(15, 40)];
  const found = pooled(data, [
    { rows: some, measured: measuredOn(some, wavy) },
    { rows: others, measured: measuredOn(others, wavy) },
  ]);
  const whole = measuredOn(rows(0, 40), wavy);
  expect(found.units).toEqual(whole.units);
  expect(found.metrics).toEqual({ ...whole.metrics, loss: expect.closeTo((1.5 * 15 + 2.5 * 25) / 40, 12) });
});

test('of other rows it is the mean over what was counted, and counts add up', () => {
  const of = (queries: number, mrr10: number) => ({
    metrics: {
      ...validationMetrics(1, [], [], null),
      retrieval: {
        mrr10,
        ndcg10: mrr10,
        recall1: 0,
        recall3: 0,
        recall5: 0.5,
        recall10: 1,
        accuracy1: 0,
        queries,
        documents: 80,
      },
    },
    units: new Float32Array(queries).fill(mrr10),
  });
  const positives: TrainingData = { ...data, form: 'positive-pairs', labels: [] };
  const { metrics, units } = pooled(positives, [
    { rows: rows(0, 30), measured: of(30, 0.5) },
    { rows: rows(30, 40), measured: of(10, 0.9) },
  ]);
  expect(units).toHaveLength(40);
  expect(metrics.retrieval).toMatchObject({ queries: 40, documents: 80, accuracy1: 0, mrr10: expect.closeTo(0.6, 6) });
  expect(metrics.spearman).toBeNull();
});

test('a gain is what all rows show, and one in a few of them is within noise', async () => {
  const [validation, others] = [rows(0, 8), rows(8, 40)];
  const noise = (row: number) => Math.sin(11 * row);
  const better = (row: number) => noise(row) + 2 * (row % 2);
  const part = (similarity: (row: number) => number) => {
    const { metrics, units } = measuredOn(others, similarity);
    return { metrics, units: toText(units) };
  };
  const checked: CrossChecked = {
    folds: 5,
    rows: [...others],
    before: part(noise),
    epochs: [[part(better), part((row) => (row < 12 ? better(row) : noise(row)))]],
  };
  const check = new CrossCheck(data, checked, validation);
  expect([...check.rows]).toEqual([...rows(0, 40)]);
  const own = (similarity: (row: number) => number) => {
    const { metrics, units } = measuredOn(validation, similarity);
    return { metrics, units: [units] };
  };
  const before = check.before(own(noise));
  const whole = check.epoch(1, 0, own(better))!;
  const few = check.epoch(1, 1, own(noise))!;
  const gain = (after: typeof before) => check.gain('averagePrecision', before.units[0]!, after.units[0]!, signal);
  expect(await gain(whole)).toMatchObject({ verdict: 'better', confidence: 0.8 });
  expect(await gain(few)).toMatchObject({ verdict: 'within noise' });
  expect(check.epoch(2, 0, own(better))).toBeNull();
});
