import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FinetuneEvent, FinetuneOptions, FinetuneReport, ScoredRow } from '../../lib';
import { loadEngine } from '../../lib/engine/load';
import { KeptEpoch } from '../../lib/finetune/kept';
import { fixture, useModels } from './models';
import { asItIs, lists, scoredRows } from './rows';
import { rejection, withoutTimes } from './runs';

const models = useModels();
const MODEL = fixture('bert-mean');
/** Whatever the processor multiplies faster. */
const fp32: FinetuneOptions = { precision: 'fp32' };

/** What the defaults were before there were recipes. */
const former: FinetuneOptions = {
  loss: 'cosine-mse',
  measure: 'loss',
  merge: 1,
  learningRate: 2e-5,
  schedule: 'constant',
  warmupSteps: 0,
  optimizer: { beta1: 0.9, beta2: 0.999, eps: 1e-6, weightDecay: 0, biasCorrection: false },
  maxGradientNorm: 'none',
  groupedSplit: false,
  epochs: 20,
  earlyStopping: { patience: 1 },
};

async function trained(
  rows: readonly ScoredRow[],
  options: FinetuneOptions,
): Promise<{ report: FinetuneReport; weights: string }> {
  const model = models.open(MODEL);
  const { pairs, scores } = lists(rows);
  const report = await model.finetune(pairs, scores, { ...fp32, ...options });
  const folder = await model.save(models.path(`saved-${Math.random()}`));
  const bytes = readFileSync(join(folder, 'model.safetensors'));
  return { report, weights: createHash('sha256').update(bytes).digest('hex') };
}

/** What the recipe is called is of no concern to the numbers. */
const numbers = (report: FinetuneReport) => ({
  ...withoutTimes(report),
  recipe: null,
  // One leaves it to the finder, the other says what it came to.
  settings: { ...report.settings, effectiveBatchSize: null },
});

test("recipe 'notebook' does what the defaults did, bit for bit, as any recipe does that is told all of it", async () => {
  const rows = scoredRows(120, true);
  const notebook = await trained(rows, { recipe: 'notebook', learningRate: 1e-3, seed: 3 });
  expect(notebook.report).toMatchObject({
    recipe: 'notebook',
    measure: 'loss',
    effectiveBatchSize: 32,
    optimizer: former.optimizer,
  });
  expect(notebook.report.epochs.length).toBeGreaterThan(2);
  const told = await trained(rows, {
    ...former,
    recipe: 'scores',
    effectiveBatchSize: 32,
    learningRate: 1e-3,
    seed: 3,
  });
  expect(numbers(told.report)).toEqual(numbers(notebook.report));
  expect(told.weights).toBe(notebook.weights);
  const auto = await trained(rows, { learningRate: 1e-3, seed: 3 });
  expect(auto.weights).not.toBe(notebook.weights);
});

test.each([
  ['labels 0 and 1', scoredRows(60), 'labels', 'averagePrecision', 'logistic'],
  ['graded scores', scoredRows(60, true), 'scores', 'spearman', 'pearson'],
] as const)("'auto' goes by the form: %s", async (_, rows, recipe, measure, loss) => {
  const { report } = await trained(rows, { learningRate: 1e-3 });
  expect(report).toMatchObject({ recipe, measure, loss: { name: loss } });
  if (loss === 'logistic') expect(report.loss['threshold']).toEqual(expect.any(Number));
});

test('the measure chooses the epoch and the share; the report has every share, the gain and its bounds', async () => {
  const { report } = await trained(scoredRows(120), {
    learningRate: 3e-3,
    epochs: 3,
    earlyStopping: false,
    seed: 3,
    folds: 1,
  });
  const { epochs, before, after, bestEpoch, share, gain } = report;
  expect(epochs).toHaveLength(3);
  const value = (m: FinetuneReport['after']) => m!.averagePrecision!;
  for (const epoch of epochs) {
    expect(epoch.tried.map((one) => one.share)).toEqual([1, 0.85, 0.7, 0.5, 0]);
    expect(epoch.tried.at(-1)!.value).toBe(value(before));
    expect(epoch.tried.find((one) => one.share === epoch.share)!.value).toBe(value(epoch.validation));
  }
  const best = epochs[bestEpoch - 1]!;
  expect(share).toBe(best.share);
  expect(after).toEqual(best.validation);
  for (const { validation } of epochs) expect(value(after)).toBeGreaterThanOrEqual(value(validation));
  expect(value(after)).toBeGreaterThan(value(before));
  expect(gain).toMatchObject({ measure: 'averagePrecision' });
  expect(gain!.before).toBeCloseTo(value(before), 10);
  expect(gain!.after).toBeCloseTo(value(after), 10);
  expect(gain!.difference).toBeGreaterThan(gain!.interval!.low);
  expect(gain!.difference).toBeLessThan(gain!.interval!.high);
});

