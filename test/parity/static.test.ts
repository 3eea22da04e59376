import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cosineSimilarity, TextVectorisation } from '../../lib';
import { openModel } from '../../lib/model/open';
import { packTexts, PLAIN, STATIC_PLACED, useCase } from './cases';
import { largestDifference } from './measure';
import { readTensors } from './safetensors';

/**
 * Static embeddings, sentence-transformers' and model2vec's, against sentence-transformers (generate.py); gradients and
 * AdamW in the tests of these names. Tolerances as in forward.test.ts.
 */
const fixtures = join(__dirname, 'fixtures');

describe.each(STATIC_PLACED)('%s on %s', (name, device) => {
  const parityCase = useCase(name, device);

  it('gives the same token ids: no special tokens, nothing is cut', async () => {
    const { opened, facts } = parityCase();
    const { ids, offsets } = await opened.tokeniser.encode(facts.texts, opened.maxInputLength);
    const texts = facts.texts.map((_, i) => [...ids.subarray(offsets[i], offsets[i + 1])]);
    expect(texts).toEqual(facts.ids);
    const lengths = texts.map((text) => text.length);
    expect(Math.min(...lengths)).toBe(0);
    expect(Math.max(...lengths)).toBeGreaterThan(30);
  });

  it('gives the same vectors, those of a text without a token among them', async () => {
    const { addon, model, facts, expected } = parityCase();
    const { ids, offsets } = packTexts(facts.traced.map((text) => facts.ids[text]!));
    const path = parityCase().path('trace.safetensors');
    await addon.traceForward(model, ids, offsets, path, 'fp32', device);
    const traced = readTensors(path);
    expect([...traced.keys()].sort()).toEqual(['embedding', 'hidden.0', 'pooled']);
    for (const [tensor, values] of traced)
      expect([tensor, largestDifference(values, expected.get(tensor)!)]).toEqual([tensor, expect.any(Number)]);
    for (const [tensor, values] of traced) expect(largestDifference(values, expected.get(tensor)!)).toBeLessThan(1e-5);
    expect(facts.traced.some((text) => facts.ids[text]!.length === 0)).toBe(true);
  });
});

describe('an encoder', () => {
  const parityCase = useCase('bert-mean');

  it('refuses texts without a token, to embed and to train on', async () => {
    const { addon, model } = parityCase();
    const [ids, offsets] = [Int32Array.of(2, 3, 2, 3), Int32Array.of(0, 2, 2, 4)];
    const message = expect.stringContaining('Text 1 must have at least one token') as string;
    await expect(addon.embed(model, ids, offsets, 'fp32')).rejects.toMatchObject({ message });
    const rows = [Int32Array.of(0, 1), Int32Array.of(0, 2), Float32Array.of(1)] as const;
    const dataset = await addon.createDataset(ids, offsets, ...rows);
    await expect(addon.createTrainer(model, dataset, PLAIN)).rejects.toMatchObject({ message });
    addon.disposeDataset(dataset);
  });
});

describe('a model of a table of words', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vectune-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const rows = [
    { anchor: 'how many boats?', positive: 'boats in the harbour' },
    { anchor: 'the old mill', positive: 'a mill by the river' },
    { anchor: 'who sells bread?', positive: 'bread from the miller' },
    { anchor: 'a red kite', positive: 'kites above the river' },
  ];

  test.each(['static-dense', 'static-model2vec'] as const)('%s is trained, saved and opened again', async (name) => {
    await using tv = new TextVectorisation(join(fixtures, name, 'model'), { device: 'cpu' });
    const before = await tv.embed('how many boats?');
    const report = await tv.finetune(rows, { validationSplit: 0, epochs: 3, learningRate: 0.05, batchSize: 4 });
    expect(report.loss.name).toBe('multiple-negatives-ranking');
    const after = await tv.embed(['how many boats?', '']);
    expect(cosineSimilarity(before, after[0]!)).toBeLessThan(0.999);
    const saved = await tv.save(join(folder, name));
    expect(existsSync(join(saved, '0_StaticEmbedding', 'tokenizer.json'))).toBe(true);
    expect(existsSync(join(saved, 'config.json'))).toBe(false);
    await using again = new TextVectorisation(saved, { device: 'cpu' });
    expect(await again.embed(['how many boats?', ''])).toEqual(after);
    expect(await again.info()).toMatchObject({
      architecture: 'static-embedding',
      dimension: before.length,
      maxInputLength: Infinity,
      positions: Infinity,
    });
  });

  test('dropout, which it has none of, and losses of hidden layers are refused', async () => {
    await using tv = new TextVectorisation(join(fixtures, 'static-model2vec', 'model'), { device: 'cpu' });
    await expect(tv.finetune(rows, { validationSplit: 0, dropout: 0.1 })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringContaining('has no dropout') as string,
    });
    const loss = { name: 'adaptive-layer', loss: 'multiple-negatives-ranking' } as const;
    await expect(tv.finetune(rows, { validationSplit: 0, loss })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringContaining('has no layers') as string,
    });
  });

  test('a folder of model2vec without modules.json is one, too', async () => {
    const bare = join(folder, 'bare');
    cpSync(join(fixtures, 'static-model2vec', 'model'), bare, { recursive: true });
    rmSync(join(bare, 'modules.json'));
    await using tv = new TextVectorisation(bare, { device: 'cpu' });
    await using whole = new TextVectorisation(join(fixtures, 'static-model2vec', 'model'), { device: 'cpu' });
    expect(await tv.embed('the old mill')).toEqual(await whole.embed('the old mill'));
  });

  test('what is no table is refused by name', async () => {
    const broken = join(folder, 'broken');
    cpSync(join(fixtures, 'static-model2vec', 'model'), broken, { recursive: true });
    const file = join(broken, 'model.safetensors');
    const bytes = readFileSync(file);
    writeFileSync(file, Buffer.from(bytes.toString('latin1').replace('"embeddings"', '"embeddingz"'), 'latin1'));
    await expect(openModel(broken)).rejects.toMatchObject({
      code: 'ERR_MODEL_FOLDER',
      message: expect.stringMatching(/static embeddings are a tensor "embedding\.weight" or "embeddings"/) as string,
    });
    writeFileSync(file, bytes.subarray(0, 40));
    await expect(openModel(broken)).rejects.toMatchObject({ code: 'ERR_SAFETENSORS' });
    rmSync(join(broken, 'tokenizer.json'));
    writeFileSync(file, bytes);
    await expect(openModel(broken)).rejects.toMatchObject({ code: 'ERR_TOKENIZER' });
  });
});
