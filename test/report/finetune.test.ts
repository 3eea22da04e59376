import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { cosineSimilarity, type FinetuneEvent, type FinetuneOptions } from '../../lib';
import { recordIn } from '../../lib/report/read';
import type { RunCloseness } from '../../lib/report/record';
import { fixture, useModels } from '../public/models';
import { scoredRows } from '../public/rows';

/** The option `report` of a real run. */

const models = useModels();
const rows = scoredRows();
const learns: FinetuneOptions = {
  recipe: 'notebook',
  epochs: 3,
  learningRate: 1e-3,
  batchSize: 8,
  effectiveBatchSize: 8,
  precision: 'fp32',
  validationSplit: 0.4,
};

test('the page has the run, and the similarities of both models on the validation rows', async () => {
  const file = models.path('run.html');
  const model = models.open(fixture('bert-mean'));
  const events: FinetuneEvent[] = [];
  const report = await model.finetune(rows, { ...learns, report: file, onProgress: (event) => events.push(event) });
  expect(events.map(({ type }) => type).slice(-2)).toEqual(['report', 'done']);
  expect(events.at(-2)).toMatchObject({ file });
  const record = recordIn(readFileSync(file, 'utf8'))!;
  expect(record.bestEpoch).toBe(report.bestEpoch);
  expect(record.bestEpoch).toBeGreaterThan(0);
  expect(record.steps).toHaveLength(report.steps);
  expect(record.epochs[0]!.measures['loss']).toBe(report.before!.loss);
  const { pairs, before, after, meanChange } = report.randomPairs!;
  expect(record.drift).toEqual({ pairs, before, after, spearman: report.randomPairs!.spearman, meanChange });
  expect(record.settings).toMatchObject({ 'Learning rate': 1e-3, 'Rows of a step': '8', Precision: 'fp32', Seed: '1' });
  expect(record.versions['LibTorch']).toBe(report.libtorch);
  expect(record.data[0]).toBe('60 pairs with label 0/1: 30 ones; columns text1, text2, score');
  expect(record.data[1]).toContain('60 rows: 36 to train on, 24 to validate with');
  expect(readFileSync(file, 'utf8')).toContain("a pair's moved by");
  const comparison = record.comparison!;
  expect(comparison.after).toHaveLength(report.rows.validation);
  const untrained = models.open(fixture('bert-mean'));
  for (const { before: first, after: last, texts, wanted } of [...comparison.better, ...comparison.worse]) {
    const of = async (one: typeof model) => cosineSimilarity(await one.embed(texts[0]!), await one.embed(texts[1]!));
    expect(first).toBeCloseTo(await of(untrained), 4);
    expect(last).toBeCloseTo(await of(model), 4);
    expect(rows).toContainEqual({ text1: texts[0], text2: texts[1], score: wanted });
  }
  expect(comparison.better.length + comparison.worse.length).toBeGreaterThan(0);
});

