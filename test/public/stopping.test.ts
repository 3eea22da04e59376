import { getEventListeners } from 'node:events';
import {
  AbortError,
  StateError,
  type FinetuneEvent,
  type FinetuneOptions,
  type ScoredRow,
  type TextVectorisation,
} from '../../lib';
import { loadEngine } from '../../lib/engine/load';
import { bits, fixture, liveObjects, PROBE_TEXTS, useModels } from './models';
import { asItIs, scoredRows } from './rows';
import { finish, holdingSteps, rejection, start } from './runs';

/**
 * A run that is stopped, however and whenever: it ends with the reason, the model has its best weights so far, nothing
 * native is left, and the model can be used and trained on.
 */

const models = useModels();
const rows = scoredRows();
/** Each of the first two epochs is better than the one before. */
const options: FinetuneOptions = {
  epochs: 4,
  learningRate: 1e-3,
  batchSize: 4,
  effectiveBatchSize: 4,
  earlyStopping: false,
  precision: 'fp32',
  seed: 2,
};
const open = () => models.open(fixture('distilbert-mean'));

type Test = (event: FinetuneEvent) => boolean;
const atStep =
  (epoch: number, step: number): Test =>
  (event) =>
    event.type === 'step' && event.epoch === epoch && event.step === step;

/** Vectors after `epochs` whole epochs. */
async function vectorsAfter(epochs: number): Promise<string> {
  const model = open();
  if (epochs > 0) {
    const { report } = await finish(model, rows, { ...options, epochs });
    expect(report.bestEpoch).toBe(epochs);
  }
  return bits(await model.embed(PROBE_TEXTS));
}

let untrained: string;
let afterOne: string;
beforeAll(async () => {
  untrained = await vectorsAfter(0);
  afterOne = await vectorsAfter(1);
  await models.clear();
});

/** The model has the weights whose vectors are `expected`, nothing of a run is left, and a new run completes. */
async function expectSound(model: TextVectorisation, expected: string, live: Awaited<ReturnType<typeof liveObjects>>) {
  expect(await liveObjects()).toEqual(live);
  expect(bits(await model.embed(PROBE_TEXTS)) === expected).toBe(true);
  const { report } = await finish(model, rows, { ...options, epochs: 1 });
  expect(report.epochs).toHaveLength(1);
  expect(await liveObjects()).toEqual(live);
}

/** Steps that the engine is asked for, while `work` goes on. */
async function countingSteps<T>(work: (asked: () => number) => Promise<T>): Promise<T> {
  const step = jest.spyOn(await loadEngine(), 'step');
  try {
    return await work(() => step.mock.calls.length);
  } finally {
    step.mockRestore();
  }
}

const waysToAbort: [
  string,
  (reason: unknown) => { options: FinetuneOptions; abort: (run: { abort(reason: unknown): void }) => void },
][] = [
  ['run.abort', (reason) => ({ options: {}, abort: (run) => run.abort(reason) })],
  [
    'a signal',
    (reason) => {
      const controller = new AbortController();
      return { options: { signal: controller.signal }, abort: () => controller.abort(reason) };
    },
  ],
];

