import { join } from 'node:path';
import { ModelError } from '../../system/errors';
import { Fields, isObject, readJsonObject, type JsonObject } from '../../system/json';

/** Names of the Transformer module's own configuration, newest first, as sentence-transformers looks for them. */
const FILES = ['bert', 'roberta', 'distilbert', 'camembert', 'albert', 'xlm-roberta', 'xlnet'].map(
  (name) => `sentence_${name}_config.json`,
);

export interface SentenceConfig {
  /** null: the tokenizer's configuration or the positions tell (5.4 and later always). */
  maxSeqLength: number | null;
  /** Limits of queries and of documents (6.2 and later); null: they are cut as all texts are. */
  kindLengths: KindLengths;
  doLowerCase: boolean;
}

/** Most tokens of a text of a kind, special tokens included. */
export type KindLengths = Readonly<Record<'query' | 'document', number | null>>;

/** Of a folder that has none. */
export const NO_KIND_LENGTHS: KindLengths = { query: null, document: null };

/** sentence_bert_config.json, or one of its legacy names, in the Transformer's folder. */
export async function readSentenceConfig(folder: string): Promise<SentenceConfig> {
  for (const name of FILES) {
    const file = join(folder, name);
    const config = await readJsonObject(file);
    if (config === undefined) continue;
    const fields = new Fields(config, file);
    refuseUnknown(fields);
    return {
      maxSeqLength: fields.has('max_seq_length') ? fields.integer('max_seq_length', 1) : null,
      kindLengths: {
        query: fields.has('query_length') ? fields.integer('query_length', 1) : null,
        document: fields.has('document_length') ? fields.integer('document_length', 1) : null,
      },
      doLowerCase: fields.boolean('do_lower_case', false),
    };
  }
  return { maxSeqLength: null, kindLengths: NO_KIND_LENGTHS, doLowerCase: false };
}

/** Where a class of transformers is told something, under the names of each release. */
const KWARGS = [
  'model_args',
  'model_kwargs',
  'tokenizer_args',
  'processor_kwargs',
  'config_args',
  'config_kwargs',
  'processing_kwargs',
];

/**
 * What may stand there and changes no vector: how attention is computed and texts are padded, in which precision weights are
 * held, from where things are loaded. sentence-transformers itself passes over trust_remote_code.
 */
const HARMLESS = new Set([
  'trust_remote_code',
  'attn_implementation',
  'torch_dtype',
  'dtype',
  'unpad_inputs',
  'use_memory_efficient_attention',
  'low_cpu_mem_usage',
  'device_map',
  'use_safetensors',
  'add_pooling_layer',
  'use_cache',
  'use_fast',
  'padding_side',
  'clean_up_tokenization_spaces',
]);

/** Settings of 5.4 and later under which the module would compute something else. */
function refuseUnknown(fields: Fields): void {
  const { file } = fields;
  const fail = (key: string, value: unknown, remedy = 'Choose another model.') =>
    new ModelError(
      'ERR_UNKNOWN_MODULE',
      `${file}: ${key} is ${JSON.stringify(value)}, which vectune's Transformer does not have. ${remedy}`,
      { file },
    );
  for (const [key, only] of [
    ['transformer_task', 'feature-extraction'],
    ['module_output_name', 'token_embeddings'],
  ] as const) {
    if (fields.has(key) && fields.string(key) !== only) throw fail(`"${key}"`, fields.object[key]);
  }
  if (fields.has('query_expansion')) {
    throw fail(
      '"query_expansion"',
      fields.object['query_expansion'],
      'Queries that are filled up with masks belong to models of a vector for each token (ColBERT): choose an embedding model.',
    );
  }
  if (fields.has('modality_config')) {
    const modalities = fields.object['modality_config'];
    const text = isObject(modalities) ? modalities['text'] : undefined;
    if (!isObject(text) || text['method'] !== 'forward' || text['method_output_name'] !== 'last_hidden_state') {
      throw fail('"modality_config"', modalities, 'Only texts by "forward" and its "last_hidden_state" are run.');
    }
  }
  for (const key of KWARGS) {
    const value = fields.object[key];
    if (!isObject(value)) continue;
    for (const [name, setting] of Object.entries(value)) {
      if (HARMLESS.has(name) || setting === null) continue;
      throw fail(`"${name}" of "${key}"`, setting, 'Take it out if the model is to be run without.');
    }
  }
}

export interface ModelConfig {
  prompts: Record<string, string>;
  defaultPromptName: string | null;
  similarityFunction: string | null;
  truncateDim: number | null;
  versions: Record<string, string>;
}

/** Other kinds of model of sentence-transformers, and what they give. */
const OTHER_KINDS: Record<string, string> = {
  CrossEncoder: 'A CrossEncoder scores pairs of texts and gives no vectors.',
  SparseEncoder: 'A SparseEncoder gives a weight for each word of its vocabulary.',
  MultiVectorEncoder: 'A MultiVectorEncoder gives a vector for each token.',
  ColBERT: 'ColBERT gives a vector for each token.',
};

/** config_sentence_transformers.json of the folder; every field is optional. */
export async function readModelConfig(folder: string): Promise<ModelConfig> {
  const file = join(folder, 'config_sentence_transformers.json');
  const config: JsonObject = (await readJsonObject(file)) ?? {};
  const fields = new Fields(config, file);
  const type = fields.has('model_type') ? fields.string('model_type') : 'SentenceTransformer';
  if (type !== 'SentenceTransformer') {
    const given = Object.hasOwn(OTHER_KINDS, type) ? ` ${OTHER_KINDS[type]}` : '';
    throw new ModelError(
      'ERR_UNKNOWN_MODULE',
      `${file} describes a ${type}; vectune runs a SentenceTransformer.${given} Choose an embedding model.`,
      { file },
    );
  }
  const prompts = strings(fields, 'prompts');
  const defaultPromptName = fields.has('default_prompt_name') ? fields.string('default_prompt_name') : null;
  if (defaultPromptName !== null && !Object.hasOwn(prompts, defaultPromptName)) {
    throw fields.fail(
      'default_prompt_name',
      `one of the prompts (${Object.keys(prompts).join(', ') || 'there is none'})`,
      defaultPromptName,
    );
  }
  return {
    prompts,
    defaultPromptName,
    similarityFunction: fields.has('similarity_fn_name') ? fields.string('similarity_fn_name') : null,
    truncateDim: fields.has('truncate_dim') ? fields.integer('truncate_dim', 1) : null,
    versions: strings(fields, '__version__'),
  };
}

function strings(fields: Fields, name: string): Record<string, string> {
  const value = fields.object[name] ?? {};
  const result: Record<string, string> = {};
  if (!isObject(value)) throw fields.fail(name, 'an object of strings', value);
  for (const [key, text] of Object.entries(value)) {
    if (text === null) continue;
    if (typeof text !== 'string') throw fields.fail(`${name}.${key}`, 'a string', text);
    result[key] = text;
  }
  return result;
}