test('the page of positives names the loss, the measures, and what chance makes of so few rows', async () => {
  const positives = rows
    .filter(({ score }) => score === 1)
    .map(({ text1, text2 }) => ({ anchor: text1, positive: text2 }));
  const file = models.path('positives.html');
  const { recipe: _, ...more } = learns;
  const report = await models.open(fixture('bert-mean')).finetune(positives, { ...more, folds: 1, report: file });
  const page = readFileSync(file, 'utf8');
  const record = recordIn(page)!;
  expect(record.settings['Loss']).toMatch(/^multiple negatives ranking: /);
  expect(record.settings).toMatchObject({
    Batches: 'no-duplicates',
    'Warm-up, share of the steps': 0.1,
    'Epochs, at most': '3',
    'Gradients clipped to': 1,
    'Shares to choose from': '1, 0.85, 0.7, 0.5',
  });
  expect(record.gain).toMatchObject({ measure: 'mrr10', a: report.gain!.before, b: report.gain!.after });
  expect(page).toContain('<td>MRR@10</td>');
  expect(page).not.toMatch(/Mrr10|Ndcg10|Recall10|Accuracy1/);
  // How near what belongs together is, as the model itself has it.
  expect(page).toContain('<h2>Similarities of the validation rows</h2>');
  const [{ together, apart, apartFrom }] = record.closeness as [RunCloseness];
  expect(apartFrom).toBe("another row's positive");
  // Which changed most, and what stood in the place of what was wanted.
  const { kind, better, worse } = record.changed!;
  expect(kind).toBe('queries');
  expect(better.length + worse.length).toBeGreaterThan(0);
  for (const { row, texts, wanted, before, after, change, answers } of [...better, ...worse]) {
    expect({ anchor: texts[0], positive: wanted }).toEqual(positives[row]);
    expect(change).toBeCloseTo((after === null ? 0 : 1 / after) - (before === null ? 0 : 1 / before), 6);
    expect(answers!.b.place).toBe(after);
    if (after === 1) expect(answers!.b.first).toBe(wanted);
  }
  expect(page).toContain('<h2>Rows that changed most</h2>');
  expect(page).toContain('<span class="soft">first after:</span>');
  expect(together.after).toHaveLength(report.rows.validation);
  const untrained = models.open(fixture('bert-mean'));
  const own = await Promise.all(
    positives.map(async ({ anchor, positive }) =>
      cosineSimilarity(await untrained.embed(anchor), await untrained.embed(positive)),
    ),
  );
  for (const one of together.before) expect(Math.min(...own.map((other) => Math.abs(one - other)))).toBeLessThan(1e-4);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(mean(together.before)).toBeGreaterThan(mean(apart.before));
  if (report.bestEpoch > 0 && report.gain!.verdict === 'within noise') expect(page).toContain('That is within noise');
});

test("of triplets the page has the row's own negatives, and what was kept and tried", async () => {
  const same = rows.filter(({ score }) => score === 1);
  const triplets = same.map(({ text1, text2 }, i) => ({
    anchor: text1,
    positive: text2,
    negative: same[(i + 7) % same.length]!.text1,
  }));
  const file = models.path('triplets.html');
  const { recipe: _, ...more } = learns;
  const report = await models.open(fixture('bert-mean')).finetune(triplets, {
    ...more,
    epochs: 1,
    folds: 1,
    keep: { data: scoredRows(40, true), margin: 0.5 },
    report: file,
  });
  const page = readFileSync(file, 'utf8');
  const record = recordIn(page)!;
  const [near] = record.closeness as [RunCloseness];
  expect(near.apartFrom).toBe('own negatives');
  // As the metrics count them: of one negative each, those whose positive is nearer.
  const { together, apart } = near;
  const right = together.before.filter((one, i) => one > apart.before[i]!).length / together.before.length;
  expect(right).toBeCloseTo(report.before!.tripletAccuracy!, 6);
  const { measure, before, after, margin, bound } = report.kept!;
  expect(record.kept).toEqual({ measure, rows: 40, before, after, margin, bound });
  expect(page).toContain('What was to be kept');
  expect(record.epochs[1]!.tried!.map(({ share }) => share)).toEqual([1, 0.85, 0.7, 0.5, 0]);
  expect(page).toContain('<h2>Shares of the trained weights</h2>');
  expect(page).toContain('<th class="n">rows to keep</th>');
});

test('of classes the page shows how near they lie, and the texts that changed most; of several sets each', async () => {
  const { recipe: _, ...more } = learns;
  const file = models.path('other.html');
  const recordOf = async (data: Parameters<ReturnType<typeof models.open>['finetune']>[0]) => {
    await models.open(fixture('bert-mean')).finetune(data as never, { ...more, epochs: 1, folds: 1, report: file });
    return recordIn(readFileSync(file, 'utf8'))!;
  };
  const classes = await recordOf(rows.map(({ text1 }, i) => ({ text: text1, label: ['a', 'b', 'c'][i % 3]! })));
  const [near] = classes.closeness as [RunCloseness];
  expect(near).toMatchObject({ togetherWith: 'texts of one class', apartFrom: 'texts of two classes' });
  expect(near.together.before).toHaveLength(near.together.after.length);
  expect(classes.form).toBe('classes');
  const { kind, better, worse } = classes.changed!;
  expect(kind).toBe('texts');
  for (const { row, texts, wanted, before, after, change } of [...better, ...worse]) {
    expect(texts).toEqual([rows[row]!.text1]);
    expect(wanted).toBe(['a', 'b', 'c'][row % 3]);
    expect(after! - before!).toBeCloseTo(change, 6);
  }
  const same = rows.filter(({ score }) => score === 1).map(({ text1, text2 }) => ({ anchor: text1, positive: text2 }));
  const several = await recordOf({ pairs: rows, answers: same });
  const blocks = several.closeness as RunCloseness[];
  expect(blocks.map(({ set, apartFrom }) => [set, apartFrom])).toEqual([
    ['pairs', 'pairs with label 0'],
    ['answers', "another row's positive"],
  ]);
  expect(readFileSync(file, 'utf8')).toContain('<h2>Similarities of the validation rows of answers</h2>');
});

