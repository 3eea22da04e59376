import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DataSets, FinetuneOptions, TrainingRow } from '../../lib';
import { loadEngine } from '../../lib/engine/load';
import type { CaseName } from '../parity/cases';
import { bits, fixture, liveObjects, PROBE_TEXTS, useModels } from '../public/models';
import { asItIs, scoredRows } from '../public/rows';
import { finish, rejection, start, withoutTimes } from '../public/runs';
import { EVERYTHING, logged, names, startTraining, state, steps, stepsIn, tensors, upTo } from './support';

/** A run that goes on from a checkpoint is, to the last bit, the run that was never interrupted. */

const models = useModels();
const rows = scoredRows();

type Finished = Awaited<ReturnType<typeof finish>>;
const losses = ({ of }: Finished) =>
  of('step').map(({ totalSteps, epoch, step, loss, learningRate, gradientNorm, tokens }) => ({
    totalSteps,
    epoch,
    step,
    loss,
    learningRate,
    gradientNorm,
    tokens,
  }));
const validations = ({ of }: Finished) =>
  of('validation').map(({ epoch, metrics, best, trainingLoss }) => ({ epoch, metrics, best, trainingLoss }));
const report = ({ report: found }: Finished) => ({ ...withoutTimes(found), checkpoint: null });

/** Runs once with a checkpoint after every step and epoch, then goes on from each of them; all must be one run. */
async function everyCheckpoint(
  name: CaseName,
  options: FinetuneOptions,
  data: readonly TrainingRow[] | DataSets = rows,
) {
  const folder = models.path('all');
  const whole = models.open(fixture(name));
  const expected = await finish(whole, data, {
    ...options,
    checkpoint: { folder, everySteps: 1, everyEpoch: true, keep: 1000 },
  });
  const vectors = bits(await whole.embed(PROBE_TEXTS));
  const last = names(folder).at(-1)!;
  const weights = state(folder, last);
  expect(stepsIn(folder)).toEqual(expected.of('step').map(({ totalSteps }) => totalSteps));

  // Writing checkpoints changes nothing.
  const plain = models.open(fixture(name));
  const undisturbed = await finish(plain, data, options);
  expect(losses(undisturbed)).toEqual(losses(expected));
  expect(report(undisturbed)).toEqual(report(expected));
  expect(bits(await plain.embed(PROBE_TEXTS)) === vectors).toBe(true);

  for (const checkpoint of names(folder)) {
    const from = upTo(folder, checkpoint, models.path('from'));
    const model = models.open(fixture(name));
    const resumed = await finish(model, data, {
      ...options,
      resume: true,
      checkpoint: { folder: from, everySteps: 1, everyEpoch: true, keep: 1000 },
    });
    const done = Number(checkpoint.slice(5));
    expect(resumed.of('restored')).toMatchObject([{ from: join(from, checkpoint), totalSteps: done, differences: [] }]);
    expect(losses(resumed)).toEqual(losses(expected).slice(done));
    const epochsLeft = new Set(validations(resumed).map(({ epoch }) => epoch));
    expect(validations(resumed)).toEqual(validations(expected).filter(({ epoch }) => epochsLeft.has(epoch)));
    expect(epochsLeft.has(0)).toBe(false);
    expect(report(resumed)).toEqual(report(expected));
    expect(state(from, last)).toEqual(weights);
    expect(bits(await model.embed(PROBE_TEXTS)) === vectors).toBe(true);
    await model.dispose();
    rmSync(from, { recursive: true });
  }
  return expected;
}

test.each<[string, CaseName, FinetuneOptions]>([
  ['all that a step depends on', 'bert-mean', { ...EVERYTHING, epochs: 2 }],
  [
    'bf16, a steady rate, torch',
    'distilbert-dense',
    { ...EVERYTHING, precision: 'bf16', schedule: 'constant', warmupSteps: 0, optimizer: 'torch', epochs: 2 },
  ],
  [
    'frozen parts, decay of rows no text uses',
    'roberta-mean',
    { ...EVERYTHING, epochs: 2, freeze: ['encoder.layer.0'], optimizer: { weightDecay: 0.3 } },
  ],
  [
    'no validation: each epoch is taken',
    'bert-dense',
    { ...EVERYTHING, epochs: 2, validationSplit: 0, optimizer: { weightDecay: 0.3 } },
  ],
  [
    'batches in the order of the data, rate growing all the way',
    'bert-mean',
    { ...EVERYTHING, epochs: 2, shuffle: false, warmupRatio: 1, warmupSteps: undefined as never },
  ],
])('from each step and each epoch: %s', async (_, name, options) => {
  const given = Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as FinetuneOptions;
  await everyCheckpoint(name, given);
});

