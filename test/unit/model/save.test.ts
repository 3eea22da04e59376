import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Architecture } from '../../../lib/model/architectures';
import { openModel } from '../../../lib/model/open';
import { saveModel } from '../../../lib/model/save/save';
import { CASES } from '../../parity/cases';
import { removeFolders, temporaryFolder } from '../native/support/folders';
import { folderVectors, inEngine } from './support/engine';
import { toEra04, toNewEra } from './support/eras';
import { copyFixture, fixtureFolder, readJson, setFields, treeOf, type Json } from './support/fixture';
import { EDGES, narrowTensors } from './support/narrow';
import { changeRaw, comparable, readParts, readRaw, renameTensors } from './support/raw-safetensors';
import { resave } from './support/saving';

/** A saved model is a folder of the 2.x layout that holds exactly what was opened. */

afterAll(removeFolders);

const newTarget = () => join(temporaryFolder(), 'saved');
const model = (name: string) => `sentence_transformers.models.${name}`;

/** Files of the 2.x layout besides the tokenizer's vocabulary, by fixture. */
const LAYOUT = [
  ...['README.md', 'config.json', 'config_sentence_transformers.json', 'model.safetensors', 'modules.json'],
  'vectune_card.json',
];
const TOKENIZER = ['sentence_bert_config.json', 'special_tokens_map.json', 'tokenizer.json', 'tokenizer_config.json'];
const DENSE = ['2_Dense', '2_Dense/config.json', '2_Dense/model.safetensors'];
const MODULES: Record<(typeof CASES)[number], string[]> = {
  'bert-mean': [],
  'bert-dense': DENSE,
  'distilbert-mean': [],
  'distilbert-dense': DENSE,
  'roberta-mean': [],
  'roberta-dense': [...DENSE, '3_Dense', '3_Dense/config.json', '3_Dense/model.safetensors', '4_Normalize'],
  'bert-residual': [...DENSE, '3_Dense', '3_Dense/config.json', '3_Dense/model.safetensors'],
  'roberta-layer-norm': [...DENSE, '3_LayerNorm', '3_LayerNorm/config.json', '3_LayerNorm/model.safetensors'],
  'bert-unigram': [],
  'xlm-roberta-mean': [],
  'camembert-mean': [],
  'electra-mean': [],
  'electra-projected': [],
  'albert-mean': [],
  'albert-cls': [...DENSE, '3_Normalize'],
  'mpnet-mean': ['2_Normalize'],
  'modernbert-mean': [],
  'modernbert-cls': [...DENSE, '3_Normalize'],
  'nomic_bert-mean': [],
  'gte-cls': ['2_Normalize'],
  'gte-mean': [],
  'qwen2-lasttoken': ['2_Normalize'],
  'qwen2-mean': [],
  'qwen3-lasttoken': ['2_Normalize'],
  'qwen3-mean': [],
  'gemma3_text-mean': [...DENSE, '3_Dense', '3_Dense/config.json', '3_Dense/model.safetensors', '4_Normalize'],
  'gemma3_text-lasttoken': [],
};

function layoutOf(name: (typeof CASES)[number], vocabulary: string[]): string[] {
  const pooling = ['1_Pooling', '1_Pooling/config.json'];
  return [...LAYOUT, ...TOKENIZER, ...pooling, ...MODULES[name], ...vocabulary].sort();
}

function vocabularyOf(name: (typeof CASES)[number]): string[] {
  if (name === 'bert-unigram' || /^(?:albert|camembert|modernbert|gte|qwen[23]|gemma3_text)-/.test(name)) return [];
  if (name === 'xlm-roberta-mean') return ['sentencepiece.bpe.model'];
  return name.startsWith('roberta') ? ['vocab.json', 'merges.txt'] : ['vocab.txt'];
}

/** The names of a model's weight files. */
function weightFiles(name: (typeof CASES)[number]): string[] {
  return ['model.safetensors', ...MODULES[name].filter((path) => path.endsWith('.safetensors'))];
}

describe.each(CASES)('%s', (name: (typeof CASES)[number]) => {
  const original = fixtureFolder(name);
  const architecture = name.replace(/-[^-]*$/, '') as Architecture;

  test.each<[string, (folder: string) => void, string[]]>([
    ['2.x', () => undefined, vocabularyOf(name)],
    ['0.4', (folder) => void toEra04(folder, architecture), vocabularyOf(name)],
    ['5.4', (folder) => void toNewEra(folder, '5.4'), []],
    ['6.0', (folder) => void toNewEra(folder, '6.0'), []],
  ])('a folder of %s is saved as 2.x, with the same weights and vectors', async (_, change, vocabulary) => {
    const folder = copyFixture(name);
    change(folder);
    const target = newTarget();
    expect(await resave(folder, target)).toBe(target);

    expect(Object.keys(treeOf(target)).sort()).toEqual(layoutOf(name, vocabulary));
    const types = readJson<Json[]>(target, 'modules.json').map(({ type, path }) => [path, type]);
    const expected = readJson<Json[]>(original, 'modules.json').map(({ type, path }) => [path, type]);
    expect(types).toEqual(expected);
    for (const file of weightFiles(name)) {
      expect(comparable(readRaw(join(target, file)))).toEqual(comparable(readRaw(join(original, file))));
      expect(readParts(join(target, file)).metadata).toEqual({ format: 'pt' });
    }
    expect(await folderVectors(target)).toEqual(await folderVectors(original));
    const [was, is] = [await openModel(original), await openModel(target)];
    expect(is.spec).toEqual(was.spec);
    expect(is.maxInputLength).toBe(was.maxInputLength);
  });
});

