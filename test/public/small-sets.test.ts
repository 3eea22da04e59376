import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FinetuneEvent, FinetuneOptions, StepEvent, TrialStepEvent } from '../../lib';
import { fixture, liveObjects, useModels } from './models';
import { lists, scoredRows } from './rows';
import { rejection, withoutTimes } from './runs';

const models = useModels();
const MODEL = fixture('bert-mean');
/** Learns fast; whatever the processor multiplies faster. */
const learns: FinetuneOptions = { precision: 'fp32', learningRate: 3e-3, epochs: 2, seed: 3 };

/** Labels that have nothing to do with the texts. */
const withoutSense = (count: number) => scoredRows(count).map((row, i) => ({ ...row, score: (i * i + (i >> 2)) % 2 }));

const run = (rows: readonly ReturnType<typeof scoredRows>[number][], options: FinetuneOptions) => {
  const model = models.open(MODEL);
  const { pairs, scores } = lists(rows);
  const events: FinetuneEvent[] = [];
  const onProgress = (event: FinetuneEvent) => {
    events.push(event);
    options.onProgress?.(event);
  };
  return { model, events, run: model.finetune(pairs, scores, { ...learns, ...options, onProgress }) };
};

test('every row of a small set is measured by a model that has not seen it', async () => {
  const more = { learningRate: 1e-2, epochs: 5 };
  const { events, run: running } = run(scoredRows(180), more);
  const report = await running;
  expect(report.crossCheck).toEqual({ folds: 5, rows: 180 });
  expect(report.gain!.measure).toBe('averagePrecision');
  expect(report.gain!.difference).toBeGreaterThan(0);
  expect(report.bestEpoch).toBeGreaterThan(0);
  expect(events.filter(({ type }) => type === 'cross-check')).toMatchObject(
    [1, 2, 3, 4].map((done) => ({ done, folds: 4 })),
  );
  expect(report.after!.averagePrecision).toBeCloseTo(report.gain!.after, 10);
  // By the interval that decided.
  expect(report).toMatchObject({ outcome: 'taken', gain: { confidence: 0.8, verdict: 'better' } });
  // A bar of all that is trained moves from the first step to the last, and never back.
  const steps = events.filter(({ type }) => type === 'trial-step' || type === 'step') as (TrialStepEvent | StepEvent)[];
  const fractions = steps.map(({ fraction }) => fraction!);
  expect(fractions.every((fraction, i) => fraction > (fractions[i - 1] ?? 0))).toBe(true);
  expect(Math.max(...fractions.map((fraction, i) => fraction - (fractions[i - 1] ?? 0)))).toBeLessThan(0.02);
  expect(fractions.at(-1)).toBeCloseTo(1, 12);
  const trials = steps.filter((event) => event.type === 'trial-step');
  expect(new Set(trials.map(({ during, trial, trials }) => `${during} ${trial}/${trials}`))).toEqual(
    new Set(['cross-check 1/4', 'cross-check 2/4', 'cross-check 3/4', 'cross-check 4/4']),
  );
  expect(trials.at(-1)).toMatchObject({ epoch: 5, epochs: 5, step: trials.at(-1)!.steps });
  for (const { eta, loss } of trials) expect(eta! > 0 && Number.isFinite(loss)).toBe(true);
  expect(steps.filter(({ type }) => type === 'step')).toHaveLength(report.steps);
  const alone = await run(scoredRows(180), { ...more, folds: 1 }).run;
  expect(alone.crossCheck).toBeNull();
  expect(alone.steps).toBe(report.steps);
  const large = await run(scoredRows(240), {}).run;
  expect(large.crossCheck).toBeNull();
});

test('the same seed gives the same numbers, and the weights are those of a run without the check', async () => {
  const [one, other] = [run(scoredRows(60), { merge: 1 }), run(scoredRows(60), { merge: 1 })];
  const reports = [await one.run, await other.run];
  expect(withoutTimes(reports[0]!)).toEqual(withoutTimes(reports[1]!));
  const alone = run(scoredRows(60), { merge: 1, folds: 1 });
  const { bestEpoch } = await alone.run;
  expect(reports[0]!.epochs.map(({ trainingLoss }) => trainingLoss)).toEqual(
    (await alone.run).epochs.map(({ trainingLoss }) => trainingLoss),
  );
  if (bestEpoch === reports[0]!.bestEpoch)
    expect(await alone.model.embed(['the river'])).toEqual(await one.model.embed(['the river']));
});

test.each([8, 30, 100])('%d rows without sense leave the model as it was', async (count) => {
  const { model, events, run: running } = run(withoutSense(count), {});
  const untouched = await models.open(MODEL).embed(['the river', 'bread']);
  const report = await running;
  expect(report).toMatchObject({ bestEpoch: 0, share: 0, outcome: expect.stringMatching(/^not-(better|shown)$/) });
  expect(await model.embed(['the river', 'bread'])).toEqual(untouched);
  const told = events.filter(({ type }) => type === 'gain-not-shown');
  expect(told).toHaveLength(2);
  expect(told[0]).toMatchObject({
    epoch: 1,
    message: expect.stringMatching(/does not show.*as it was before this epoch/),
  });
});

