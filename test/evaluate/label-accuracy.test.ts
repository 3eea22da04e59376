import { compare, evaluate, evaluateLabelAccuracy } from '../../lib';
import { judged, type VectorPair } from '../../lib/evaluate/label-classifier';
import { LinearClassifier } from '../../lib/evaluate/linear-classifier';
import { atOnce } from '../../lib/evaluate/work';
import { readFixture, Table, type Vectors } from './support';

interface Case {
  vectors: Vectors;
  labels: number[];
  fitted: number;
  expected: { weights: number[][]; probabilities: number[][]; right: number[] };
}

const [fixture] = readFixture<Case[]>('label-accuracy');
const { vectors, labels, fitted, expected } = fixture!;
const pairs = labels.map(
  (_, i): VectorPair => [Float32Array.from(vectors[`a${i}`]!), Float32Array.from(vectors[`b${i}`]!)],
);
const part = (from: number, to: number) => ({ pairs: pairs.slice(from, to), labels: labels.slice(from, to) });

test('the classifier is that of scikit-learn, on numbers brought to mean 0 and variance 1', () => {
  const found = atOnce(judged(part(0, fitted), part(fitted, labels.length)))!;
  expect([...found.right]).toEqual(expected.right);
  found.probability.forEach((value, i) =>
    expect(value).toBeCloseTo(expected.probabilities[i]![labels[fitted + i]!]!, 5),
  );
});

test('its weights too; numbers that are the same in all rows have the weight 0', () => {
  const width = 3 * pairs[0]![0].length + 1;
  const values = new Float32Array(fitted * width);
  pairs.slice(0, fitted).forEach(([u, v], row) => {
    const difference = Array.from(u, (one, i) => Math.abs(Math.fround(one - v[i]!)));
    values.set([...Array.from(u), ...Array.from(v), ...difference, 0.1], row * width);
  });
  const penalty = (width - 1) / fitted;
  const classifier = atOnce(LinearClassifier.fit({ values, width }, labels.slice(0, fitted), 3, penalty))!;
  expected.weights.forEach((own, c) => {
    own.forEach((weight, i) => expect(classifier.weights[c * (width + 1) + i]).toBeCloseTo(weight, 4));
    expect(classifier.weights[c * (width + 1) + width - 1]).toBeCloseTo(0, 6);
  });
});

test('it fits nothing on numbers that are none, and knows no class that it has not seen', () => {
  const broken: VectorPair[] = [
    [Float32Array.of(NaN, 1), Float32Array.of(0, 1)],
    ...Array<VectorPair>(3).fill([
      [1, 0],
      [0, 1],
    ]),
  ];
  expect(atOnce(judged({ pairs: broken, labels: [0, 1, 0, 1] }, { pairs: broken, labels: [0, 1, 0, 1] }))).toBeNull();
  const unknown = atOnce(
    judged(part(0, fitted), { pairs: pairs.slice(fitted), labels: labels.slice(fitted).map(() => 7) }),
  )!;
  expect(unknown.right.every((one) => one === 0)).toBe(true);
});

const rows = labels.map((label, i) => ({ text1: `a${i}`, text2: `b${i}`, label: ['x', 'y', 'z'][label]! }));

test('each part is measured by a classifier of the others; twice the same', async () => {
  const found = await evaluateLabelAccuracy(new Table(vectors), rows);
  expect(found).toMatchObject({ form: 'label-accuracy', unit: 'pairs', count: 150, primary: 'labelAccuracy' });
  const { labelAccuracy } = found.metrics;
  const share = Math.max(...[0, 1, 2].map((label) => labels.filter((one) => one === label).length)) / labels.length;
  expect(labelAccuracy).toBeGreaterThan(share + 0.1);
  expect(labelAccuracy).toBeLessThan(1);
  const { low, high } = found.intervals!.labelAccuracy!;
  expect(low < labelAccuracy && labelAccuracy < high).toBe(true);
  expect((await evaluateLabelAccuracy(new Table(vectors), rows)).metrics).toEqual(found.metrics);
  expect((await evaluateLabelAccuracy(new Table(vectors), rows, { parts: 3 })).metrics).not.toEqual(found.metrics);
});

test('labels that have nothing to do with the texts are found no more often than by chance', async () => {
  // Each pair twice: with its twin among the fitted rows a classifier of so many numbers would know it.
  const twice = [...rows, ...rows].map((row, i) => ({ ...row, label: ['x', 'y'][(i % rows.length) % 2]! }));
  const { metrics } = await evaluateLabelAccuracy(new Table(vectors), twice);
  expect(metrics.labelAccuracy).toBeGreaterThan(0.35);
  expect(metrics.labelAccuracy).toBeLessThan(0.65);
});

test('by evaluate and compare from objects and lists, where it is asked for', async () => {
  const model = new Table(vectors);
  const { metrics } = await evaluateLabelAccuracy(model, rows);
  const premises = rows.map(({ text1, text2, label }) => ({ premise: text1, hypothesis: text2, label }));
  const found = await evaluate(model, premises, { task: 'label-accuracy' });
  expect(found).toMatchObject({ form: 'label-accuracy', metrics });
  expect(found.understood).toMatch(/^150 pairs with one of 3 classes: /);
  expect(found.notes.join(' ')).toMatch(
    /fitted on other pairs \(5 parts\).* The most frequent class has \d+\.\d % of the pairs\./,
  );
  const lists = rows.map(({ text1, text2 }) => [text1, text2]);
  expect(await evaluate(model, lists, labels, { task: 'label-accuracy' })).toMatchObject({ metrics });
  const same = [1, 0, 0, 0, 0, 0, 0, 0];
  const known = { ...vectors, 'warm-up': same };
  const zeros = new Table(Object.fromEntries(Object.keys(known).map((text) => [text, same])));
  const { primary, measures, better } = await compare(zeros, new Table(known), premises, { task: 'label-accuracy' });
  expect(measures[primary]).toMatchObject({ b: metrics.labelAccuracy, verdict: 'better' });
  expect(better[0]).toMatchObject({ texts: [`a${better[0]!.row}`, `b${better[0]!.row}`] });
});

test.each<[string, () => Promise<unknown>, object]>([
  [
    'one class',
    () =>
      evaluateLabelAccuracy(
        new Table(vectors),
        rows.map((row) => ({ ...row, label: 'x' })),
      ),
    { code: 'ERR_SINGLE_CLASS' },
  ],
  [
    'a label that is none',
    () => evaluateLabelAccuracy(new Table(vectors), [{ ...rows[0]!, label: true as never }]),
    { code: 'ERR_INVALID_ARGUMENT', row: 0 },
  ],
  [
    'a similarity',
    () => evaluate(new Table(vectors), rows, { task: 'label-accuracy', similarity: 'dot' }),
    { code: 'ERR_INVALID_OPTION' },
  ],
  [
    'too many classes',
    () =>
      evaluateLabelAccuracy(
        new Table(vectors),
        rows.map((row, i) => ({ ...row, label: i })),
      ),
    { code: 'ERR_INVALID_ARGUMENT' },
  ],
])('refused: %s', async (_, run, error) => {
  await expect(run()).rejects.toMatchObject(error);
});
