import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TextVectorisation, type ExportEvent } from '../../lib';
import { openModel } from '../../lib/model/open';
import { CASES, STATIC_CASES, type CaseName } from '../parity/cases';
import { editJson, fixture, PROBE_TEXTS, relativeDistance, useModels } from '../public/models';
import { readOnnx, type OnnxFile } from './onnx-file';
import { runOnnx, type Value } from './onnx-run';
import { narrowTensors } from '../unit/model/support/narrow';
import { changeRaw, readRaw } from '../unit/model/support/raw-safetensors';

const models = useModels();

/** Texts of several lengths, the first of the model's own. */
const TEXTS = [...PROBE_TEXTS, 'a red kite turns slowly above the quiet harbour and the stone bridge'];

/** What goes into a graph: texts filled up on a side with an id that is none of theirs where there is one. */
async function feeds(
  folder: string,
  file: OnnxFile,
  texts = TEXTS,
  side: 'left' | 'right' = 'right',
): Promise<Record<string, Value>> {
  const opened = await openModel(folder);
  const prompted = texts.map((text) => opened.defaultPrompt + text);
  const { ids, offsets } = await opened.tokeniser.encode(prompted, opened.maxInputLength);
  const rows = texts.map((_, i) => [...ids.subarray(offsets[i]!, offsets[i + 1]!)]);
  const width = Math.max(...rows.map(({ length }) => length));
  const pad = opened.spec.encoder.padTokenId ?? 0;
  const filled = (row: number[], filler: number) => {
    const more = new Array<number>(width - row.length).fill(filler);
    return side === 'right' ? [...row, ...more] : [...more, ...row];
  };
  const matrix = (list: number[][]): Value => ({ shape: [texts.length, width], data: Float64Array.from(list.flat()) });
  return {
    input_ids: matrix(rows.map((row) => filled(row, pad))),
    attention_mask: matrix(
      rows.map((row) =>
        filled(
          row.map(() => 1),
          0,
        ),
      ),
    ),
    ...('token_type_ids' in file.inputs && {
      token_type_ids: matrix(rows.map(() => new Array<number>(width).fill(0))),
    }),
  };
}

/** The largest difference of a number of vectors. */
function difference(found: Value, expected: readonly Float32Array[]): number {
  const width = expected[0]!.length;
  expect(found.shape).toEqual([expected.length, width]);
  return Math.max(...found.data.map((value, i) => Math.abs(value - expected[Math.floor(i / width)]![i % width]!)));
}

function cosine(a: Float64Array, b: Float32Array): number {
  const dot = a.reduce((sum, one, i) => sum + one * b[i]!, 0);
  const lengths = [Math.hypot(...a), Math.hypot(...b)] as const;
  // Of a text without a token, in a table of words.
  if (lengths[0] === 0 && lengths[1] === 0) return 1;
  return dot / lengths[0] / lengths[1];
}

describe.each([...CASES, ...STATIC_CASES])('%s', (name) => {
  test('as ONNX of fp32 it gives the same vectors', async () => {
    const model = models.open(fixture(name));
    const report = await model.export('onnx', models.path('out'));
    expect(report.files.map(({ path }) => path)).toEqual(['onnx/model.onnx']);
    const file = readOnnx(join(report.folder, 'onnx', 'model.onnx'));
    const { sentence_embedding, last_hidden_state } = runOnnx(file, await feeds(fixture(name), file));
    const expected = await model.embed(TEXTS);
    expect(difference(sentence_embedding!, expected)).toBeLessThan(1e-5);
    const hidden = (await openModel(fixture(name))).spec.encoder.hiddenSize;
    expect(last_hidden_state!.shape).toEqual([TEXTS.length, expect.any(Number), hidden]);
  });

  test('as fp16 and int8 it gives nearly the same', async () => {
    const model = models.open(fixture(name));
    const report = await model.export('onnx', models.path('out'), { precision: ['fp16', 'int8'] });
    const expected = await model.embed(TEXTS);
    for (const [path, least] of [
      ['onnx/model_fp16.onnx', 0.9999],
      ['onnx/model_quantized.onnx', 0.98],
    ] as const) {
      const file = readOnnx(join(report.folder, path));
      const { sentence_embedding } = runOnnx(file, await feeds(fixture(name), file));
      const width = expected[0]!.length;
      const least_found = Math.min(
        ...expected.map((vector, i) => cosine(sentence_embedding!.data.subarray(i * width, (i + 1) * width), vector)),
      );
      expect(least_found).toBeGreaterThan(least);
    }
  });
});

