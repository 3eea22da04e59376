import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { toHalf } from '../../lib/export/convert';
import type { CaseName } from '../parity/cases';
import { readTensors } from '../parity/safetensors';
import { editJson, fixture, useModels } from '../public/models';
import { readGguf, type GgufFile } from './gguf-file';

const models = useModels();

async function exported(folder: string, precision: 'fp32' | 'fp16' | 'int8' = 'fp32'): Promise<GgufFile> {
  const { files, folder: out } = await models.open(folder).export('gguf', models.path('out'), { precision });
  expect(files).toHaveLength(1);
  return readGguf(join(out, files[0]!.path));
}

/** A copy of a fixture with pooling of the mean alone and nothing behind it. */
function plain(name: CaseName): string {
  const folder = models.copy(name);
  editJson<unknown[]>(join(folder, 'modules.json'), (modules) => modules.splice(2));
  editJson<Record<string, unknown>>(join(folder, '1_Pooling', 'config.json'), (config) => {
    for (const key of Object.keys(config).filter((one) => one.startsWith('pooling_mode'))) config[key] = false;
    config['pooling_mode_mean_tokens'] = true;
  });
  return folder;
}

const single = (data: Buffer) => [...new Float32Array(Uint8Array.from(data).buffer)];

const END = { SpecialToken: { id: '<|endoftext|>', type_id: 0 } };
const TWICE = {
  type: 'TemplateProcessing',
  single: [{ Sequence: { id: 'A', type_id: 0 } }, END, END],
  pair: [{ Sequence: { id: 'A', type_id: 0 } }, END, END, { Sequence: { id: 'B', type_id: 1 } }, END],
  special_tokens: { '<|endoftext|>': { id: '<|endoftext|>', ids: [280], tokens: ['<|endoftext|>'] } },
};
const OTHER = {
  type: 'Sequence',
  pretokenizers: [
    { type: 'Split', pattern: { Regex: '\\p{L}+' }, behavior: 'Isolated', invert: false },
    { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
  ],
};

const NAMES = {
  bert: ['attention.self.query', 'attention.self.key', 'attention.self.value', 'attention.output.dense'],
  distilbert: ['attention.q_lin', 'attention.k_lin', 'attention.v_lin', 'attention.out_lin'],
};

describe.each([
  ['bert-mean', 'encoder.layer.', NAMES.bert, 0],
  ['distilbert-mean', 'transformer.layer.', NAMES.distilbert, 0],
  ['roberta-mean', 'encoder.layer.', NAMES.bert, 2],
  ['xlm-roberta-mean', 'encoder.layer.', NAMES.bert, 2],
  ['camembert-mean', 'encoder.layer.', NAMES.bert, 2],
  ['electra-mean', 'encoder.layer.', NAMES.bert, 0],
  ['bert-unigram', 'encoder.layer.', NAMES.bert, 0],
] as const)('%s', (name, layer, [query, key, value, out], offset) => {
  test('has its tensors under the names that llama.cpp looks for', async () => {
    const { fields, tensors } = await exported(fixture(name));
    const weights = readTensors(join(fixture(name), 'model.safetensors'));
    const same = (mine: string, theirs: string) =>
      expect(single(tensors.get(mine)!.data)).toEqual([...weights.get(theirs)!.data]);
    for (const part of ['weight', 'bias']) {
      same(`blk.1.attn_q.${part}`, `${layer}1.${query}.${part}`);
      same(`blk.1.attn_k.${part}`, `${layer}1.${key}.${part}`);
      same(`blk.1.attn_v.${part}`, `${layer}1.${value}.${part}`);
      same(`blk.1.attn_output.${part}`, `${layer}1.${out}.${part}`);
      same(`token_embd_norm.${part}`, `embeddings.LayerNorm.${part}`);
    }
    same('token_embd.weight', 'embeddings.word_embeddings.weight');
    const positions = weights.get('embeddings.position_embeddings.weight')!;
    const [rows, width] = positions.shape as [number, number];
    expect(tensors.get('position_embd.weight')!.shape).toEqual([width, rows - offset]);
    expect(single(tensors.get('position_embd.weight')!.data)).toEqual([...positions.data.subarray(offset * width)]);
    expect(tensors.has('token_types.weight')).toBe(weights.has('embeddings.token_type_embeddings.weight'));
    expect(tensors.size).toBe(4 + (tensors.has('token_types.weight') ? 1 : 0) + 2 * 16);
    expect(fields.get('bert.context_length')).toBe(rows - offset);
    expect((fields.get('tokenizer.ggml.tokens') as string[]).length).toBe(tensors.get('token_embd.weight')!.shape[1]);
  });
});

test('describes the model', async () => {
  const { fields } = await exported(fixture('bert-mean'));
  expect(Object.fromEntries([...fields].filter(([name]) => /^(general|bert)\./.test(name)))).toEqual({
    'general.architecture': 'bert',
    'general.type': 'model',
    'general.name': 'model',
    'general.quantization_version': 2,
    'general.file_type': 0,
    'bert.block_count': 2,
    'bert.context_length': 20,
    'bert.embedding_length': 32,
    'bert.feed_forward_length': 48,
    'bert.attention.head_count': 4,
    'bert.attention.layer_norm_epsilon': Math.fround(1e-12),
    'bert.attention.causal': false,
    'bert.pooling_type': 1,
  });
});

describe('qwen3-lasttoken', () => {
  test('has its tensors under the names that llama.cpp looks for', async () => {
    const { tensors } = await exported(fixture('qwen3-lasttoken'));
    const weights = readTensors(join(fixture('qwen3-lasttoken'), 'model.safetensors'));
    const theirs = (layer: string): Record<string, string> => ({
      attn_norm: `${layer}.input_layernorm`,
      attn_q: `${layer}.self_attn.q_proj`,
      attn_k: `${layer}.self_attn.k_proj`,
      attn_v: `${layer}.self_attn.v_proj`,
      attn_q_norm: `${layer}.self_attn.q_norm`,
      attn_k_norm: `${layer}.self_attn.k_norm`,
      attn_output: `${layer}.self_attn.o_proj`,
      ffn_norm: `${layer}.post_attention_layernorm`,
      ffn_gate: `${layer}.mlp.gate_proj`,
      ffn_up: `${layer}.mlp.up_proj`,
      ffn_down: `${layer}.mlp.down_proj`,
    });
    const expected = new Map([
      ['token_embd', 'embed_tokens'],
      ['output_norm', 'norm'],
      ...[0, 1].flatMap((i) =>
        Object.entries(theirs(`layers.${i}`)).map(([mine, name]): [string, string] => [`blk.${i}.${mine}`, name]),
      ),
    ]);
    expect([...tensors.keys()].sort()).toEqual([...expected.keys()].map((name) => `${name}.weight`).sort());
    for (const [mine, name] of expected)
      expect(single(tensors.get(`${mine}.weight`)!.data)).toEqual([...weights.get(`${name}.weight`)!.data]);
  });

  test('is described, and what its tokenizer puts behind a text', async () => {
    const folder = models.copy('qwen3-lasttoken');
    editJson<Record<string, unknown>>(join(folder, 'config.json'), (config) => {
      config['rope_parameters'] = { rope_type: 'linear', rope_theta: 1e6, factor: 4 };
    });
    const { fields } = await exported(folder);
    expect(Object.fromEntries([...fields].filter(([name]) => name.startsWith('qwen3.')))).toEqual({
      'qwen3.block_count': 2,
      'qwen3.context_length': 512,
      'qwen3.embedding_length': 16,
      'qwen3.feed_forward_length': 24,
      'qwen3.attention.head_count': 4,
      'qwen3.attention.head_count_kv': 2,
      'qwen3.attention.key_length': 6,
      'qwen3.attention.value_length': 6,
      'qwen3.attention.layer_norm_rms_epsilon': Math.fround(1e-6),
      'qwen3.attention.causal': true,
      'qwen3.rope.dimension_count': 6,
      'qwen3.rope.freq_base': 1e6,
      'qwen3.rope.scaling.type': 'linear',
      'qwen3.rope.scaling.factor': 4,
      'qwen3.pooling_type': 3,
    });
    const own = Object.fromEntries([...fields].filter(([name]) => name.startsWith('tokenizer.ggml.')));
    expect(own).toMatchObject({
      'tokenizer.ggml.model': 'gpt2',
      'tokenizer.ggml.pre': 'qwen2',
      'tokenizer.ggml.bos_token_id': 280,
      'tokenizer.ggml.eos_token_id': 280,
      'tokenizer.ggml.padding_token_id': 280,
      'tokenizer.ggml.add_bos_token': false,
      'tokenizer.ggml.add_eos_token': true,
    });
    expect((own['tokenizer.ggml.tokens'] as string[]).slice(279)).toEqual([
      'Ġbridge',
      '<|endoftext|>',
      '<|im_start|>',
      '<|im_end|>',
    ]);
    expect((own['tokenizer.ggml.merges'] as string[]).slice(0, 2)).toEqual(['h e', 't he']);
  });

  test('whose tokens see both sides, and whose tokenizer adds nothing, says so', async () => {
    const folder = models.copy('qwen3-lasttoken');
    editJson<Record<string, unknown>>(join(folder, 'config.json'), (config) => {
      config['is_causal'] = false;
    });
    editJson<Record<string, unknown>>(join(folder, 'tokenizer.json'), (json) => {
      json['post_processor'] = null;
    });
    const { fields } = await exported(folder);
    expect(fields.get('qwen3.attention.causal')).toBe(false);
    expect(fields.get('tokenizer.ggml.add_eos_token')).toBe(false);
    expect(fields.has('tokenizer.ggml.eos_token_id')).toBe(false);
  });

  test.each([
    ['ends texts twice', /more than one token before or behind a text/, (json) => (json['post_processor'] = TWICE)],
    ['splits otherwise', /does not split texts as RoBERTa's or Qwen's does/, (json) => (json['pre_tokenizer'] = OTHER)],
  ] as [string, RegExp, (json: Record<string, unknown>) => void][])(
    'is refused where its tokenizer %s',
    async (_, message, change) => {
      const folder = models.copy('qwen3-lasttoken');
      editJson(join(folder, 'tokenizer.json'), change);
      await expect(models.open(folder).export('gguf', models.path('out'))).rejects.toThrow(message);
    },
  );
});

test('qwen2-lasttoken has biases, and no norms of heads', async () => {
  const { tensors, fields } = await exported(fixture('qwen2-lasttoken'));
  const weights = readTensors(join(fixture('qwen2-lasttoken'), 'model.safetensors'));
  for (const [mine, theirs] of [
    ['attn_q', 'q_proj'],
    ['attn_k', 'k_proj'],
    ['attn_v', 'v_proj'],
  ])
    for (const part of ['weight', 'bias'])
      expect(single(tensors.get(`blk.1.${mine}.${part}`)!.data)).toEqual([
        ...weights.get(`layers.1.self_attn.${theirs}.${part}`)!.data,
      ]);
  expect(tensors.size).toBe(2 + 2 * 12);
  expect(Object.fromEntries([...fields].filter(([name]) => name.startsWith('qwen2.')))).toMatchObject({
    'qwen2.attention.head_count': 4,
    'qwen2.attention.head_count_kv': 2,
    'qwen2.attention.key_length': 4,
    'qwen2.attention.causal': true,
    'qwen2.rope.freq_base': 30,
    'qwen2.pooling_type': 3,
  });
  expect(fields.get('general.architecture')).toBe('qwen2');
  expect(fields.get('tokenizer.ggml.pre')).toBe('qwen2');
});

/** A copy of a fixture with another config.json. */
function changedCopy(name: CaseName, change: (config: Record<string, unknown>) => void): string {
  const folder = models.copy(name);
  editJson(join(folder, 'config.json'), change);
  return folder;
}

describe('modernbert-mean', () => {
  const folder = fixture('modernbert-mean');
  const changed = (change: Record<string, unknown>) =>
    changedCopy('modernbert-mean', (config) => Object.assign(config, change));
  const ropes = (whole: object, near: object) => ({
    rope_parameters: { full_attention: whole, sliding_attention: near },
  });

  test('has its tensors under the names that llama.cpp looks for, the first layer without a norm before it', async () => {
    const { tensors } = await exported(folder);
    const weights = readTensors(join(folder, 'model.safetensors'));
    const layer = {
      attn_qkv: 'attn.Wqkv',
      attn_output: 'attn.Wo',
      ffn_norm: 'mlp_norm',
      ffn_up: 'mlp.Wi',
      ffn_down: 'mlp.Wo',
    };
    const expected = new Map([
      ['token_embd', 'embeddings.tok_embeddings'],
      ['token_embd_norm', 'embeddings.norm'],
      ['output_norm', 'final_norm'],
      ['blk.1.attn_norm', 'layers.1.attn_norm'],
      ...[0, 1].flatMap((i) =>
        Object.entries(layer).map(([mine, name]): [string, string] => [`blk.${i}.${mine}`, `layers.${i}.${name}`]),
      ),
    ]);
    expect([...tensors.keys()].sort()).toEqual([...expected.keys()].map((name) => `${name}.weight`).sort());
    for (const [mine, name] of expected)
      expect(single(tensors.get(`${mine}.weight`)!.data)).toEqual([...weights.get(`${name}.weight`)!.data]);
  });

  test('is described with its window and both thetas', async () => {
    const { fields } = await exported(changed({ local_attention: 20 }));
    expect(Object.fromEntries([...fields].filter(([name]) => /^(general\.arch|modern-bert\.)/.test(name)))).toEqual({
      'general.architecture': 'modern-bert',
      'modern-bert.block_count': 2,
      'modern-bert.context_length': 512,
      'modern-bert.embedding_length': 16,
      'modern-bert.feed_forward_length': 24,
      'modern-bert.vocab_size': 298,
      'modern-bert.hidden_activation': 'gelu',
      'modern-bert.attention.head_count': 2,
      'modern-bert.attention.layer_norm_epsilon': Math.fround(1e-5),
      'modern-bert.attention.causal': false,
      'modern-bert.attention.sliding_window': 20,
      'modern-bert.attention.sliding_window_pattern': 2,
      'modern-bert.rope.freq_base': 160_000,
      'modern-bert.rope.freq_base_swa': 10_000,
      'modern-bert.rope.scaling.type': 'none',
      'modern-bert.pooling_type': 1,
    });
  });

  test('says that all layers see all, with which gate, and that angles are divided', async () => {
    const divided = { rope_type: 'linear', rope_theta: 50, factor: 2 };
    const { fields } = await exported(
      changed({
        layer_types: ['full_attention', 'full_attention'],
        hidden_activation: 'silu',
        ...ropes(divided, { rope_type: 'default', rope_theta: 30 }),
      }),
    );
    const own = (name: string) => fields.get(`modern-bert.${name}`);
    expect(fields.has('modern-bert.attention.sliding_window')).toBe(false);
    expect(own('hidden_activation')).toBe('silu');
    expect(['type', 'factor'].map((name) => own(`rope.scaling.${name}`))).toEqual(['linear', 2]);
    expect(own('rope.freq_base')).toBe(50);
  });

  test('has its tokenizer, whose runs of spaces are tokens', async () => {
    const { fields } = await exported(folder);
    const own = (name: string) => fields.get(`tokenizer.ggml.${name}`);
    expect(['model', 'pre', 'add_bos_token', 'add_eos_token'].map(own)).toEqual(['gpt2', 'modern-bert', true, true]);
    expect(
      ['bos', 'eos', 'unknown', 'seperator', 'padding', 'cls', 'mask'].map((name) => own(`${name}_token_id`)),
    ).toEqual([294, 295, 293, 295, 296, 294, 297]);
    expect((own('tokens') as string[]).slice(290, 294)).toEqual(['  ', '   ', '|||IP_ADDRESS|||', '[UNK]']);
    expect((own('token_type') as number[]).slice(289, 294)).toEqual([1, 4, 4, 4, 3]);
    expect(own('merges')).toHaveLength(34);
  });

  test('llama.cpp leaves texts in their Unicode form, of which the notes tell', async () => {
    const { notes } = await models.open(folder).export('gguf', models.path('out'));
    expect(notes).toEqual([expect.stringMatching(/into the form NFC/)]);
  });

  test.each([
    ['the first layer sees a window', /are not the first/, { layer_types: ['sliding_attention', 'full_attention'] }],
    ['no layer sees all', /are not the first/, { layer_types: ['sliding_attention', 'sliding_attention'] }],
    ['its activation is ReLU', /its activation is relu/, { hidden_activation: 'relu' }],
    [
      'angles in windows are divided',
      /the angles of its layers that see a window are divided/,
      ropes({ rope_type: 'default' }, { rope_type: 'linear', rope_theta: 30, factor: 2 }),
    ],
  ])('is refused where %s', async (_, message, change) => {
    await expect(models.open(changed(change)).export('gguf', models.path('out'))).rejects.toThrow(message);
  });

  test('is refused where its tokenizer cuts no words', async () => {
    const copy = models.copy('modernbert-mean');
    editJson<{ pre_tokenizer: Record<string, unknown> }>(join(copy, 'tokenizer.json'), (json) => {
      json.pre_tokenizer['use_regex'] = false;
    });
    await expect(models.open(copy).export('gguf', models.path('out'))).rejects.toThrow(/does not split texts as/);
  });
});

describe('nomic_bert-mean', () => {
  const folder = fixture('nomic_bert-mean');
  const stackedParts = (i: number) => ['q_proj', 'k_proj', 'v_proj'].map((part) => `layers.${i}.self_attn.${part}`);

  test('has its tensors under the names that llama.cpp looks for, queries, keys and values as one', async () => {
    const { tensors } = await exported(folder);
    const weights = readTensors(join(folder, 'model.safetensors'));
    const numbers = (name: string) => [...weights.get(name)!.data];
    const layer = {
      'attn_output.weight': 'self_attn.o_proj.weight',
      'attn_output_norm.weight': 'post_attention_layernorm.weight',
      'attn_output_norm.bias': 'post_attention_layernorm.bias',
      'ffn_up.weight': 'mlp.up_proj.weight',
      'ffn_gate.weight': 'mlp.gate_proj.weight',
      'ffn_down.weight': 'mlp.down_proj.weight',
      'layer_output_norm.weight': 'post_mlp_layernorm.weight',
      'layer_output_norm.bias': 'post_mlp_layernorm.bias',
    };
    const expected = new Map([
      ['token_embd.weight', numbers('embeddings.word_embeddings.weight')],
      ['token_types.weight', numbers('embeddings.token_type_embeddings.weight')],
      ['token_embd_norm.weight', numbers('embeddings.LayerNorm.weight')],
      ['token_embd_norm.bias', numbers('embeddings.LayerNorm.bias')],
    ]);
    for (const i of [0, 1]) {
      expected.set(
        `blk.${i}.attn_qkv.weight`,
        stackedParts(i).flatMap((part) => numbers(`${part}.weight`)),
      );
      for (const [mine, name] of Object.entries(layer))
        expected.set(`blk.${i}.${mine}`, numbers(`layers.${i}.${name}`));
    }
    expect([...tensors.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [name, values] of expected) expect(single(tensors.get(name)!.data)).toEqual(values);
    expect(tensors.get('blk.0.attn_qkv.weight')!.shape).toEqual([16, 48]);
  });

  test("has the same tensors by the names of its own repository's code", async () => {
    const former = join(__dirname, '..', 'parity', 'fixtures', 'former', 'nomic_bert-mean');
    const { tensors } = await exported(former);
    const weights = readTensors(join(former, 'model.safetensors'));
    const layer = {
      'attn_qkv.weight': 'attn.Wqkv.weight',
      'attn_output.weight': 'attn.out_proj.weight',
      'attn_output_norm.bias': 'norm1.bias',
      'ffn_up.weight': 'mlp.fc11.weight',
      'ffn_gate.weight': 'mlp.fc12.weight',
      'ffn_down.weight': 'mlp.fc2.weight',
      'layer_output_norm.bias': 'norm2.bias',
    };
    const same = (mine: string, theirs: string) =>
      expect([mine, single(tensors.get(mine)!.data)]).toEqual([mine, [...weights.get(theirs)!.data]]);
    same('token_embd_norm.weight', 'emb_ln.weight');
    for (const i of [0, 1])
      for (const [mine, theirs] of Object.entries(layer)) same(`blk.${i}.${mine}`, `encoder.layers.${i}.${theirs}`);
    expect(tensors.size).toBe(4 + 2 * 9);
  });

  test('the three are fp16 where matrices are', async () => {
    const { tensors } = await exported(folder, 'fp16');
    const weights = readTensors(join(folder, 'model.safetensors'));
    const { type, data } = tensors.get('blk.1.attn_qkv.weight')!;
    expect(type).toBe('F16');
    const all = stackedParts(1).flatMap((part) => [...weights.get(`${part}.weight`)!.data]);
    expect(data).toEqual(Buffer.from(toHalf(Float32Array.from(all)).buffer));
  });

  test('is described', async () => {
    const { fields } = await exported(
      changedCopy('nomic_bert-mean', (config) => {
        config['rope_parameters'] = { rope_type: 'linear', rope_theta: 1000, factor: 4 };
      }),
    );
    expect(Object.fromEntries([...fields].filter(([name]) => /^(general\.arch|nomic-bert\.)/.test(name)))).toEqual({
      'general.architecture': 'nomic-bert',
      'nomic-bert.block_count': 2,
      'nomic-bert.context_length': 512,
      'nomic-bert.embedding_length': 16,
      'nomic-bert.feed_forward_length': 24,
      'nomic-bert.attention.head_count': 2,
      'nomic-bert.attention.layer_norm_epsilon': Math.fround(1e-12),
      'nomic-bert.attention.causal': false,
      'nomic-bert.rope.freq_base': 1000,
      'nomic-bert.rope.scaling.type': 'linear',
      'nomic-bert.rope.scaling.factor': 4,
      'nomic-bert.pooling_type': 1,
    });
    expect(fields.get('tokenizer.ggml.model')).toBe('bert');
    expect(fields.get('tokenizer.ggml.token_type_count')).toBe(2);
  });

  test('there is nothing that llama.cpp does otherwise', async () => {
    expect((await models.open(folder).export('gguf', models.path('out'))).notes).toEqual([]);
  });

  test('is refused with another gate', async () => {
    const other = changedCopy('nomic_bert-mean', (config) => {
      config['hidden_act'] = 'gelu';
    });
    await expect(models.open(other).export('gguf', models.path('out'))).rejects.toThrow(/its activation is gelu, and/);
  });
});

describe('gemma3_text-mean', () => {
  const changed = (change: (config: Record<string, unknown>) => void) => changedCopy('gemma3_text-mean', change);

  test('has its tensors under the names that llama.cpp looks for, the 1 and the scale of scores in its norms', async () => {
    const folder = fixture('gemma3_text-mean');
    const { tensors } = await exported(folder);
    const weights = readTensors(join(folder, 'model.safetensors'));
    const same = (mine: string, theirs: string, as: (one: number) => number = (one) => one) =>
      expect(single(tensors.get(`${mine}.weight`)!.data)).toEqual(
        Array.from(weights.get(`${theirs}.weight`)!.data, (one) => Math.fround(as(one))),
      );
    const add = (one: number) => one + 1;
    same('token_embd', 'embed_tokens');
    same('output_norm', 'norm', add);
    for (const i of [0, 1]) {
      same(`blk.${i}.attn_norm`, `layers.${i}.input_layernorm`, add);
      same(`blk.${i}.attn_q`, `layers.${i}.self_attn.q_proj`);
      same(`blk.${i}.attn_k`, `layers.${i}.self_attn.k_proj`);
      same(`blk.${i}.attn_v`, `layers.${i}.self_attn.v_proj`);
      same(`blk.${i}.attn_q_norm`, `layers.${i}.self_attn.q_norm`, (one) => (one + 1) * Math.sqrt(8 / 12));
      same(`blk.${i}.attn_k_norm`, `layers.${i}.self_attn.k_norm`, add);
      same(`blk.${i}.attn_output`, `layers.${i}.self_attn.o_proj`);
      same(`blk.${i}.post_attention_norm`, `layers.${i}.post_attention_layernorm`, add);
      same(`blk.${i}.ffn_norm`, `layers.${i}.pre_feedforward_layernorm`, add);
      same(`blk.${i}.ffn_gate`, `layers.${i}.mlp.gate_proj`);
      same(`blk.${i}.ffn_up`, `layers.${i}.mlp.up_proj`);
      same(`blk.${i}.ffn_down`, `layers.${i}.mlp.down_proj`);
      same(`blk.${i}.post_ffw_norm`, `layers.${i}.post_feedforward_layernorm`, add);
    }
    for (const number of [2, 3]) {
      const dense = readTensors(join(folder, `${number}_Dense`, 'model.safetensors')).get('linear.weight')!;
      expect(single(tensors.get(`dense_${number}.weight`)!.data)).toEqual([...dense.data]);
    }
    expect(tensors.size).toBe(2 + 2 * 13 + 2);
  });

  test('is described with its windows, thetas and Dense', async () => {
    const { fields } = await exported(
      changed((config) => {
        config['sliding_window'] = 20;
        config['rope_parameters'] = {
          full_attention: { rope_type: 'linear', rope_theta: 50, factor: 2 },
          sliding_attention: { rope_type: 'default', rope_theta: 30 },
        };
      }),
    );
    expect(Object.fromEntries([...fields].filter(([name]) => name.startsWith('gemma-embedding.')))).toEqual({
      'gemma-embedding.block_count': 2,
      'gemma-embedding.context_length': 512,
      'gemma-embedding.embedding_length': 16,
      'gemma-embedding.feed_forward_length': 24,
      'gemma-embedding.attention.head_count': 2,
      'gemma-embedding.attention.head_count_kv': 1,
      'gemma-embedding.attention.key_length': 8,
      'gemma-embedding.attention.value_length': 8,
      'gemma-embedding.attention.layer_norm_rms_epsilon': Math.fround(1e-6),
      'gemma-embedding.attention.causal': false,
      'gemma-embedding.attention.sliding_window': 20,
      'gemma-embedding.attention.sliding_window_pattern': 2,
      'gemma-embedding.rope.dimension_count': 8,
      'gemma-embedding.rope.freq_base': 50,
      'gemma-embedding.rope.freq_base_swa': 30,
      'gemma-embedding.rope.scaling.type': 'linear',
      'gemma-embedding.rope.scaling.factor': 2,
      'gemma-embedding.dense_2_feat_in': 16,
      'gemma-embedding.dense_2_feat_out': 32,
      'gemma-embedding.dense_3_feat_in': 32,
      'gemma-embedding.dense_3_feat_out': 16,
      'gemma-embedding.pooling_type': 1,
    });
  });

  test('has the pieces of its tokenizer with scores by the order of its merges', async () => {
    const folder = fixture('gemma3_text-mean');
    const { fields } = await exported(folder);
    const own = (name: string) => fields.get(`tokenizer.ggml.${name}`);
    expect(['model', 'pre', 'add_space_prefix', 'add_bos_token', 'add_eos_token'].map(own)).toEqual([
      'llama',
      'default',
      false,
      true,
      true,
    ]);
    expect(['bos', 'eos', 'unknown', 'padding'].map((name) => own(`${name}_token_id`))).toEqual([2, 1, 3, 0]);
    expect((own('token_type') as number[]).slice(0, 6)).toEqual([3, 3, 3, 2, 3, 6]);
    const { vocab, merges } = (
      JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8')) as {
        model: { vocab: Record<string, number>; merges: [string, string][] };
      }
    ).model;
    const scores = own('scores') as number[];
    const ofPiece = (piece: string) => merges.findIndex((pair) => pair.join('') === piece);
    for (const piece of ['bridge', 'old\u2581', 'an']) expect(scores[vocab[piece]!]).toBe(-ofPiece(piece));
    expect(ofPiece('bridge')).toBeGreaterThan(ofPiece('an'));
  });

  test.each([
    ['tokens see none behind them', /its tokens see none behind them/, { use_bidirectional_attention: false }],
    [
      'a first layer sees all',
      /do not stand at equal distances/,
      { layer_types: ['full_attention', 'sliding_attention'] },
    ],
    [
      'no layer sees a window',
      /do not stand at equal distances/,
      { layer_types: ['full_attention', 'full_attention'] },
    ],
  ])('is refused where %s', async (_, message, change) => {
    const folder = changed((config) => Object.assign(config, change));
    await expect(models.open(folder).export('gguf', models.path('out'))).rejects.toThrow(message);
  });

  test('is refused where its merges are fewer than SentencePiece would do', async () => {
    const folder = models.copy('gemma3_text-mean');
    editJson<{ model: { merges: unknown[] } }>(join(folder, 'tokenizer.json'), ({ model }) => model.merges.pop());
    await expect(models.open(folder).export('gguf', models.path('out'))).rejects.toThrow(
      /its merges are not all that its vocabulary allows/,
    );
  });

  test('is refused with a Dense that llama.cpp does not run', async () => {
    const folder = models.copy('gemma3_text-mean');
    editJson<Record<string, unknown>>(join(folder, '2_Dense', 'config.json'), (config) => {
      config['activation_function'] = 'torch.nn.modules.activation.Tanh';
    });
    await expect(models.open(folder).export('gguf', models.path('out'))).rejects.toThrow(/runs two Dense without bias/);
  });
});

describe('the tokenizer', () => {
  const tokens = ({ fields }: GgufFile) => fields.get('tokenizer.ggml.tokens') as string[];
  const types = ({ fields }: GgufFile) => fields.get('tokenizer.ggml.token_type') as number[];
  const id = ({ fields }: GgufFile, name: string) => fields.get(`tokenizer.ggml.${name}_token_id`);

  test('WordPiece has a mark before words in place of ## inside them', async () => {
    const file = await exported(fixture('bert-mean'));
    const vocabulary = readFileSync(join(fixture('bert-mean'), 'vocab.txt'), 'utf8')
      .trimEnd()
      .split('\n');
    const expected = vocabulary.map((token, at) => {
      if (at < 5) return token;
      return token.startsWith('##') ? token.slice(2) : `\u2581${token}`;
    });
    expect(tokens(file).slice(0, expected.length)).toEqual(expected);
    expect(types(file).slice(0, 6)).toEqual([3, 3, 3, 3, 3, 1]);
    expect(file.fields.get('tokenizer.ggml.model')).toBe('bert');
    expect(['bos', 'unknown', 'seperator', 'padding', 'cls', 'mask'].map((name) => id(file, name))).toEqual([
      2, 1, 3, 0, 2, 4,
    ]);
    expect(id(file, 'eos')).toBeUndefined();
    expect(file.fields.has('tokenizer.ggml.normalizer.lowercase')).toBe(false);
  });

  test('WordPiece says that it keeps case and accents', async () => {
    const folder = models.copy('bert-mean');
    for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
      editJson<Record<string, unknown>>(join(folder, name), (json) => {
        if (name === 'tokenizer.json') (json['normalizer'] as Record<string, unknown>)['lowercase'] = false;
        else json['do_lower_case'] = false;
      });
    }
    const { fields } = await exported(folder);
    expect(fields.get('tokenizer.ggml.normalizer.lowercase')).toBe(false);
    expect(fields.get('tokenizer.ggml.normalizer.strip_accents')).toBe(false);
  });

  test('byte-level BPE has its merges', async () => {
    const file = await exported(fixture('roberta-mean'));
    const merges = readFileSync(join(fixture('roberta-mean'), 'merges.txt'), 'utf8')
      .trimEnd()
      .split('\n')
      .slice(1);
    expect(file.fields.get('tokenizer.ggml.merges')).toEqual(merges);
    expect([file.fields.get('tokenizer.ggml.model'), file.fields.get('tokenizer.ggml.pre')]).toEqual([
      'gpt2',
      'roberta-bpe',
    ]);
    expect([id(file, 'bos'), id(file, 'eos'), id(file, 'padding')]).toEqual([0, 2, 1]);
  });

  test('Unigram has scores and the map of characters', async () => {
    const file = await exported(fixture('xlm-roberta-mean'));
    const json = JSON.parse(readFileSync(join(fixture('xlm-roberta-mean'), 'tokenizer.json'), 'utf8')) as {
      model: { vocab: [string, number][]; unk_id: number };
    };
    const { vocab } = json.model;
    expect(tokens(file).slice(0, vocab.length)).toEqual(vocab.map(([token]) => token));
    const scores = file.fields.get('tokenizer.ggml.scores') as number[];
    expect(scores.slice(0, vocab.length)).toEqual(vocab.map(([, score]) => Math.fround(score)));
    expect(types(file)[json.model.unk_id]).toBe(2);
    expect((file.fields.get('tokenizer.ggml.precompiled_charsmap') as number[]).length).toBeGreaterThan(100);
    expect(file.fields.get('tokenizer.ggml.model')).toBe('t5');
  });
});

