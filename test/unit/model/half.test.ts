import { join } from 'node:path';
import { openModel } from '../../../lib/model/open';
import type { EmbeddingPrecision } from '../../../lib/engine/compute';
import { removeFolders } from '../native/support/folders';
import { inEngine } from './support/engine';
import { copyFixture, TEXTS } from './support/fixture';
import { narrowTensors } from './support/narrow';
import { changeRaw } from './support/raw-safetensors';

/** Weights in bf16 stay so in the engine: the numbers are those of the same values in F32. */

afterAll(removeFolders);

const NAMES = [
  'qwen3-lasttoken',
  'gemma3_text-mean',
  'modernbert-mean',
  'gte-mean',
  'bert-mean',
  'mpnet-mean',
] as const;

/** Vectors of one handle in one precision after the other. */
async function vectors(folder: string, precisions: readonly EmbeddingPrecision[]): Promise<number[][]> {
  const opened = await openModel(folder);
  const { ids, offsets } = await opened.tokeniser.encode(TEXTS, opened.maxInputLength);
  return inEngine(opened, async (addon, handle) => {
    const all: number[][] = [];
    for (const precision of precisions) all.push([...(await addon.embed(handle, ids, offsets, precision))]);
    return all;
  });
}

const distance = (a: number[], b: number[]) => Math.hypot(...a.map((value, i) => value - b[i]!)) / Math.hypot(...b);

test.each(NAMES)('%s', async (name) => {
  const [narrow, wide] = [copyFixture(name), copyFixture(name)];
  const worths = new Map<string, Float32Array>();
  changeRaw(join(narrow, 'model.safetensors'), (tensors) => {
    narrowTensors(tensors, 'BF16').forEach((values, tensor) => worths.set(tensor, values));
  });
  changeRaw(join(wide, 'model.safetensors'), (tensors) => {
    for (const [tensor, { shape }] of tensors) {
      const values = worths.get(tensor)!;
      tensors.set(tensor, { dtype: 'F32', shape, bytes: Buffer.from(values.buffer) });
    }
  });
  const [kept, exact, again] = (await vectors(narrow, ['bf16', 'fp32', 'bf16'])) as [number[], number[], number[]];
  const [reference] = (await vectors(wide, ['fp32'])) as [number[]];
  expect(exact).toEqual(reference);
  expect(again).toEqual(kept);
  // Sums of another order than those of rounded F32, or not rounded in between.
  expect(distance(kept, reference)).toBeLessThan(0.05);
});
