// A model folder of distiluse-base-multilingual-cased-v2's exact shape with random weights: for runs at that size
// where its weights cannot be had.
import { createRequire } from 'node:module';
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DIST } from '../setup/paths.mjs';
import { testData } from '../reference/test-data.mjs';

const require = createRequire(import.meta.url);
const compiled = (path) => require(join(DIST, path));

export const PARAMETERS = 135_127_808;
export const MEGABYTES = '540.511';
const MAX_INPUT_LENGTH = 128;

const CONFIG = {
  model_type: 'distilbert',
  architectures: ['DistilBertModel'],
  vocab_size: 119547,
  dim: 768,
  n_layers: 6,
  n_heads: 12,
  hidden_dim: 3072,
  max_position_embeddings: 512,
  activation: 'gelu',
  dropout: 0.1,
  attention_dropout: 0.1,
  pad_token_id: 0,
  initializer_range: 0.02,
  sinusoidal_pos_embds: false,
};
const POOLING = {
  word_embedding_dimension: 768,
  pooling_mode_cls_token: false,
  pooling_mode_mean_tokens: true,
  pooling_mode_max_tokens: false,
  pooling_mode_mean_sqrt_len_tokens: false,
};
const DENSE = {
  in_features: 768,
  out_features: 512,
  bias: true,
  activation_function: 'torch.nn.modules.activation.Tanh',
};
const TOKENIZER = { tokenizer_class: 'DistilBertTokenizer', do_lower_case: false, model_max_length: 512 };
const HEAD = [
  { kind: 'pooling', modes: ['mean'] },
  { kind: 'dense', inFeatures: 768, outFeatures: 512, bias: true, activation: 'tanh' },
];

/** Path of the folder (0.5 GB in vectune's cache); it is made on the first call. */
export async function randomDistiluse() {
  const folder = join(compiled('system/cache-root.js').cacheRoot(), 'models', 'random-distiluse');
  if (existsSync(folder)) return folder;
  const aside = `${folder}.${process.pid}`;
  for (const name of ['1_Pooling', '2_Dense']) mkdirSync(join(aside, name), { recursive: true });
  try {
    const put = (path, value) => writeFileSync(join(aside, path), `${JSON.stringify(value, null, 2)}\n`);
    put(
      'modules.json',
      ['', '1_Pooling', '2_Dense'].map((path, idx) => ({
        idx,
        name: String(idx),
        path,
        type: `sentence_transformers.models.${path.slice(2) || 'Transformer'}`,
      })),
    );
    put('config.json', CONFIG);
    put('sentence_bert_config.json', { max_seq_length: MAX_INPUT_LENGTH, do_lower_case: false });
    put('1_Pooling/config.json', POOLING);
    put('2_Dense/config.json', DENSE);
    put('tokenizer_config.json', TOKENIZER);
    for (const name of ['tokenizer.json', 'vocab.txt']) {
      copyFileSync(testData('tokenizers', 'bert-base-multilingual-cased', name), join(aside, name));
    }
    await writeWeights(aside);
    renameSync(aside, folder);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  return folder;
}

async function writeWeights(folder) {
  const encoder = compiled('model/folder/encoder-config.js').readEncoderSpec(CONFIG, join(folder, 'config.json'));
  const addon = await compiled('engine/load.js').loadEngine();
  const model = await addon.createModel({ encoder, head: HEAD }, [], 1);
  try {
    await addon.saveModel(model, [
      { path: join(folder, 'model.safetensors'), module: 'encoder' },
      { path: join(folder, '2_Dense', 'model.safetensors'), module: 1 },
    ]);
  } finally {
    addon.disposeModel(model);
  }
}
