import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckpointError, DeviceError, InvalidArgumentError, type FinetuneOptions, type LoadEvent } from '../../lib';
import type { EngineAddon } from '../../lib/engine/addon';
import { loadEngine } from '../../lib/engine/load';
import { hasNvidiaDriver } from '../../lib/system/platform';
import { bits, fixture, liveObjects, PROBE_TEXTS, relativeDistance, useModels } from './models';
import { scoredRows } from './rows';
import { finish, rejection, start, withoutTimes } from './runs';

/**
 * The choice of the device, and what is made for GPUs, run through the public API on LibTorch's CPU tensors
 * (VECTUNE_TEST_DEVICE). What only a GPU can show is in test/gpu.
 */

const models = useModels();
const rows = scoredRows();
/** Without dropout: its masks are others on a device. */
const options: FinetuneOptions = {
  recipe: 'notebook',
  epochs: 2,
  learningRate: 1e-3,
  earlyStopping: false,
  dropout: 0,
  batchSize: 8,
  effectiveBatchSize: 16,
};
let addon: EngineAddon;
beforeAll(async () => {
  addon = await loadEngine({ cuda: true });
});

const losses = (observed: Awaited<ReturnType<typeof finish>>) => observed.of('step').map(({ loss }) => loss);

describe('without a GPU', () => {
  // On a machine with a GPU there is nothing to see here; test/gpu is for that.
  const without = hasNvidiaDriver() ? test.skip : test;
  if (hasNvidiaDriver())
    process.stderr.write('skipped: what is refused without a GPU, as this machine has an NVIDIA driver\n');

  without.each(['cuda', 'cuda:0', 'cuda:7'] as const)(
    '%s is refused with what is missing and what to type',
    async (device) => {
      const model = models.open(fixture('bert-mean'));
      const error = await rejection(model.finetune(rows, { ...options, device }));
      expect(error).toBeInstanceOf(DeviceError);
      expect(error).toMatchObject({
        code: 'ERR_DEVICE_UNAVAILABLE',
        message: expect.stringMatching(/no GPU can be used: .*(driver|libtorch_cuda).*'cpu'.*npx vectune doctor/),
      });
      const named = await rejection(models.open(fixture('bert-mean'), { device }).embed('a'));
      expect(named).toMatchObject({ code: 'ERR_DEVICE_UNAVAILABLE' });
    },
  );

  without("'auto' is the processor, and events say why", async () => {
    const told: LoadEvent[] = [];
    const model = models.open(fixture('bert-mean'), { onProgress: (event) => told.push(event), memoryFraction: 0.5 });
    const { of, report } = await finish(model, rows, { ...options, epochs: 1 });
    const message = expect.stringMatching(
      /^The processor is used, as no GPU can be used: .*; the share of its memory that was given bounds nothing$/,
    );
    expect(of('device')).toEqual([{ type: 'device', kind: 'device', device: 'cpu', gpu: null, message }]);
    expect(told).toEqual([{ type: 'device', device: 'cpu', gpu: null, message }]);
    expect(of('device-memory')).toEqual([]);
    expect(report).toMatchObject({ device: 'cpu', gpu: null });
    expect((await model.info()).device).toBe('cpu');
  });

  test.each(['tf32', 'fp16'] as const)(
    '%s on the processor is refused, in training and in embed',
    async (precision) => {
      const training = await rejection(
        models.open(fixture('bert-mean')).finetune(rows, { ...options, device: 'cpu', precision }),
      );
      const embedding = await rejection(models.open(fixture('bert-mean'), { device: 'cpu', precision }).embed('a'));
      for (const error of [training, embedding]) {
        expect(error).toBeInstanceOf(InvalidArgumentError);
        expect(error).toMatchObject({
          code: 'ERR_INVALID_OPTION',
          message: expect.stringMatching(/is for GPUs.*'bf16'/),
        });
      }
    },
  );

  without('an engine that is asked for a GPU by its number refuses it itself', async () => {
    await expect(addon.useDevice('cuda:0', null)).rejects.toMatchObject({ code: 'ERR_DEVICE_UNAVAILABLE' });
    await expect(addon.deviceMemory('cuda:0', false)).rejects.toMatchObject({ code: 'ERR_DEVICE_UNAVAILABLE' });
    expect((await addon.devices()).reason).toMatch(/libcuda|driver|libtorch_cuda/);
  });
});

