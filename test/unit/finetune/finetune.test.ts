import type { TrainingData } from '../../../lib/data/form';
import { AbortError, InvalidArgumentError, NativeError, OutOfMemoryError } from '../../../lib/system/errors';
import type { FinetuneEvent } from '../../../lib/finetune/events';
import { finetune } from '../../../lib/finetune/finetune';
import type { FinetuneOptions } from '../../../lib/finetune/options';
import { resolveOptions } from '../../../lib/finetune/resolved-options';
import { FinetuneRun } from '../../../lib/finetune/run';
import { coded, FakeEngine } from './fake-engine';

function pairs(rows: number): TrainingData {
  return {
    form: 'labelled-pairs',
    labelWidth: 1,
    rows: Array.from({ length: rows }, (_, i) => ['x'.repeat(1 + (i % 40)), 'y'.repeat(1 + (i % 23))] as const),
    labels: Array.from({ length: rows }, (_, i) => i % 2),
  };
}

function start(engine: FakeEngine, options: FinetuneOptions, rows = 100) {
  const events: FinetuneEvent[] = [];
  const resolved = resolveOptions({
    recipe: 'notebook',
    ...options,
    onProgress: (event: FinetuneEvent) => {
      events.push(event);
      return options.onProgress?.(event);
    },
  });
  const facts = { emptyTexts: 0, file: null, columns: [], skipped: 0, notes: [] };
  const data = async () => ({ ...pairs(rows), facts });
  const sets = [{ name: null, data, atOnce: true, loss: resolved.loss, sampler: null, measure: resolved.measure }];
  const job = { sets, model: async () => engine.model, options: resolved };
  const run = new FinetuneRun((control) => finetune(job, control));
  const of = <K extends FinetuneEvent['type']>(kind: K) =>
    events.filter((event): event is Extract<FinetuneEvent, { type: K }> => event.type === kind);
  return { run, events, of };
}

async function rejection(run: PromiseLike<unknown>): Promise<unknown> {
  return run.then(
    () => {
      throw new Error('the run did not reject');
    },
    (error: unknown) => error,
  );
}

/** Whatever happened: the trainer and the data set are gone, and nothing is left in the queue. */
function expectCleanEnd(engine: FakeEngine) {
  expect(engine.live).toEqual({ models: 1, datasets: 0, trainers: 0 });
}

