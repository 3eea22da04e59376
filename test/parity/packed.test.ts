import type { EngineAddon, ModelHandle } from '../../lib/engine/addon';
import type { NativeDevice } from '../../lib/engine/compute';
import type { TrainerStats } from '../../lib/engine/training';
import { loadEngine } from '../../lib/engine/load';
import { DEVICES, pairsOf, PLAIN, range } from './cases';
import { randomSpec, textsOfLengths } from './random-model';

/**
 * Training's buffers hold the sum of the texts' lengths, rounded up by less than 32 rows, and nothing more: no row
 * is padding, whatever the mixture of lengths. On a device there is a dummy of 1 to 64 rows after the last text instead.
 */
const ROUNDING = 32;
const MOST_ROWS_MORE: Record<(typeof DEVICES)[number], number> = { cpu: ROUNDING - 1, 'cpu-tensors': 64 };

interface Step {
  stats: TrainerStats;
  /** Bytes the engine held at most during the step, beyond what it held before. */
  peak: number;
  loss: number;
  tokens: number;
}

let addon: EngineAddon;
let model: ModelHandle;

beforeAll(async () => {
  addon = await loadEngine();
  model = await addon.createModel(randomSpec(), [], 1);
});
afterAll(() => addon.disposeModel(model));

/** One step of a fresh trainer on texts of these lengths, two to a pair, all in one micro-batch. */
async function step(lengths: number[], device: NativeDevice = 'cpu'): Promise<Step> {
  const { ids, offsets } = textsOfLengths(lengths);
  const pairs = lengths.length / 2;
  const dataset = await addon.createDataset(
    ids,
    offsets,
    ...pairsOf(pairs),
    Float32Array.from({ length: pairs }, (_, i) => i % 2),
  );
  const trainer = await addon.createTrainer(model, dataset, { ...PLAIN, device });
  try {
    addon.resetPeak();
    const before = addon.memory().inUse;
    const { loss, tokens } = await addon.step(trainer, {
      rows: range(pairs),
      microBatch: pairs,
      learningRate: 1e-3,
      epoch: 0,
    });
    return { stats: addon.trainerStats(trainer), peak: addon.memory().peak - before, loss, tokens };
  } finally {
    addon.disposeTrainer(trainer);
    addon.disposeDataset(dataset);
  }
}

const sum = (lengths: number[]) => lengths.reduce((total, length) => total + length, 0);

it.each(DEVICES)(
  'trains on texts of 1, 2, 63 and 512 tokens in as many rows as they have tokens, on %s',
  async (device) => {
    const lengths = [1, 2, 63, 512];
    const { stats, loss, tokens } = await step(lengths, device);
    expect(Number.isFinite(loss)).toBe(true);
    expect(tokens).toBe(578);
    expect(stats.workspaceRows).toBeGreaterThanOrEqual(578);
    expect(stats.workspaceRows).toBeLessThanOrEqual(578 + MOST_ROWS_MORE[device]);
  },
);

it('has bytes that grow with the rows alone', async () => {
  // The longest text is the same in all, so that what is kept once per thread for a text is the same too.
  const small = await step([512, 2]);
  const large = await step([512, 512, 512, 512]);
  const perRow =
    (large.stats.workspaceBytes - small.stats.workspaceBytes) / (large.stats.workspaceRows - small.stats.workspaceRows);
  for (const lengths of [
    [1, 2, 63, 512],
    [1, 1, 1, 1, 1, 512],
    [512, 400, 3, 90],
    [512, 31, 17, 17, 200, 5, 5, 5],
  ]) {
    const { stats } = await step(lengths);
    expect(stats.workspaceRows - sum(lengths)).toBeGreaterThanOrEqual(0);
    expect(stats.workspaceRows - sum(lengths)).toBeLessThan(ROUNDING);
    const predicted = small.stats.workspaceBytes + perRow * (stats.workspaceRows - small.stats.workspaceRows);
    // Each buffer is aligned to 64 bytes, the head has a few vectors per text, and what weight gradients keep of their
    // left operand stops growing at 1,024 rows.
    expect(Math.abs(stats.workspaceBytes - predicted)).toBeLessThan(0.03 * predicted);
  }
});

it('holds no buffer beyond those of its statistics', async () => {
  for (const lengths of [
    [1, 2, 63, 512],
    [512, 512, 512, 512],
  ]) {
    const { stats, peak } = await step(lengths);
    const parameters = 4 * stats.optimisedParameters; // one flat buffer; there are gradients and two moments
    expect(peak).toBeGreaterThanOrEqual(stats.workspaceBytes + 3 * parameters);
    // Ids, positions and scores of the batch, and the gradient of the embeddings.
    const forBatch = 64 * stats.workspaceRows + 4096 * lengths.length;
    expect(peak).toBeLessThan(stats.workspaceBytes + 3 * parameters + forBatch);
  }
});
