import type { EngineAddon, StepRequest } from '../../lib/native/addon';
import { loadEngine } from '../../lib/native/load';
import { range, useCase } from '../parity/cases';
import { tensors } from './support';

/** A step whose loss is no number must not spoil what training has reached. */

const useBert = useCase('bert-dense');
let addon: EngineAddon;
beforeAll(async () => { addon = await loadEngine(); });

test('a loss that is not finite: refused with what to do; weights, moments and the count of steps are as before', async () => {
  const bert = useBert();
  const request = (learningRate: number): StepRequest => ({ rows: range(bert.pairs), microBatch: 2, learningRate, epoch: 0 });
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
        code: 'ERR_NATIVE', message: expect.stringMatching(/loss is not finite; the weights were left.*Lower the learning rate/),
      });
      expect(addon.trainerStats(trainer).steps).toBe(2);
      expect(await held()).toEqual(before);
    }
  });
});
