import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FinderEvent } from '../../lib/finetune/events/begin';
import { findBatchSize } from '../../lib/finetune/finder';
import type { DatasetHandle, EngineAddon, ModelHandle, TrainerHandle } from '../../lib/engine/addon';
import { loadEngine } from '../../lib/engine/load';
import { freed, pairsOf, PLAIN, range } from './cases';
import { randomSpec, textsOfLengths } from './random-model';

/**
 * The batch-size finder under a memory limit that the budget allocator enforces. What a size needs is measured
 * first without a limit; the limits are then set so that 16 pairs fail in a chosen part of the step, while 8 fit.
 *
 * The model has few parameters and long texts, so that doubling the batch asks for more than the optimiser does. The pairs
 * that do not fit are as many tokens as are computed at once on a processor: of more, memory would not grow.
 */
const PAIRS = 64;
const TOKENS = 48;
/** Pairs that do not fit; half of them do. */
const MID = 16;
const spec = randomSpec({ positions: TOKENS });

let addon: EngineAddon;
let model: ModelHandle;
let dataset: DatasetHandle;
let folder: string;
/** Bytes of one flat buffer of training: gradients, and each of the two moments. */
let flat: number;
/** Bytes in use once a trainer is there and nothing has been run. */
let baseline: number;
/** Most bytes in use while steps are taken with so many pairs at once, without a limit. */
const needed = new Map<number, number>();
/** The same for forward and backward of MID pairs alone, no moments being there. */
let withoutOptimiser: number;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vectune-'));
  addon = await loadEngine();
  model = await addon.createModel(spec, [], 1);
  const { ids, offsets } = textsOfLengths(Array.from({ length: 2 * PAIRS }, () => TOKENS));
  dataset = await addon.createDataset(
    ids,
    offsets,
    ...pairsOf(PAIRS),
    Float32Array.from({ length: PAIRS }, (_, i) => (i % 5) / 4),
  );
  for (const pairs of [2, 4, 8, MID]) {
    await withTrainer(null, async (trainer) => {
      baseline = addon.memory().inUse;
      flat = 4 * addon.trainerStats(trainer).optimisedParameters;
      // The second step has the moments beside what products need for a moment; both add up gradients.
      const request = { rows: range(2 * pairs), microBatch: pairs, learningRate: 1e-3, epoch: 0 };
      needed.set(
        pairs,
        await peakOf(async () => {
          await addon.step(trainer, request);
          await addon.step(trainer, request);
        }),
      );
    });
  }
  withoutOptimiser = await withTrainer(null, (trainer) =>
    peakOf(() => addon.traceGradients(trainer, range(MID), MID, join(folder, 'gradients.safetensors'))),
  );
});

afterAll(() => {
  if (addon === undefined) return;
  addon.setMemoryLimit(null);
  addon.disposeDataset(dataset);
  addon.disposeModel(model);
  rmSync(folder, { recursive: true });
});

async function withTrainer<T>(memoryLimit: number | null, work: (trainer: TrainerHandle) => Promise<T>): Promise<T> {
  const trainer = await addon.createTrainer(model, dataset, { ...PLAIN, dropout: null, memoryLimit });
  try {
    return await work(trainer);
  } finally {
    addon.disposeTrainer(trainer);
    await freed(addon);
  }
}

async function peakOf(work: () => Promise<unknown>): Promise<number> {
  addon.resetPeak();
  await work();
  return addon.memory().peak;
}

/** What a trainer's first pass makes once and keeps until it is disposed of, however large the batch: at most so many bytes. */
const KEPT = 1024;

/** Where the step of MID pairs fails, and bounds of the bytes that forward and backward still lacked when it did. */
interface Part {
  limit: () => number;
  lacking: () => [least: number, most: number];
}

/**
 * A first step takes, in this order: activations (forward), the backward buffers, gradients, both moments; each stays
 * until the end, and what products need for a moment is less than the two moments.
 */
const PARTS: Record<'forward' | 'backward' | 'optimiser', Part> = {
  forward: {
    limit: () => needed.get(8)! + 4096,
    // Nothing but the batch's ids had been given out: all buffers of 16 pairs are missing.
    lacking: () => [withoutOptimiser - baseline - 65536, withoutOptimiser - baseline],
  },
  backward: {
    limit: () => withoutOptimiser - 2 * flat,
    // At least what the limit lacks; but the activations, most of all, were there.
    lacking: () => [2 * flat, (withoutOptimiser - baseline) / 2],
  },
  optimiser: {
    // Forward and backward have what they need; both moments have not. What was measured may count the gradients of all
    // words too, which are gathered for the file.
    limit: () => withoutOptimiser + 4096,
    lacking: () => [-2 * flat, 4 * spec.encoder.vocabSize * spec.encoder.hiddenSize],
  },
};

const weightsOf = async (name: string): Promise<string> => {
  const path = join(folder, name);
  await addon.saveModel(model, [{ path, module: 'encoder' }]);
  return readFileSync(path, 'base64');
};

