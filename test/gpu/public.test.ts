import type { FinetuneOptions } from '../../lib';
import { loadEngine, reasonWithoutCuda } from '../../lib/engine/load';
import { hasNvidiaDriver } from '../../lib/system/platform';
import { fixture, PROBE_TEXTS, relativeDistance, useModels } from '../public/models';
import { scoredRows } from '../public/rows';
import { finish } from '../public/runs';

/**
 * The public API on a real GPU, or, with VECTUNE_EMULATED_GPU (npm run test:gpu), on one that is none and has no driver in
 * the kernel. Without either each test is skipped and says why.
 */

jest.mock('../../lib/system/platform', () => ({
  ...jest.requireActual<typeof import('../../lib/system/platform')>('../../lib/system/platform'),
  ...(process.env['VECTUNE_EMULATED_GPU'] !== undefined && { hasNvidiaDriver: () => true }),
}));

const opened = useModels();
const rows = scoredRows();
const options: FinetuneOptions = {
  epochs: 2,
  learningRate: 1e-3,
  earlyStopping: false,
  dropout: 0,
  batchSize: 8,
  effectiveBatchSize: 16,
};
if (!hasNvidiaDriver()) process.stderr.write('test/gpu: skipped, as no NVIDIA driver is loaded on this machine\n');
const onGpu = hasNvidiaDriver() ? test : test.skip;

describe('on a GPU', () => {
  onGpu('the driver and LibTorch see one', async () => {
    const addon = await loadEngine({ cuda: true });
    expect(await reasonWithoutCuda()).toBeNull();
    const { gpus, reason } = await addon.devices();
    expect(reason).toBeNull();
    expect(gpus.length).toBeGreaterThan(0);
  });

  onGpu("losses, metrics and vectors are the processor's, in fp32", async () => {
    const here = opened.open(fixture('bert-dense'), { device: 'cpu' });
    const there = opened.open(fixture('bert-dense'), { device: 'cuda' });
    const expected = await finish(here, rows, { ...options, device: 'cpu' });
    const found = await finish(there, rows, options);
    expect(found.report.device).toBe('cuda:0');
    expect(found.report.gpu).toMatch(/\S/);
    found.of('step').forEach(({ loss }, i) => expect(Math.abs(loss - expected.of('step')[i]!.loss)).toBeLessThan(1e-4));
    const [a, b] = [await there.embed(PROBE_TEXTS), await here.embed(PROBE_TEXTS)];
    a.forEach((vector, i) => expect(relativeDistance(vector, b[i]!)).toBeLessThan(1e-2));
  });

  onGpu("'auto' takes it, and the events tell its name and its memory", async () => {
    const { of, report } = await finish(opened.open(fixture('bert-mean')), rows, { epochs: 1, earlyStopping: false });
    expect(of('device')[0]!.message).toMatch(/^The GPU cuda:0, .+, is used$/);
    expect(of('device-memory').map(({ after }) => after)).toEqual(['finder', 'epoch']);
    expect(report.device).toBe('cuda:0');
  });

  onGpu('a GPU that is not there is refused, and memoryLimit with the option that is meant', async () => {
    const model = opened.open(fixture('bert-mean'));
    await expect(model.finetune(rows, { ...options, device: 'cuda:99' })).rejects.toMatchObject({
      code: 'ERR_DEVICE_UNAVAILABLE',
    });
    await expect(model.finetune(rows, { ...options, memoryLimit: 1e9 })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringContaining('memoryFraction'),
    });
  });
});
