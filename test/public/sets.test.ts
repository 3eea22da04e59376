import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DataSets, FinetuneEvent, FinetuneOptions, TrainingRow } from '../../lib';
import { loadEngine } from '../../lib/engine/load';
import { bits, fixture, liveObjects, PROBE_TEXTS, useModels } from './models';
import { scoredRows } from './rows';
import { finish, rejection, start } from './runs';

/** Several data sets in one run, each with its form, its loss and its measure. */

const models = useModels();
const pairs = scoredRows(40);
const graded = scoredRows(24, true);
const same = pairs.filter(({ score }) => score === 1);
const questions: TrainingRow[] = same.map(({ text1, text2 }) => ({ anchor: text1, positive: text2 }));
const topics: TrainingRow[] = pairs.map(({ text1 }, i) => ({ text: text1, label: `topic ${i % 3}` }));
const sets: DataSets = { pairs: { data: pairs, loss: 'softmax' }, questions, topics, graded: { data: graded } };
const options: FinetuneOptions = {
  recipe: 'auto',
  epochs: 2,
  batchSize: 4,
  effectiveBatchSize: 6,
  learningRate: 1e-3,
  validationSplit: 0.25,
};

describe.each(['proportional', 'round-robin'] as const)('%s', (multiDatasetSampler) => {
  test('each set has its form, loss and measure; the report has them, and their mean', async () => {
    const { of, report } = await finish(models.open(fixture('bert-mean')), sets, { ...options, multiDatasetSampler });
    expect(of('data').map(({ set, form }) => [set!.name, set!.number, set!.of, form])).toEqual([
      ['pairs', 0, 4, 'labelled-pairs'],
      ['questions', 1, 4, 'positive-pairs'],
      ['topics', 2, 4, 'classes'],
      ['graded', 3, 4, 'scored-pairs'],
    ]);
    const told = Object.fromEntries(of('data').map(({ set, trainingRows }) => [set!.name, trainingRows]));
    expect(report.loss).toEqual({
      name: 'several',
      sets: {
        pairs: { name: 'softmax' },
        questions: { name: 'multiple-negatives-ranking' },
        topics: report.sets!.topics!.loss,
        graded: { name: 'pearson' },
      },
    });
    expect(report.sets!.topics!.loss.name).toBe('batch-all-triplet');
    expect(Object.entries(report.sets!).map(([name, { measure, recipe }]) => [name, measure, recipe])).toEqual([
      ['pairs', 'averagePrecision', 'labels'],
      ['questions', 'mrr10', 'positives'],
      ['topics', 'knnAccuracy', 'classes'],
      ['graded', 'spearman', 'scores'],
    ]);
    expect(report.measure).toBe('average');
    // The mean of the measures, each by the rows that are trained on, or all the same.
    const { sets: before, average, loss } = report.before!;
    const values = {
      pairs: before!.pairs!.averagePrecision!,
      questions: before!.questions!.retrieval!.mrr10,
      topics: before!.topics!.knnAccuracy!,
      graded: before!.graded!.spearman!,
    };
    const weight = (name: string) => (multiDatasetSampler === 'round-robin' ? 1 : told[name]!);
    const all = Object.keys(values).reduce((sum, name) => sum + weight(name), 0);
    const mean = (of: (name: keyof typeof values) => number) =>
      Object.keys(values).reduce((sum, name) => sum + (weight(name) / all) * of(name as keyof typeof values), 0);
    expect(average).toBeCloseTo(
      mean((name) => values[name]),
      12,
    );
    expect(loss).toBeCloseTo(
      mean((name) => before![name]!.loss),
      10,
    );
    expect(report.gain).toMatchObject({ measure: 'average', before: average, interval: null });
    expect(report.sets!.questions!.gain).toMatchObject({
      measure: 'mrr10',
      before: expect.closeTo(values.questions, 6),
    });

    // Steps: rows of one set, and of each epoch what was promised.
    const steps = of('step').filter(({ epoch }) => epoch === 1);
    const batches = Object.fromEntries(
      Object.keys(values).map((name) => [name, steps.filter(({ set }) => set === name).length]),
    );
    if (multiDatasetSampler === 'round-robin') expect(new Set(Object.values(batches)).size).toBe(1);
    else expect(batches.pairs).toBe(Math.ceil(told.pairs! / 6));
    expect(Object.keys(report.epochs[0]!.sets!)).toEqual(Object.keys(values));
    for (const one of Object.values(report.epochs[0]!.sets!)) expect(one).toBeGreaterThan(0);
  });

  test('the same seed gives the same bits, another one others; a micro-batch changes no loss', async () => {
    const run = async (more: FinetuneOptions) => {
      const model = models.open(fixture('bert-mean'));
      const { of } = await finish(model, sets, { ...options, merge: 1, multiDatasetSampler, ...more });
      return { losses: of('step').map(({ loss }) => loss), vectors: bits(await model.embed(PROBE_TEXTS)) };
    };
    const [first, again, other] = [await run({}), await run({}), await run({ seed: 2 })];
    expect(again).toEqual(first);
    expect(other.losses).not.toEqual(first.losses);
    const small = await run({ batchSize: 1 });
    expect(small.losses).toHaveLength(first.losses.length);
    small.losses.forEach((loss, i) => expect(loss).toBeCloseTo(first.losses[i]!, 3));
  });
});

