import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEVICES, packTexts, pairsOf, PLAIN, range, useCase } from './cases';
import { gradientsOff, largestDifference, withPrefix } from './measure';
import { readTensors } from './safetensors';

/**
 * Texts of 1, 2, 63, 128, 129, 130, 512 and 5 tokens in one batch, against transformers (generate.py): where tiles of
 * queries, buckets of distances and positions have their edges. Tolerances as in forward.test.ts and gradients.test.ts.
 */
const cases = (
  [
    'bert-unigram',
    'xlm-roberta-mean',
    'mpnet-mean',
    'modernbert-mean',
    'nomic_bert-mean',
    'gte-mean',
    'electra-projected',
    'albert-mean',
    'qwen2-lasttoken',
    'qwen3-lasttoken',
    'gemma3_text-mean',
  ] as const
).flatMap((name) => DEVICES.map((device) => [name, device] as const));

describe.each(cases)('%s on %s', (name, device) => {
  const parityCase = useCase(name, device);
  const fixture = join(__dirname, 'fixtures', name);
  const facts = JSON.parse(readFileSync(join(fixture, 'lengths.json'), 'utf8')) as {
    ids: number[][];
    scores: number[];
    loss: number;
  };
  const expected = readTensors(join(fixture, 'lengths.safetensors'));

  it('has the vectors of the reference, and every gradient', async () => {
    expect(facts.ids.map((text) => text.length)).toEqual([1, 2, 63, 128, 129, 130, 512, 5]);
    const parity = parityCase();
    const { addon, model } = parity;
    const { ids, offsets } = packTexts(facts.ids);
    await addon.traceForward(model, ids, offsets, parity.path('trace.safetensors'), 'fp32', device);
    const traced = readTensors(parity.path('trace.safetensors'));
    for (const tensor of [`hidden.${parity.opened.spec.encoder.layers}`, 'embedding'])
      expect(largestDifference(traced.get(tensor)!, expected.get(tensor)!)).toBeLessThan(1e-5);

    const pairs = facts.scores.length;
    const dataset = await addon.createDataset(ids, offsets, ...pairsOf(pairs), Float32Array.from(facts.scores));
    const trainer = await addon.createTrainer(model, dataset, { ...PLAIN, device });
    const reference = withPrefix(expected, 'gradient/');
    try {
      for (const microBatch of [pairs, 1]) {
        const path = parity.path('gradients.safetensors');
        const loss = await addon.traceGradients(trainer, range(pairs), microBatch, path);
        expect(Math.abs(loss - facts.loss)).toBeLessThan(1e-6);
        const gradients = readTensors(path);
        expect([...gradients.keys()].sort()).toEqual([...reference.keys()].sort());
        expect(gradientsOff(gradients, reference)).toEqual([]);
      }
    } finally {
      addon.disposeTrainer(trainer);
      addon.disposeDataset(dataset);
    }
  });
});
