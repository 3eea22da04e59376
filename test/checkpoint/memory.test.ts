import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { OutOfMemoryError, type FinetuneOptions, type ScoredRow, type TextVectorisation } from '../../lib';
import { readCheckpoint } from '../../lib/finetune/checkpoint/content';
import type { EngineAddon } from '../../lib/engine/addon';
import type { StepRequest } from '../../lib/engine/training';
import { loadEngine } from '../../lib/engine/load';
import { freed, range, useCase } from '../parity/cases';
import { bits, fixture, PROBE_TEXTS, useModels } from '../public/models';
import { scoredRows } from '../public/rows';
import { finish, rejection, start, withoutTimes } from '../public/runs';
import { EVERYTHING, names, stepsIn, tensors } from './support';

/** Memory that runs out in the middle of training, or that a checkpoint has no room for. */

const models = useModels();
let addon: EngineAddon;
let realStep: EngineAddon['step'];
let processLimit: number | null;
beforeAll(async () => {
  addon = await loadEngine();
  realStep = addon.step;
  processLimit = addon.memory().limit;
});
afterEach(() => {
  addon.failAllocation(0);
  addon.setMemoryLimit(processLimit);
  jest.restoreAllMocks();
});

describe('an allocation that fails', () => {
  const useBert = useCase('bert-dense');
  const options = { dropout: 0.2, weightDecay: 0.05, maxGradientNorm: 0.5, seed: 3 };
  const request = (): StepRequest => ({ rows: range(useBert().pairs), microBatch: 2, learningRate: 1e-3, epoch: 0 });

  test.each([
    ['first', 0],
    ['third', 2],
  ])('each of the %s step in turn: all is as before, and the next attempt works', async (_, taken) => {
    const bert = useBert();
    const run = (fail: boolean) =>
      bert.train(options, async (trainer) => {
        const held = async () => {
          const file = bert.path('held.safetensors');
          await addon.writeState(trainer, file);
          return tensors(file);
        };
        for (let i = 0; i < taken; ++i) await addon.step(trainer, request());
        let failures = 0;
        const before = await held();
        for (let nth = 1; fail; ++nth) {
          addon.failAllocation(nth);
          const outcome = await addon.step(trainer, { ...request(), after: taken }).then(
            () => 'done',
            (error: { code: string }) => error.code,
          );
          addon.failAllocation(0);
          if (outcome === 'done') break;
          ++failures;
          expect(outcome).toBe('ERR_OUT_OF_MEMORY');
          expect(await held()).toEqual(before);
        }
        if (!fail) await addon.step(trainer, request());
        const after = await held();
        expect(after).not.toEqual(before);
        return { failures, after, loss: (await addon.step(trainer, request())).loss, end: await held() };
      });
    const { failures, ...failing } = await run(true);
    const { failures: _none, ...sound } = await run(false);
    // Once everything stands, a step takes little anew: a library's products do, own ones nothing.
    expect(failures).toBeGreaterThan(taken === 0 ? 5 : 0);
    expect(failing).toEqual(sound);
  });

  test('each of a copy of the state: no copy, nothing lost, and the next one works', async () => {
    const bert = useBert();
    await bert.train(options, async (trainer) => {
      await addon.step(trainer, request());
      await addon.commit(trainer);
      await addon.step(trainer, request());
      await freed(addon);
      const { inUse } = addon.memory();
      let failures = 0;
      for (let nth = 1; ; ++nth, ++failures) {
        addon.failAllocation(nth);
        const outcome = await addon.copyState(trainer).then(
          () => 'done',
          (error: { code: string }) => error.code,
        );
        addon.failAllocation(0);
        if (outcome === 'done') break;
        expect(outcome).toBe('ERR_OUT_OF_MEMORY');
        expect(addon.memory().inUse).toBe(inUse);
        await expect(addon.writeCopy(trainer, bert.path('none'))).rejects.toMatchObject({
          code: 'ERR_INVALID_ARGUMENT',
        });
      }
      expect(failures).toBe(4); // weights, two moments, what the model has
      expect(addon.memory().inUse).toBeGreaterThan(inUse);
      const checksum = await addon.writeCopy(trainer, bert.path('copy'));
      expect(addon.memory().inUse).toBe(inUse);
      expect(await addon.writeState(trainer, bert.path('live'))).toBe(checksum);
      expect(tensors(bert.path('copy'))).toEqual(tensors(bert.path('live')));
    });
  });

  test('a restore that has no room leaves trainer and model alone', async () => {
    const bert = useBert();
    const file = bert.path('from.safetensors');
    await bert.train(options, async (trainer) => {
      for (let i = 0; i < 3; ++i) await addon.step(trainer, request());
      await addon.commit(trainer);
      await addon.step(trainer, request());
      await addon.writeState(trainer, file);
    });
    await bert.train(options, async (trainer, model) => {
      const before = await addon.fingerprint(model);
      let failures = 0;
      for (let nth = 1; ; ++nth, ++failures) {
        addon.failAllocation(nth);
        const outcome = await addon.restoreState(trainer, file, true).then(
          () => 'done',
          (error: { code: string }) => error.code,
        );
        addon.failAllocation(0);
        if (outcome === 'done') break;
        expect(await addon.fingerprint(model)).toBe(before);
        expect(addon.trainerStats(trainer).steps).toBe(0);
      }
      expect(failures).toBe(4);
      expect(await addon.fingerprint(model)).not.toBe(before);
      await addon.writeState(trainer, bert.path('again.safetensors'));
      expect(tensors(bert.path('again.safetensors'))).toEqual(tensors(file));
    });
  });
});