test('rows of a step are rows of one set, by their texts', async () => {
  const addon = await loadEngine();
  const { createDataset, step } = addon;
  const seen: { rows: number[]; set: number }[] = [];
  let bounds: number[] = [];
  const spies = [
    jest.spyOn(addon, 'createDataset').mockImplementation((...given) => {
      bounds = given[5]!.map(({ rows }) => rows);
      return createDataset(...given);
    }),
    jest.spyOn(addon, 'step').mockImplementation((trainer, request) => {
      let [set, first] = [0, 0];
      while (request.rows[0]! >= first + bounds[set]!) first += bounds[set++]!;
      for (const row of request.rows) expect(row >= first && row < first + bounds[set]!).toBe(true);
      seen.push({ rows: [...request.rows], set });
      return step(trainer, request);
    }),
  ];
  try {
    await finish(models.open(fixture('bert-mean')), sets, { ...options, epochs: 1 });
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  expect(new Set(seen.map(({ set }) => set)).size).toBe(4);
  expect(bounds).toHaveLength(4);
});

test('a step that runs out of memory is split and done, in whatever set it is', async () => {
  const plain = await finish(models.open(fixture('bert-mean')), sets, { ...options, earlyStopping: false });
  const addon = await loadEngine();
  const { step } = addon;
  let asked = 0;
  const spy = jest.spyOn(addon, 'step').mockImplementation((trainer, request) => {
    // Of the fifth step's own memory the first allocation.
    if (++asked === 5) addon.failAllocation(1);
    return step(trainer, request);
  });
  const split = await finish(models.open(fixture('bert-mean')), sets, { ...options, earlyStopping: false }).finally(
    () => {
      addon.failAllocation(0);
      spy.mockRestore();
    },
  );
  expect(split.of('out-of-memory')).toMatchObject([{ batchSize: 4, next: 2 }]);
  const losses = (of: typeof plain.of) => of('step').map(({ loss }) => loss);
  expect(losses(split.of)).toHaveLength(losses(plain.of).length);
  losses(split.of).forEach((loss, i) => expect(loss).toBeCloseTo(losses(plain.of)[i]!, 3));
});

test('the finder tries the longest rows of each set', async () => {
  const long: TrainingRow[] = questions.slice(0, 8).map((row) => ({ ...row, positive: 'the red kite '.repeat(12) }));
  const addon = await loadEngine();
  const { probe } = addon;
  const probed: number[][] = [];
  const spy = jest.spyOn(addon, 'probe').mockImplementation((trainer, rows) => {
    probed.push([...rows]);
    return probe(trainer, rows);
  });
  await finish(
    models.open(fixture('bert-mean')),
    { pairs, long },
    { epochs: 40, earlyStopping: { patience: 1 }, validationSplit: 0.25, effectiveBatchSize: 8 },
  ).finally(() => spy.mockRestore());
  // Two rows of each, then four, then eight, of the short set too.
  expect(probed.filter(([row]) => row! < 40).map(({ length }) => length)).toEqual([2, 4, 8]);
  expect(probed.filter(([row]) => row! >= 40).map(({ length }) => length)).toEqual([2, 4, 6]);
});

test('a fitted threshold is of each set; what the card says is of all', async () => {
  const model = models.open(fixture('bert-mean'));
  const page = models.path('page.html');
  const { report } = await finish(model, { pairs, questions }, { ...options, merge: 1, report: page });
  // Rows of both sets, and the measures of each.
  const html = readFileSync(page, 'utf8');
  expect(html).toContain(`${pairs.length + questions.length} rows: ${report.rows.training} to train on`);
  expect(html).toMatch(/pairs: averagePrecision|pairs: average precision/i);
  expect(html).toMatch(/questions: mrr/i);
  expect(report.sets!.pairs!.loss).toMatchObject({ name: 'logistic', threshold: expect.any(Number) });
  const folder = await model.save(models.path('tuned'));
  const card = readFileSync(join(folder, 'README.md'), 'utf8');
  if (report.bestEpoch > 0) {
    expect(card).toContain('pairs: logistic regression of the label on the cosine similarity (threshold ');
    expect(card).toContain('pairs: Average precision');
  }
});

test('a fitted threshold can be asked for by name, in a set too', async () => {
  const asked: DataSets = { pairs: { data: pairs, loss: { name: 'logistic', scale: 5 } }, questions };
  const { report } = await finish(models.open(fixture('bert-mean')), asked, { ...options, epochs: 1 });
  expect(report.sets!.pairs!.loss).toEqual({ name: 'logistic', threshold: expect.any(Number), scale: 5 });
});

test('pairs with classes have a measure of their own, and a set that goes by its loss is refused beside others', async () => {
  const related = pairs
    .slice(0, 12)
    .map(({ text1, text2 }, i) => ({ premise: text1, hypothesis: text2, label: i % 3 }));
  const mixed: DataSets = { questions, related: { data: related, loss: 'softmax' } };
  const { report } = await finish(models.open(fixture('bert-mean')), mixed, { ...options, epochs: 1 });
  expect(report).toMatchObject({
    measure: 'average',
    sets: { questions: { measure: 'mrr10' }, related: { form: 'classified-pairs', measure: 'labelAccuracy' } },
  });
  expect(report.before!.loss).toBeGreaterThan(0);
  const asked: DataSets = { questions, related: { data: related, loss: 'softmax', measure: 'loss' } };
  const { run } = start(models.open(fixture('bert-mean')), asked, options);
  expect(((await rejection(run)) as Error).message).toMatch(/is the loss for "related" alone/);
});

test('what only a set can say is refused of the run, and faults name the set', async () => {
  const live = await liveObjects();
  const refused = async (data: DataSets | readonly TrainingRow[], more: FinetuneOptions = {}) => {
    const { run } = start(models.open(fixture('bert-mean')), data, { ...options, ...more });
    return ((await rejection(run)) as Error).message;
  };
  expect(await refused({ pairs, questions: { data: questions, loss: 'cosent' } })).toMatch(
    /^Data set "questions": The loss cosent needs pairs with scores .*Losses that fit: multiple-negatives-ranking/,
  );
  expect(await refused({ pairs, topics: { data: topics, measure: 'spearman' } })).toMatch(
    /^Data set "topics": .*measure/,
  );
  expect(await refused({ pairs: { data: pairs, measure: 'loss' }, questions })).toMatch(
    /is the loss for "pairs" alone/,
  );
  expect(await refused({ pairs, questions: { data: questions, los: 'x' } as never })).toMatch(
    /"questions" has no option "los"/,
  );
  expect(await refused({ pairs: [], questions })).toMatch(/^Data set "pairs": /);
  expect(await refused({ pairs, questions }, { teacher: 'x' })).toMatch(
    /teacher is for one data set, .*pairs, questions/,
  );
  expect(await refused(questions, { multiDatasetSampler: 'round-robin' })).toMatch(/there is one/);
  expect(await refused({ pairs, none: join(__dirname, 'nothing.csv') })).toMatch(/^Data set "none": .*nothing\.csv/);
  expect(await liveObjects()).toEqual(live);
});

test('a set of texts learns from its own teacher, beside one that does not', async () => {
  const teacher = models.open(fixture('distilbert-mean'));
  const events: FinetuneEvent[] = [];
  const alone = pairs.map(({ text1 }) => text1);
  const { report } = await finish(
    models.open(fixture('bert-mean')),
    { questions, taught: { data: alone, teacher, loss: { name: 'mse', projection_dim: 64 } } },
    { ...options, onProgress: (event) => void events.push(event) },
  );
  expect(report.sets!.taught).toMatchObject({ form: 'vectors', loss: { name: 'mse' }, measure: 'teacherAgreement' });
  expect(events.filter(({ type }) => type === 'teacher').length).toBeGreaterThan(0);
});

test('a set takes lists and objects as one set alone does: two lists, words, a range, other names', async () => {
  const texts = pairs.map(({ text1, text2 }): [string, string] => [text1, text2]);
  const mixed: DataSets = {
    lists: { data: texts, labels: pairs.map(({ score }) => (score === 1 ? 'duplicate' : 'not duplicate')) },
    stars: { data: texts, labels: graded.map(({ score }) => 5 * score).concat(pairs.slice(24).map(() => 5)) },
    quora: pairs.map(({ text1, text2, score }) => ({ question1: text1, question2: text2, is_duplicate: score === 1 })),
    classes: { data: texts.map(([text]) => text), labels: texts.map((_, i) => `topic ${i % 3}`) },
    alone: same.map(({ text1, text2 }) => [text1, text2]),
  };
  const quick = { ...options, epochs: 1, file: { scoreRange: [0, 5] as const } };
  const { of } = await finish(models.open(fixture('bert-mean')), mixed, quick);
  expect(of('data').map(({ set, form }) => [set!.name, form])).toEqual([
    ['lists', 'labelled-pairs'],
    ['stars', 'scored-pairs'],
    ['quora', 'labelled-pairs'],
    ['classes', 'classes'],
    ['alone', 'positive-pairs'],
  ]);
  const notes = of('data').map((event) => event.notes.join(' '));
  expect(notes[0]).toMatch(/"duplicate" is taken as 1/);
  expect(notes[2]).toMatch(/"true" is taken as 1/);
  expect(of('data')[1]!.understood).toBe('40 pairs with scores from 0 to 1');
});

test('a set with lists that do not belong together is refused by its name', async () => {
  const model = models.open(fixture('bert-mean'));
  const refused = async (wrong: object, given: FinetuneOptions = {}) =>
    ((await rejection(model.finetune({ pairs, wrong } as DataSets, given))) as Error).message;
  expect(await refused({ data: [['a', 'b']], labels: [1, 0] })).toMatch(/^Data set "wrong": .* 1 pairs and 2 scores/);
  expect(await refused({ data: 'pairs.csv', labels: [1] })).toMatch(/wrong\.labels belongs to lists .* is a file/);
  expect(await refused({ data: [['a', 'b']], labels: 'ones' })).toMatch(/wrong\.labels must be a list of scores/);
  expect(await refused({ data: [['a', 'b']], file: { scoreRange: [0, 5] } })).toMatch(/^Data set "wrong": .*have none/);
});