test('of a small set the page says what was measured, and by how wide an interval', async () => {
  const file = models.path('small.html');
  const { recipe: _, ...more } = learns;
  const run = (data: typeof rows, own: FinetuneOptions) =>
    models.open(fixture('bert-mean')).finetune(data, { ...more, ...own, report: file });
  const report = await run(scoredRows(180), { learningRate: 1e-2, epochs: 5 });
  const page = readFileSync(file, 'utf8');
  expect(report.crossCheck).toEqual({ folds: 5, rows: 180 });
  expect(recordIn(page)).toMatchObject({
    crossCheck: report.crossCheck,
    outcome: 'taken',
    comparison: { confidence: 0.8 },
  });
  expect(page).toContain('on all 180 rows, each under a model that had not seen it went from');
  expect(page).toMatch(/80 % interval/);
  expect(page).not.toMatch(/95 % interval|on the validation rows/);
  const senseless = scoredRows(30).map((row, i) => ({ ...row, score: (i * i + (i >> 2)) % 2 }));
  const none = await run(senseless, { learningRate: 3e-3, epochs: 2, seed: 3 });
  expect(none.bestEpoch).toBe(0);
  const said = { 'not-shown': 'No gain shows', 'not-better': 'Nothing got better' }[none.outcome as string]!;
  expect(readFileSync(file, 'utf8')).toContain(`<strong>${said}</strong>`);
});

test('where no similarities are shown the page says why', async () => {
  const { recipe: _, ...more } = learns;
  const file = models.path('why.html');
  const said = async (data: Parameters<ReturnType<typeof models.open>['finetune']>[0]) => {
    await models.open(fixture('bert-mean')).finetune(data as never, { ...more, epochs: 1, folds: 1, report: file });
    const record = recordIn(readFileSync(file, 'utf8'))!;
    expect(readFileSync(file, 'utf8')).not.toMatch(/<h2>Similarities/);
    return record.unshown;
  };
  const not = 'Similarities before and after are not shown';
  const vectors = rows.map(({ text1 }, i) => ({
    text: text1,
    vector: Array.from({ length: 32 }, (_, k) => Math.sin(i + k)),
  }));
  expect(await said(vectors)).toBe(`${not} of texts with a teacher's vector.`);
  const scores = (some: typeof rows) => some.map((row, i) => ({ ...row, score: (i % 5) / 4 }));
  expect(await said({ one: scores(rows), other: scores(rows.slice(20)) })).toBe(
    `${not} of several data sets of such rows.`,
  );
});

