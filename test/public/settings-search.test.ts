import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FinetuneEvent, FinetuneOptions } from '../../lib';
import { fixture, liveObjects, useModels } from './models';
import { asItIs, lists, scoredRows } from './rows';
import { rejection, withoutTimes } from './runs';

const models = useModels();
const MODEL = fixture('bert-mean');
/** A rate that is far too low, from which a search has somewhere to go. */
const options: FinetuneOptions = { precision: 'fp32', epochs: 1, seed: 3, merge: 1, folds: 1 };
const rows = scoredRows(240);

function begin(given: FinetuneOptions) {
  const model = models.open(MODEL);
  const { pairs, scores } = lists(rows);
  const events: FinetuneEvent[] = [];
  const run = model.finetune(pairs, scores, {
    ...options,
    ...given,
    onProgress: (event) => {
      events.push(event);
      given.onProgress?.(event);
    },
  });
  return { model, events, run };
}

test('tries rates and batches, trains with the best, and the report has the trials', async () => {
  const { events, run } = begin({ search: { minutes: 5 } });
  const { search, learningRate, effectiveBatchSize } = await run;
  const { trials, chosen, measure } = search!;
  expect(measure).toBe('averagePrecision');
  expect(search!.rows).toEqual({ training: 204, validation: 36 });
  expect(trials[0]).toMatchObject({ learningRate: 1e-4, effectiveBatchSize: 16 });
  expect(new Set(trials.map((one) => one.learningRate)).size).toBeGreaterThan(2);
  expect(new Set(trials.map((one) => one.effectiveBatchSize)).size).toBeGreaterThan(2);
  const best = Math.max(...trials.map(({ value }) => value!));
  expect(trials.find(({ value }) => value === best)).toMatchObject(chosen);
  expect({ learningRate, effectiveBatchSize }).toEqual(chosen);
  const told = events.filter(({ type }) => type === 'search');
  expect(told).toHaveLength(trials.length + 1);
  const steps = events.flatMap((event) => (event.type === 'trial-step' ? [event] : []));
  expect([...new Set(steps.map(({ trial }) => trial))]).toEqual(trials.map((_, i) => i + 1));
  expect(steps[0]).toMatchObject({ during: 'search', trials: null, epoch: 1, step: 1, fraction: null, eta: null });
  expect(told.at(-1)).toMatchObject({ outcome: 'finished', ...chosen });
  // What follows is the run with these settings, to the bit.
  const plain = await begin({ ...chosen, effectiveBatchSize: chosen.effectiveBatchSize! }).run;
  expect(withoutTimes({ ...plain, search: null })).toEqual(withoutTimes({ ...(await run), search: null }));
});

test('what is given is not searched for', async () => {
  const { search } = await begin({ search: { minutes: 5 }, learningRate: 1e-3 }).run;
  expect(new Set(search!.trials.map((one) => one.learningRate))).toEqual(new Set([1e-3]));
});

test('the budget is kept: without time for a trial the own settings are taken', async () => {
  const { search, learningRate } = await begin({ search: { minutes: 1e-6 } }).run;
  expect(search).toMatchObject({ trials: [], chosen: { learningRate: 1e-4, effectiveBatchSize: 16 } });
  expect(learningRate).toBe(1e-4);
});

test('a run is stopped in the search, and leaves nothing behind', async () => {
  const before = await liveObjects();
  const stop = new AbortController();
  const { run } = begin({
    search: { minutes: 5 },
    signal: stop.signal,
    onProgress: ({ type }) => type === 'search' && stop.abort(),
  });
  expect(await rejection(run)).toMatchObject({ code: 'ERR_ABORTED' });
  await models.clear();
  expect(await liveObjects()).toEqual(before);
});

test('a search that was stopped goes on with what it tried; a run that was stopped after it with what it chose', async () => {
  const folder = models.path('checkpoints');
  const given: FinetuneOptions = { search: { minutes: 5 }, checkpoint: { folder, everySteps: 1 }, resume: true };
  const stopping = (when: (event: FinetuneEvent) => boolean) => {
    const stop = new AbortController();
    return { ...given, signal: stop.signal, onProgress: (event: FinetuneEvent) => when(event) && stop.abort() };
  };
  let trials = 0;
  const first = begin(stopping((event) => event.type === 'search' && ++trials === 2));
  expect(await rejection(first.run)).toMatchObject({ code: 'ERR_ABORTED' });
  const kept = JSON.parse(readFileSync(join(folder, 'search.json'), 'utf8')) as { trials: unknown[] };
  expect(kept.trials).toHaveLength(2);

  const second = begin(stopping((event) => event.type === 'step' && event.totalSteps === 5));
  expect(await rejection(second.run)).toMatchObject({ code: 'ERR_ABORTED' });
  const tried = second.events.filter((event) => event.type === 'search' && event.outcome === 'tried').length;

  const third = begin(given);
  const report = await third.run;
  expect(third.events.some(({ type }) => type === 'search')).toBe(false);
  expect(third.events.some((event) => event.type === 'restored' && event.from !== null)).toBe(true);
  expect(report.search!.trials).toHaveLength(2 + tried);
  expect(kept.trials).toMatchObject(report.search!.trials.slice(0, 2));

  const whole = await begin({ search: { minutes: 5 } }).run;
  const numbers = ({ search, ...one }: typeof report) => ({
    ...withoutTimes({ ...one, search: null }),
    checkpoint: null,
    search: { ...search, trials: search!.trials.map((trial) => ({ ...trial, seconds: 0 })) },
  });
  expect(numbers(report)).toEqual(numbers(whole));
});