const same = rows.filter(({ score }) => score === 1);
test.each<[string, readonly TrainingRow[], string]>([
  [
    'a ranking loss, some of whose rows share texts',
    same.map(({ text1, text2 }, i) => ({ anchor: i % 4 === 0 ? same[0]!.text1 : text1, positive: text2 })),
    'multiple-negatives-ranking',
  ],
  [
    'a classifier of premise and hypothesis',
    rows.map(({ text1, text2 }, i) => ({ premise: text1, hypothesis: text2, label: i % 3 })),
    'softmax',
  ],
  ['a loss of classes', rows.map(({ text1 }, i) => ({ text: text1, label: i % 5 })), 'batch-all-triplet'],
])('from each step and each epoch: %s', async (_, data, loss) => {
  const asked = loss === 'softmax' ? ({ loss, measure: 'loss' } as const) : {};
  const { report: found } = await everyCheckpoint('bert-mean', { ...EVERYTHING, ...asked, epochs: 2 }, data);
  expect(found.loss.name).toBe(loss);
});

test.each(['proportional', 'round-robin'] as const)(
  'from each step and each epoch: several sets, each with its loss (%s)',
  async (multiDatasetSampler) => {
    const sets: DataSets = {
      labels: { data: rows.slice(0, 24), loss: 'softmax' },
      questions: same.map(({ text1, text2 }) => ({ anchor: text1, positive: text2 })),
      topics: rows.slice(30).map(({ text1 }, i) => ({ text: text1, label: i % 3 })),
    };
    const { report: found, of } = await everyCheckpoint(
      'bert-mean',
      { ...EVERYTHING, epochs: 2, measure: 'loss', multiDatasetSampler },
      sets,
    );
    expect(Object.keys(found.sets!)).toEqual(['labels', 'questions', 'topics']);
    expect(new Set(of('step').map(({ set }) => set))).toEqual(new Set(Object.keys(sets)));
  },
);

test('early stopping goes on where it was, and a run that is over is over', async () => {
  const model = models.open(fixture('distilbert-mean'));
  const worse = await asItIs(model, rows); // training can only make it worse
  const { report: found } = await everyCheckpoint(
    'distilbert-mean',
    {
      ...EVERYTHING,
      epochs: 6,
      earlyStopping: { patience: 2 },
      effectiveBatchSize: 16,
    },
    worse,
  );
  expect(found).toMatchObject({ stoppedEarly: true, bestEpoch: 0 });
  expect(found.epochs).toHaveLength(2);
});

test('a batch size that was found is not looked for again', async () => {
  const folder = models.path('found');
  const options: FinetuneOptions = { ...EVERYTHING, batchSize: 'auto', effectiveBatchSize: 12 };
  const model = models.open(fixture('bert-mean'));
  const observed = start(model, rows, {
    ...options,
    checkpoint: { folder, everySteps: 1 },
    onProgress: (event) => {
      if (event.type === 'step' && event.totalSteps === 6) observed.run.abort();
    },
  });
  await rejection(observed.run);
  expect(observed.of('finder').length).toBeGreaterThan(0);
  const addon = await loadEngine();
  const probe = jest.spyOn(addon, 'probe');
  try {
    const resumed = await finish(models.open(fixture('bert-mean')), rows, { ...options, resume: folder });
    expect(probe).not.toHaveBeenCalled();
    expect(resumed.of('finder')).toEqual([]);
    const whole = await finish(models.open(fixture('bert-mean')), rows, options);
    expect(report(resumed)).toEqual(report(whole));
    expect(losses(resumed)).toEqual(losses(whole).slice(resumed.of('restored')[0]!.totalSteps));
  } finally {
    probe.mockRestore();
  }
});

test('without a checkpoint it begins afresh and says so', async () => {
  const folder = models.path('none', 'yet');
  const fresh = await finish(models.open(fixture('bert-mean')), rows, {
    ...EVERYTHING,
    checkpoint: { folder },
    resume: true,
  });
  expect(fresh.of('restored')).toMatchObject([
    { from: null, totalSteps: 0, message: expect.stringMatching(/no checkpoint.*afresh/) },
  ]);
  expect(fresh.report.checkpoint).toEqual({ folder, restoredFrom: null, written: 3, failed: 0, error: null });
  const plain = await finish(models.open(fixture('bert-mean')), rows, EVERYTHING);
  expect(losses(plain)).toEqual(losses(fresh));
  expect(plain.of('restored')).toEqual([]);
  expect(plain.report.checkpoint).toBeNull();
});