/** Rows of few tokens, but those of the sixth of steps of eight, and the twelfth. */
const long = (step: number) => step === 5 || step === 11;
const uneven: ScoredRow[] = scoredRows(128).map((row, i) => {
  const times = long(Math.floor(i / 8)) ? 4 : 1;
  return { ...row, text1: Array(times).fill(row.text1).join(' '), text2: Array(times).fill(row.text2).join(' ') };
});
const options: FinetuneOptions = {
  ...EVERYTHING,
  validationSplit: 0,
  shuffle: false,
  epochs: 2,
  batchSize: 8,
  effectiveBatchSize: 8,
  schedule: 'constant',
};
const open = () => models.open(fixture('bert-mean'));

/** `then` is called before the engine is asked for each step for the first time. Gives the steps as they were taken. */
function beforeSteps(then: (after: number) => void): { step: number; microBatch: number }[] {
  const taken: { step: number; microBatch: number }[] = [];
  let next = 0;
  jest.spyOn(addon, 'step').mockImplementation(async (trainer, request) => {
    if (request.after === next) then(next++);
    const result = await realStep(trainer, request);
    if (result !== null) taken.push({ step: request.after! + 1, microBatch: request.microBatch });
    return result;
  });
  return taken;
}

/** What the small steps need and no more: the long ones do not fit then. */
const squeeze = () => addon.setMemoryLimit(addon.memory().inUse + 20_000);

async function outcome(model: TextVectorisation, observed: Awaited<ReturnType<typeof finish>>) {
  return {
    losses: observed
      .of('step')
      .map(({ totalSteps, loss, gradientNorm, tokens }) => ({ totalSteps, loss, gradientNorm, tokens })),
    vectors: bits(await model.embed(PROBE_TEXTS)),
  };
}