test.each(['nomic_bert-mean', 'gte-mean'])(
  "%s by the names of its own repository's code gives the same vectors",
  async (name) => {
    const folder = join(__dirname, '..', 'parity', 'fixtures', 'former', name);
    const model = models.open(folder);
    const { folder: out } = await model.export('onnx', models.path('out'));
    const file = readOnnx(join(out, 'onnx', 'model.onnx'));
    const { sentence_embedding } = runOnnx(file, await feeds(folder, file));
    expect(difference(sentence_embedding!, await model.embed(TEXTS))).toBeLessThan(1e-5);
  },
);

describe('what of a model only its configuration tells', () => {
  const DECODER = { use_bidirectional_attention: false };
  const LAST = { max_window_layers: 1, layer_types: ['full_attention', 'sliding_attention'] };
  const LONG = Array.from({ length: 6 }, (_, i) => TEXTS[i % 3]!).join(' and ');

  function copied(name: CaseName, change: (config: Record<string, unknown>) => void): string {
    const folder = models.copy(name, 'changed');
    editJson(join(folder, 'config.json'), change);
    for (const [file, field] of [
      ['sentence_bert_config.json', 'max_seq_length'],
      ['tokenizer_config.json', 'model_max_length'],
    ] as const) {
      editJson<Record<string, unknown>>(join(folder, file), (json) => {
        json[field] = 512;
      });
    }
    return folder;
  }

  /** The largest difference of fp32, and the least cosine of fp16, of texts of which one is much longer than the others. */
  async function compared(folder: string): Promise<[number, number]> {
    const model = models.open(folder);
    const texts = [LONG, ...TEXTS];
    expect((await openModel(folder)).maxInputLength).toBe(512);
    const { folder: out } = await model.export('onnx', models.path('out'), { precision: ['fp32', 'fp16'] });
    const expected = await model.embed(texts);
    const [single, half] = await Promise.all(
      ['model.onnx', 'model_fp16.onnx'].map(async (path) => {
        const file = readOnnx(join(out, 'onnx', path));
        return runOnnx(file, await feeds(folder, file, texts))['sentence_embedding']!;
      }),
    );
    const width = expected[0]!.length;
    const cosines = expected.map((vector, i) => cosine(half!.data.subarray(i * width, (i + 1) * width), vector));
    return [difference(single!, expected), Math.min(...cosines)];
  }

  test("a window, beyond which a short text's filling sees no token at all", async () => {
    const folder = copied('modernbert-mean', (config) => {
      config['local_attention'] = 6;
    });
    const whole = await models.open(fixture('modernbert-mean')).embed(TEXTS[0]!);
    expect(relativeDistance(await models.open(folder).embed(TEXTS[0]!), whole)).toBeGreaterThan(1e-4);
    const [most, least] = await compared(folder);
    expect(most).toBeLessThan(1e-5);
    expect(least).toBeGreaterThan(0.9999);
  });

  test.each([
    ['a window to both sides, of a model whose tokens see both', 'gemma3_text-mean', { sliding_window: 10 }],
    ['a window before a token that sees none behind it', 'gemma3_text-mean', { sliding_window: 5, ...DECODER }],
    ['a last layer with such a window', 'qwen3-lasttoken', { use_sliding_window: true, sliding_window: 6, ...LAST }],
    ['tokens that see both sides', 'qwen3-lasttoken', { is_causal: false }],
    ['scores by another number than the root of a head', 'gemma3_text-lasttoken', { query_pre_attn_scalar: 2 }],
  ] as const)('%s', async (_, name, fields) => {
    const folder = copied(name, (config) => Object.assign(config, fields, { max_position_embeddings: 512 }));
    const before = await models.open(fixture(name)).embed(TEXTS[4]!);
    expect(relativeDistance(await models.open(folder).embed(TEXTS[4]!), before)).toBeGreaterThan(1e-4);
    const [most, least] = await compared(folder);
    expect(most).toBeLessThan(1e-5);
    expect(least).toBeGreaterThan(0.9999);
  });

  test('a divisor of angles', async () => {
    const folder = copied('gte-mean', (config) => {
      config['max_position_embeddings'] = 512;
      config['rope_parameters'] = { rope_type: 'linear', rope_theta: 30, factor: 4 };
    });
    const whole = await models.open(fixture('gte-mean')).embed(TEXTS[0]!);
    expect(relativeDistance(await models.open(folder).embed(TEXTS[0]!), whole)).toBeGreaterThan(1e-4);
    const [most, least] = await compared(folder);
    expect(most).toBeLessThan(1e-5);
    expect(least).toBeGreaterThan(0.9999);
  });
});

