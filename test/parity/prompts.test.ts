import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { groupTexts } from '../../lib/data/groups';
import { promptsOf } from '../../lib/finetune/prompts';
import { tokeniseRows } from '../../lib/finetune/tokens';
import { DEVICES, pairsOf, PLAIN, range, useCase } from './cases';
import { gradientsOff, largestDifference, withPrefix } from './measure';
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
    const unpooled = new Int32Array(2 * pairs).fill(promptTokens);
    const [columns, rowOffsets] = pairsOf(pairs);
    const labels = Float32Array.from(scores);
    const dataset = await addon.createDataset(
      texts.ids,
      texts.offsets,
      columns,
      rowOffsets,
      labels,
      undefined,
      unpooled,
    );
    const trainer = await addon.createTrainer(model, dataset, { ...PLAIN, device });
    const gradients = withPrefix(expected, 'gradient/');
    try {
      for (const microBatch of [pairs, 5]) {
        const path = parity.path('gradients.safetensors');
        const loss = await addon.traceGradients(trainer, range(pairs), microBatch, path);
        expect(Math.abs(loss - facts.loss)).toBeLessThan(1e-6);
        const found = readTensors(path);
        expect(gradientsOff(found, gradients)).toEqual([]);
      }
    } finally {
      addon.disposeTrainer(trainer);
      addon.disposeDataset(dataset);
    }
  });

  it('has the gradients of the reference where each column has a prompt of its own', async () => {
    const parity = parityCase();
    const { addon, model, opened } = parity;
    const columns = JSON.parse(readFileSync(join(fixtures, `${name}-columns.json`), 'utf8')) as {
      prompts: Record<string, string>;
      promptTokens: number[];
      rows: [string, string][];
      scores: number[];
      loss: number;
      ids: [number[][], number[][]];
    };
    const { rows, scores } = columns;
    const file = { format: 'csv', encoding: null, delimiter: ',', labels: null, columns: {} };
    const facts = { emptyTexts: 0, file, columns: [...Object.keys(columns.prompts), 'score'], skipped: 0, notes: [] };
    const data = { form: 'scored-pairs', rows, labels: scores, labelWidth: 1, facts } as const;
    const prompts = await promptsOf(columns.prompts, [{ name: null, data }], async (text = '') => ({
      text,
      tokens: await opened.tokeniser.promptTokens(text),
    }));
    expect(prompts[0]!.prompts.map(({ tokens }) => tokens)).toEqual(columns.promptTokens);
    const check = () => undefined;
    const tokens = await tokeniseRows(
      opened.tokeniser,
      await groupTexts(rows, check),
      opened.maxInputLength,
      prompts,
      check,
    );
    const idsOf = (text: number) => [...tokens.ids.subarray(tokens.offsets[text]!, tokens.offsets[text + 1]!)];
    rows.forEach((_, row) =>
      expect([0, 1].map((column) => idsOf(tokens.columns[2 * row + column]!))).toEqual(
        columns.ids.map((ids) => ids[row]),
      ),
    );
    const dataset = await addon.createDataset(
      tokens.ids,
      tokens.offsets,
      tokens.columns,
      tokens.rowOffsets,
      Float32Array.from(scores),
      undefined,
      tokens.promptTokens,
    );
    const trainer = await addon.createTrainer(model, dataset, { ...PLAIN, device });
    const gradients = withPrefix(readTensors(join(fixtures, `${name}-columns.safetensors`)), 'gradient/');
    try {
      const path = parity.path('gradients.safetensors');
      const loss = await addon.traceGradients(trainer, range(scores.length), 5, path);
      expect(Math.abs(loss - columns.loss)).toBeLessThan(1e-6);
      const found = readTensors(path);
      expect(gradientsOff(found, gradients)).toEqual([]);
    } finally {
      addon.disposeTrainer(trainer);
      addon.disposeDataset(dataset);
    }
  });
});