describe('a step that does not fit', () => {
  /** The run that used smaller micro-batches from the same steps on, with all the memory there is. */
  async function withSplits(splits: readonly { step: number; to: number }[]) {
    jest.restoreAllMocks();
    addon.setMemoryLimit(processLimit);
    jest.spyOn(addon, 'step').mockImplementation((trainer, request) => {
      const to = splits.filter((split) => request.after! + 1 >= split.step).at(-1)?.to ?? request.microBatch;
      return realStep(trainer, { ...request, microBatch: to });
    });
    const model = open();
    return outcome(model, await finish(model, uneven, options));
  }

  test('is done again with half the micro-batch, before the one that was queued behind it and would have fitted', async () => {
    const model = open();
    const steps = beforeSteps((after) => {
      if (after === 4) squeeze();
    });
    const squeezed = await finish(model, uneven, options);
    const split = squeezed.of('out-of-memory');
    expect(split.length).toBeGreaterThan(0);
    expect(split[0]).toMatchObject({ during: 'step', epoch: 1, batchSize: 8, next: 4 });
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 32 }, (_, i) => i + 1));
    const found = await outcome(model, squeezed);

    const first = steps.find(({ microBatch }) => microBatch < 8)!.step;
    expect(first).toBe(6); // the long one; the seventh was in the queue behind it
    const splits = steps
      .filter(({ microBatch }, i) => i > 0 && microBatch < steps[i - 1]!.microBatch)
      .map(({ step, microBatch }) => ({ step, to: microBatch }));
    expect(found).toEqual(await withSplits(splits));
    expect(found).not.toEqual(await withSplits([]));
    expect(found).not.toEqual(await withSplits(splits.map(({ step, to }) => ({ step: step + 1, to }))));
  });

  test('and the split is in the checkpoint: a run resumed with all memory goes on as the squeezed one', async () => {
    const folder = models.path('checkpoints');
    beforeSteps((after) => {
      if (after === 4) squeeze();
    });
    const model = open();
    const squeezed = await finish(model, uneven, { ...options, checkpoint: { folder, everySteps: 9, keep: 100 } });
    const found = await outcome(model, squeezed);
    jest.restoreAllMocks();
    addon.setMemoryLimit(processLimit);
    for (const name of names(folder).slice(1)) rmSync(join(folder, name), { recursive: true });
    const { progress } = await readCheckpoint(join(folder, 'step-00000009'), addon);
    expect(progress.splits[0]).toEqual({ step: 6, from: 8, to: 4 });
    const again = open();
    const resumed = await finish(again, uneven, { ...options, resume: folder });
    expect(resumed.report.batchSize).toBe(squeezed.report.batchSize);
    const { losses, vectors } = await outcome(again, resumed);
    expect(losses).toEqual(found.losses.slice(9));
    expect(vectors).toBe(found.vectors);
  });

  test('with one row at once either: the typed error; model and checkpoints are whole, and the run can be resumed', async () => {
    const folder = models.path('checkpoints');
    const model = open();
    const untrained = bits(await model.embed(PROBE_TEXTS));
    beforeSteps((after) => {
      if (after === 20) addon.setMemoryLimit(1);
    });
    const observed = start(model, uneven, { ...options, checkpoint: { folder, everySteps: 7, keep: 100 } });
    const error = await rejection(observed.run);
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect(error).toMatchObject({ code: 'ERR_OUT_OF_MEMORY', message: expect.stringContaining('one row at once') });
    expect(observed.of('out-of-memory').map(({ next }) => next)).toEqual([4, 2, 1]);
    addon.setMemoryLimit(processLimit);
    jest.restoreAllMocks();
    // The first epoch is in the model.
    expect(bits(await model.embed(PROBE_TEXTS)) === untrained).toBe(false);
    expect(stepsIn(folder)).toEqual([7, 14]);
    for (const name of names(folder)) await readCheckpoint(join(folder, name), addon);
    const whole = open();
    const expected = await finish(whole, uneven, options);
    const again = open();
    const resumed = await finish(again, uneven, { ...options, resume: folder });
    expect({ ...withoutTimes(resumed.report), checkpoint: null }).toEqual(withoutTimes(expected.report));
    expect(bits(await again.embed(PROBE_TEXTS)) === bits(await whole.embed(PROBE_TEXTS))).toBe(true);
  });
});