test.each(['qwen3-lasttoken', 'gemma3_text-mean', 'modernbert-mean', 'modernbert-cls', 'gte-cls'] as const)(
  '%s gives the same where texts are filled up on the left',
  async (name) => {
    const model = models.open(fixture(name));
    const { folder } = await model.export('onnx', models.path('out'));
    const file = readOnnx(join(folder, 'onnx', 'model.onnx'));
    const { sentence_embedding } = runOnnx(file, await feeds(fixture(name), file, TEXTS, 'left'));
    expect(difference(sentence_embedding!, await model.embed(TEXTS))).toBeLessThan(1e-5);
  },
);

describe('in fp16', () => {
  /** A copy of a fixture with some tensors multiplied. */
  function scaled(name: CaseName, factors: Record<string, number>): string {
    const folder = models.copy(name, 'scaled');
    changeRaw(join(folder, 'model.safetensors'), (tensors) => {
      for (const [tensor, factor] of Object.entries(factors)) {
        const { dtype, shape, bytes } = tensors.get(tensor)!;
        const numbers = Float32Array.from({ length: bytes.length / 4 }, (_, i) => factor * bytes.readFloatLE(4 * i));
        tensors.set(tensor, { dtype, shape, bytes: Buffer.from(numbers.buffer) });
      }
    });
    return folder;
  }

  test.each([
    [
      'sums',
      'qwen3-lasttoken',
      { 'embed_tokens.weight': 8e4, 'layers.0.mlp.down_proj.weight': 3e4, 'layers.1.mlp.down_proj.weight': 3e4 },
    ],
    [
      'what a part gives',
      'gemma3_text-mean',
      { 'layers.0.mlp.up_proj.weight': 1e4, 'layers.0.mlp.down_proj.weight': 1e4 },
    ],
  ] as const)('%s beyond its largest number are right', async (_, name, factors) => {
    const folder = scaled(name, factors);
    const model = models.open(folder);
    const { folder: out } = await model.export('onnx', models.path('out'), { precision: 'fp16' });
    const file = readOnnx(join(out, 'onnx', 'model_fp16.onnx'));
    const { sentence_embedding } = runOnnx(file, await feeds(folder, file));
    const expected = await model.embed(TEXTS);
    const width = expected[0]!.length;
    const cosines = expected.map((vector, i) =>
      cosine(sentence_embedding!.data.subarray(i * width, (i + 1) * width), vector),
    );
    expect(Math.min(...cosines)).toBeGreaterThan(0.9999);
  });

  test('norms of root mean squares have fp32 factors, with the 1 of Gemma in them, and matrices are fp16', async () => {
    const constants = async (name: CaseName) => {
      const { folder } = await models.open(fixture(name)).export('onnx', models.path(name), { precision: 'fp16' });
      return readOnnx(join(folder, 'onnx', 'model_fp16.onnx'));
    };
    for (const name of ['qwen3-mean', 'gemma3_text-mean'] as const) {
      const file = await constants(name);
      for (const norm of ['input_layernorm', 'self_attn.q_norm'])
        expect(file.constants.get(`layers.0.${norm}.factors`)).toMatchObject({ type: 'float32' });
      for (const matrix of ['embed_tokens.weight', 'layers.0.mlp.down_proj.weight_transposed'])
        expect(file.constants.get(matrix)).toMatchObject({ type: 'float16' });
    }
    const norm = readRaw(join(fixture('gemma3_text-mean'), 'model.safetensors')).get('norm.weight')!.bytes;
    const { data } = (await constants('gemma3_text-mean')).constants.get('norm.factors')!;
    expect([...data]).toEqual(Array.from(data, (_, i) => Math.fround(norm.readFloatLE(4 * i) + 1)));
  });
});