test('the weights that were measured are those that the model has', async () => {
  const model = models.open(MODEL);
  const { pairs, scores } = lists(scoredRows(120));
  const run = { ...fp32, learningRate: 3e-3, epochs: 3, merge: 0.5, seed: 3, folds: 1 };
  const report = await model.finetune(pairs, scores, run);
  expect(report.share).toBe(0.5);
  // Untrained, the saved model measures what the run measured: the same rows by the same seed.
  const again = models.open(await model.save(models.path('half')));
  const { before } = await again.finetune(pairs, scores, run);
  expect(before!.averagePrecision).toBeCloseTo(report.after!.averagePrecision!, 10);
  expect(before!.spearman).toBeCloseTo(report.after!.spearman!, 4);
});

test('a gain within noise is called so, and nothing better leaves the model as it was', async () => {
  const model = models.open(MODEL);
  const rows = await asItIs(model, scoredRows(60));
  const { pairs, scores } = lists(rows);
  const untouched = await model.embed(['the river']);
  const report = await model.finetune(pairs, scores, { ...fp32, learningRate: 1e-2, earlyStopping: false });
  expect(report).toMatchObject({ measure: 'spearman', bestEpoch: 0, share: 0 });
  expect(report.gain).toMatchObject({ difference: 0, verdict: 'within noise' });
  expect(await model.embed(['the river'])).toEqual(untouched);
});

test('where the measure is not defined on the validation rows the loss stands in, which is told', async () => {
  // One validation row: of one label.
  const told: unknown[] = [];
  const onProgress = (event: FinetuneEvent) => event.type === 'data-warning' && told.push(event);
  const { report } = await trained(scoredRows(8), { learningRate: 1e-3, folds: 1, onProgress });
  expect(told).toContainEqual(
    expect.objectContaining({
      reason: 'measure-not-defined',
      message: expect.stringMatching(/average precision, is not defined .* goes by the loss$/),
    }),
  );
  expect(report).toMatchObject({ measure: 'loss', gain: { measure: 'loss', verdict: null }, rows: { validation: 1 } });
});

test('every part of a recipe can be overridden', async () => {
  const own = {
    loss: 'cosent',
    learningRate: 2e-3,
    schedule: 'cosine',
    warmupSteps: 2,
    epochs: 2,
    merge: 0.9,
  } as const;
  const events: unknown[] = [];
  const { report } = await trained(scoredRows(60), {
    ...own,
    optimizer: 'notebook',
    maxGradientNorm: 'none',
    effectiveBatchSize: 8,
    measure: 'spearman',
    earlyStopping: { patience: 5 },
    onProgress: (event) => event.type === 'summary' && events.push(event.settings),
  });
  expect(report).toMatchObject({
    recipe: 'labels',
    loss: { name: 'cosent' },
    learningRate: 2e-3,
    schedule: 'cosine',
    warmupSteps: 2,
    effectiveBatchSize: 8,
    measure: 'spearman',
    optimizer: former.optimizer,
  });
  expect(events).toEqual([
    {
      dropout: null,
      freeze: [],
      groupedSplit: true,
      prompts: null,
      shuffle: true,
      validationSplit: 0.15,
      effectiveBatchSize: 8,
      learningRate: 2e-3,
      schedule: 'cosine',
      sampler: 'any',
      warmup: { steps: 2 },
      optimizer: former.optimizer,
      maxGradientNorm: null,
      epochs: 2,
      earlyStopping: { patience: 5, minDelta: 0 },
      merge: [0.9],
      measure: 'spearman',
      folds: 5,
    },
  ]);
});

test('without validation rows a recipe takes its own share', async () => {
  const { report } = await trained(scoredRows(40), { validationSplit: 0, learningRate: 1e-3 });
  expect(report).toMatchObject({ share: 0.7, measure: null, gain: null, before: null });
});