describe('a checkpoint and memory', () => {
  test('no room for a copy: it is written without one while training waits, and is as good', async () => {
    const folder = models.path('checkpoints');
    const model = open();
    const plain = await outcome(model, await finish(model, uneven, options));
    beforeSteps((after) => {
      if (after === 14) squeeze();
    });
    const writeCopy = jest.spyOn(addon, 'writeCopy');
    const tight = open();
    // No long step comes after: what fails is the copy alone. Every epoch is committed, so the next has one tensor more.
    const observed = start(tight, uneven, {
      ...options,
      checkpoint: { folder, everySteps: 15, everyEpoch: false, keep: 100 },
      onProgress: (event) => {
        if (event.type === 'checkpoint') addon.setMemoryLimit(processLimit);
      },
    });
    await observed.run;
    expect(observed.of('checkpoint')[0]).toMatchObject({ totalSteps: 15, copied: false });
    expect(observed.of('checkpoint')[1]).toMatchObject({ totalSteps: 30, copied: true });
    expect(writeCopy).toHaveBeenCalledTimes(1);
    expect(observed.of('checkpoint-failed')).toEqual([]);
    expect(observed.of('out-of-memory')).toEqual([]);
    rmSync(join(folder, 'step-00000030'), { recursive: true });
    const again = open();
    const resumed = await outcome(again, await finish(again, uneven, { ...options, resume: folder }));
    expect(resumed).toEqual({ losses: plain.losses.slice(15), vectors: plain.vectors });
  });

  test('a step that would fit but for the copy waits for it to be written, and is not split', async () => {
    const folder = models.path('checkpoints');
    const model = open();
    const plain = await outcome(model, await finish(model, uneven, options));
    const { writeCopy } = addon;
    let failed: () => void = () => undefined;
    const failure = new Promise<void>((resolve) => {
      failed = resolve;
    });
    // The copy is held until a step has failed for want of memory.
    jest.spyOn(addon, 'writeCopy').mockImplementation(async (trainer, path) => {
      squeeze();
      await failure;
      return writeCopy(trainer, path);
    });
    jest.spyOn(addon, 'step').mockImplementation(async (trainer, request) => {
      try {
        return await realStep(trainer, request);
      } catch (error) {
        failed();
        throw error;
      }
    });
    const tight = open();
    const observed = start(tight, uneven, {
      ...options,
      checkpoint: { folder, everySteps: 5, everyEpoch: false },
      onProgress: (event) => {
        if (event.type === 'checkpoint') addon.setMemoryLimit(processLimit);
      },
    });
    const timer = setTimeout(failed, 20_000);
    await observed.run;
    clearTimeout(timer);
    expect(observed.of('out-of-memory')).toEqual([]);
    expect(observed.of('checkpoint')[0]).toMatchObject({ totalSteps: 5, copied: true });
    // The long sixth step came only after it.
    const kinds = observed.events.flatMap((event) =>
      event.type === 'step' || event.type === 'checkpoint' ? [`${event.type} ${event.totalSteps}`] : [],
    );
    expect(kinds.indexOf('checkpoint 5')).toBeLessThan(kinds.indexOf('step 6'));
    expect(await outcome(tight, { ...observed, report: await observed.run })).toEqual(plain);
  });
});

test("others take the machine's memory during a run: its limit follows, the run goes on in smaller parts", async () => {
  const model = open();
  // As a control group that is full but for so many bytes, from the fourth step on.
  let left = Infinity;
  jest
    .spyOn(process, 'constrainedMemory')
    .mockImplementation(() => (left === Infinity ? 0 : process.memoryUsage.rss() + left));
  const setLimit = jest.spyOn(addon, 'setTrainerLimit');
  const observed = start(model, uneven, {
    ...options,
    onProgress: (event) => {
      if (event.type !== 'step' || event.totalSteps !== 4) return;
      left = 20_000;
      observed.run.pause(); // for longer than what was free is taken to be so still
      setTimeout(() => observed.run.resume(), 300);
    },
  });
  const report = await observed.run;
  expect(observed.of('out-of-memory')[0]).toMatchObject({ during: 'step', batchSize: 8, next: 4 });
  expect(report).toMatchObject({ steps: 32 });
  expect(report.batchSize).toBeLessThan(8);
  const limits = setLimit.mock.calls.map(([, bytes]) => bytes!);
  expect(limits.at(-1)!).toBeLessThan(limits[0]! / 10);
});