describe.each(waysToAbort)('abort by %s', (_, way) => {
  test("in the second epoch: begins no step more, and the model has the first epoch's weights", async () => {
    const model = open();
    await model.load();
    const live = await liveObjects();
    const reason = { why: 'enough' };
    const { options: how, abort } = way(reason);
    await countingSteps(async (asked) => {
      let askedAtAbort = 0;
      const observed = start(model, rows, {
        ...options,
        ...how,
        onProgress: (event) => {
          if (!atStep(2, 3)(event)) return;
          abort(observed.run);
          askedAtAbort = asked();
        },
      });
      const error = (await rejection(observed.run)) as AbortError;
      expect(error).toBeInstanceOf(AbortError);
      expect(error).toMatchObject({ name: 'AbortError', code: 'ERR_ABORTED' });
      expect(error.cause).toBe(reason);
      expect(error.message).toContain('best weights so far');
      // One that had ended, and at most one that was waiting behind it.
      expect(askedAtAbort).toBeGreaterThanOrEqual(13 + 3);
      expect(askedAtAbort).toBeLessThanOrEqual(13 + 5);
      expect(asked()).toBe(askedAtAbort);
      expect(atStep(2, 3)(observed.events.at(-1)!)).toBe(true);
    });
    await expectSound(model, afterOne, live);
  });

  test('before it has begun: nothing is read and nothing loaded', async () => {
    const { options: how, abort } = way('early');
    let read = 0;
    const source = {
      *[Symbol.iterator]() {
        ++read;
        yield* rows;
      },
    } as Iterable<ScoredRow>;
    const model = models.open(models.path('no-such-model'));
    if (how.signal !== undefined) abort({ abort: () => undefined });
    const run = model.finetune(source, { ...options, ...how });
    abort(run);
    expect(await rejection(run)).toMatchObject({ name: 'AbortError', code: 'ERR_ABORTED', cause: 'early' });
    if (how.signal !== undefined) expect(read).toBe(0);
  });

  test('while the data keeps us waiting: the source is closed', async () => {
    const { options: how, abort } = way('too slow');
    let closed = false;
    const source: AsyncIterable<ScoredRow> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise(() => undefined),
        return: async () => {
          closed = true;
          return { done: true, value: undefined };
        },
      }),
    };
    const model = open();
    const run = model.finetune(source, { ...options, ...how });
    setImmediate(() => abort(run));
    expect(await rejection(run)).toMatchObject({ code: 'ERR_ABORTED', cause: 'too slow' });
    expect(closed).toBe(true);
    expect(bits(await model.embed(PROBE_TEXTS)) === untrained).toBe(true);
  });

  test('while the model is loaded', async () => {
    const live = await liveObjects();
    const { options: how, abort } = way('too slow');
    const model = open();
    const run = model.finetune(rows, { ...options, ...how });
    await Promise.resolve();
    abort(run);
    expect(await rejection(run)).toMatchObject({ code: 'ERR_ABORTED', cause: 'too slow' });
    expect(bits(await model.embed(PROBE_TEXTS)) === untrained).toBe(true);
    await model.dispose();
    expect(await liveObjects()).toEqual(live);
  });

  test('after the end: nothing happens, and nothing listens to the signal', async () => {
    const { options: how, abort } = way('late');
    const { run, report } = await finish(open(), rows, { ...options, ...how, epochs: 1 });
    if (how.signal !== undefined) expect(getEventListeners(how.signal, 'abort')).toEqual([]);
    abort(run);
    expect(await run).toBe(report);
  });
});

test.each<[FinetuneEvent['type'], Partial<FinetuneOptions>]>([
  ['data', {}],
  ['summary', {}],
  ['finder', { batchSize: 'auto' }],
  ['validating', {}],
  ['validation', {}],
  ['epoch-start', {}],
  ['step', {}],
  ['early-stop', { earlyStopping: true }],
  ['done', {}],
])('abort at an event of kind %s', async (kind, more) => {
  const model = open();
  await model.load();
  const live = await liveObjects();
  const given = kind === 'early-stop' ? await asItIs(model, rows) : rows;
  const observed = start(model, given, {
    ...options,
    ...more,
    epochs: 2,
    onProgress: (event) => {
      if (event.type === kind) observed.run.abort(kind);
    },
  });
  expect(await rejection(observed.run)).toMatchObject({ name: 'AbortError', code: 'ERR_ABORTED', cause: kind });
  expect(observed.events.filter((event) => event.type === kind)).toHaveLength(1);
  expect(observed.events.at(-1)!.type).toBe(kind);
  expect(await liveObjects()).toEqual(live);
  if (kind !== 'done') expect(bits(await model.embed(PROBE_TEXTS)) === untrained).toBe(true);
  await finish(model, rows, { ...options, epochs: 1 });
});

test('weights told to be the best are kept by whoever stops at that very event', async () => {
  const model = open();
  const observed = start(model, rows, {
    ...options,
    onProgress: (event) => {
      if (event.type === 'validation' && event.epoch === 1) observed.run.abort();
    },
  });
  await rejection(observed.run);
  expect(observed.of('validation').at(-1)).toMatchObject({ epoch: 1, best: true });
  expect(bits(await model.embed(PROBE_TEXTS)) === afterOne).toBe(true);
});

test('the first reason counts', async () => {
  const controller = new AbortController();
  const run = open().finetune(rows, { ...options, signal: controller.signal });
  run.abort('first');
  run.abort('second');
  controller.abort('third');
  expect(await rejection(run)).toMatchObject({ cause: 'first' });
});

describe('onProgress', () => {
  const mine = new RangeError('mine');

  test.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw mine;
      },
    ],
    [
      'rejects',
      async () => {
        throw mine;
      },
    ],
    [
      'rejects later',
      () =>
        new Promise((_, reject) => {
          setImmediate(() => reject(mine));
        }),
    ],
  ])('%s: the run stops with that very error', async (_, fail) => {
    const model = open();
    await model.load();
    const live = await liveObjects();
    const observed = start(model, rows, {
      ...options,
      epochs: 200,
      onProgress: (event) => (atStep(2, 3)(event) ? (fail() as void) : undefined),
    });
    expect(await rejection(observed.run)).toBe(mine);
    expect(observed.of('done')).toEqual([]);
    await expectSound(model, afterOne, live);
  });

  test('a promise that resolves is nothing to it', async () => {
    const { report } = await finish(open(), rows, { ...options, epochs: 1, onProgress: async () => undefined });
    expect(report.epochs).toHaveLength(1);
  });
});