describe('the files of the 2.x layout', () => {
  let target: string;
  beforeAll(async () => {
    const folder = copyFixture('bert-dense');
    toNewEra(folder, '6.0');
    setFields({ prompts: { query: 'q: ' }, similarity_fn_name: 'dot' }, folder, 'config_sentence_transformers.json');
    setFields({ torch_dtype: 'float16', dtype: 'bfloat16' }, folder, 'config.json');
    target = await resave(folder, newTarget());
  });

  test('modules.json', () => {
    expect(readJson<Json[]>(target, 'modules.json')).toEqual([
      { idx: 0, name: '0', path: '', type: model('Transformer') },
      { idx: 1, name: '1', path: '1_Pooling', type: model('Pooling') },
      { idx: 2, name: '2', path: '2_Dense', type: model('Dense') },
    ]);
  });

  test('Pooling and Dense have the keys of 2.0, and no others', () => {
    expect(readJson(target, '1_Pooling', 'config.json')).toEqual({
      word_embedding_dimension: 32,
      pooling_mode_cls_token: true,
      pooling_mode_mean_tokens: false,
      pooling_mode_max_tokens: false,
      pooling_mode_mean_sqrt_len_tokens: false,
    });
    expect(readJson(target, '2_Dense', 'config.json')).toEqual({
      in_features: 32,
      out_features: 24,
      bias: true,
      activation_function: 'torch.nn.modules.activation.Tanh',
    });
  });

  test('the limit stands where each release looks for it', () => {
    expect(readJson(target, 'sentence_bert_config.json')).toEqual({ max_seq_length: 18, do_lower_case: false });
    expect(readJson(target, 'tokenizer_config.json')).toMatchObject({
      model_max_length: 18,
      tokenizer_class: 'BertTokenizer', // earlier releases do not know the TokenizersBackend that was there
      do_lower_case: true,
      cls_token: '[CLS]',
    });
    expect(readJson(target, 'special_tokens_map.json')).toMatchObject({ cls_token: '[CLS]', mask_token: '[MASK]' });
  });

  test('prompts and similarity are kept', () => {
    expect(readJson(target, 'config_sentence_transformers.json')).toEqual({
      __version__: { sentence_transformers: '6.0', transformers: '5.0.0', pytorch: '2.11.0' },
      default_prompt_name: null,
      model_type: 'SentenceTransformer',
      prompts: { query: 'q: ' },
      similarity_fn_name: 'dot',
    });
  });

  test('config.json is as read, but for the dtype of the weights that are written', () => {
    const config = readJson(fixtureFolder('bert-dense'), 'config.json');
    expect(readJson(target, 'config.json')).toEqual({ ...config, torch_dtype: 'float32', dtype: 'float32' });
  });
});

test('numbers that transformers takes as floats only are written as such', async () => {
  const folder = copyFixture('modernbert-mean');
  setFields({ initializer_cutoff_factor: 2, norm_eps: 1e-5, hidden_dropout_prob: 0 }, folder, 'config.json');
  const written = readFileSync(join(await resave(folder, newTarget()), 'config.json'), 'utf8');
  expect(written).toMatch(/^ {2}"initializer_cutoff_factor": 2\.0,$/m);
  expect(written).toMatch(/^ {2}"hidden_dropout_prob": 0\.0,?$/m);
  expect(written).toMatch(/^ {2}"num_hidden_layers": 2,$/m);
});

test('what a reader needs is written where an old folder lacks it', async () => {
  const folder = toEra04(copyFixture('distilbert-mean'), 'distilbert');
  setFields({ architectures: undefined }, folder, '0_Transformer', 'config.json');
  const target = await resave(folder, newTarget());
  expect(readJson(target, 'config.json')).toMatchObject({
    model_type: 'distilbert',
    architectures: ['DistilBertModel'],
    vocab_size: 69,
  });
  expect(readJson(target, 'config_sentence_transformers.json')).toMatchObject({ similarity_fn_name: 'cosine' });
  expect(readJson(target, 'tokenizer_config.json')).not.toHaveProperty('max_len');
});

test('settings that change the vectors are kept: include_prompt, do_lower_case, a shorter limit', async () => {
  const folder = copyFixture('roberta-mean');
  setFields({ include_prompt: false }, folder, '1_Pooling', 'config.json');
  setFields({ do_lower_case: true, max_seq_length: 7 }, folder, 'sentence_bert_config.json');
  const target = await resave(folder, newTarget());
  expect(readJson(target, '1_Pooling', 'config.json')).toMatchObject({ include_prompt: false });
  expect(readJson(target, 'sentence_bert_config.json')).toEqual({ max_seq_length: 7, do_lower_case: true });
  expect(await folderVectors(target)).toEqual(await folderVectors(folder));
});