test.each<[string, FinetuneOptions, RegExp]>([
  ['a measure of another form', { measure: 'knnAccuracy' }, /measure is accuracy of neighbours, but the data is pairs/],
  ['a share of 0', { merge: 0 }, /above 0 to 1/],
  ['a measure, and nothing is measured', { measure: 'loss', validationSplit: 0 }, /measure is of validation rows/],
  [
    'a recipe for other rows',
    { recipe: 'positives' },
    /^recipe is 'positives', which is for pairs of anchor and positive or .*, but the data is pairs with label 0\/1\. Leave it out, or give \{ recipe: 'labels' \}\./,
  ],
  [
    'a recipe whose measure is of other rows',
    { recipe: 'teacher' },
    /^recipe is 'teacher', which is for texts with a teacher's vector/,
  ],
  [
    'shares to choose from, and nothing to choose by',
    { merge: [1, 0.5], validationSplit: 0 },
    /nothing|validationSplit is 0/,
  ],
  ['a recipe that is none', { recipe: 'best' as never }, /recipe must be/],
])('%s is refused', async (_, options, told) => {
  const { pairs, scores } = lists(scoredRows(20));
  const error = (await rejection(models.open(MODEL).finetune(pairs, scores, options))) as Error & { code: string };
  expect(error.code).toBe('ERR_INVALID_OPTION');
  expect(error.message).toMatch(told);
});

test('drift is measured always', async () => {
  const { report } = await trained(scoredRows(120), { learningRate: 3e-3, epochs: 3, seed: 3, folds: 1 });
  const { before, after, spearman, meanChange } = report.randomPairs!;
  expect(meanChange).toBeGreaterThan(0);
  expect(meanChange).toBeGreaterThanOrEqual(Math.abs(after! - before!) - 1e-6);
  expect(spearman).toBeLessThanOrEqual(1);
});

