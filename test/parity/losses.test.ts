import type { NativeLoss } from '../../lib/engine/training';
import { range, useCase } from './cases';
import { distance, norm } from './measure';
import { readTensors } from './safetensors';

/**
 * Losses by their names and options as the addon takes them. What each computes is compared with sentence-transformers
 * in test/native/losses_parity_test.cpp; here, that it is the same whatever the micro-batch (some roundings apart).
 */
const LOSSES: NativeLoss[] = [
  { name: 'multiple-negatives-ranking', scale: 10, directions: ['query_to_doc', 'doc_to_query'] },
  { name: 'cosent' },
  { name: 'logistic', threshold: 0.5 },
  { name: 'matryoshka', loss: { name: 'pearson' }, matryoshka_dims: [16, 8], matryoshka_weights: [1, 0.5] },
  {
    name: 'sum',
    losses: [{ name: 'multiple-negatives-ranking' }, { name: 'global-orthogonal-regularization', weight: 0.1 }],
  },
];

describe('losses of the addon', () => {
  const parityCase = useCase('bert-mean');

  function trace(loss: NativeLoss, microBatch: number) {
    const parity = parityCase();
    return parity.train({ loss, dropout: 0.1 }, async (trainer) => {
      const path = parity.path('gradients.safetensors');
      const value = await parity.addon.traceGradients(trainer, range(parity.pairs), microBatch, path);
      return { value, gradients: readTensors(path) };
    });
  }

  it.each(LOSSES)('$name is the same by micro-batches, with dropout', async (loss) => {
    const whole = await trace(loss, parityCase().pairs);
    expect(Number.isFinite(whole.value)).toBe(true);
    const all = Math.hypot(...[...whole.gradients.values()].map(({ data }) => norm(data)));
    expect(all).toBeGreaterThan(1e-6);
    for (const microBatch of [1, 5]) {
      const parts = await trace(loss, microBatch);
      expect(Math.abs(parts.value - whole.value)).toBeLessThanOrEqual(1e-6 * Math.max(1, whole.value));
      for (const [name, reference] of whole.gradients) {
        const off = distance(parts.gradients.get(name)!, reference);
        expect({ name, close: off <= 2e-5 * norm(reference.data) + 1e-6 * all }).toEqual({ name, close: true });
      }
    }
  });

  it.each([
    [{ name: 'multiple-negatives-ranking', scales: 10 }, /The loss multiple-negatives-ranking has no option scales/],
    [{ name: 'matryoshka', loss: { name: 'cosent' }, matryoshka_dims: [4096] }, /has 4096, but the vectors have \d+/],
    [{ name: 'triplet' }, /The loss triplet needs rows of three texts, .*but row 0 has 2/],
    [{ name: 'sum', losses: [{ name: 'cosent', weight: -1 }] }, /losses\[0\]\.weight of the loss sum must be from 0/],
  ])('refuses %j', async (loss, message) => {
    await expect(parityCase().train({ loss }, async () => {})).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringMatching(message) as string,
    });
  });
});
