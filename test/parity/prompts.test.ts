import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEVICES, pairsOf, PLAIN, range, useCase } from './cases';
import { distance, largestDifference, norm, withPrefix } from './measure';
import { readTensors } from './safetensors';

/**
 * A pooling that leaves the prompt out ("include_prompt": false), against sentence-transformers (generate.py): every
 * pooling mode, texts that are cut off among them. Tolerances as in forward.test.ts and gradients.test.ts.
 */
const cases = (['roberta-dense', 'bert-residual'] as const).flatMap((name) =>
  DEVICES.map((device) => [name, device] as const),
);

describe.each(cases)('%s on %s', (name, device) => {
  const parityCase = useCase(name, device);
  const fixtures = join(__dirname, 'fixtures', 'prompts');
  const facts = JSON.parse(readFileSync(join(fixtures, `${name}.json`), 'utf8')) as {
    prompt: string;
    promptTokens: number;
    columns: [string[], string[]];
    scores: number[];
    loss: number;
  };
  const expected = readTensors(join(fixtures, `${name}.safetensors`));

  it('has the vectors and gradients of the reference', async () => {
    const parity = parityCase();
    const { addon, model, opened } = parity;
    const { promptTokens, scores } = facts;
    expect(await opened.tokeniser.promptTokens(facts.prompt)).toBe(promptTokens);
    const encode = (texts: string[]) =>
      opened.tokeniser.encode(
        texts.map((text) => facts.prompt + text),
        opened.maxInputLength,
      );
    const first = await encode(facts.columns[0]);
    const flat = await addon.embed(model, first.ids, first.offsets, 'fp32', device, promptTokens);
    const reference = expected.get('embedding')!;
    expect(largestDifference({ shape: reference.shape, data: flat }, reference)).toBeLessThan(1e-5);
    const whole = await addon.embed(model, first.ids, first.offsets, 'fp32', device);
    expect(largestDifference({ shape: reference.shape, data: whole }, reference)).toBeGreaterThan(1e-3);

    const pairs = scores.length;
    const texts = await encode(scores.flatMap((_, i) => [facts.columns[0][i]!, facts.columns[1][i]!]));
    const dataset = await addon.createDataset(texts.ids, texts.offsets, ...pairsOf(pairs), Float32Array.from(scores));
    const trainer = await addon.createTrainer(model, dataset, { ...PLAIN, device, promptTokens });
    const gradients = withPrefix(expected, 'gradient/');
    const all = Math.hypot(...[...gradients.values()].map(({ data }) => norm(data)));
    try {
      for (const microBatch of [pairs, 5]) {
        const path = parity.path('gradients.safetensors');
        const loss = await addon.traceGradients(trainer, range(pairs), microBatch, path);
        expect(Math.abs(loss - facts.loss)).toBeLessThan(1e-6);
        const found = readTensors(path);
        const off = [...gradients].filter(
          ([parameter, gradient]) =>
            !(distance(found.get(parameter)!, gradient) <= 1e-4 * norm(gradient.data) + 1e-7 * all),
        );
        expect(off.map(([parameter]) => parameter)).toEqual([]);
      }
    } finally {
      addon.disposeTrainer(trainer);
      addon.disposeDataset(dataset);
    }
  });
});
