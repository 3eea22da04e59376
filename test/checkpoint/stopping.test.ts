import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { AbortError, type FinetuneEvent, type FinetuneOptions } from '../../lib';
import { readDescription } from '../../lib/finetune/checkpoint/content';
import type { TrainerHandle } from '../../lib/engine/addon';
import { loadEngine } from '../../lib/engine/load';
import { bits, fixture, liveObjects, PROBE_TEXTS, useModels } from '../public/models';
import { scoredRows } from '../public/rows';
import { finish, rejection, start, withoutTimes } from '../public/runs';
import { EVERYTHING, leftOvers, names, stepsIn } from './support';

/** A run that is aborted or paused at any point of it, and what its process does meanwhile. */

const models = useModels();
const rows = scoredRows();
const options: FinetuneOptions = { ...EVERYTHING, epochs: 3 };
const open = () => models.open(fixture('distilbert-mean'));

let whole: Awaited<ReturnType<typeof finish>>;
let wholeVectors: string;
beforeAll(async () => {
  const model = open();
  whole = await finish(model, rows, options);
  wholeVectors = bits(await model.embed(PROBE_TEXTS));
  await models.clear();
});
const withoutFolder = (report: typeof whole.report) => ({ ...withoutTimes(report), checkpoint: null });

const moments: [string, (event: FinetuneEvent) => boolean][] = [
  ['in the middle of an epoch', (e) => e.type === 'step' && e.totalSteps === 10],
  ['at the last step of an epoch', (e) => e.type === 'step' && e.totalSteps === 14],
  ['in a validation', (e) => e.type === 'validating' && e.epoch === 2],
  ['when an epoch was validated', (e) => e.type === 'validation' && e.epoch === 2],
  ['at the start of an epoch', (e) => e.type === 'epoch-start' && e.epoch === 2],
];