test.each(['qwen3-lasttoken', 'gemma3_text-mean', 'bert-dense'] as const)(
  '%s is exported where its weights are bf16 and kept so',
  async (name) => {
    const folder = models.copy(name);
    changeRaw(join(folder, 'model.safetensors'), (tensors) => narrowTensors(tensors, 'BF16'));
    editJson<Record<string, unknown>>(join(folder, 'config.json'), (config) => {
      config['dtype'] = 'bfloat16';
    });
    const model = models.open(folder, { precision: 'bf16' });
    await model.embed(TEXTS);
    const { folder: out } = await model.export('onnx', models.path('out'), { precision: ['fp32', 'fp16', 'int8'] });
    const exact = await models.open(folder).embed(TEXTS);
    const file = readOnnx(join(out, 'onnx', 'model.onnx'));
    const { sentence_embedding } = runOnnx(file, await feeds(folder, file));
    expect(difference(sentence_embedding!, exact)).toBeLessThan(1e-5);
    expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))).toMatchObject({ dtype: 'float32' });
  },
);

describe('the graph', () => {
  const exported = async (name: CaseName, ...precision: ('fp32' | 'fp16' | 'int8')[]) => {
    const { folder } = await models.open(fixture(name)).export('onnx', models.path('out'), { precision });
    return folder;
  };

  test('names its inputs and outputs, with sizes that differ from call to call', async () => {
    const file = readOnnx(join(await exported('bert-dense', 'fp32'), 'onnx', 'model.onnx'));
    const text = { type: 'int64', shape: ['batch_size', 'sequence_length'] };
    expect(file).toMatchObject({ irVersion: 8, opset: 17 });
    expect(file.inputs).toEqual({ input_ids: text, attention_mask: text, token_type_ids: text });
    expect(file.outputs).toEqual({
      last_hidden_state: { type: 'float32', shape: ['batch_size', 'sequence_length', 32] },
      sentence_embedding: { type: 'float32', shape: ['batch_size', 24] },
    });
  });

  test.each(['distilbert-mean', 'roberta-mean', 'mpnet-mean'] as const)('of %s takes no token types', async (name) => {
    const file = readOnnx(join(await exported(name, 'fp32'), 'onnx', 'model.onnx'));
    expect(Object.keys(file.inputs)).toEqual(['input_ids', 'attention_mask']);
  });

  test('has weights of the precision, and integer products with columns of their own steps', async () => {
    const folder = await exported('bert-mean', 'fp16', 'int8');
    const half = readOnnx(join(folder, 'onnx', 'model_fp16.onnx'));
    const weight = 'encoder.layer.0.attention.self.query.weight';
    expect(half.constants.get(`${weight}_transposed`)).toMatchObject({ type: 'float16', shape: [32, 32] });
    const bytes = readOnnx(join(folder, 'onnx', 'model_quantized.onnx'));
    expect(bytes.constants.get(`${weight}_quantized`)).toMatchObject({ type: 'uint8', shape: [32, 32] });
    expect(bytes.constants.get(`${weight}_scale`)).toMatchObject({ type: 'float32', shape: [32] });
    expect(bytes.nodes.filter(({ type }) => type === 'MatMulInteger')).toHaveLength(2 * 6);
    // Query, key and value share what was quantised.
    expect(bytes.nodes.filter(({ type }) => type === 'DynamicQuantizeLinear')).toHaveLength(2 * 4);
  });

  test('cuts vectors where the folder does, to length 1', async () => {
    const folder = models.copy('mpnet-mean');
    editJson<Record<string, unknown>>(join(folder, 'config_sentence_transformers.json'), (config) => {
      config['truncate_dim'] = 7;
    });
    const model = models.open(folder);
    const { folder: out } = await model.export('onnx', models.path('out'));
    const file = readOnnx(join(out, 'onnx', 'model.onnx'));
    const { sentence_embedding } = runOnnx(file, await feeds(folder, file));
    const expected = await model.embed(TEXTS);
    expect(expected[0]).toHaveLength(7);
    expect(difference(sentence_embedding!, expected)).toBeLessThan(1e-5);
  });
});