test('trials of another run do not count', async () => {
  const folder = models.path('checkpoints');
  const given: FinetuneOptions = { search: { minutes: 5 }, checkpoint: { folder }, resume: true };
  const stop = new AbortController();
  const { run } = begin({ ...given, signal: stop.signal, onProgress: ({ type }) => type === 'search' && stop.abort() });
  await rejection(run);
  expect(existsSync(join(folder, 'search.json'))).toBe(true);
  const { events, run: other } = begin({ ...given, seed: 4 });
  const { search } = await other;
  expect(events.filter((event) => event.type === 'search' && event.outcome === 'tried')).toHaveLength(
    search!.trials.length,
  );
});

test('what is better by chance alone is not chosen, which is told', async () => {
  const { pairs, scores } = lists(rows.map((row, i) => ({ ...row, score: (i * i + (i >> 2)) % 2 })));
  const told: string[] = [];
  const onProgress = (event: FinetuneEvent) =>
    event.type === 'search' && event.outcome === 'finished' && told.push(event.message);
  const { search } = await models
    .open(MODEL)
    .finetune(pairs, scores, { ...options, search: { minutes: 5 }, onProgress });
  const { trials, chosen } = search!;
  expect(Math.max(...trials.map(({ value }) => value!))).toBeGreaterThan(trials[0]!.value!);
  expect(chosen).toEqual({ learningRate: 1e-4, effectiveBatchSize: 16 });
  expect(told).toEqual([
    expect.stringMatching(/learning rate 1e-4, batch 16, its own: .* no more than chance makes of 36 rows$/),
  ]);
});

test('a trial counts for what of it keeps what must be kept', async () => {
  const keep = await asItIs(models.open(MODEL), scoredRows(60, true).slice(0, 40));
  const { search } = await begin({ search: { minutes: 5 }, learningRate: 1e-2, keep: { data: keep, margin: 0 } }).run;
  expect(search!.trials.length).toBeGreaterThan(1);
  expect(search!.trials.map(({ value }) => value)).toEqual(search!.trials.map(() => null));
  expect(search!.chosen).toEqual({ learningRate: 1e-2, effectiveBatchSize: 16 });
});

test('by a loss that looks at whole batches their size is not looked for, nor where it is what fits; which is told', async () => {
  const finished = (events: FinetuneEvent[]) =>
    events.flatMap((event) => (event.type === 'search' && event.outcome === 'finished' ? [event.message] : []))[0];
  const whole = begin({ search: { minutes: 5 }, loss: 'cosent', measure: 'loss' });
  const sizes = (await whole.run).search!.trials.map((one) => one.effectiveBatchSize);
  expect(new Set(sizes)).toEqual(new Set([16]));
  expect(finished(whole.events)).toMatch(/the batch was not looked for, as losses of batches of another size cannot/);
  const notebook = begin({ search: { minutes: 5 }, recipe: 'notebook' });
  await notebook.run;
  expect(finished(notebook.events)).toMatch(/the batch was not looked for, as it is what fits in memory/);
});

test.each<[string, FinetuneOptions, RegExp]>([
  ['nothing to go by', { search: { minutes: 1 }, validationSplit: 0 }, /search goes by validation rows/],
  [
    'nothing left open',
    { search: { minutes: 1 }, learningRate: 1, effectiveBatchSize: 8 },
    /search has nothing to look/,
  ],
  ['no time', { search: { minutes: 0 } }, /search\.minutes must be a number of minutes above 0/],
  ['no object', { search: 5 as never }, /search must be an object with minutes/],
])('%s: refused', async (_, given, told) => {
  const error = (await rejection(begin(given).run)) as Error & { code: string };
  expect(error.code).toBe('ERR_INVALID_OPTION');
  expect(error.message).toMatch(told);
});