test('more epochs than before, where the learning rate does not ask how many there are', async () => {
  const folder = models.path('more');
  const steady: FinetuneOptions = { ...EVERYTHING, schedule: 'constant', epochs: 2 };
  await finish(models.open(fixture('bert-mean')), rows, { ...steady, checkpoint: { folder } });
  const longer = await finish(models.open(fixture('bert-mean')), rows, { ...steady, epochs: 4, resume: folder });
  const whole = await finish(models.open(fixture('bert-mean')), rows, { ...steady, epochs: 4 });
  expect(report(longer)).toEqual(report(whole));
});

test('a model card tells of the whole run, though only its end was done here', async () => {
  const folder = models.path('done');
  const card = async (given: FinetuneOptions, to: string) => {
    const model = models.open(fixture('bert-mean'));
    const {
      report: { bestEpoch },
    } = await finish(model, rows, { ...EVERYTHING, ...given });
    expect(bestEpoch).toBeGreaterThan(0);
    return readFileSync(join(await model.save(models.path(to)), 'README.md'), 'utf8');
  };
  const whole = await card({ checkpoint: { folder } }, 'whole');
  expect(await card({ resume: folder }, 'resumed')).toBe(whole);
});

test('twice over in one object: stopped, gone on with, stopped and gone on with again', async () => {
  const folder = models.path('twice');
  const model = models.open(fixture('distilbert-mean'));
  await model.load();
  const live = await liveObjects();
  const options: FinetuneOptions = { ...EVERYTHING, optimizer: { weightDecay: 0.3 } };
  const whole = models.open(fixture('distilbert-mean'));
  const expected = await finish(whole, rows, options);
  for (const stopAt of [10, 16]) {
    const observed = start(model, rows, {
      ...options,
      resume: true,
      checkpoint: { folder, everySteps: 4 },
      onProgress: (event) => {
        if (event.type === 'step' && event.totalSteps === stopAt) observed.run.abort();
      },
    });
    await rejection(observed.run);
    expect(stepsIn(folder).at(-1)!).toBeGreaterThanOrEqual(stopAt);
  }
  const resumed = await finish(model, rows, { ...options, resume: true, checkpoint: { folder } });
  expect(report(resumed)).toEqual(report(expected));
  expect(bits(await model.embed(PROBE_TEXTS)) === bits(await whole.embed(PROBE_TEXTS))).toBe(true);
  await whole.dispose();
  expect(await liveObjects()).toEqual(live);
});

test('processes that are killed, each at a moment of its own, make one run', async () => {
  const job = (name: string, more: FinetuneOptions = {}) => ({
    model: fixture('bert-mean'),
    rows,
    options: { ...EVERYTHING, epochs: 40, ...more },
    log: models.path(`${name}.log`),
    out: models.path(name),
  });
  models.write('here', '');
  const whole = job('whole');
  const resumed = job('resumed', { resume: true, checkpoint: { folder: models.path('checkpoints'), everySteps: 2 } });
  expect(await startTraining(whole).ended).toEqual({ code: 0, signal: null, stderr: '' });
  let state = 4711;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  for (let kill = 0; kill < 4; ++kill) {
    const { child, ended } = startTraining(resumed);
    const from = logged(resumed.log).length;
    while (
      child.exitCode === null &&
      logged(resumed.log)
        .slice(from)
        .every(({ kind }) => kind !== 'step')
    )
      await new Promise((r) => setTimeout(r, 5));
    await new Promise((r) => setTimeout(r, 250 * random()));
    child.kill('SIGKILL');
    await ended;
  }
  expect(await startTraining(resumed).ended).toEqual({ code: 0, signal: null, stderr: '' });

  const lines = logged(resumed.log);
  expect(lines.filter(({ kind }) => kind === 'restored').length).toBe(5);
  expect(lines.filter(({ kind }) => /damaged|failed/.test(kind))).toEqual([]);
  const expected = new Map(steps(logged(whole.log)).map((step) => [step.step, step]));
  // Steps behind a checkpoint were done by two processes, and are the same; none is missing.
  for (const step of steps(lines)) expect(step).toEqual(expected.get(step.step));
  expect(new Set(steps(lines).map(({ step }) => step)).size).toBe(expected.size);
  expect(steps(lines).length).toBeGreaterThan(expected.size);
  expect(tensors(join(resumed.out, 'model.safetensors'))).toEqual(tensors(join(whole.out, 'model.safetensors')));
});
