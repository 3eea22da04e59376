import { cpSync } from 'node:fs';
import { join } from 'node:path';
import type { FinetuneOptions } from '../../lib';
import type { EngineAddon } from '../../lib/engine/addon';
import type { StepRequest } from '../../lib/engine/training';
import { loadEngine } from '../../lib/engine/load';
import { range, useCase } from '../parity/cases';
import { bits, fixture, PROBE_TEXTS, useModels } from '../public/models';
import { scoredRows } from '../public/rows';
import { rejection, start } from '../public/runs';
import { changeRaw } from '../unit/model/support/raw-safetensors';
import { names, tensors } from './support';

/** A step whose loss or gradient is no number must not spoil what training has reached. */

const useBert = useCase('bert-dense');
const models = useModels();
let addon: EngineAddon;
beforeAll(async () => {
  addon = await loadEngine();
});

test('a loss that is not finite: refused with what to do; weights, moments and the count of steps are as before', async () => {
  const bert = useBert();
  const request = (learningRate: number): StepRequest => ({
    rows: range(bert.pairs),
    microBatch: 2,
    learningRate,
    epoch: 0,
  });
  await bert.train({ dropout: 0, weightDecay: 0, maxGradientNorm: null, seed: 3 }, async (trainer) => {
    await addon.step(trainer, request(1e-3));
    await addon.step(trainer, request(1e37)); // finite weights, which overflow in products
    const held = async () => {
      const file = bert.path('held.safetensors');
      await addon.writeState(trainer, file);
      return tensors(file);
    };
    const before = await held();
    for (let i = 0; i < 2; ++i) {
      await expect(addon.step(trainer, request(1e-3))).rejects.toMatchObject({
        code: 'ERR_NATIVE',
        message: expect.stringMatching(/loss is not finite; the weights were left.*Lower the learning rate/),
      });
      expect(addon.trainerStats(trainer).steps).toBe(2);
      expect(await held()).toEqual(before);
    }
  });
});

test.each<FinetuneOptions>([{}, { maxGradientNorm: 1 }])(
  'a gradient that overflows under a finite loss, %j: the same, and no checkpoint keeps it',
  async (clipping) => {
    // Values of 1e25 between two products: what comes out is as before, but for the gradient of the second one's weights.
    const folder = models.path('model');
    cpSync(fixture('bert-mean'), folder, { recursive: true });
    changeRaw(join(folder, 'model.safetensors'), (weights) => {
      const change = (name: string, by: (value: number) => number): void => {
        const { bytes } = [...weights].find(([full]) => full.endsWith(name))![1];
        for (let at = 0; at < bytes.length; at += 4) bytes.writeFloatLE(by(bytes.readFloatLE(at)), at);
      };
      change('layer.1.intermediate.dense.bias', () => 1e25);
      change('layer.1.output.dense.weight', (value) => value * 1e-25);
    });
    const model = models.open(folder);
    const before = bits(await model.embed(PROBE_TEXTS));
    const checkpoints = models.path('checkpoints');
    const observed = start(model, scoredRows(), {
      precision: 'fp32',
      ...clipping,
      checkpoint: { folder: checkpoints, everySteps: 1 },
    });
    expect(await rejection(observed.run)).toMatchObject({
      code: 'ERR_NATIVE',
      message: expect.stringMatching(
        /norm of the gradient is not finite; the weights were left.*Lower the learning rate/,
      ),
    });
    expect(observed.of('step')).toEqual([]);
    expect(names(checkpoints)).toEqual([]);
    expect(bits(await model.embed(PROBE_TEXTS)) === before).toBe(true);
  },
);
