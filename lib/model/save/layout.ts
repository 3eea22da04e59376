import type { HeadSpec } from '../../engine/model-spec';
import { tokenText } from '../../tokenisation/tokenizer-files';
import { classToWrite, type ReadyTokenizer } from '../../tokenisation/tokenizer-json';
import { denseActivationClass } from '../folder/head';
import { isObject, type JsonObject } from '../../system/json';
import { describe, type Architecture } from '../architectures';
import { STATIC } from '../folder/static-embedding';
import type { OpenedModel } from '../types';

/**
 * The files of the 2.x layout, which sentence-transformers 2 to 6, text-embeddings-inference, vLLM and
 * llama.cpp all read. Everything but weights and the model card.
 */

/** Folder of the table of a model without an encoder, as sentence-transformers names it. */
export const STATIC_FOLDER = '0_StaticEmbedding';

/** sentence-transformers' class of each module. */
export const MODULE_CLASSES = {
  pooling: 'Pooling',
  dense: 'Dense',
  layer_norm: 'LayerNorm',
  normalize: 'Normalize',
} as const satisfies Record<HeadSpec['kind'], string>;

/** Folder of each module of the head, by its index: `1_Pooling`, `2_Dense`, … */
export function moduleFolders(head: readonly HeadSpec[]): string[] {
  return head.map((module, i) => `${i + 1}_${MODULE_CLASSES[module.kind]}`);
}

/** Content of each file by its path in the folder. */
export async function layoutFiles(model: OpenedModel): Promise<Map<string, string | Buffer>> {
  const { layout, spec } = model;
  const folders = moduleFolders(spec.head);
  const files = new Map<string, string | Buffer>();
  const put = (path: string, value: unknown) => files.set(path, `${JSON.stringify(value, null, 2)}\n`);

  const isStatic = model.architecture === STATIC;
  put(
    'modules.json',
    (isStatic ? [STATIC_FOLDER, ...folders.slice(1)] : ['', ...folders]).map((path, idx) => ({
      idx,
      name: String(idx),
      path,
      type: `sentence_transformers.models.${path === '' ? 'Transformer' : path.replace(/^\d+_/, '')}`,
    })),
  );
  put('config_sentence_transformers.json', {
    __version__: layout.versions,
    default_prompt_name: layout.defaultPromptName,
    model_type: 'SentenceTransformer',
    prompts: layout.prompts,
    similarity_fn_name: layout.similarityFunction ?? 'cosine',
    ...(layout.truncateDim === null ? {} : { truncate_dim: layout.truncateDim }),
  });
  spec.head.forEach((module, i) => {
    if (module.kind === 'dense') put(`${folders[i]}/config.json`, dense(module));
    if (module.kind === 'layer_norm') put(`${folders[i]}/config.json`, { dimension: module.dimension });
  });
  if (isStatic) {
    files.set(`${STATIC_FOLDER}/tokenizer.json`, layout.tokenizerFiles.get('tokenizer.json')!);
    return files;
  }
  const { query, document } = layout.kindLengths;
  put('sentence_bert_config.json', {
    max_seq_length: model.maxInputLength,
    do_lower_case: layout.doLowerCase,
    // Releases before 6.2 refuse keys that they do not know.
    ...(query === null ? {} : { query_length: query }),
    ...(document === null ? {} : { document_length: document }),
  });
  files.set('config.json', withFloats(encoderConfig(model)));
  spec.head.forEach((module, i) => {
    if (module.kind === 'pooling')
      put(`${folders[i]}/config.json`, pooling(module, spec.encoder.hiddenSize, layout.includePrompt));
  });
  for (const [name, bytes] of layout.tokenizerFiles) files.set(name, bytes);
  const ready = await model.tokeniser.ready();
  if (!files.has('tokenizer.json')) put('tokenizer.json', ready.json);
  put('tokenizer_config.json', tokenizerConfig(model, ready));
  if (!files.has('special_tokens_map.json')) {
    put('special_tokens_map.json', ready.roles);
  }
  return files;
}

/** Of a model with an encoder. */
function described({ architecture }: OpenedModel): ReturnType<typeof describe> {
  return describe(architecture as Architecture);
}

