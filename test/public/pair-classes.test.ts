import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cosineSimilarity, type FinetuneOptions, type TrainingRow } from '../../lib';
import { bits, fixture, PROBE_TEXTS, useModels } from './models';
import { scoredRows, topicOf } from './rows';
import { finish, rejection, start } from './runs';

/** Pairs with one of several classes, as natural language inference has them: the loss softmax, from the rows to the folder. */

const models = useModels();
/** 0 where both are of one topic, else 1 or 2 by which topic the second has. */
const rows = scoredRows(60).map(({ text1, text2 }) => {
  const [a, b] = [topicOf(text1), topicOf(text2)];
  return { premise: text1, hypothesis: text2, label: a === b ? 0 : (b - a + 3) % 3 };
});
const options: FinetuneOptions = {
  recipe: 'auto',
  loss: 'softmax',
  epochs: 3,
  batchSize: 8,
  effectiveBatchSize: 8,
  learningRate: 2e-3,
  validationSplit: 0.2,
};
const words = ['entailment', 'neutral', 'contradiction'];

test('premise, hypothesis and 0, 1, 2 are classes for softmax, and a classifier is trained beside the model', async () => {
  const model = models.open(fixture('bert-mean'));
  const { of, report } = await finish(model, rows, { ...options, measure: 'loss' });
  expect(of('data')).toMatchObject([{ form: 'classified-pairs' }]);
  expect(of('data')[0]!.understood).toMatch(
    /^60 pairs with one of 3 classes: \d+ of 0, \d+ of 1, \d+ of 2; columns premise, hypothesis, label$/,
  );
  expect(report).toMatchObject({ recipe: 'pair-classes', loss: { name: 'softmax' }, measure: 'loss' });
  // A classifier that knows nothing yet is wrong by about log 3.
  expect(report.before!.loss).toBeGreaterThan(0.7);
  expect(report.epochs.at(-1)!.trainingLoss).toBeLessThan(report.epochs[0]!.trainingLoss);
  expect(report.bestEpoch).toBeGreaterThan(0);

  // As sentence-transformers, which has the classifier in the loss: the folder has the model alone.
  const folder = await model.save(models.path('tuned'));
  const files = readdirSync(folder, { recursive: true }).map(String);
  expect(files.filter((file) => /classif|softmax/i.test(file))).toEqual([]);
  const header = (file: string) => {
    const bytes = readFileSync(file);
    return Object.keys(JSON.parse(bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE(0)))) as object).sort();
  };
  const weights = (of: string) => header(join(of, 'model.safetensors'));
  expect(weights(folder).filter((name) => /classifier/.test(name))).toEqual([]);
  const again = models.open(folder);
  expect(bits(await again.embed(PROBE_TEXTS))).toBe(bits(await model.embed(PROBE_TEXTS)));
});

test('a run goes by how many classes a linear classifier finds, fitted on training rows, before training in the same way', async () => {
  const model = models.open(fixture('bert-mean'));
  const { of, report } = await finish(model, rows, { ...options, folds: 1, epochs: 6, learningRate: 1e-3 });
  const [before, ...after] = of('validation').map(({ metrics }) => metrics.labelAccuracy!);
  const validation = report.rows.validation;
  for (const accuracy of [before!, ...after]) {
    // Right pairs of those that validate.
    expect(accuracy * validation).toBeCloseTo(Math.round(accuracy * validation), 6);
    expect(accuracy >= 0 && accuracy <= 1).toBe(true);
  }
  expect(report.before!.labelAccuracy).toBe(before);
  expect(report.after!.labelAccuracy).toBe(report.bestEpoch === 0 ? before : after[report.bestEpoch - 1]);
  expect(report.after!.labelAccuracy!).toBeGreaterThanOrEqual(before!);
  if (report.bestEpoch > 0) expect(report.after!.labelAccuracy!).toBe(Math.max(...after));
  expect(report.gain).toMatchObject({ measure: 'labelAccuracy', before: expect.closeTo(before!, 6) });
  expect(report.gain!.verdict).not.toBeNull();
  // The same seed gives the same measures.
  const again = await finish(models.open(fixture('bert-mean')), rows, {
    ...options,
    folds: 1,
    epochs: 6,
    learningRate: 1e-3,
  });
  expect(again.report.after).toEqual(report.after);
  const few = await finish(models.open(fixture('bert-mean')), rows, { ...options, epochs: 1 });
  expect(few.report).toMatchObject({ measure: 'labelAccuracy', crossCheck: { folds: 5 } });
});

test('what it learns: texts of one topic come together', async () => {
  const texts = [...new Set(rows.map(({ premise }) => premise))];
  const apart = async (model: ReturnType<typeof models.open>) => {
    const vectors = await model.embed(texts);
    const sums = [0, 0];
    const counts = [0, 0];
    texts.forEach((text, i) => {
      for (let j = 0; j < i; ++j) {
        const side = Number(topicOf(text) === topicOf(texts[j]!));
        sums[side]! += cosineSimilarity(vectors[i]!, vectors[j]!);
        ++counts[side]!;
      }
    });
    return sums[1]! / counts[1]! - sums[0]! / counts[0]!;
  };
  const model = models.open(fixture('bert-mean'));
  const before = await apart(model);
  await finish(model, rows, { ...options, epochs: 20, validationSplit: 0 });
  expect(await apart(model)).toBeGreaterThan(before + 0.02);
});