describe('the device path', () => {
  beforeAll(() => {
    process.env['VECTUNE_TEST_DEVICE'] = 'cpu-tensors';
  });
  afterAll(() => {
    delete process.env['VECTUNE_TEST_DEVICE'];
  });
  afterEach(() => {
    addon.failDevice(0);
    addon.failAllocation(0);
  });
  const onTensors = { device: 'cuda' as const };
  const onProcessor = { device: 'cpu' as const };

  test.each(['bert-mean', 'distilbert-dense', 'roberta-dense'] as const)(
    "%s: losses, metrics and vectors are the processor's",
    async (name) => {
      const here = models.open(fixture(name), onProcessor);
      const there = models.open(fixture(name), onTensors);
      const expected = await finish(here, rows, { ...options, ...onProcessor });
      const found = await finish(there, rows, options);
      expect(found.report).toMatchObject({
        device: 'cpu-tensors',
        gpu: null,
        precision: 'fp32',
        steps: expected.report.steps,
      });
      expect(losses(found)).toHaveLength(expected.report.steps);
      losses(found).forEach((loss, i) => expect(Math.abs(loss - losses(expected)[i]!)).toBeLessThan(1e-4));
      expect(found.report.after!.loss).toBeCloseTo(expected.report.after!.loss, 4);
      const [a, b] = [await there.embed(PROBE_TEXTS), await here.embed(PROBE_TEXTS)];
      a.forEach((vector, i) => expect(relativeDistance(vector, b[i]!)).toBeLessThan(5e-3));
      expect((await there.info()).device).toBe('cpu-tensors');
    },
  );

  test('the same seed gives the same numbers, dropout included, and another seed others', async () => {
    const run = async (seed: number) =>
      losses(await finish(models.open(fixture('bert-dense'), onTensors), rows, { ...options, dropout: 0.2, seed }));
    const first = await run(3);
    expect(await run(3)).toEqual(first);
    expect(await run(4)).not.toEqual(first);
  });

  test.each(['bf16', 'fp16', 'tf32'] as const)('%s trains and embeds', async (precision) => {
    const model = models.open(fixture('bert-mean'), { ...onTensors, precision });
    const exact = models.open(fixture('bert-mean'), onProcessor);
    const [a, b] = [await model.embed(PROBE_TEXTS), await exact.embed(PROBE_TEXTS)];
    a.forEach((vector, i) => expect(relativeDistance(vector, b[i]!)).toBeLessThan(0.05));
    const { report } = await finish(model, rows, { ...options, epochs: 4, precision });
    expect(report.precision).toBe(precision);
    expect(report.after!.loss).toBeLessThan(report.before!.loss);
  });

  test('int8 is refused', async () => {
    const error = await rejection(models.open(fixture('bert-mean'), { ...onTensors, precision: 'int8' }).embed('a'));
    expect(error).toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringMatching(/'int8' is for the processor/),
    });
  });

  test('the finder goes up to the rows there are, a step has what it found, and the memory is told', async () => {
    const { of, report } = await finish(models.open(fixture('bert-mean'), onTensors), rows, {
      epochs: 1,
      earlyStopping: false,
      precision: 'fp32',
    });
    expect(of('finder').map(({ batchSize }) => batchSize)).toEqual([2, 4, 8, 51]); // more trials would be over a tenth of one epoch
    expect(report).toMatchObject({ batchSize: 51, effectiveBatchSize: 51 });
    expect(of('device-memory').map(({ after }) => after)).toEqual(['finder', 'epoch']);
    for (const event of of('device-memory')) {
      expect(event.peak).toBeGreaterThanOrEqual(event.allocated);
      expect(event.allocated).toBeGreaterThan(0);
      expect(event.total).toBeGreaterThan(event.free);
      expect(event.fragmentation).toBeGreaterThanOrEqual(0);
    }
  });

  test('memoryFraction bounds what the finder may take', async () => {
    // The share that leaves little beside what the engine holds: of the machine's free memory, as the addon has it.
    const whole = await addon.useDevice('cpu-tensors', 1);
    const { inUse } = addon.memory();
    const memoryFraction = (inUse + 1.2e6) / whole!;
    const { of, report } = await finish(models.open(fixture('bert-mean'), onTensors), rows, {
      epochs: 1,
      earlyStopping: false,
      precision: 'fp32',
      memoryFraction,
    });
    expect(of('finder').map(({ outcome }) => outcome)).toContain('failed');
    expect(report.batchSize).toBeLessThan(51);
    expect(of('summary')[0]!.memoryLimit).toBeLessThan(inUse + 8e6);
  });

  test('a step that finds no memory is done in halves, with the same rows and about the same loss', async () => {
    const undisturbed = await finish(models.open(fixture('bert-mean'), onTensors), rows, options);
    let failed = false;
    const disturbed = await finish(models.open(fixture('bert-mean'), onTensors), rows, {
      ...options,
      onProgress: (event) => {
        if (event.type !== 'step' || event.totalSteps !== 1 || failed) return;
        failed = true;
        addon.failAllocation(40);
      },
    });
    expect(disturbed.of('out-of-memory')).toMatchObject([{ during: 'step', batchSize: 8, next: 4 }]);
    expect(disturbed.of('device-memory').map(({ after }) => after)).toContain('out-of-memory');
    expect(disturbed.report.steps).toBe(undisturbed.report.steps);
    losses(disturbed).forEach((loss, i) => expect(Math.abs(loss - losses(undisturbed)[i]!)).toBeLessThan(1e-4));
  });

  test('a device that is lost in the middle is a typed error; the processor works, and the last checkpoint is whole', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vectune-device-'));
    try {
      const checkpoint = { folder, everySteps: 1 };
      const whole = await finish(models.open(fixture('bert-dense'), onTensors), rows, { ...options, dropout: 0.1 });
      const model = models.open(fixture('bert-dense'), onTensors);
      const before = bits(await model.embed(PROBE_TEXTS));
      const run = start(model, rows, {
        ...options,
        dropout: 0.1,
        checkpoint,
        onProgress: (event) => {
          if (event.type === 'step' && event.totalSteps === 2) addon.failDevice(3);
        },
      });
      const error = await rejection(run.run);
      expect(error).toBeInstanceOf(DeviceError);
      expect(error).toMatchObject({
        code: 'ERR_DEVICE_LOST',
        message: expect.stringMatching(/illegal memory access.*device 'cpu'/),
      });
      expect(await rejection(model.embed('a'))).toMatchObject({ code: 'ERR_DEVICE_LOST' });
      expect(await rejection(model.finetune(rows, options))).toMatchObject({ code: 'ERR_DEVICE_LOST' });
      const processor = models.open(fixture('bert-dense'), onProcessor);
      expect((await finish(processor, rows, { ...options, epochs: 1 })).report.steps).toBeGreaterThan(0);

      addon.failDevice(0); // as a new process would find it
      expect(bits(await model.embed(PROBE_TEXTS))).toBe(before);
      const resumed = await finish(model, rows, { ...options, dropout: 0.1, checkpoint, resume: true });
      expect(resumed.of('restored')[0]!.totalSteps).toBeGreaterThanOrEqual(1);
      const { checkpoint: _, ...report } = withoutTimes(resumed.report);
      const { checkpoint: __, ...reference } = withoutTimes(whole.report);
      expect(report).toEqual(reference);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('a checkpoint of one device is gone on from on another only where that is allowed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vectune-device-'));
    try {
      const checkpoint = { folder };
      const stopped = start(models.open(fixture('bert-mean'), onTensors), rows, {
        ...options,
        checkpoint,
        onProgress: (event) => {
          if (event.type === 'epoch-start' && event.epoch === 2) stopped.run.abort();
        },
      });
      await rejection(stopped.run);
      const go = { ...options, ...onProcessor, checkpoint, resume: true };
      const error = await rejection(
        models.open(fixture('bert-mean'), onProcessor).finetune(rows, { ...go, precision: 'fp32' }),
      );
      expect(error).toBeInstanceOf(CheckpointError);
      expect(error).toMatchObject({
        code: 'ERR_CHECKPOINT_INEXACT',
        message: expect.stringMatching(/device: "cpu-tensors" in the checkpoint, "cpu" now/),
      });
      const { of, report } = await finish(models.open(fixture('bert-mean'), onProcessor), rows, {
        ...go,
        allowInexact: true,
      });
      expect(of('restored')[0]!.differences.join()).toMatch(/device/);
      expect(report.device).toBe('cpu');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('nothing is left behind', async () => {
    expect(await liveObjects()).toEqual({ models: 0, datasets: 0, trainers: 0, vectors: 0, searches: 0 });
  });
});