test('embed during a run gives the vectors of the best weights so far', async () => {
  const model = open();
  const during: Promise<Float32Array[]>[] = [];
  const { report, of } = await holdingSteps((hold) =>
    finish(model, rows, {
      ...options,
      epochs: 2,
      onProgress: (event) => {
        if (event.type !== 'step' || event.step % 4 !== 0 || event.step > 8) return;
        during.push(model.embed(PROBE_TEXTS));
        hold(during.at(-1)!);
      },
    }),
  );
  const found = (await Promise.all(during)).map((vectors) => [untrained, afterOne].indexOf(bits(vectors)));
  expect(found).toEqual([0, 0, 1, 1]);
  // Epoch 0 and the first: what comes after is no part of what was asked for.
  expect(
    of('validation')
      .slice(0, 2)
      .map(({ best }) => best),
  ).toEqual([true, true]);
  // And they changed nothing of the run.
  const alone = await finish(open(), rows, { ...options, epochs: 2 });
  expect(report.epochs.map(({ trainingLoss }) => trainingLoss)).toEqual(
    alone.report.epochs.map(({ trainingLoss }) => trainingLoss),
  );
});

test('two models are trained at once, each as if alone', async () => {
  const train = (seed: number) => finish(open(), rows, { ...options, epochs: 2, seed });
  const together = await Promise.all([train(1), train(2)]);
  for (const [i, seed] of [1, 2].entries()) {
    const alone = await train(seed);
    expect(together[i]!.report.epochs.map(({ trainingLoss }) => trainingLoss)).toEqual(
      alone.report.epochs.map(({ trainingLoss }) => trainingLoss),
    );
  }
});

describe('dispose', () => {
  test.each(['data', 'finder', 'validating', 'step', 'validation'] as const)('during a run, at %s', async (kind) => {
    const live = await liveObjects();
    const model = open();
    let disposed: Promise<void> | undefined;
    const observed = start(model, rows, {
      ...options,
      batchSize: 'auto',
      onProgress: (event) => {
        if (event.type === kind) disposed ??= model.dispose();
      },
    });
    const error = await rejection(observed.run);
    expect(error).toBeInstanceOf(StateError);
    expect(error).toMatchObject({ code: 'ERR_DISPOSED' });
    await disposed;
    expect(await liveObjects()).toEqual(live);
    expect(await rejection(model.embed('a'))).toMatchObject({ code: 'ERR_DISPOSED' });
  });

  test('waits for the run to end', async () => {
    const model = open();
    const order: string[] = [];
    const observed = start(model, rows, options);
    void observed.run.catch(() => order.push('run'));
    await observed.first('step');
    await model.dispose();
    order.push('dispose');
    expect(order).toEqual(['run', 'dispose']);
  });

  test('while the model is loaded, and while texts are embedded', async () => {
    const live = await liveObjects();
    const loading = open();
    const uses = [loading.load(), loading.embed('a'), loading.info()].map(rejection);
    await loading.dispose();
    for (const error of await Promise.all(uses))
      expect(error).toMatchObject({ name: 'StateError', code: 'ERR_DISPOSED' });

    const embedding = open();
    await embedding.load();
    const many = embedding.embed(Array.from({ length: 5000 }, () => 'the river'));
    const outcome = many.then(
      (vectors) => vectors.length,
      (error: { code: string }) => error.code,
    );
    await embedding.dispose();
    expect([5000, 'ERR_DISPOSED']).toContain(await outcome);
    expect(await liveObjects()).toEqual(live);
  });
});

test('a run is a promise of its report', async () => {
  const run = open().finetune(rows, { ...options, epochs: 1 });
  const order: string[] = [];
  const [a, b, c] = await Promise.all([
    run,
    run.then((report) => report.steps),
    run.finally(() => {
      order.push('finally');
    }),
  ]);
  expect(c).toBe(a);
  expect(b).toBe(a.steps);
  expect(order).toEqual(['finally']);
  expect(Object.prototype.toString.call(run)).toBe('[object FinetuneRun]');
  const failed = open().finetune([], { ...options });
  expect(await failed.catch((error) => (error as { code: string }).code)).toBe('ERR_EMPTY_DATA');
});