describe.each(moments)('abort %s', (_, at) => {
  test('writes a checkpoint before it rejects, and the run goes on from there to the same end', async () => {
    const folder = models.path('checkpoints');
    const model = open();
    await model.load();
    const live = await liveObjects();
    const controller = new AbortController();
    const observed = start(model, rows, {
      ...options,
      checkpoint: { folder, everyEpoch: false },
      signal: controller.signal,
      onProgress: (event) => {
        if (at(event)) controller.abort('enough');
      },
    });
    expect(await rejection(observed.run)).toMatchObject({ name: 'AbortError', code: 'ERR_ABORTED', cause: 'enough' });
    expect(observed.events.at(-1)).toMatchObject({ type: 'checkpoint', folder: join(folder, names(folder)[0]!) });
    expect(names(folder)).toHaveLength(1);
    expect(leftOvers(folder)).toEqual([]);
    // At most the step that was queued behind the last one that was told.
    const [saved] = stepsIn(folder);
    const told = observed.of('step').at(-1)!.totalSteps;
    expect(saved).toBeGreaterThanOrEqual(told);
    expect(saved).toBeLessThanOrEqual(told + 2);
    expect(await liveObjects()).toEqual(live);
    await model.embed(PROBE_TEXTS);

    for (const again of [model, open()]) {
      const resumed = await finish(again, rows, { ...options, resume: folder });
      expect(withoutFolder(resumed.report)).toEqual(withoutFolder(whole.report));
      expect(bits(await again.embed(PROBE_TEXTS)) === wholeVectors).toBe(true);
    }
  });

  test('and none where onAbort is false', async () => {
    const folder = models.path('checkpoints');
    const observed = start(open(), rows, {
      ...options,
      checkpoint: { folder, everyEpoch: false, everySteps: 1000, onAbort: false },
      onProgress: (event) => {
        if (at(event)) observed.run.abort();
      },
    });
    expect(await rejection(observed.run)).toBeInstanceOf(AbortError);
    expect(names(folder)).toEqual([]);
  });

  test('pause and resume there: nothing goes on between them, and the same comes out', async () => {
    const model = open();
    const addon = await loadEngine();
    const [step, evaluate] = [jest.spyOn(addon, 'step'), jest.spyOn(addon, 'evaluate')];
    try {
      let once = true;
      let pausedAfter = 0;
      const observed = start(model, rows, {
        ...options,
        onProgress: (event) => {
          if (once && at(event)) {
            observed.run.pause();
            pausedAfter = observed.of('step').at(-1)?.totalSteps ?? 0;
          }
          if (observed.run.paused) once = false;
        },
      });
      await observed.first('paused');
      expect(observed.run.paused).toBe(true);
      // At once: at most the step that was queued behind the last one that had been told.
      expect(observed.of('paused')[0]!.totalSteps).toBeLessThanOrEqual(pausedAfter + 2);
      const before = [step.mock.calls.length, evaluate.mock.calls.length, observed.events.length];
      await model.embed(PROBE_TEXTS); // goes on working
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect([step.mock.calls.length, evaluate.mock.calls.length, observed.events.length]).toEqual(before);
      observed.run.resume();
      expect(withoutTimes(await observed.run)).toEqual(withoutTimes(whole.report));
      expect(observed.run.paused).toBe(false);
      expect(observed.of('resumed')).toEqual(
        observed.of('paused').map((event) => ({ ...event, type: 'resumed', kind: 'resumed' })),
      );
      expect(observed.of('step').map(({ loss }) => loss)).toEqual(whole.of('step').map(({ loss }) => loss));
      expect(bits(await model.embed(PROBE_TEXTS)) === wholeVectors).toBe(true);
    } finally {
      step.mockRestore();
      evaluate.mockRestore();
    }
  });

  test('abort while paused there: rejects at once, with a checkpoint', async () => {
    const folder = models.path('checkpoints');
    const observed = start(open(), rows, {
      ...options,
      checkpoint: { folder, everyEpoch: false },
      onProgress: (event) => {
        if (at(event)) observed.run.pause();
      },
    });
    await observed.first('paused');
    const { totalSteps } = observed.of('paused')[0]!;
    observed.run.abort();
    expect(await rejection(observed.run)).toBeInstanceOf(AbortError);
    expect(observed.of('resumed')).toEqual([]);
    expect(stepsIn(folder)).toEqual([totalSteps]);
    const resumed = await finish(open(), rows, { ...options, resume: folder });
    expect(withoutFolder(resumed.report)).toEqual(withoutFolder(whole.report));
  });
});

test('abort in the middle of a step: it is cut off, and is as if it had not begun', async () => {
  const addon = await loadEngine();
  const { step } = addon;
  const outcomes: string[] = [];
  let trainer: TrainerHandle | undefined;
  const spy = jest.spyOn(addon, 'step').mockImplementation((handle, request) => {
    trainer = handle;
    const stepping = step(handle, request);
    stepping.then(
      (result) => outcomes.push(result === null ? 'refused' : 'done'),
      ({ code }: { code: string }) => outcomes.push(code),
    );
    return stepping;
  });
  try {
    const model = open();
    const before = bits(await model.embed(PROBE_TEXTS));
    // One step of seconds.
    const observed = start(model, scoredRows(12_000), {
      ...options,
      epochs: 1,
      validationSplit: 0,
      effectiveBatchSize: 12_000,
    });
    while (trainer === undefined || addon.trainerStats(trainer).workspaceRows === 0) await new Promise(setImmediate);
    observed.run.abort();
    expect(await rejection(observed.run)).toBeInstanceOf(AbortError);
    expect(outcomes).toEqual(['ERR_ABORTED']);
    expect(observed.of('step')).toEqual([]);
    expect(bits(await model.embed(PROBE_TEXTS)) === before).toBe(true);
  } finally {
    spy.mockRestore();
  }
});

test('pause before a run has begun holds its finder, and its training', async () => {
  const observed = start(open(), rows, { ...options, batchSize: 'auto' });
  observed.run.pause();
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(observed.of('step')).toEqual([]);
  observed.run.resume();
  observed.run.resume();
  await observed.run;
  expect(observed.of('step')).toHaveLength(21);
});