test('the same from lists, from words, from a file, and with names of its own', async () => {
  const run = async (data: Parameters<typeof finish>[1] | string, more: FinetuneOptions = {}) => {
    const model = models.open(fixture('bert-mean'));
    const { of, report } = await finish(model, data as never, { ...options, ...more });
    expect(of('data')).toMatchObject([{ form: 'classified-pairs', rows: 60 }]);
    return report.epochs.map(({ trainingLoss }) => trainingLoss);
  };
  const expected = await run(rows);
  const named = rows.map((row) => ({ ...row, label: words[row.label]! }));
  expect(await run(named)).toEqual(expected);
  expect(
    await run(rows.map(({ premise, hypothesis, label }) => ({ sentence1: premise, sentence2: hypothesis, label }))),
  ).toEqual(expected);
  const csv = [
    'sent_a,sent_b,relation',
    ...named.map(({ premise, hypothesis, label }) => `${premise},${hypothesis},${label}`),
  ];
  const file = models.write('nli.csv', csv.join('\n'));
  const columns = { text: ['sent_a', 'sent_b'], label: 'relation' };
  expect(await run(file, { file: { columns } })).toEqual(expected);
  const jsonl = models.write('nli.jsonl', rows.map((row) => JSON.stringify(row)).join('\n'));
  expect(await run(jsonl)).toEqual(expected);

  const model = models.open(fixture('bert-mean'));
  const lists = rows.map(({ premise, hypothesis }) => [premise, hypothesis] as [string, string]);
  const labels = rows.map(({ label }) => label);
  const report = await model.finetune(lists, labels, { precision: 'fp32', ...options });
  expect(report.epochs.map(({ trainingLoss }) => trainingLoss)).toEqual(expected);
});

test('the recipe by its name reads classes, from rows, lists, files and in a set', async () => {
  const asked: FinetuneOptions = { recipe: 'pair-classes', epochs: 1, effectiveBatchSize: 8 };
  const told = { form: 'classified-pairs', rows: 60 };
  const expected = { recipe: 'pair-classes', loss: { name: 'softmax' } };
  const file = models.write(
    'nli.csv',
    ['premise,hypothesis,label', ...rows.map((row) => Object.values(row).join(','))].join('\n'),
  );
  for (const data of [rows, file]) {
    const { of, report } = await finish(models.open(fixture('bert-mean')), data as never, asked);
    expect(of('data')).toMatchObject([told]);
    expect(report).toMatchObject(expected);
  }
  const lists = rows.map(({ premise, hypothesis }) => [premise, hypothesis] as [string, string]);
  const labels = rows.map(({ label }) => label);
  expect(await models.open(fixture('bert-mean')).finetune(lists, labels, asked)).toMatchObject(expected);
  const sets = await finish(models.open(fixture('bert-mean')), { one: rows, other: rows.slice(20) }, asked);
  expect(sets.report.sets).toMatchObject({ one: expected, other: expected });
  // A loss that is named counts for more than the recipe.
  const other = { ...asked, loss: 'multiple-negatives-ranking' } as const;
  const { of } = await finish(models.open(fixture('bert-mean')), rows, other);
  expect(of('data')[0]!.form).toBe('positive-pairs');
});

test('rows that people did not agree on are left out; without softmax the rows are anchors and positives', async () => {
  const more = [...rows, { premise: 'the rain', hypothesis: 'the kite', label: -1 }];
  const { of } = await finish(models.open(fixture('bert-mean')), more, { ...options, epochs: 1 });
  expect(of('data')[0]).toMatchObject({ rows: 60 });
  expect(of('data')[0]!.notes.join(' ')).toMatch(/1 row has no class and is not trained on/);
  const ranking = await finish(models.open(fixture('bert-mean')), rows, { epochs: 1 });
  expect(ranking.of('data')[0]!.form).toBe('positive-pairs');
});

test.each<[string, readonly TrainingRow[], RegExp]>([
  ['one class', rows.map((row) => ({ ...row, label: 2 })), /have the class 2: there is nothing to tell apart/],
  ['a class between two', [...rows, { premise: 'a', hypothesis: 'b', label: 1.5 }], /row 60 .*1\.5/],
  ['words among numbers', [...rows, { premise: 'a', hypothesis: 'b', label: 'yes' }], /row 60 .*'yes'/],
  ['a class too many', rows, /from 0 to 1/],
])('refused: %s', async (what, data, said) => {
  const more: FinetuneOptions = what === 'a class too many' ? { loss: { name: 'softmax', num_labels: 2 } } : {};
  const { run } = start(models.open(fixture('bert-mean')), data, { ...options, ...more });
  expect(((await rejection(run)) as Error).message).toMatch(said);
});