describe('precision', () => {
  test('matrices are fp16, the rest is not', async () => {
    const { tensors, fields } = await exported(fixture('bert-mean'), 'fp16');
    expect(tensors.get('blk.0.ffn_up.weight')!.type).toBe('F16');
    expect(tensors.get('token_embd.weight')!.type).toBe('F16');
    for (const name of ['blk.0.ffn_up.bias', 'position_embd.weight', 'token_types.weight', 'token_embd_norm.weight'])
      expect(tensors.get(name)!.type).toBe('F32');
    expect(fields.get('general.file_type')).toBe(1);
  });

  test('matrices are Q8_0 where their rows are made of whole blocks', async () => {
    const { tensors, fields } = await exported(fixture('bert-mean'), 'int8');
    expect(tensors.get('blk.0.attn_q.weight')!.type).toBe('Q8_0');
    expect(tensors.get('blk.0.ffn_down.weight')!.type).toBe('F16'); // 48 numbers
    expect(fields.get('general.file_type')).toBe(7);
  });
});

describe('refused, with nothing written', () => {
  test.each([
    ['mpnet-mean', /llama\.cpp has no mpnet/],
    ['modernbert-cls', /llama\.cpp runs no Dense/],
    ['gte-mean', /llama\.cpp has no gte/],
    ['gemma3_text-lasttoken', /its tokens see none behind them/],
    ['static-dense', /llama\.cpp has no static-embedding/],
    ['albert-mean', /llama\.cpp has no albert whose embeddings have a width of their own/],
    ['electra-projected', /llama\.cpp has no electra whose embeddings have a width of their own/],
    ['qwen3-mean', /some of its layers see a window of the text/],
    ['bert-dense', /its activation is ReLU/],
    ['distilbert-dense', /llama\.cpp runs no Dense/],
    ['bert-residual', /llama\.cpp runs no Dense/],
    ['roberta-layer-norm', /llama\.cpp runs no Dense/],
  ] as const)('%s', async (name, message) => {
    const out = models.path('out');
    await expect(models.open(fixture(name)).export('gguf', out)).rejects.toMatchObject({
      name: 'ModelError',
      code: 'ERR_EXPORT',
      message: expect.stringMatching(message) as string,
    });
    expect(existsSync(out)).toBe(false);
  });

  test('a pooling that llama.cpp does not have', async () => {
    const folder = plain('roberta-dense');
    editJson<Record<string, unknown>>(join(folder, '1_Pooling', 'config.json'), (config) => {
      config['pooling_mode_max_tokens'] = true;
    });
    await expect(models.open(folder).export('gguf', models.path('out'))).rejects.toThrow(
      /its pooling is max with mean/,
    );
  });

  test('an ONNX export in its place', async () => {
    const model = models.open(fixture('bert-mean'));
    await model.export('onnx', models.path('out'));
    await expect(model.export('gguf', models.path('out'))).rejects.toMatchObject({ code: 'ERR_SAVE_TARGET' });
    expect(readdirSync(models.path('out', 'onnx'))).toEqual(['model.onnx']);
  });
});