test('do_lower_case is kept where the tokenizer was made from a vocabulary', async () => {
  const folder = copyFixture('roberta-mean');
  rmSync(join(folder, 'tokenizer.json'));
  setFields({ do_lower_case: true }, folder, 'sentence_bert_config.json');
  const target = await resave(folder, newTarget());
  const ids = async (from: string) => (await (await openModel(from)).tokeniser.encode(['The MILL, ÜBER'], 18)).ids;
  expect(await ids(target)).toEqual(await ids(folder));
});

test('the tokenizer’s own files are copied bitwise', async () => {
  const target = await resave(fixtureFolder('roberta-mean'), newTarget());
  for (const file of ['tokenizer.json', 'vocab.json', 'merges.txt', 'special_tokens_map.json']) {
    expect(readFileSync(join(target, file))).toEqual(readFileSync(join(fixtureFolder('roberta-mean'), file)));
  }
});

test('saving a second time changes nothing', async () => {
  const first = await resave(fixtureFolder('roberta-dense'), join(temporaryFolder(), 'model')); // the card has the name
  const second = await resave(first, newTarget());
  expect(treeOf(second)).toEqual(treeOf(first));
});

test('tensors that the model does not use are saved bitwise as they came', async () => {
  const folder = copyFixture('bert-dense');
  const random = (count: number) => Buffer.from(Array.from({ length: count }, (_, i) => (i * 7919 + (i >> 3)) & 0xff));
  const ids = Buffer.from(BigInt64Array.from({ length: 20 }, (_, i) => BigInt(i)).buffer);
  const unused = [
    ['pooler.dense.weight', { dtype: 'F32', shape: [32, 32], bytes: random(32 * 32 * 4) }],
    ['pooler.dense.bias', { dtype: 'F32', shape: [32], bytes: random(32 * 4) }],
    ['embeddings.position_ids', { dtype: 'I64', shape: [1, 20], bytes: ids }],
    ['one.byte', { dtype: 'U8', shape: [], bytes: Buffer.from([7]) }],
    ['none', { dtype: 'F16', shape: [0, 3], bytes: Buffer.alloc(0) }],
  ] as const;
  const file = join(folder, 'model.safetensors');
  changeRaw(file, (tensors) => {
    for (const [name, tensor] of unused) tensors.set(name, { ...tensor, shape: [...tensor.shape] });
  });
  const expected = comparable(readRaw(file));
  const saved = await resave(folder, newTarget());
  expect(comparable(readRaw(join(saved, 'model.safetensors')))).toEqual(expected);
  expect(await folderVectors(saved)).toEqual(await folderVectors(fixtureFolder('bert-dense')));

  renameTensors(file, (name) => `bert.${name}`);
  const prefixed = await resave(folder, newTarget());
  expect(comparable(readRaw(join(prefixed, 'model.safetensors')))).toEqual(expected);
});

test.each(['F16', 'BF16'] as const)('%s weights are saved as the F32 values that they are worth', async (dtype) => {
  const folder = copyFixture('bert-dense');
  const words = 'embeddings.word_embeddings.weight';
  const row = 4; // of [MASK], which no text here has
  const worths = new Map<string, Float32Array>();
  for (const file of weightFiles('bert-dense')) {
    changeRaw(join(folder, file), (tensors) => {
      narrowTensors(tensors, dtype, { tensor: words, row }).forEach((values, name) => worths.set(name, values));
    });
  }
  const target = await resave(folder, newTarget());

  const saved = new Map(weightFiles('bert-dense').flatMap((file) => [...readRaw(join(target, file))]));
  expect([...saved.keys()].sort()).toEqual([...worths.keys()].sort());
  for (const [name, { dtype: written, bytes }] of saved) {
    if (name.startsWith('pooler.')) continue; // not used: it stays what it was
    const values = Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
    expect({ name, written, values }).toEqual({ name, written: 'F32', values: Array.from(worths.get(name)!) });
  }
  const edges = worths.get(words)!.slice(row * 32, row * 32 + EDGES[dtype].length);
  expect(edges.filter((value) => value !== 0 && Math.abs(value) < 1e-6).length).toBeGreaterThanOrEqual(2);
  expect(await folderVectors(target)).toEqual(await folderVectors(folder));
});

test('weights of the engine, not of the files, are saved: the files may be gone', async () => {
  const folder = copyFixture('distilbert-dense');
  const opened = await openModel(folder);
  const target = newTarget();
  await inEngine(opened, async (addon, handle) => {
    rmSync(folder, { recursive: true });
    await saveModel(opened, addon, handle, target);
  });
  expect(await folderVectors(target)).toEqual(await folderVectors(fixtureFolder('distilbert-dense')));
});