describe('keep', () => {
  const learns: FinetuneOptions = { ...fp32, learningRate: 3e-3, epochs: 3, earlyStopping: false, seed: 3, folds: 1 };

  test('rows must not become worse than the margin: less of the training is taken, or none, and it is told', async () => {
    const { pairs, scores } = lists(scoredRows(120));
    const keep = await asItIs(models.open(MODEL), scoredRows(60, true).slice(0, 40));
    const events: string[] = [];
    const onProgress = (event: { type: string }) => events.push(event.type);
    const free = await models.open(MODEL).finetune(pairs, scores, { ...learns, keep: { data: keep, margin: 1 } });
    expect(free.kept).toMatchObject({ measure: 'spearman', rows: keep.length, margin: 1, bound: false });
    expect(free.kept!.before).toBeCloseTo(1, 5);
    const cost = free.kept!.before! - free.kept!.after!;
    expect(cost).toBeGreaterThan(1e-4);
    const none = models.open(MODEL);
    const untouched = await none.embed(['the river']);
    const bound = await none.finetune(pairs, scores, { ...learns, keep: { data: keep, margin: 0 }, onProgress });
    expect(bound).toMatchObject({ bestEpoch: 0, share: 0, kept: { bound: true, after: free.kept!.before } });
    expect(events).toContain('keep-failed');
    expect(await none.embed(['the river'])).toEqual(untouched);
    expect(bound.outcome).toBe('keep-failed');
    const tried = bound.epochs[0]!.tried.filter(({ share }) => share > 0);
    expect(bound.epochs[0]!.tried.at(-1)).toMatchObject({ share: 0, kept: free.kept!.before });
    expect(tried.every(({ kept }) => kept! < free.kept!.before!)).toBe(true);
    // A margin between what two shares cost lets only the lesser through.
    const costs = tried.map(({ share, kept }) => [share, free.kept!.before! - kept!] as const);
    const least = costs.reduce((a, b) => (b[1] < a[1] ? b : a));
    const some = await models
      .open(MODEL)
      .finetune(pairs, scores, { ...learns, keep: { data: keep, margin: least[1] + 1e-6 } });
    expect(some.epochs[0]!.share).toBe(least[0]);
  });

  test('without validation rows the largest share is taken that keeps it, or nothing', async () => {
    const { pairs, scores } = lists(scoredRows(120));
    const keep = await asItIs(models.open(MODEL), scoredRows(60, true).slice(0, 40));
    const unmeasured: FinetuneOptions = { ...learns, epochs: 1, validationSplit: 0, merge: [0, 0.2, 0.5, 1] };
    const run = async (margin: number) => {
      const model = models.open(MODEL);
      const events: FinetuneEvent[] = [];
      const onProgress = (event: FinetuneEvent) => events.push(event);
      const report = await model.finetune(pairs, scores, { ...unmeasured, keep: { data: keep, margin }, onProgress });
      return { model, report, failed: events.filter(({ type }) => type === 'keep-failed') };
    };
    const free = await run(1);
    expect(free.report).toMatchObject({
      measure: null,
      before: null,
      outcome: 'taken',
      share: 1,
      kept: { bound: false },
    });
    const cost = free.report.kept!.before! - free.report.kept!.after!;
    expect(cost).toBeGreaterThan(1e-4);
    const bound = await run(0);
    expect(bound.failed).toHaveLength(1);
    const costs = bound.report.epochs[0]!.tried.map(({ share, kept }) => [share, bound.report.kept!.before! - kept!]);
    expect(costs.map(([share]) => share)).toEqual([1, 0.5, 0.2, 0]);
    expect(bound.report).toMatchObject({ bestEpoch: 0, share: 0, outcome: 'keep-failed', kept: { bound: true } });
    expect(await bound.model.embed(['the river'])).toEqual(await models.open(MODEL).embed(['the river']));
    // What half of it costs is let through, and all of it not.
    const half = costs.find(([share]) => share === 0.5)![1]!;
    expect(half).toBeLessThan(cost);
    const some = await run(half + 1e-9);
    expect(some.report).toMatchObject({ bestEpoch: 1, share: 0.5, outcome: 'taken', kept: { bound: true } });
    expect(some.report.epochs[0]!.tried.map(({ share }) => share)).toEqual([1, 0.5, 0]);
    expect(some.failed).toEqual([]);
  });

  test('a stopped run without validation rows has no epoch that does not keep it', async () => {
    const { pairs, scores } = lists(scoredRows(120));
    const keep = { data: await asItIs(models.open(MODEL), scoredRows(60, true).slice(0, 40)), margin: 0 };
    const kept = new KeptEpoch();
    const stop = new AbortController();
    const onProgress = (event: FinetuneEvent) => {
      kept.note(event);
      if (event.type === 'epoch-start' && event.epoch === 3) stop.abort();
    };
    const model = models.open(MODEL);
    const options = { ...learns, validationSplit: 0, keep, onProgress, signal: stop.signal };
    expect(await rejection(model.finetune(pairs, scores, options))).toMatchObject({ code: 'ERR_ABORTED' });
    expect(kept.epoch).toBe(0);
    expect(await model.embed(['the river'])).toEqual(await models.open(MODEL).embed(['the river']));
  });

  test('where memory does not suffice they are measured in smaller parts, and it is told how far that is', async () => {
    const { pairs, scores } = lists(scoredRows(120));
    const options: FinetuneOptions = { ...learns, epochs: 1, keep: scoredRows(30) };
    const plain = await models.open(MODEL).finetune(pairs, scores, options);
    const addon = await loadEngine();
    const { embedTexts } = addon;
    let asked = 0;
    const spy = jest.spyOn(addon, 'embedTexts').mockImplementation((trainer, texts, atOnce) => {
      // Pairs need no vectors: the first are of the rows to keep.
      if (++asked === 1) addon.failAllocation(1);
      return embedTexts(trainer, texts, atOnce);
    });
    const events: FinetuneEvent[] = [];
    const report = await models
      .open(MODEL)
      .finetune(pairs, scores, { ...options, onProgress: (event) => events.push(event) })
      .finally(() => {
        addon.failAllocation(0);
        spy.mockRestore();
      });
    expect(events.filter(({ type }) => type === 'out-of-memory')).toMatchObject([{ during: 'validation', epoch: 0 }]);
    expect(report.kept!.before).toBeCloseTo(plain.kept!.before!, 6);
    expect(report.kept!.after).toBeCloseTo(plain.kept!.after!, 6);
    const told = events.flatMap((event) => (event.type === 'validating' && event.toKeep ? [event] : []));
    expect(told[0]).toMatchObject({ epoch: 0, done: 30, rows: 30 });
    expect(told.at(-1)).toMatchObject({ epoch: 1, done: 30, rows: 30 });
  });

  test('a file; rows that are no pairs with labels are refused', async () => {
    const { pairs, scores } = lists(scoredRows(60));
    const file = models.write(
      'keep.csv',
      `text1,text2,score\n${scoredRows(30)
        .map((r) => `${r.text1},${r.text2},${r.score}`)
        .join('\n')}\n`,
    );
    const report = await models.open(MODEL).finetune(pairs, scores, { ...fp32, keep: file });
    expect(report.kept).toMatchObject({ measure: 'averagePrecision', rows: 30, margin: 0.01 });
    const wrong = models.open(MODEL).finetune(pairs, scores, {
      ...fp32,
      keep: [
        { anchor: 'a', positive: 'b' },
        { anchor: 'c', positive: 'd' },
      ],
    });
    expect(await rejection(wrong)).toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringMatching(/keep must be pairs/),
    });
  });
});