test('a whole run: events in order, each row once an epoch, best epoch committed, a report of it all', async () => {
  const engine = new FakeEngine();
  engine.errors = [0.5, 0.4, 0.3, 0.35];
  const { run, events, of } = start(engine, { seed: 7 });
  const report = await run;

  expect(of('data')).toMatchObject([
    { rows: 100, trainingRows: 85, validationRows: 15, longest: 42, maxInputLength: 128 },
  ]);
  expect(of('summary')).toMatchObject([
    { parameters: 135127808, bytes: 540511232, megabytes: '540.511', threads: 2, seed: 7 },
  ]);
  // Of 85 rows and three epochs, 32 of the longest would be more than a tenth.
  expect(of('finder').map(({ batchSize }) => batchSize)).toEqual([2, 4, 8, 32]);
  expect(of('validation').map(({ epoch, best }) => [epoch, best])).toEqual([
    [0, true],
    [1, true],
    [2, true],
    [3, false],
  ]);
  expect(of('early-stop')).toMatchObject([{ epoch: 3, bestEpoch: 2, patience: 1 }]);
  expect(of('step').map(({ epoch, step }) => `${epoch}.${step}`)).toEqual([
    '1.1',
    '1.2',
    '1.3',
    '2.1',
    '2.2',
    '2.3',
    '3.1',
    '3.2',
    '3.3',
  ]);
  expect(of('step').map(({ totalSteps }) => totalSteps)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  // The old name of the discriminator, for this version.
  expect(events.filter(({ type, kind }) => type !== kind)).toEqual([]);
  expect(events.map(({ type }) => type).filter((type, i, all) => type !== all[i - 1])).toEqual([
    'data',
    'device',
    'summary',
    'finder',
    'validating',
    'validation',
    'epoch-start',
    'step',
    'validating',
    'validation',
    'epoch-start',
    'step',
    'validating',
    'validation',
    'epoch-start',
    'step',
    'validating',
    'validation',
    'early-stop',
    'done',
  ]);
  for (const epoch of [0, 1, 2]) {
    const rows = engine.applied.slice(3 * epoch, 3 * epoch + 3).flatMap((step) => [...step.rows]);
    expect(new Set(rows).size).toBe(85);
    expect(engine.applied[3 * epoch]!.epoch).toBe(epoch);
  }
  expect(engine.committed).toBe(6);
  expect(engine.commits).toBe(2);
  expect(report).toMatchObject({
    bestEpoch: 2,
    stoppedEarly: true,
    steps: 9,
    batchSize: 32,
    effectiveBatchSize: 32,
    seed: 7,
    threads: 2,
    rows: { training: 85, validation: 15 },
    tokens: 2550,
    precision: 'fp32',
    libtorch: '2.11.0',
    maxInputLength: 128,
  });
  expect(report.before!.loss).toBeCloseTo(0.25, 6);
  expect(report.after!.loss).toBeCloseTo(0.09, 6);
  expect(report.epochs.map((epoch) => epoch.validation!.loss.toFixed(4))).toEqual(['0.1600', '0.0900', '0.1225']);
  expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  expectCleanEnd(engine);
});

test('where training only makes it worse the model stays as it was', async () => {
  const engine = new FakeEngine();
  engine.errors = [0.1, 0.2];
  const report = await start(engine, {}).run;
  expect(report).toMatchObject({ bestEpoch: 0, stoppedEarly: true });
  expect(report.after).toEqual(report.before);
  expect(engine.commits).toBe(0);
});

test('the same seed gives the same steps, another seed others', async () => {
  const steps = async (seed: number) => {
    const engine = new FakeEngine();
    await start(engine, { seed, epochs: 2, earlyStopping: false }).run;
    return engine.applied;
  };
  const first = await steps(3);
  expect(await steps(3)).toEqual(first);
  expect(await steps(4)).not.toEqual(first);
});

test("two steps are in the engine's hands, never more", async () => {
  const engine = new FakeEngine();
  await start(engine, { epochs: 2, effectiveBatchSize: 4 }).run;
  expect(engine.mostQueued).toBe(2);
});

test('the finder tries the rows with most tokens', async () => {
  const engine = new FakeEngine();
  await start(engine, { epochs: 1, seed: 2 }, 60).run;
  const { labels, rows: texts } = pairs(60);
  expect(labels).toHaveLength(60);
  const trained = new Set(engine.applied.flatMap((step) => [...step.rows]));
  const lengths = [...trained].map((row) => texts[row]!.join('').length).sort((a, b) => b - a);
  for (const rows of engine.probed) {
    expect(rows.map((row) => texts[row]!.join('').length)).toEqual(lengths.slice(0, rows.length));
  }
});

test('options reach the engine', async () => {
  const engine = new FakeEngine();
  await start(engine, {
    epochs: 2,
    optimizer: 'torch',
    maxGradientNorm: 1,
    freeze: ['embeddings'],
    dropout: 0,
    memoryLimit: 123456789,
    seed: 11,
    precision: 'bf16',
    batchSize: 5,
    effectiveBatchSize: 20,
    learningRate: 1e-3,
    schedule: 'linear',
    earlyStopping: false,
  }).run;
  expect(engine.trainerOptions).toEqual({
    device: 'cpu',
    precision: 'bf16',
    loss: { name: 'cosine-mse' },
    wholeSteps: true,
    keepBase: false,
    seed: 11,
    dropout: 0,
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weightDecay: 0.01,
    biasCorrection: true,
    maxGradientNorm: 1,
    freeze: ['embeddings'],
    memoryLimit: 123456789,
  });
  expect(engine.probed).toEqual([]);
  expect(engine.applied.map((step) => [step.microBatch, step.rows.length])).toEqual(
    [20, 20, 20, 20, 5, 20, 20, 20, 20, 5]
      .map((rows) => [5, rows])
      .map(([micro], i) => [micro, engine.applied[i]!.rows.length]),
  );
  expect(engine.applied.map(({ learningRate }) => learningRate.toFixed(5))).toEqual([
    '0.00100',
    '0.00090',
    '0.00080',
    '0.00070',
    '0.00060',
    '0.00050',
    '0.00040',
    '0.00030',
    '0.00020',
    '0.00010',
  ]);
});

test('steps are whole by the recipe of the notebook alone', async () => {
  const engine = new FakeEngine();
  await start(engine, { epochs: 1, recipe: 'scores', loss: 'cosine-mse', merge: 1, measure: 'loss' }).run;
  expect(engine.trainerOptions).toMatchObject({ wholeSteps: false });
});

describe('out of memory', () => {
  test("the finder's size is used, and the step still has all its rows", async () => {
    const engine = new FakeEngine();
    engine.capacity = 11;
    const { run, of } = start(engine, { epochs: 1 });
    expect(await run).toMatchObject({ batchSize: 8, effectiveBatchSize: 32 });
    expect(of('finder').at(-2)!.message).toBe('Batch size 16 failed, trying batch size 8');
    expect(engine.applied.map(({ rows }) => rows.length).sort()).toEqual([21, 32, 32]);
    expect(of('out-of-memory')).toEqual([]);
  });

  test('in the middle of training the micro-batch is halved until it fits, and every row is still trained once', async () => {
    const engine = new FakeEngine();
    engine.beforeStep = (_, index) => {
      if (index === 1) engine.capacity = 9;
    };
    const { run, of } = start(engine, { epochs: 1, effectiveBatchSize: 17, batchSize: 17 });
    const report = await run;
    const splits = of('out-of-memory').filter(({ during }) => during === 'step');
    expect(splits.map(({ batchSize, next }) => [batchSize, next])).toEqual([[17, 8]]);
    expect(splits[0]!.message).toMatch(/batch size 17.*batch size 8/);
    expect(engine.applied.map(({ microBatch }) => microBatch)).toEqual([17, 8, 8, 8, 8]);
    expect(new Set(engine.applied.flatMap((step) => [...step.rows])).size).toBe(85);
    expect(engine.applied.flatMap((step) => [...step.rows])).toHaveLength(85);
    expect(report).toMatchObject({ batchSize: 8, steps: 5 });
    expectCleanEnd(engine);
  });

  test('the order of the steps is that of a run without the failure, where both steps in flight failed', async () => {
    const order = async (fail: boolean) => {
      const engine = new FakeEngine();
      if (fail)
        engine.beforeStep = (_, index) => {
          engine.capacity = index === 2 || index === 3 ? 3 : Infinity;
        };
      await start(engine, { epochs: 1, effectiveBatchSize: 8, batchSize: 8 }).run;
      return engine.applied.map(({ rows }) => [...rows]);
    };
    expect(await order(true)).toEqual(await order(false));
  });

  test('where the step behind the failed one would fit, it still comes after it', async () => {
    const order = async (fail: boolean) => {
      const engine = new FakeEngine();
      engine.beforeStep = (_, index) => {
        engine.capacity = fail && index === 2 ? 3 : Infinity;
      };
      const { run, of } = start(engine, { epochs: 1, effectiveBatchSize: 17, batchSize: 17 });
      expect(await run).toMatchObject({ steps: 5, batchSize: fail ? 8 : 17 });
      expect(of('step').map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
      return engine.applied.map(({ rows }) => [...rows]);
    };
    expect(await order(true)).toEqual(await order(false));
  });

  test('halves again and again, down to one row', async () => {
    const engine = new FakeEngine();
    engine.beforeStep = () => {
      engine.capacity = 1;
    };
    const { run, of } = start(engine, { epochs: 1, effectiveBatchSize: 8, batchSize: 8 });
    expect(await run).toMatchObject({ batchSize: 1 });
    expect(
      of('out-of-memory')
        .filter(({ during }) => during === 'step')
        .map(({ next }) => next),
    ).toEqual([4, 2, 1]);
  });

  test('at one row it is a typed error; the model keeps its best weights', async () => {
    const engine = new FakeEngine();
    engine.errors = [0.5, 0.4];
    engine.beforeStep = (_, index) => {
      if (index >= 4) engine.capacity = 0;
    };
    const error = await rejection(start(engine, { epochs: 5, effectiveBatchSize: 32 }).run);
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect(error).toMatchObject({ code: 'ERR_OUT_OF_MEMORY', message: expect.stringContaining('one row at once') });
    expect(engine.committed).toBe(3);
    expectCleanEnd(engine);
  });

  test('in validation it goes on in smaller parts, and training keeps its batch', async () => {
    const engine = new FakeEngine();
    engine.beforeStep = () => {
      engine.capacity = Infinity;
    };
    const { run, of } = start(engine, {
      epochs: 1,
      batchSize: 16,
      effectiveBatchSize: 16,
      onProgress: ({ type }) => {
        if (type === 'summary') engine.capacity = 4;
      },
    });
    expect(await run).toMatchObject({ batchSize: 16 });
    expect(of('out-of-memory').map(({ during, batchSize, next }) => [during, batchSize, next])).toEqual([
      ['validation', 16, 7],
      ['validation', 7, 3],
    ]);
  });
});

describe('stopping', () => {
  test.each(['signal', 'abort()'])(
    'by %s in the middle of an epoch: within the step, best weights so far',
    async (way) => {
      const engine = new FakeEngine();
      engine.errors = [0.5, 0.4, 0.3];
      const controller = new AbortController();
      const { run, events } = start(engine, {
        signal: controller.signal,
        effectiveBatchSize: 4,
        onProgress: (event) => {
          if (event.type !== 'step' || event.epoch !== 2 || event.step !== 3) return;
          if (way === 'signal') controller.abort('enough');
          else run.abort('enough');
        },
      });
      const error = await rejection(run);
      expect(error).toBeInstanceOf(AbortError);
      expect(error).toMatchObject({ name: 'AbortError', code: 'ERR_ABORTED', cause: 'enough' });
      expect(engine.committed).toBe(22);
      expect(engine.applied.length).toBeLessThanOrEqual(22 + 4);
      expect(engine.calls.at(-1)).toBe('cancel');
      expect(events.at(-1)).toMatchObject({ type: 'step', kind: 'step', epoch: 2, step: 3 });
      expectCleanEnd(engine);
    },
  );

  test('a signal that is aborted already touches nothing', async () => {
    const engine = new FakeEngine();
    const error = await rejection(start(engine, { signal: AbortSignal.abort() }).run);
    expect(error).toMatchObject({ name: 'AbortError' });
    expect(engine.calls).toEqual([]);
  });

  test.each<FinetuneEvent['type']>(['data', 'summary', 'finder', 'validating', 'validation', 'epoch-start', 'step'])(
    'at the event %s',
    async (kind) => {
      const engine = new FakeEngine();
      const { run } = start(engine, {
        onProgress: (event) => {
          if (event.type === kind) run.abort();
        },
      });
      expect(await rejection(run)).toMatchObject({ name: 'AbortError' });
      expectCleanEnd(engine);
    },
  );

  test('whoever is told that an epoch is the best has its weights, though the run is aborted at once', async () => {
    const engine = new FakeEngine();
    engine.errors = [0.5, 0.4];
    const { run } = start(engine, {
      onProgress: (e) => {
        if (e.type === 'validation' && e.epoch === 1) run.abort();
      },
    });
    await rejection(run);
    expect(engine.committed).toBe(3);
  });

  test("after the end abort does nothing, and the caller's signal is let go", async () => {
    const engine = new FakeEngine();
    const controller = new AbortController();
    const remove = jest.spyOn(controller.signal, 'removeEventListener');
    const { run } = start(engine, { epochs: 1, signal: controller.signal });
    const report = await run;
    run.abort();
    expect(await run).toBe(report);
    expect(remove).toHaveBeenCalledWith('abort', expect.any(Function));
    expect(engine.calls).not.toContain('cancel');
  });

  test('without validation the model has the last whole epoch', async () => {
    const engine = new FakeEngine();
    const { run } = start(engine, {
      validationSplit: 0,
      effectiveBatchSize: 25,
      batchSize: 25,
      onProgress: (event) => {
        if (event.type === 'step' && event.epoch === 3 && event.step === 2) run.abort();
      },
    });
    await rejection(run);
    expect(engine.committed).toBe(8);
  });
});

test('without validation every epoch is committed and nothing is measured', async () => {
  const engine = new FakeEngine();
  const { run, of } = start(engine, { validationSplit: 0, epochs: 3 });
  expect(await run).toMatchObject({ before: null, after: null, bestEpoch: 3, stoppedEarly: false });
  expect(engine.commits).toBe(3);
  expect(of('validation')).toEqual([]);
});

describe('a callback that fails', () => {
  test.each(['throws', 'rejects'])('and %s ends the run with its error, cleanly', async (way) => {
    const engine = new FakeEngine();
    engine.errors = [0.5, 0.4];
    const failure = new RangeError('the progress bar broke');
    const { run } = start(engine, {
      effectiveBatchSize: 4,
      onProgress: (event) => {
        if (event.type !== 'step' || event.epoch !== 2) return;
        if (way === 'throws') throw failure;
        return Promise.reject(failure) as unknown as void;
      },
    });
    expect(await rejection(run)).toBe(failure);
    expect(engine.committed).toBe(22);
    expectCleanEnd(engine);
  });
});

describe('errors of the engine', () => {
  test('in a step they reject the run, as their class, once the other step has ended', async () => {
    const engine = new FakeEngine();
    engine.beforeStep = (_, index) => {
      if (index === 2) throw coded('ERR_NATIVE', 'the loss is not finite');
    };
    const error = await rejection(start(engine, { effectiveBatchSize: 8 }).run);
    expect(error).toBeInstanceOf(NativeError);
    expect(error).toMatchObject({ message: 'the loss is not finite' });
    expectCleanEnd(engine);
  });

  test('no memory for even one row', async () => {
    const engine = new FakeEngine();
    engine.capacity = 0;
    expect(await rejection(start(engine, {}).run)).toBeInstanceOf(OutOfMemoryError);
    expectCleanEnd(engine);
  });
});

describe('what the model cannot do is refused before anything is made', () => {
  test.each<[FinetuneOptions, string, RegExp]>([
    [{ maxInputLength: 513 }, 'ERR_MAX_INPUT_LENGTH', /513, but fake has positions for 512/],
    [{ freeze: ['encoder.layer.2'] }, 'ERR_INVALID_OPTION', /Did you mean "encoder.layer.[01]"/],
    [{ freeze: ['encoder.lay'] }, 'ERR_INVALID_OPTION', /no such parameter/],
    [{ freeze: ['encoder', 'embeddings'] }, 'ERR_INVALID_OPTION', /nothing left to train/],
  ])('%j', async (options, code, message) => {
    const engine = new FakeEngine();
    const error = await rejection(start(engine, options).run);
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(engine.calls).toEqual([]);
    expectCleanEnd(engine);
  });

  test("a limit above the folder's is honoured where there are positions", async () => {
    const { run, of } = start(new FakeEngine(), { maxInputLength: 300, epochs: 1 });
    await run;
    expect(of('data')[0]!.maxInputLength).toBe(300);
  });
});

test.each<[number, number, RegExp | null]>([
  [2, 0.15, /^Only 1 row to train on and 1 to validate with: what is measured on so few says little/],
  [19, 0.15, /^Only 16 rows to train on and 3 to validate with/],
  [5, 0, /^Only 5 rows to train on, none to validate with: nothing tells/],
  [20, 0.15, null],
])('%i rows with a validation split of %f: what can be expected is told', async (rows, validationSplit, told) => {
  const { run, of } = start(new FakeEngine(), { validationSplit, epochs: 1 }, rows);
  await run;
  const { notes } = of('data')[0]!;
  expect(notes).toEqual(told === null ? [] : [expect.stringMatching(told)]);
});
