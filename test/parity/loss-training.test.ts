import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DatasetHandle, TrainerHandle } from '../../lib/engine/addon';
import type { NativeLoss } from '../../lib/engine/training';
import { DEVICES, packTexts, useCase, type ParityCase } from './cases';
import { distance, norm, withPrefix } from './measure';
import { readTensors, type Tensor } from './safetensors';

/**
 * Twenty steps of each kind of loss against sentence-transformers' own (loss_training.py; float64, rounded), dropout off, on
 * the same batches: LOSS of each step within 1e-4, UPDATE p20 − p0 within 1e-3 of its norm, per tensor. Tensors whose true
 * gradient is zero are not compared, as in adamw.test.ts.
 */
const LOSS_TOLERANCE = 1e-4;
const UPDATE_TOLERANCE = 1e-3;

interface Run {
  loss: NativeLoss;
  /** The texts of each row, by their numbers in the case. */
  rows: number[][];
  labels: number[];
  losses: number[];
  /** Tensors whose true gradient is zero: key biases; the last norm's bias, where a loss sees distances alone. */
  withoutGradient: string[];
}

const fixture = join(__dirname, 'fixtures', 'loss-training');
const { learningRate, stepRows, runs } = JSON.parse(readFileSync(join(fixture, 'case.json'), 'utf8')) as {
  learningRate: number;
  stepRows: number[][];
  runs: Record<string, Run>;
};
const expected = readTensors(join(fixture, 'expected.safetensors'));

describe.each(DEVICES)('twenty steps on %s', (device) => {
  const parityCase = useCase('bert-mean', device);

  async function datasetOf({ addon, facts }: ParityCase, { rows, labels }: Run): Promise<DatasetHandle> {
    const { ids, offsets } = packTexts(facts.ids);
    const width = rows[0]!.length;
    const rowOffsets = Int32Array.from({ length: rows.length + 1 }, (_, row) => row * width);
    return addon.createDataset(ids, offsets, Int32Array.from(rows.flat()), rowOffsets, Float32Array.from(labels));
  }

  async function train(run: Run, loss: NativeLoss, microBatch: number) {
    const parity = parityCase();
    const { addon } = parity;
    const dataset = await datasetOf(parity, run);
    try {
      return await parity.train(
        { loss, weightDecay: 0.1 },
        async (trainer, model) => {
          const before = await parity.weights(model);
          const losses: number[] = [];
          const drawn = await ownOf(trainer);
          for (const rows of stepRows) {
            const step = await addon.step(trainer, { rows: Int32Array.from(rows), microBatch, learningRate, epoch: 0 });
            losses.push(step.loss);
          }
          await addon.commit(trainer);
          const after = await parity.weights(model);
          const updates = new Map<string, Tensor>(
            [...before].map(([name, { shape, data }]) => [
              name,
              { shape, data: data.map((value, i) => after.get(name)!.data[i]! - value) },
            ]),
          );
          const own = new Map(
            [...(await ownOf(trainer))].map(([name, { shape, data }]) => [
              name,
              { shape, data: data.map((value, i) => value - drawn.get(name)!.data[i]!) },
            ]),
          );
          return { losses, updates, drawn, own };
        },
        dataset,
      );
    } finally {
      addon.disposeDataset(dataset);
    }
  }

  /** The loss's own parameters as a checkpoint has them. */
  async function ownOf(trainer: TrainerHandle): Promise<Map<string, Tensor>> {
    const path = parityCase().path('state.safetensors');
    await parityCase().addon.writeState(trainer, path);
    return withPrefix(readTensors(path, 'weights.loss.'), 'weights.loss.');
  }

  /** Names of the tensors whose update is not the reference's. */
  function mismatches(name: string, updates: ReadonlyMap<string, Tensor>): string[] {
    const references = withPrefix(expected, `${name}/`);
    expect([...references.keys()].sort()).toEqual(
      parityCase()
        .addon.parameters(parityCase().model)
        .map((parameter) => parameter.name)
        .sort(),
    );
    return [...references].flatMap(([tensor, reference]) =>
      runs[name]!.withoutGradient.includes(tensor) ||
      distance(updates.get(tensor)!, reference) <= UPDATE_TOLERANCE * norm(reference.data)
        ? []
        : [tensor],
    );
  }

  // All rows at once, and in parts that split a batch.
  it.each(Object.entries(runs).flatMap(([name, run]) => [6, 4].map((microBatch) => [name, microBatch, run] as const)))(
    '%s, %d rows at once',
    async (name, microBatch, run) => {
      const { losses, updates } = await train(run, run.loss, microBatch);
      losses.forEach((loss, step) => {
        expect({ step, close: Math.abs(loss - run.losses[step]!) <= LOSS_TOLERANCE }).toEqual({ step, close: true });
      });
      expect(mismatches(name, updates)).toEqual([]);
    },
  );

  it('a classifier is drawn as it should be, and gets the updates of the reference', async () => {
    const { drawn, own } = await train(runs['softmax']!, runs['softmax']!.loss, 4);
    for (const [name, { shape, data }] of withPrefix(expected, 'softmax.drawn/'))
      expect({ name, ...drawn.get(name)! }).toEqual({ name, shape, data });
    const updates = withPrefix(expected, 'softmax.own/');
    expect([...own.keys()].sort()).toEqual(['classifier.bias', 'classifier.weight']);
    for (const [name, update] of updates)
      expect(distance(own.get(name)!, update)).toBeLessThanOrEqual(UPDATE_TOLERANCE * norm(update.data));
  });

  it.each<[string, NativeLoss]>([
    ['mnrl-pairs', { name: 'multiple-negatives-ranking', scale: 20.5 }],
    ['triplet', { name: 'triplet', triplet_margin: 5.5 }],
    ['matryoshka', { name: 'matryoshka', loss: { name: 'multiple-negatives-ranking' }, matryoshka_dims: [32, 16] }],
  ])('tells another loss from the reference: %s', async (name, loss) => {
    const { updates } = await train(runs[name]!, loss, 6);
    expect(mismatches(name, updates)).not.toEqual([]);
  });
});