describe('the folder', () => {
  test.each([
    [['fp32'], { dtype: 'fp32' }],
    [['fp16', 'fp32'], { dtype: 'fp32' }],
    [['fp16', 'int8'], { dtype: 'fp16' }],
    [['int8'], { dtype: 'q8' }],
    [['fp32', 'int8'], undefined],
  ] as const)('with %j says which transformers.js is to take where nobody does', async (precision, expected) => {
    const model = models.open(fixture('distilbert-mean'));
    const { folder } = await model.export('onnx', models.path('out'), { precision });
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Record<string, unknown>;
    expect(config['transformers.js_config']).toEqual(expected);
  });

  test('has what transformers.js and sentence-transformers open, and no other weights', async () => {
    const { folder, notes } = await models.open(fixture('distilbert-dense')).export('onnx', models.path('out'), {
      precision: 'int8',
    });
    expect(readdirSync(folder).sort()).toEqual(
      [
        ...['1_Pooling', '2_Dense', 'README.md', 'config.json', 'config_sentence_transformers.json', 'modules.json'],
        ...['onnx', 'sentence_bert_config.json', 'special_tokens_map.json', 'tokenizer.json', 'tokenizer_config.json'],
        'vocab.txt',
      ].sort(),
    );
    expect(readdirSync(join(folder, '2_Dense')).sort()).toEqual(['config.json', 'model.safetensors']);
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Record<string, unknown>;
    expect(config).toMatchObject({ model_type: 'distilbert', 'transformers.js_config': { dtype: 'q8' } });
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).toContain('sentence_embedding: vectors');
    expect(notes).toEqual([]);
    await expect(models.open(folder).load()).rejects.toMatchObject({
      code: 'ERR_MODEL_FOLDER',
      message: expect.stringMatching(/holds ONNX graphs and no weights\. Open the model/) as string,
    });
  });

  test("has a card with the pipeline of a last token where that is the batch's last", async () => {
    const folder = models.copy('qwen3-lasttoken');
    const card = async (out: string) => {
      const report = await models.open(folder).export('onnx', models.path(out));
      return readFileSync(join(report.folder, 'README.md'), 'utf8');
    };
    expect(await card('left')).toContain("{ pooling: 'last_token', normalize: true }");
    editJson<Record<string, unknown>>(join(folder, 'tokenizer_config.json'), (config) => {
      config['padding_side'] = 'right';
    });
    const right = await card('right');
    expect(right).toContain('sentence_embedding: vectors');
    expect(right).not.toContain('pipeline(');
  });

  test('of a table of words has a tokenizer without special tokens, and no modules', async () => {
    const { folder } = await models.open(fixture('static-dense')).export('onnx', models.path('out'));
    expect(readdirSync(folder).sort()).toEqual(
      ['README.md', 'config.json', 'onnx', 'tokenizer.json', 'tokenizer_config.json'].sort(),
    );
    const json = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Record<string, unknown>;
    expect(json('config.json')).toEqual({
      model_type: 'static-embedding',
      vocab_size: 69,
      hidden_size: 32,
      'transformers.js_config': { dtype: 'fp32' },
    });
    expect(json('tokenizer.json')).toMatchObject({ post_processor: null });
    expect(json('tokenizer_config.json')).toEqual({ tokenizer_class: 'PreTrainedTokenizerFast', pad_token: '[PAD]' });
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).not.toContain('SentenceTransformer(');
  });

  test('is replaced where it is an export, and left as it is where it is anything else', async () => {
    const model = models.open(fixture('bert-mean'));
    const first = await model.export('onnx', models.path('out'), { precision: ['fp32', 'fp16'] });
    const second = await model.export('onnx', first.folder, { precision: 'int8' });
    expect(readdirSync(join(second.folder, 'onnx'))).toEqual(['model_quantized.onnx']);
    const saved = await model.save(models.path('saved'));
    mkdirSync(models.path('other'));
    writeFileSync(models.path('other', 'notes.txt'), 'mine');
    for (const target of [saved, models.path('other')]) {
      const before = readdirSync(target);
      await expect(model.export('onnx', target)).rejects.toMatchObject({
        code: 'ERR_SAVE_TARGET',
        message: expect.stringMatching(/is not an ONNX export .*an existing ONNX export to replace it\.$/) as string,
      });
      expect(readdirSync(target)).toEqual(before);
    }
    mkdirSync(join(saved, 'onnx'));
    await expect(model.export('onnx', saved)).rejects.toThrow(
      /besides an export .*"model\.safetensors", which would be lost/,
    );
    expect(existsSync(join(saved, 'model.safetensors'))).toBe(true);
  });

  test('is told of file by file, and leaves nothing where it is stopped', async () => {
    const model = models.open(fixture('bert-mean'));
    const events: ExportEvent[] = [];
    const out = models.path('deep', 'out');
    await model.export('onnx', out, { precision: ['fp32', 'fp16'], onProgress: (event) => events.push(event) });
    for (const file of ['onnx/model.onnx', 'onnx/model_fp16.onnx']) {
      const last = events.findLast((event) => event.file === file)!;
      expect(last).toMatchObject({ type: 'exporting', writtenBytes: last.totalBytes });
      expect(readFileSync(join(out, file)).length).toBe(last.totalBytes);
    }
    const stop = new AbortController();
    const place = models.path('stopped', 'out');
    const stopped = model.export('onnx', place, { signal: stop.signal, onProgress: () => stop.abort() });
    await expect(stopped).rejects.toMatchObject({ code: 'ERR_ABORTED', name: 'AbortError' });
    expect(readdirSync(models.path('stopped'))).toEqual([]);
    const late = model.export('onnx', place, { onProgress: () => void model.dispose() });
    await expect(late).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    expect(readdirSync(models.path('stopped'))).toEqual([]);
  });
});

describe('refused', () => {
  test.each([
    [
      'a format that there is not',
      ['tflite', 'out'],
      'ERR_INVALID_ARGUMENT',
      /must be 'onnx' or 'gguf', but is .*tflite/,
    ],
    ['no folder', ['onnx', ''], 'ERR_INVALID_ARGUMENT', /export needs the path of a folder/],
    ['a precision that there is not', ['onnx', 'out', { precision: 'q4' }], 'ERR_INVALID_OPTION', /precision must be/],
    [
      'an option that there is not',
      ['onnx', 'out', { opset: 18 }],
      'ERR_UNKNOWN_OPTION',
      /export has no option "opset"/,
    ],
    ['an option of the model', ['onnx', 'out', { device: 'cpu' }], 'ERR_UNKNOWN_OPTION', /new TextVectorisation/],
  ])('%s', async (_, given, code, message) => {
    const model = models.open(fixture('bert-mean'));
    const call = (model.export as (...all: unknown[]) => Promise<unknown>).apply(model, given);
    await expect(call).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
    expect(existsSync('out')).toBe(false);
  });

  test('after dispose', async () => {
    const model = new TextVectorisation(fixture('bert-mean'));
    await model.dispose();
    await expect(model.export('onnx', models.path('out'))).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });
});