/** Three steps of 16 pairs by micro-batches of 8, dropout on. */
async function threeSteps(trainer: TrainerHandle): Promise<number[]> {
  const losses: number[] = [];
  for (let i = 0; i < 3; ++i) {
    const rows = range(PAIRS).subarray(MID * i, MID * (i + 1));
    losses.push((await addon.step(trainer, { rows, microBatch: 8, learningRate: 1e-3, epoch: 0 })).loss);
  }
  return losses;
}

it('measures sizes that can be told apart', () => {
  const at = (pairs: number) => needed.get(pairs)!;
  expect(at(2)).toBeLessThan(at(4));
  expect(at(4)).toBeLessThan(at(8));
  const { forward, backward, optimiser } = PARTS;
  for (const { limit } of [forward, backward, optimiser]) expect(limit()).toBeGreaterThan(at(8));
  expect(forward.limit()).toBeLessThan(backward.limit() - flat);
  expect(backward.limit()).toBeLessThan(optimiser.limit() - flat);
  expect(optimiser.limit()).toBeLessThan(at(MID));
});

describe.each(['forward', 'backward', 'optimiser'] as const)('a limit at which 16 pairs fail in the %s', (part) => {
  it('is found, nothing is left behind, and the run completes under it', async () => {
    const { limit, lacking } = PARTS[part];
    const withoutFinder = await withTrainer(null, threeSteps);
    const before = await weightsOf('before.safetensors');
    await withTrainer(limit(), async (trainer) => {
      expect(addon.memory().inUse).toBe(baseline);
      const events: Omit<FinderEvent, 'kind'>[] = [];
      const afterEach: number[] = [];
      const failures: { code: unknown; lacked: number }[] = [];
      const found = await findBatchSize({
        limit: 32,
        probe: async (size) => {
          addon.resetPeak();
          try {
            await addon.probe(trainer, range(size));
          } catch (error) {
            failures.push({ code: (error as { code?: unknown }).code, lacked: withoutOptimiser - addon.memory().peak });
            throw error;
          } finally {
            afterEach.push(addon.memory().inUse);
          }
        },
        onEvent: (event) => events.push(event),
      });

      expect(found).toBe(8);
      expect(events.map((event) => event.message)).toEqual([
        'Batch size 2 succeeded, trying batch size 4',
        'Batch size 4 succeeded, trying batch size 8',
        'Batch size 8 succeeded, trying batch size 16',
        'Batch size 16 failed, trying batch size 8',
        'Finished batch size finder, will continue with full run using batch size 8',
      ]);
      expect(Math.max(...afterEach)).toBeLessThanOrEqual(baseline + KEPT);
      expect(new Set(afterEach).size).toBe(1);
      expect(failures.map((failure) => failure.code)).toEqual(['ERR_OUT_OF_MEMORY']);
      const [least, most] = lacking();
      expect(failures[0]!.lacked).toBeGreaterThanOrEqual(least);
      expect(failures[0]!.lacked).toBeLessThanOrEqual(most);

      // Weights, moments, step count and random state are as if nothing had been run: the same bits follow.
      expect(addon.trainerStats(trainer).steps).toBe(0);
      let losses: number[] = [];
      const peak = await peakOf(async () => {
        losses = await threeSteps(trainer);
      });
      expect(losses).toEqual(withoutFinder);
      expect(peak).toBeLessThanOrEqual(limit());
    });
    expect((await weightsOf('after.safetensors')) === before).toBe(true);
  });

  it('fails a step, which can be done again in smaller parts', async () => {
    const { limit } = PARTS[part];
    const rows = range(MID);
    const request = { rows, learningRate: 1e-3, epoch: 0 };
    const expected = await withTrainer(null, (trainer) => addon.step(trainer, { ...request, microBatch: 4 }));
    await withTrainer(limit(), async (trainer) => {
      await expect(addon.step(trainer, { ...request, microBatch: MID })).rejects.toMatchObject({
        code: 'ERR_OUT_OF_MEMORY',
        message: expect.stringMatching(/limit is [\d.]+ MB/),
      });
      expect(addon.trainerStats(trainer).steps).toBe(0);
      expect(await addon.step(trainer, { ...request, microBatch: 4 })).toEqual(expected);
      expect(addon.trainerStats(trainer).steps).toBe(1);
    });
    expect(addon.liveObjects().trainers).toBe(0);
  });
});

it("obeys the limit of the whole process as it does the trainer's own", async () => {
  const idle = addon.memory().inUse;
  await withTrainer(null, async (trainer) => {
    const limit = PARTS.optimiser.limit();
    addon.setMemoryLimit(limit);
    try {
      expect(addon.memory().limit).toBe(limit);
      await expect(addon.probe(trainer, range(MID))).rejects.toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
      await addon.probe(trainer, range(8));
    } finally {
      addon.setMemoryLimit(null);
    }
    await addon.probe(trainer, range(MID));
    expect(addon.memory().inUse).toBeLessThanOrEqual(baseline + KEPT);
  });
  expect(addon.memory().inUse).toBe(idle);
});