test('of two rows nothing shows', async () => {
  const { run: running } = run(scoredRows(2), {});
  expect(await running).toMatchObject({ bestEpoch: 0, crossCheck: { rows: 2 } });
});

test('texts with classes and positives are measured among all texts of the set', async () => {
  const rows = scoredRows(80);
  const classes = models.open(MODEL);
  const topics = rows.map(({ text1 }) => text1);
  const labels = rows.map(({ text1 }) => text1.split(' ')[1]!.length % 3);
  const of = await classes.finetune(topics, labels, learns);
  expect(of.crossCheck).toEqual({ folds: 5, rows: 80 });
  const positives = rows.filter(({ score }) => score === 1).map(({ text1, text2 }) => [text1, text2]);
  const ranked = await models.open(MODEL).finetune(positives, learns);
  const { retrieval } = ranked.after!;
  // A part has eight rows.
  expect(retrieval!.documents).toBeGreaterThan(30);
  expect(retrieval!.queries).toBeGreaterThan(positives.length / 2);
});

test('a run is stopped while models are trained that are thrown away, and leaves nothing behind', async () => {
  const before = await liveObjects();
  const stop = new AbortController();
  const { run: running } = run(scoredRows(100), {
    signal: stop.signal,
    onProgress: ({ type }) => type === 'cross-check' && stop.abort(),
  });
  expect(await rejection(running)).toMatchObject({ code: 'ERR_ABORTED' });
  await models.clear();
  expect(await liveObjects()).toEqual(before);
});

test('a run that was stopped after it goes on from its checkpoint with the same numbers', async () => {
  const folder = models.path('checkpoints');
  const options = { checkpoint: { folder, everySteps: 1 }, resume: true };
  const whole = await run(scoredRows(80), {}).run;
  const stop = new AbortController();
  const begun = run(scoredRows(80), {
    ...options,
    signal: stop.signal,
    onProgress: (event) => event.type === 'step' && event.totalSteps === 7 && stop.abort(),
  });
  expect(await rejection(begun.run)).toMatchObject({ code: 'ERR_ABORTED' });
  const again = run(scoredRows(80), options);
  const report = await again.run;
  expect(again.events.some(({ type }) => type === 'restored')).toBe(true);
  expect(again.events.some(({ type }) => type === 'cross-check')).toBe(false);
  const fractions = [...begun.events, ...again.events].flatMap((event) =>
    event.type === 'step' ? [event.fraction] : [],
  );
  expect(fractions.every((fraction, i) => fraction > (fractions[i - 1] ?? 0))).toBe(true);
  const { checkpoint: _, ...numbers } = withoutTimes(report);
  const { checkpoint: __, ...expected } = withoutTimes(whole);
  expect(numbers).toEqual(expected);
});

test('where the measure can have no value nothing is trained beside the run, which is told and goes by the loss', async () => {
  const same = scoredRows(60).map((row) => ({ ...row, score: 1 }));
  const { events, run: running } = run(same, { allowConstantScores: true, loss: 'cosine-mse' });
  const report = await running;
  expect(report).toMatchObject({ measure: 'loss', crossCheck: null, outcome: 'taken' });
  expect(report.after!.loss).toBeLessThan(report.before!.loss);
  expect(events.filter(({ type }) => type === 'cross-check' || type === 'gain-not-shown')).toEqual([]);
  expect(events.filter(({ type }) => type === 'data-warning')).toContainEqual(
    expect.objectContaining({ reason: 'measure-not-defined', message: expect.stringContaining('goes by the loss') }),
  );
});

test('the card and the command say what was measured, and how', async () => {
  const { model, run: running } = run(scoredRows(180), { learningRate: 1e-2, epochs: 5 });
  const { gain } = await running;
  const card = readFileSync(join(await model.save(models.path('saved')), 'README.md'), 'utf8');
  expect(card).toContain(
    'On all 180 pairs in 5 parts, each under a model that was trained without it; this model was trained',
  );
  expect(card).not.toContain('held out of training');
  expect(card).toContain(`average precision ${gain!.before.toFixed(4)} → ${gain!.after.toFixed(4)}, `);
  expect(card).toMatch(/\(80 % interval \S+ to \S+\): better, as far as 80 % of the draws/);
});

test.each<[string, FinetuneOptions, RegExp]>([
  ['parts, and nothing to measure', { folds: 5, validationSplit: 0 }, /folds needs validation rows/],
  ['parts measured by the loss', { folds: 5, measure: 'loss' }, /the run goes by the loss/],
  ['parts of a recipe that goes by the loss', { folds: 5, recipe: 'notebook' }, /the run goes by the loss/],
])('%s: refused', async (_, options, told) => {
  const error = (await rejection(run(scoredRows(40), options).run)) as Error & { code: string };
  expect(error.code).toBe('ERR_INVALID_OPTION');
  expect(error.message).toMatch(told);
});