/** As read, but with what the readers need named: old files lack `model_type`; the weights written are fp32. */
function encoderConfig(model: OpenedModel): JsonObject {
  const { write, modelClass } = described(model);
  const read = model.layout.encoderConfig;
  const config: JsonObject = {
    ...(write === undefined ? read : write(read, model.spec.encoder)),
    model_type: model.spec.encoder.architecture,
  };
  for (const key of ['dtype', 'torch_dtype']) if (config[key] !== undefined) config[key] = 'float32';
  if (!Array.isArray(config['architectures'])) {
    config['architectures'] = [modelClass];
  }
  return config;
}

/** Fields of a configuration that transformers 5 takes as Python's float and not as int; JSON.stringify writes 2.0 as 2. */
const FLOATS = [
  'attention_probs_dropout_prob',
  'attn_logit_softcapping',
  'classifier_dropout',
  'final_logit_softcapping',
  'hidden_dropout_prob',
  'initializer_cutoff_factor',
  'initializer_range',
  'layer_norm_eps',
  'norm_eps',
  'rms_norm_eps',
];
const WHOLE_FLOAT = new RegExp(`^(  "(?:${FLOATS.join('|')})": -?\\d+)(,?)$`, 'gm');

function withFloats(config: JsonObject): string {
  return `${JSON.stringify(config, null, 2).replaceAll(WHOLE_FLOAT, '$1.0$2')}\n`;
}

function pooling(module: HeadSpec & { kind: 'pooling' }, width: number, includePrompt: boolean): JsonObject {
  return {
    word_embedding_dimension: width,
    pooling_mode_cls_token: module.modes.includes('cls'),
    pooling_mode_mean_tokens: module.modes.includes('mean'),
    pooling_mode_max_tokens: module.modes.includes('max'),
    pooling_mode_mean_sqrt_len_tokens: module.modes.includes('mean_sqrt_len'),
    // Before 2.2 these were not known.
    ...(module.modes.includes('weightedmean') ? { pooling_mode_weightedmean_tokens: true } : {}),
    ...(module.modes.includes('lasttoken') ? { pooling_mode_lasttoken: true } : {}),
    // Releases before 2.4 refuse a key that they do not know: it is written only where it says something.
    ...(includePrompt ? {} : { include_prompt: false }),
  };
}

function dense(module: HeadSpec & { kind: 'dense' }): JsonObject {
  return {
    in_features: module.inFeatures,
    out_features: module.outFeatures,
    bias: module.bias,
    activation_function: denseActivationClass(module.activation),
    ...(module.residual === true ? { use_residual: true } : {}),
  };
}

/** Classes that only transformers 5 has. */
const NEW_TOKENIZER_CLASSES = new Set(['TokenizersBackend']);

/**
 * As read, with the limit (5.4 and later look for it here) and with the settings in force made explicit:
 * Hugging Face's classes lower-case where the file does not say.
 */
function tokenizerConfig(model: OpenedModel, ready: ReadyTokenizer): JsonObject {
  const config: JsonObject = { ...model.layout.tokenizerConfig, model_max_length: model.maxInputLength };
  delete config['max_len'];
  const normalizer = bertNormalizer(ready.json['normalizer']);
  if (normalizer !== undefined) {
    config['do_lower_case'] = normalizer['lowercase'];
    config['strip_accents'] = normalizer['strip_accents'] ?? null;
    config['tokenize_chinese_chars'] = normalizer['handle_chinese_chars'];
  }
  const split = ready.json['pre_tokenizer'];
  if (isObject(split) && typeof split['add_prefix_space'] === 'boolean')
    config['add_prefix_space'] = split['add_prefix_space'];
  for (const [role, text] of Object.entries(ready.roles)) {
    if (tokenText(config[role]) === undefined) config[role] = text;
  }
  const found = config['tokenizer_class'];
  if (typeof found !== 'string' || NEW_TOKENIZER_CLASSES.has(found)) {
    config['tokenizer_class'] = classToWrite(ready, described(model).writtenTokenizerClass, config);
  }
  return config;
}

function bertNormalizer(normalizer: unknown): JsonObject | undefined {
  if (!isObject(normalizer)) return undefined;
  if (normalizer['type'] === 'BertNormalizer') return normalizer;
  const steps = Array.isArray(normalizer['normalizers']) ? normalizer['normalizers'] : [];
  return steps.filter(isObject).find((step) => step['type'] === 'BertNormalizer');
}