describe.each<[string, (rows: readonly ScoredRow[]) => [unknown, unknown?], string]>([
  ['positives', (rows) => [rows.filter(({ score }) => score === 1).map(({ text1, text2 }) => [text1, text2])], 'mrr10'],
  [
    'classes',
    (rows) => [rows.map(({ text1 }) => text1), rows.map(({ text1 }) => text1.split(' ')[1]!.length % 3)],
    'knnAccuracy',
  ],
])('%s', (recipe, of, measure) => {
  test('go by their own measure', async () => {
    const [texts, labels] = of(scoredRows(120));
    const model = models.open(MODEL);
    const options = { ...fp32, learningRate: 1e-3 };
    const report = await (labels === undefined
      ? model.finetune(texts as string[][], options)
      : model.finetune(texts as string[], labels as number[], options));
    expect(report).toMatchObject({ recipe, measure });
    expect(report.gain === null || report.gain.measure === measure).toBe(true);
    const value = recipe === 'positives' ? report.after!.retrieval!.mrr10 : report.after!.knnAccuracy!;
    expect(value).toBeGreaterThan(0);
    expect(value).toBeLessThanOrEqual(1);
  });
});

test('positives of the validation rows are searched for among those of the training rows too', async () => {
  const positives = scoredRows(120)
    .filter(({ score }) => score === 1)
    .map(({ text1, text2 }) => [text1, text2]);
  const report = await models.open(MODEL).finetune(positives, { ...fp32, folds: 1, epochs: 1 });
  const { documents, queries, recall1, recall3, recall5, recall10, accuracy1 } = report.after!.retrieval!;
  expect([recall1, recall3, recall5, recall10]).toEqual([recall1, recall3, recall5, recall10].sort((a, b) => a - b));
  expect(recall1).toBeLessThanOrEqual(accuracy1);
  expect(recall10).toBeGreaterThan(0);
  expect(queries).toBeLessThanOrEqual(report.rows.validation);
  expect(documents).toBeGreaterThan(report.rows.training);
});

test('a measure that graded scores cannot have is refused, and a recipe of labels goes by one that they have', async () => {
  const { pairs, scores } = lists(scoredRows(60, true));
  const refused = models.open(MODEL).finetune(pairs, scores, { measure: 'averagePrecision' });
  expect(await rejection(refused)).toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message: expect.stringMatching(
      /measure is average precision, which these rows do not have: their labels are more than two/,
    ),
  });
  const { report } = await trained(scoredRows(60, true), { recipe: 'labels', loss: 'cosine-mse', learningRate: 1e-3 });
  expect(report).toMatchObject({ recipe: 'labels', measure: 'spearman', crossCheck: { folds: 5 } });
});

test('texts with classes are told apart among those of training rows too', async () => {
  const words = [
    'river',
    'boats',
    'harbour',
    'moored',
    'runs',
    'quiet',
    'bread',
    'miller',
    'sells',
    'daughter',
    'houses',
  ];
  // Classes of four texts each, of the same tokens: the validation rows alone have hardly two of any.
  const rows = words.flatMap((a, i) =>
    words
      .slice(i + 1)
      .flatMap((b) =>
        [' ', '  ', '   ', '    '].map((space) => ({ text: `the${space}${a} ${b}`, label: `${a} ${b}` })),
      ),
  );
  const report = await models.open(MODEL).finetune(rows, { ...fp32, epochs: 1, learningRate: 1e-6, folds: 1 });
  expect(report).toMatchObject({ measure: 'knnAccuracy', crossCheck: null });
  expect(report.before!.knnAccuracy).toBeGreaterThan(0.8);
});
