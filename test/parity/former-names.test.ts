import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadEngine } from '../../lib/engine/load';
import { openModel } from '../../lib/model/open';
import { saveModel } from '../../lib/model/save/save';
import { packTexts } from './cases';
import { largestDifference } from './measure';
import { readTensors } from './safetensors';
import { renameTensors } from '../unit/model/support/raw-safetensors';

/**
 * NomicBERT and GTE as the code in their own repositories names them, against sentence-transformers (generate.py,
 * --only-former): tensors of several parameters, GPT-2's fields, the angles of "ntk".
 */
const CASES = ['nomic_bert-mean', 'gte-mean'] as const;
const fixtures = join(__dirname, 'fixtures');

const read = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;

describe.each(CASES)('%s', (name) => {
  const folder = join(fixtures, 'former', name);
  let target: string;
  beforeAll(() => {
    target = mkdtempSync(join(tmpdir(), 'vectune-former-'));
  });
  afterAll(() => rmSync(target, { recursive: true }));

  /** Vectors of a folder's model; `keep` saves it too. */
  async function vectors(from: string, ids: readonly number[][], keep?: string) {
    const addon = await loadEngine();
    const opened = await openModel(from);
    const model = await addon.createModel(opened.spec, opened.weightFiles, 0);
    try {
      const { ids: packed, offsets } = packTexts(ids);
      const data = await addon.embed(model, packed, offsets, 'fp32');
      if (keep !== undefined) await saveModel(opened, addon, model, keep);
      return { spec: opened.spec, tensor: { shape: [ids.length, opened.dimension], data } };
    } finally {
      addon.disposeModel(model);
    }
  }

  it('gives the vectors of the reference, and is saved by the same names', async () => {
    const { ids } = read(join(fixtures, 'former', `${name}.json`)) as { ids: number[][] };
    const saved = join(target, 'saved');
    const found = await vectors(folder, ids, saved);
    const expected = readTensors(join(fixtures, 'former', `${name}.safetensors`)).get('embedding')!;
    expect(largestDifference(found.tensor, expected)).toBeLessThan(1e-5);
    const [was, is] = [folder, saved].map((one) => readTensors(join(one, 'model.safetensors')));
    const bare = new Map([...was!].map(([key, tensor]) => [key.replace(/^new\./, ''), tensor]));
    expect(is).toEqual(bare);
    expect(await vectors(saved, ids)).toEqual(found);
  });

  it('is read under the prefix of a model with a task', async () => {
    const { ids } = read(join(fixtures, 'former', `${name}.json`)) as { ids: number[][] };
    const prefixed = join(target, 'prefixed');
    cpSync(folder, prefixed, { recursive: true });
    const prefix = name.startsWith('nomic') ? 'bert.' : 'new.';
    renameTensors(join(prefixed, 'model.safetensors'), (tensor) => prefix + tensor.replace(/^new\./, ''));
    expect(await vectors(prefixed, ids)).toEqual(await vectors(folder, ids));
  });

  it('is saved with the fields that transformers reads', () => {
    const config = read(join(target, 'saved', 'config.json'));
    const native = read(join(fixtures, name, 'model', 'config.json'));
    const fields = ['hidden_size', 'num_hidden_layers', 'num_attention_heads', 'intermediate_size', 'model_type'];
    for (const field of [...fields, 'vocab_size', 'max_position_embeddings', 'hidden_act', 'layer_norm_eps']) {
      expect({ field, value: config[field] }).toEqual({ field, value: native[field] });
    }
    expect(config['rope_parameters']).toEqual(
      name === 'gte-mean'
        ? { rope_theta: 160_000, rope_type: 'linear', factor: 8 ** (2 / 8) }
        : { rope_theta: 1000, rope_type: 'default' },
    );
    expect(config['auto_map']).toBeUndefined();
  });
});

test.each<[(typeof CASES)[number], Record<string, unknown>, string]>([
  ['nomic_bert-mean', { rotary_scaling_factor: 2 }, 'rotary_scaling_factor'],
  ['nomic_bert-mean', { prenorm: true }, 'prenorm'],
  ['nomic_bert-mean', { moe_every_n_layers: 2 }, 'moe_every_n_layers'],
  ['nomic_bert-mean', { activation_function: 'gelu' }, 'activation_function'],
  ['gte-mean', { position_embedding_type: 'absolute' }, 'position_embedding_type'],
  ['gte-mean', { layer_norm_type: 'rms_norm' }, 'layer_norm_type'],
  ['gte-mean', { logn_attention_scale: true }, 'logn_attention_scale'],
  ['gte-mean', { rope_scaling: { type: 'ntk', factor: 8, mixed_b: 0.6 } }, 'mixed_b'],
  ['gte-mean', { rope_scaling: { type: 'dynamic', factor: 8 } }, 'dynamic'],
])('a variant of %s that is computed in another way is refused: %j', async (name, change, said) => {
  const { readEncoderSpec } = await import('../../lib/model/folder/encoder-config');
  const config = { ...read(join(fixtures, 'former', name, 'config.json')), ...change };
  expect(() => readEncoderSpec(config, 'config.json')).toThrow(
    expect.objectContaining({ code: 'ERR_UNKNOWN_ARCHITECTURE', message: expect.stringContaining(said) }),
  );
});