test('a place that cannot be written is refused before anything is done', async () => {
  const model = models.open(fixture('bert-mean'));
  const run = model.finetune(rows, { ...learns, report: models.path('no', 'such', 'run.html') });
  await expect(run).rejects.toMatchObject({ code: 'ERR_FILE', message: expect.stringContaining('run.html') as string });
  mkdirSync(models.path('folder'));
  await expect(model.finetune(rows, { ...learns, report: models.path('folder') })).rejects.toThrow('it is a folder');
  await expect(model.finetune(rows, { ...learns, report: '' })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
});

test('a place that went away costs the page, not the run', async () => {
  const folder = models.path('gone');
  mkdirSync(folder);
  const events: FinetuneEvent[] = [];
  const onProgress = (event: FinetuneEvent) => {
    events.push(event);
    if (event.type === 'epoch-start') rmSync(folder, { recursive: true, force: true });
  };
  const model = models.open(fixture('bert-mean'));
  const report = await model.finetune(rows, { ...learns, report: models.path('gone', 'run.html'), onProgress });
  expect(report.bestEpoch).toBeGreaterThan(0);
  expect(events.find(({ type }) => type === 'report-failed')).toMatchObject({
    message: expect.stringContaining('run.html cannot be written') as string,
  });
});

test('a run that is stopped, or fails, writes what there is of it, and that it did not come to its end', async () => {
  const file = models.path('ended.html');
  const events: FinetuneEvent['type'][] = [];
  const ended = async (stop: (run: { abort(): void }) => void) => {
    const run = models.open(fixture('bert-mean')).finetune(rows, {
      ...learns,
      earlyStopping: false,
      report: file,
      onProgress: (event) => {
        events.push(event.type);
        if (event.type === 'step' && event.epoch === 2) stop(run);
      },
    });
    await expect(run).rejects.toThrow();
    return recordIn(readFileSync(file, 'utf8'))!;
  };
  const stopped = await ended((run) => run.abort());
  expect(stopped).toMatchObject({ stopped: 'It was stopped.', bestEpoch: 1 });
  expect(stopped.epochs.map(({ epoch }) => epoch)).toEqual([0, 1]);
  expect(stopped.comparison!.after).toHaveLength(24);
  expect(stopped.comparison!.confidence).toBeNull();
  expect(events.at(-1)).toBe('report');
  const page = readFileSync(file, 'utf8');
  expect(page).toContain('<strong>The run did not come to its end.</strong> It was stopped.');
  const failed = await ended(() => {
    throw new Error('the screen broke');
  });
  expect(failed.stopped).toContain('the screen broke');
});

test('a run that is stopped before anything is known of it writes none, and leaves nothing beside it', async () => {
  const model = models.open(fixture('bert-mean'));
  const file = models.path('stopped', 'run.html');
  mkdirSync(models.path('stopped'));
  const run = model.finetune(rows, {
    ...learns,
    report: file,
    onProgress: ({ type }) => {
      if (type === 'data') run.abort();
    },
  });
  await expect(run).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  expect(existsSync(file)).toBe(false);
});

test('a run without validation rows has a page without similarities; one that goes on has what its checkpoint has', async () => {
  const model = models.open(fixture('bert-mean'));
  const file = models.path('plain.html');
  await model.finetune(rows, { ...learns, validationSplit: 0, report: file });
  expect(recordIn(readFileSync(file, 'utf8'))!.comparison).toBeNull();

  const options = {
    ...learns,
    earlyStopping: false,
    checkpoint: { folder: models.path('checkpoints'), everySteps: 1 },
  };
  const first = models.open(fixture('bert-mean'));
  const run = first.finetune(rows, {
    ...options,
    onProgress: (event) => {
      if (event.type === 'checkpoint' && event.totalSteps > 6) run.abort();
    },
  });
  await expect(run).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  const second = models.open(fixture('bert-mean'));
  const report = await second.finetune(rows, { ...options, resume: true, report: file });
  const record = recordIn(readFileSync(file, 'utf8'))!;
  expect(record.epochs.map(({ epoch }) => epoch)).toEqual([0, ...report.epochs.map(({ epoch }) => epoch)]);
  expect(record.epochs[1]!.measures['loss']).toBe(report.epochs[0]!.validation!.loss);
  expect(record.epochs[1]!.trainingLoss).toBe(report.epochs[0]!.trainingLoss);
  // The checkpoint has what the rows came to under the untrained model.
  const whole = models.open(fixture('bert-mean'));
  await whole.finetune(rows, { ...learns, earlyStopping: false, report: models.path('whole.html') });
  const uninterrupted = recordIn(readFileSync(models.path('whole.html'), 'utf8'))!;
  expect(record.comparison).toEqual(uninterrupted.comparison);
  expect(record.model).toBe(report.model);
  expect(record.notes.some((note) => note.includes('goes on'))).toBe(true);
});