test('everyMinutes: after the step in which the time has come, and not before', async () => {
  const folder = models.path('checkpoints');
  const timed = await finish(open(), rows, { ...options, checkpoint: { folder, everyMinutes: 1e-9, keep: 100 } });
  // Every step is late.
  expect(stepsIn(folder)).toEqual(timed.of('step').map(({ totalSteps }) => totalSteps));
  const never = models.path('never');
  await finish(open(), rows, { ...options, checkpoint: { folder: never, everyMinutes: 60 } });
  expect(names(never)).toEqual([]);
});

test('a checkpoint goes to disk while training goes on', async () => {
  // The write is held until two more steps are done: a run that waited for its checkpoint would never end.
  const addon = await loadEngine();
  const { writeCopy } = addon;
  let stepped: () => void = () => undefined;
  const twoSteps = new Promise<void>((resolve) => {
    stepped = resolve;
  });
  const spy = jest.spyOn(addon, 'writeCopy').mockImplementationOnce(async (trainer, path) => {
    const written = writeCopy(trainer, path);
    await twoSteps;
    return written;
  });
  const folder = models.path('checkpoints');
  try {
    const observed = await finish(open(), rows, {
      ...options,
      checkpoint: { folder, everySteps: 6 },
      onProgress: (event) => {
        if (event.type === 'step' && event.totalSteps === 8) stepped();
      },
    });
    const kinds = observed.events.flatMap((event) =>
      event.type === 'step' || event.type === 'checkpoint' ? [`${event.type} ${event.totalSteps}`] : [],
    );
    expect(kinds.indexOf('checkpoint 6')).toBeGreaterThan(kinds.indexOf('step 8'));
    // It holds the sixth step's state all the same.
    const { progress } = await readDescription(join(folder, 'step-00000012'));
    expect(progress.steps).toBe(12);
    expect(withoutFolder(observed.report)).toEqual(withoutFolder(whole.report));
  } finally {
    spy.mockRestore();
  }
});

describe('a run that is let go of', () => {
  async function program(when: string, more: object = {}): Promise<{ code: number | null; lines: string[] }> {
    const args = { model: fixture('bert-mean'), rows, when, epochs: 100_000, ...more };
    const { NODE_OPTIONS: _, ...env } = process.env;
    const child = spawn(process.execPath, [join(__dirname, 'programs', 'unref.cjs'), JSON.stringify(args)], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 50_000,
      killSignal: 'SIGKILL',
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
    return { code, lines: text.trimEnd().split('\n') };
  }

  test.each(['training', 'paused'])('%s: the process ends, without waiting for the rest of it', async (when) => {
    const { code, lines } = await program(when);
    // 13 is Node's code for a top-level await; nobody awaits here.
    expect(code).toBe(0);
    expect(lines).toEqual([expect.stringMatching(/^\{"steps":(5|6|7),"embedded":0\}$/)]);
  });

  test('beside an embed: that is waited for, and only that', async () => {
    const { code, lines } = await program('beside embed');
    expect(code).toBe(0);
    expect(lines).toEqual([expect.stringMatching(/"embedded":400\}$/)]);
  });

  test('and taken hold of again: the process stays to the end', async () => {
    const { code, lines } = await program('ref again', { epochs: 2 });
    expect(code).toBe(0);
    expect(lines).toEqual(['done', '{"steps":30,"embedded":0}']);
  });

  test('a paused run that is not let go of keeps its process', async () => {
    const args = { model: fixture('bert-mean'), rows, when: 'none', epochs: 3 };
    const child = spawn(
      process.execPath,
      [
        '-e',
        `
      const { TextVectorisation } = require(${JSON.stringify(join(__dirname, '../../dist/index.js'))});
      const { model, rows } = ${JSON.stringify(args)};
      const run = new TextVectorisation(model).finetune(rows, { epochs: 3, onProgress: ({ type }) => {
        if (type === 'validation') run.pause();
        if (type === 'paused') setTimeout(() => run.resume(), 300).unref();
      } });
      run.then(() => console.log('done'));
    `,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'], timeout: 50_000 },
    );
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
    expect(text).toBe('done\n');
  });
});
