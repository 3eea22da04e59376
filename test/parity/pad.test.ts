import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadEngine } from '../../lib/engine/load';
import { openModel } from '../../lib/model/open';
import { DEVICES, packTexts, pairsOf, PLAIN, range } from './cases';
import { distance, norm } from './measure';
import { readTensors } from './safetensors';

/**
 * Texts in which the padding token of the configuration stands among the others, against transformers (generate.py):
 * RoBERTa does not count it, and gives it the position before the first; what it takes from the tables has no gradient.
 * Tolerances as in forward.test.ts and gradients.test.ts.
 */
const cases = ['bert-mean', 'roberta-mean'].flatMap((name) => DEVICES.map((device) => [name, device] as const));

test.each(cases)('%s on %s computes texts with the padding token as transformers', async (name, device) => {
  const fixtures = join(__dirname, 'fixtures');
  const facts = JSON.parse(readFileSync(join(fixtures, 'pad', `${name}.json`), 'utf8')) as {
    ids: number[][];
    scores: number[];
    loss: number;
  };
  const expected = readTensors(join(fixtures, 'pad', `${name}.safetensors`));
  const folder = mkdtempSync(join(tmpdir(), 'vectune-pad-'));
  const addon = await loadEngine();
  const opened = await openModel(join(fixtures, name, 'model'));
  const model = await addon.createModel(opened.spec, opened.weightFiles, 0);
  try {
    const { ids, offsets } = packTexts(facts.ids);
    const trace = join(folder, 'trace.safetensors');
    await addon.traceForward(model, ids, offsets, trace, 'fp32', device);
    const traced = readTensors(trace);
    for (const tensor of ['hidden.0', 'embedding']) {
      const reference = expected.get(tensor)!;
      expect(distance(traced.get(tensor)!, reference) / norm(reference.data)).toBeLessThan(1e-5);
    }
    const pairs = facts.scores.length;
    const dataset = await addon.createDataset(ids, offsets, ...pairsOf(pairs), Float32Array.from(facts.scores));
    const trainer = await addon.createTrainer(model, dataset, { ...PLAIN, device });
    for (const microBatch of [pairs, 1]) {
      const path = join(folder, 'gradients.safetensors');
      const loss = await addon.traceGradients(trainer, range(pairs), microBatch, path);
      expect(Math.abs(loss - facts.loss)).toBeLessThan(1e-6);
      const gradients = readTensors(path);
      for (const table of ['word', 'position']) {
        const parameter = `embeddings.${table}_embeddings.weight`;
        const reference = expected.get(`gradient/${parameter}`)!;
        expect(distance(gradients.get(parameter)!, reference) / norm(reference.data)).toBeLessThan(1e-4);
      }
    }
    addon.disposeTrainer(trainer);
    addon.disposeDataset(dataset);
  } finally {
    addon.disposeModel(model);
    rmSync(folder, { recursive: true });
  }
});
