import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FinetuneOptions, FinetuneReport } from '../../lib';
import { checkSameRun, type RunIdentity } from '../../lib/finetune/checkpoint/identity';
import { fixture, useModels } from './models';
import { scoredRows, topicOf } from './rows';
import { finish, rejection, start } from './runs';

/** How rows come together in batches is a part of what a run is: told, chosen, refused, kept. */

const models = useModels();
const open = () => models.open(fixture('bert-mean'));
const pairs = scoredRows(48);
/** Each anchor is in two rows, as in a data set of questions with several answers. */
const same = pairs.filter(({ score }) => score === 1).slice(0, 8);
const questions = same.flatMap(({ text1, text2 }, i) => [
  { anchor: text1, positive: text2 },
  { anchor: text1, positive: `${same[(i + 1) % 8]!.text2} boats` },
]);
const classes = pairs.map(({ text1 }) => ({ text: text1, label: topicOf(text1) }));
const options: FinetuneOptions = {
  recipe: 'auto',
  epochs: 1,
  batchSize: 16,
  effectiveBatchSize: 16,
  learningRate: 1e-3,
  validationSplit: 0,
  seed: 3,
};

test.each([
  ['positives', questions, 'no-duplicates'],
  ['classes', classes, 'by-class'],
  ['labels', pairs, 'any'],
] as const)('of %s it is what the loss wants, and told', async (_, rows, sampler) => {
  const { report, of } = await finish(open(), rows, options);
  expect(report.settings).toEqual(of('summary')[0]!.settings);
  expect(report.settings.sampler).toBe(sampler);
  expect(of('data')[0]!.notes.join(' ')).not.toContain('sampler');
});

test("a ranking loss with 'any' takes rows that share a text together, which is told", async () => {
  const apart = await finish(open(), questions, options);
  const together = await finish(open(), questions, { ...options, sampler: 'any' });
  expect(together.report.settings.sampler).toBe('any');
  expect(together.of('data')[0]!.notes.join(' ')).toContain('Rows of a batch may share a text (sampler any)');
  // 16 rows of 8 anchors are one batch, or two and more that have each anchor once.
  expect(together.report.steps).toBe(1);
  expect(apart.report.steps).toBeGreaterThan(1);
  expect(together.report.epochs[0]!.trainingLoss).not.toBe(apart.report.epochs[0]!.trainingLoss);
});

test('pairs may be kept apart by their texts too', async () => {
  const shared = Array.from({ length: 8 }, (_, i) => ({ text1: 'the mill', text2: same[i]!.text1, score: i % 2 }));
  const run = (more: FinetuneOptions) => finish(open(), shared, { ...options, ...more });
  expect((await run({})).report.steps).toBe(1);
  expect((await run({ sampler: 'no-duplicates' })).report.steps).toBe(8);
});

test('by-class needs classes, and is refused by name before the model is loaded', async () => {
  const none = models.open('a folder that is not there');
  expect(await rejection(none.finetune(questions, { ...options, sampler: 'by-class' }))).toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message: expect.stringMatching(
      /^sampler is 'by-class', which needs texts with a class, but the data is pairs of anchor/,
    ),
  });
  expect(await rejection(none.finetune(questions, { sampler: 'no_duplicates' as never }))).toMatchObject({
    message: expect.stringContaining('sampler must be'),
  });
});

test('of several sets each has its own', async () => {
  const sets = { questions, labels: pairs, classes: { data: classes, sampler: 'any' } } as const;
  const { report, of } = await finish(open(), sets, { ...options, epochs: 1 });
  const told = { questions: 'no-duplicates', labels: 'any', classes: 'any' };
  expect(report.settings.sampler).toEqual(told);
  expect(of('summary')[0]!.settings.sampler).toEqual(told);
  for (const [name, sampler] of Object.entries(told)) expect(report.sets![name]!.sampler).toBe(sampler);
  const wrong = rejection(start(open(), { questions, classes }, { ...options, sampler: 'by-class' }).run);
  expect(await wrong).toMatchObject({ message: expect.stringMatching(/^Data set "questions": sampler is 'by-class'/) });
});

test('a run is gone on with in the same batches alone', async () => {
  const checkpoint = { folder: models.path('checkpoints'), everySteps: 1 };
  const long = { ...options, batchSize: 8, effectiveBatchSize: 8, epochs: 2 };
  const { run } = start(open(), classes, {
    ...long,
    checkpoint,
    onProgress: (event) => {
      if (event.type === 'checkpoint') run.abort();
    },
  });
  expect(await rejection(run)).toMatchObject({ code: 'ERR_ABORTED' });
  const resumed = (more: FinetuneOptions) => start(open(), classes, { ...long, checkpoint, resume: true, ...more }).run;
  expect(await rejection(resumed({ sampler: 'any' }))).toMatchObject({
    code: 'ERR_CHECKPOINT_MISMATCH',
    message: expect.stringContaining('sampler: "by-class" in the checkpoint, "any" now'),
  });
  const report = (await resumed({ sampler: 'by-class' })) as FinetuneReport;
  expect(report.epochs).toHaveLength(2);
});

test('a checkpoint that does not say it had what its loss wants', () => {
  const identity = (own: object): RunIdentity => ({
    model: { id: 'a', before: 'b' },
    data: { rows: 1, sha256: 'c' },
    tokenizer: 'd',
    arithmetic: {},
    options: { schedule: 'linear', warmup: { ratio: 0.1 }, epochs: 1, ...own },
  });
  const check = (loss: object, sampler: unknown) =>
    checkSameRun(identity({ loss }), identity({ ...untold, loss, sampler }), null, 0, 'folder');
  const untold = {
    groupedSplit: false,
    recipe: 'notebook',
    measure: 'loss',
    merge: [1],
    keep: null,
    multiDatasetSampler: null,
    prompts: null,
    folds: 1,
  };
  const ranking = { name: 'multiple-negatives-ranking' };
  check({ name: 'cosine-mse' }, 'any');
  check(ranking, 'no-duplicates');
  check({ name: 'matryoshka', loss: ranking, matryoshka_dims: [8] }, 'no-duplicates');
  check({ name: 'sum', losses: [{ name: 'global-orthogonal-regularization' }, ranking] }, 'no-duplicates');
  check({ name: 'several', sets: { a: ranking, b: { name: 'cosent' } } }, { a: 'no-duplicates', b: 'any' });
  expect(() => check(ranking, 'any')).toThrow('sampler: "no-duplicates" in the checkpoint, "any" now');
  expect(() => check({ name: 'several', sets: { a: ranking } }, { a: 'any' })).toThrow('sampler');
});

test('the card says what it takes to do it again', async () => {
  const model = open();
  await finish(model, questions, {
    ...options,
    loss: { name: 'multiple-negatives-ranking', scale: 30 },
    maxGradientNorm: 2,
  });
  const card = readFileSync(join(await model.save(models.path('tuned')), 'README.md'), 'utf8');
  expect(card).toMatch(/\| Loss \| multiple negatives ranking: .* \(scale 30\) \|/);
  for (const row of [
    '`sampler` | no-duplicates',
    '`epochs` | 1',
    '`warmupRatio` | 0.1',
    '`maxGradientNorm` | 2',
    '`merge` | 0.7',
    '`schedule` | linear',
  ])
    expect(card).toContain(`| ${row} |`);
});
