import type { EncoderSpec, HiddenActivation, LayerAttention } from '../engine/addon';
import { ModelError } from '../system/errors';
import { Fields, isObject, type JsonObject } from '../system/json';

/**
 * The architectures that vectune runs: all that TypeScript knows of one by its name stands here, and what the engine
 * knows in native/engine/model.
 */

/** What an encoder's config.json says; defaults are those of Hugging Face's configuration class. */
type Shape = Omit<EncoderSpec, 'architecture'>;

interface Description {
  /** transformers' class, which config.json names in "architectures". */
  modelClass: string;
  /** transformers 5's tokenizer class for folders that name none. */
  tokenizerClass: string;
  /** The one that every release of transformers knows, for folders that are written. */
  writtenTokenizerClass: string;
  /** Module class of sentence-transformers before 0.2.6, when each architecture had one of its own; null: it had none. */
  formerModule: string | null;
  /** Other values of "model_type" that are this architecture. */
  otherTypes?: readonly string[];
  /** Fields that only its configuration has: files of before 2020 may have nothing else to tell it by. */
  ownFields: readonly string[];
  read: (fields: Fields) => Shape;
  /** config.json as it is written, where that is not as it was read. */
  write?: (config: JsonObject, shape: Shape) => JsonObject;
}

export const ARCHITECTURES = {
  bert: {
    modelClass: 'BertModel',
    tokenizerClass: 'BertTokenizer',
    writtenTokenizerClass: 'BertTokenizer',
    formerModule: 'BERT',
    ownFields: [],
    read: bertLike,
  },
  camembert: {
    modelClass: 'CamembertModel',
    tokenizerClass: 'CamembertTokenizer',
    writtenTokenizerClass: 'CamembertTokenizer',
    formerModule: 'CamemBERT',
    ownFields: [],
    read: afterPadding,
  },
  distilbert: {
    modelClass: 'DistilBertModel',
    tokenizerClass: 'BertTokenizer',
    writtenTokenizerClass: 'DistilBertTokenizer',
    formerModule: 'DistilBERT',
    ownFields: ['n_heads', 'hidden_dim'],
    read: (fields) => ({
      vocabSize: fields.integer('vocab_size', 1),
      hiddenSize: fields.integer(['dim', 'hidden_size'], 1),
      layers: fields.integer(['n_layers', 'num_hidden_layers'], 1),
      heads: fields.integer(['n_heads', 'num_attention_heads'], 1),
      intermediateSize: fields.integer('hidden_dim', 1),
      positions: fields.integer('max_position_embeddings', 1, 512),
      typeVocabSize: 0,
      positionOffset: 0,
      padTokenId: padding(fields),
      layerNormEps: 1e-12, // fixed in the model's code, not in its configuration
      hiddenActivation: activation(fields, 'activation'),
      hiddenDropout: fields.number('dropout', 0, 1, 0.1),
      attentionDropout: fields.number('attention_dropout', 0, 1, 0.1),
    }),
  },
  electra: {
    modelClass: 'ElectraModel',
    tokenizerClass: 'BertTokenizer',
    writtenTokenizerClass: 'ElectraTokenizer',
    formerModule: null,
    ownFields: [],
    read: (fields) => {
      const shape = bertLike(fields);
      const width = fields.integer('embedding_size', 1, 128);
      if (width !== shape.hiddenSize) {
        throw new ModelError(
          'ERR_UNKNOWN_ARCHITECTURE',
          `${fields.file}: "embedding_size" is ${width} and "hidden_size" ${shape.hiddenSize}; vectune's ELECTRA has no ` +
            'projection between the two. Choose a model in which they are equal.',
          { file: fields.file },
        );
      }
      return shape;
    },
  },
  gemma3_text: {
    modelClass: 'Gemma3TextModel',
    tokenizerClass: 'GemmaTokenizer',
    writtenTokenizerClass: 'PreTrainedTokenizerFast',
    formerModule: null,
    ownFields: ['query_pre_attn_scalar'],
    read: readGemma3,
  },
  gte: {
    modelClass: 'GteModel',
    tokenizerClass: 'XLMRobertaTokenizer',
    writtenTokenizerClass: 'XLMRobertaTokenizer',
    formerModule: null,
    otherTypes: ['new'],
    ownFields: [],
    read: readGte,
    // As transformers' own class reads it: the code that "new" names is fetched from the hub.
    write: (config, shape) => {
      const written: JsonObject = { ...config, architectures: ['GteModel'], rope_parameters: writtenRope(shape) };
      for (const key of ['auto_map', 'rope_theta', 'rope_scaling']) delete written[key];
      return written;
    },
  },
  modernbert: {
    modelClass: 'ModernBertModel',
    tokenizerClass: 'PreTrainedTokenizer',
    writtenTokenizerClass: 'PreTrainedTokenizerFast',
    formerModule: null,
    ownFields: ['global_attn_every_n_layers'],
    read: readModernBert,
  },
  mpnet: {
    modelClass: 'MPNetModel',
    tokenizerClass: 'MPNetTokenizer',
    writtenTokenizerClass: 'MPNetTokenizer',
    formerModule: null,
    ownFields: ['relative_attention_num_buckets'],
    read: (fields) => {
      const buckets = fields.integer('relative_attention_num_buckets', 1, 32);
      if (buckets !== 32) {
        throw new ModelError(
          'ERR_UNKNOWN_ARCHITECTURE',
          `${fields.file}: "relative_attention_num_buckets" is ${buckets}; vectune's MPNet has 32, as transformers' code does.`,
          { file: fields.file },
        );
      }
      // The padding is 1 in the model's code, whatever the configuration says.
      return { ...bertLike(fields), typeVocabSize: 0, positionOffset: 2, padTokenId: 1 };
    },
  },
  nomic_bert: {
    modelClass: 'NomicBertModel',
    tokenizerClass: 'BertTokenizer',
    writtenTokenizerClass: 'BertTokenizer',
    formerModule: null,
    ownFields: ['rotary_emb_base'],
    read: readNomicBert,
    // Files of before have GPT-2's names, which the model's own code reads and transformers' class does not.
    write: (config, shape) => ({
      ...config,
      vocab_size: shape.vocabSize,
      hidden_size: shape.hiddenSize,
      num_hidden_layers: shape.layers,
      num_attention_heads: shape.heads,
      intermediate_size: shape.intermediateSize,
      max_position_embeddings: shape.positions,
      type_vocab_size: shape.typeVocabSize,
      layer_norm_eps: shape.layerNormEps,
      hidden_act: 'silu',
      hidden_dropout_prob: shape.hiddenDropout,
      attention_probs_dropout_prob: shape.attentionDropout,
      pad_token_id: shape.padTokenId,
      rope_parameters: writtenRope(shape),
    }),
  },
  qwen3: {
    modelClass: 'Qwen3Model',
    tokenizerClass: 'Qwen2Tokenizer',
    writtenTokenizerClass: 'PreTrainedTokenizerFast',
    formerModule: null,
    ownFields: ['max_window_layers'],
    read: readQwen3,
  },
  roberta: {
    modelClass: 'RobertaModel',
    tokenizerClass: 'RobertaTokenizer',
    writtenTokenizerClass: 'RobertaTokenizer',
    formerModule: 'RoBERTa',
    ownFields: [],
    read: afterPadding,
  },
  'xlm-roberta': {
    modelClass: 'XLMRobertaModel',
    tokenizerClass: 'XLMRobertaTokenizer',
    writtenTokenizerClass: 'XLMRobertaTokenizer',
    formerModule: 'XLMRoBERTa',
    ownFields: [],
    read: afterPadding,
  },
} as const satisfies Record<string, Description>;

export type Architecture = keyof typeof ARCHITECTURES;

export const ARCHITECTURE_NAMES = Object.keys(ARCHITECTURES) as Architecture[];

export function describe(name: Architecture): Description {
  return ARCHITECTURES[name];
}

function bertLike(fields: Fields): Shape {
  return {
    vocabSize: fields.integer('vocab_size', 1),
    hiddenSize: fields.integer('hidden_size', 1),
    layers: fields.integer('num_hidden_layers', 1),
    heads: fields.integer('num_attention_heads', 1),
    intermediateSize: fields.integer('intermediate_size', 1),
    positions: fields.integer('max_position_embeddings', 1, 512),
    typeVocabSize: fields.integer('type_vocab_size', 1, 2),
    positionOffset: 0,
    padTokenId: padding(fields),
    layerNormEps: fields.number('layer_norm_eps', 0, 1, 1e-12),
    hiddenActivation: activation(fields, 'hidden_act'),
    hiddenDropout: fields.number('hidden_dropout_prob', 0, 1, 0.1),
    attentionDropout: fields.number('attention_probs_dropout_prob', 0, 1, 0.1),
  };
}

/** RoBERTa's: positions are counted from behind the padding's. */
function afterPadding(fields: Fields): Shape {
  const padTokenId = fields.integer('pad_token_id', 0, 1);
  return { ...bertLike(fields), positionOffset: padTokenId + 1, padTokenId };
}

/** Warner et al. 2024. Two releases of transformers name the layers' kinds and thetas in two ways. */
function readModernBert(fields: Fields): Shape {
  const layers = fields.integer('num_hidden_layers', 1, 22);
  refuse(fields, ['norm_bias', 'attention_bias', 'mlp_bias'], "a bias, which vectune's ModernBERT does not have");
  const hiddenDropout = fields.number('embedding_dropout', 0, 1, 0);
  if (fields.number('mlp_dropout', 0, 1, 0) !== hiddenDropout) {
    throw unlike(fields, '"mlp_dropout" is not "embedding_dropout": vectune has one dropout for both');
  }
  const every = fields.integer('global_attn_every_n_layers', 1, 3);
  const kinds = layerKinds(fields, layers, (i) => i % every !== 0);
  const ropes = fields.has('rope_parameters') ? fields.object['rope_parameters'] : {};
  if (!isObject(ropes)) throw fields.fail('rope_parameters', 'an object', ropes);
  if (fields.has('rope_scaling'))
    throw unlike(fields, '"rope_scaling" is not something that vectune\'s ModernBERT has');
  const window = Math.floor(fields.integer('local_attention', 1, 128) / 2);
  const whole = rope(fields, ropes['full_attention'], fields.number('global_rope_theta', 1, Infinity, 160_000));
  const local = rope(fields, ropes['sliding_attention'], fields.number('local_rope_theta', 1, Infinity, 10_000));
  return {
    vocabSize: fields.integer('vocab_size', 1, 50368),
    hiddenSize: fields.integer('hidden_size', 1, 768),
    layers,
    heads: fields.integer('num_attention_heads', 1, 12),
    intermediateSize: fields.integer('intermediate_size', 1, 1152),
    positions: fields.integer('max_position_embeddings', 1, 8192),
    typeVocabSize: 0,
    positionOffset: 0,
    padTokenId: padding(fields, 50283),
    layerNormEps: fields.number('norm_eps', 0, 1, 1e-5),
    hiddenActivation: activation(fields, 'hidden_activation'),
    hiddenDropout,
    attentionDropout: fields.number('attention_dropout', 0, 1, 0),
    attention: kinds.map((slides) => (slides ? { window, ...local } : { window: null, ...whole })),
  };
}

/** Whether each layer sees a window of the text: as "layer_types" says, else as `slides` does. */
function layerKinds(fields: Fields, layers: number, slides: (layer: number) => boolean): boolean[] {
  if (!fields.has('layer_types')) return Array.from({ length: layers }, (_, i) => slides(i));
  const kinds = fields.object['layer_types'];
  if (!Array.isArray(kinds) || kinds.length !== layers) {
    throw fields.fail('layer_types', `a list of ${layers}, one for each layer`, kinds);
  }
  return kinds.map((kind: unknown) => {
    if (kind === 'full_attention') return false;
    if (kind === 'sliding_attention') return true;
    throw fields.fail('layer_types', '"full_attention" or "sliding_attention" for each layer', kind);
  });
}

/** Yang et al. 2025. A decoder, whose tokens see those before them; all of them where "is_causal" is false. */
function readQwen3(fields: Fields): Shape {
  refuse(fields, ['attention_bias'], "a bias, which vectune's Qwen3 does not have");
  refuse(
    fields,
    ['use_bidirectional_attention'],
    'transformers\' Qwen3 does not look at it; it says "is_causal": false',
  );
  const layers = fields.integer('num_hidden_layers', 1, 32);
  const causal = fields.boolean('is_causal', true);
  const slides = fields.boolean('use_sliding_window', false) && fields.object['sliding_window'] !== null;
  const from = fields.integer('max_window_layers', 0, 28);
  const kinds = layerKinds(fields, layers, (i) => slides && i >= from);
  if (kinds.includes(true) && !slides) {
    throw unlike(fields, '"layer_types" has "sliding_attention", and "use_sliding_window" is not true');
  }
  // A query's own key is one of a causal window, and none of one to both sides.
  const window = slides ? fields.integer('sliding_window', 1, 4096) - (causal ? 1 : 0) : null;
  const turned = rope(fields, ropeParameters(fields), fields.number('rope_theta', 1, Infinity, 10_000));
  return {
    vocabSize: fields.integer('vocab_size', 1, 151_936),
    hiddenSize: fields.integer('hidden_size', 1, 4096),
    layers,
    ...grouped(fields, 32, 32, 128),
    intermediateSize: fields.integer('intermediate_size', 1, 22_016),
    positions: fields.integer('max_position_embeddings', 1, 32_768),
    typeVocabSize: 0,
    positionOffset: 0,
    padTokenId: padding(fields, NaN),
    layerNormEps: fields.number('rms_norm_eps', 0, 1, 1e-6),
    hiddenActivation: activation(fields, 'hidden_act', 'silu'),
    hiddenDropout: 0,
    attentionDropout: fields.number('attention_dropout', 0, 1, 0),
    attention: kinds.map((local) => ({ window: local ? window : null, causal, ...turned })),
  };
}

/** Gemma Team 2025, and Vera et al. 2025 (EmbeddingGemma), where "use_bidirectional_attention" is true. */
function readGemma3(fields: Fields): Shape {
  refuse(fields, ['attention_bias'], "a bias, which vectune's Gemma 3 does not have");
  if (fields.has('attn_logit_softcapping')) {
    throw unlike(fields, '"attn_logit_softcapping" is not something that vectune\'s Gemma 3 has');
  }
  const layers = fields.integer('num_hidden_layers', 1, 26);
  const both = fields.boolean('use_bidirectional_attention', false);
  const decodes = fields.boolean('is_causal', true);
  const every = fields.integer('sliding_window_pattern', 1, 6);
  const kinds = layerKinds(fields, layers, (i) => (i + 1) % every !== 0);
  // Where queries see both sides, the window is halved (configuration_gemma3.py), and its last key is none of it
  // (modeling_gemma3.py), but for masks that "is_causal" makes (masking_utils.py).
  const width = fields.integer('sliding_window', 1, 4096);
  const exclusive = both ? Math.floor(width / 2) + 1 : width;
  const window = decodes ? exclusive - 1 : exclusive;
  const ropes = fields.has('rope_parameters') ? fields.object['rope_parameters'] : {};
  if (!isObject(ropes)) throw fields.fail('rope_parameters', 'an object', ropes);
  const whole = rope(
    fields,
    ropes['full_attention'] ?? fields.object['rope_scaling'],
    fields.number('rope_theta', 1, Infinity, 1_000_000),
  );
  const local = rope(fields, ropes['sliding_attention'], fields.number('rope_local_base_freq', 1, Infinity, 10_000));
  const causal = decodes && !both;
  const heads = grouped(fields, 8, 4, 256);
  return {
    vocabSize: fields.integer('vocab_size', 1, 262_208),
    hiddenSize: fields.integer('hidden_size', 1, 2304),
    layers,
    ...heads,
    intermediateSize: fields.integer('intermediate_size', 1, 9216),
    positions: fields.integer('max_position_embeddings', 1, 131_072),
    typeVocabSize: 0,
    positionOffset: 0,
    padTokenId: padding(fields, 0),
    layerNormEps: fields.number('rms_norm_eps', 0, 1, 1e-6),
    hiddenActivation: activation(fields, 'hidden_activation', 'gelu_pytorch_tanh'),
    hiddenDropout: 0,
    attentionDropout: fields.number('attention_dropout', 0, 1, 0),
    attention: kinds.map((slides) => (slides ? { window, causal, ...local } : { window: null, causal, ...whole })),
    queryScale: Math.sqrt(heads.headDim / fields.number('query_pre_attn_scalar', 1e-6, 1e9, 256)),
  };
}

/** Heads of queries, and how many of them share one of keys and values. */
function grouped(fields: Fields, heads: number, keyValueHeads: number, headDim: number) {
  const queries = fields.integer('num_attention_heads', 1, heads);
  const keys =
    fields.object['num_key_value_heads'] === null ? queries : fields.integer('num_key_value_heads', 1, keyValueHeads);
  if (queries % keys !== 0) {
    throw fields.fail('num_key_value_heads', `a divisor of "num_attention_heads", ${queries}`, keys);
  }
  const size = fields.integer('head_dim', 1, headDim);
  if (size % 2 !== 0) throw fields.fail('head_dim', 'even, as heads are turned in pairs', size);
  return { heads: queries, keyValueHeads: keys, headDim: size };
}

/** What turns all layers alike: transformers 5's field, else the former one. */
function ropeParameters(fields: Fields): unknown {
  return fields.object['rope_parameters'] ?? fields.object['rope_scaling'];
}

/** Nussbaum et al. 2024, by transformers' names or, in files of before, by GPT-2's. */
function readNomicBert(fields: Fields): Shape {
  const other = "another computation than vectune's NomicBERT";
  refuse(
    fields,
    [
      'prenorm',
      'parallel_block',
      'use_rms_norm',
      'qkv_proj_bias',
      'mlp_fc1_bias',
      'mlp_fc2_bias',
      'rotary_emb_interleaved',
      'causal',
    ],
    other,
  );
  for (const [name, only] of [
    ['rotary_emb_fraction', 1],
    ['rotary_emb_scale_base', null],
    ['rotary_scaling_factor', null],
    ['moe_every_n_layers', 0],
    ['activation_function', 'swiglu'],
  ] as const) {
    if (fields.has(name) && fields.object[name] !== only) {
      throw unlike(fields, `"${name}" is ${JSON.stringify(fields.object[name])}: ${other} (${JSON.stringify(only)})`);
    }
  }
  const former = fields.has('n_embd') && !fields.has('hidden_size');
  const layers = fields.integer(['num_hidden_layers', 'n_layer'], 1, 12);
  const hiddenDropout = fields.number(['hidden_dropout_prob', 'resid_pdrop'], 0, 1, 0);
  if (former && fields.number('embd_pdrop', 0, 1, 0) !== hiddenDropout) {
    throw unlike(fields, '"embd_pdrop" is not "resid_pdrop": vectune has one dropout for both');
  }
  const turned = rope(fields, fields.object['rope_parameters'], fields.number('rotary_emb_base', 1, Infinity, 1000));
  return headsOf(fields, {
    vocabSize: fields.integer('vocab_size', 1, 30528),
    hiddenSize: fields.integer(['hidden_size', 'n_embd'], 1, 768),
    layers,
    heads: fields.integer(['num_attention_heads', 'n_head'], 1, 12),
    intermediateSize: fields.integer(['intermediate_size', 'n_inner'], 1, 3072),
    positions: fields.integer(['max_position_embeddings', 'n_positions'], 1, 2048),
    typeVocabSize: fields.integer('type_vocab_size', 0, 2),
    positionOffset: 0,
    padTokenId: padding(fields),
    layerNormEps: fields.number(['layer_norm_eps', 'layer_norm_epsilon'], 0, 1, 1e-12),
    hiddenActivation: activation(fields, 'hidden_act', 'silu'),
    hiddenDropout,
    attentionDropout: fields.number(['attention_probs_dropout_prob', 'attn_pdrop'], 0, 1, 0),
    attention: Array.from({ length: layers }, () => ({ window: null, ...turned })),
  });
}

/** Zhang et al. 2024, by transformers' names, or by those of "new", the code in the model's repository. */
function readGte(fields: Fields): Shape {
  const former = fields.object['model_type'] === 'new';
  const other = "another computation than vectune's GTE";
  refuse(fields, ['logn_attention_scale', 'logn_attention_clip1'], other);
  for (const [name, only] of [
    ['position_embedding_type', 'rope'],
    ['layer_norm_type', 'layer_norm'],
    ['pack_qkv', true],
  ] as const) {
    if (fields.has(name) && fields.object[name] !== only) {
      throw unlike(fields, `"${name}" is ${JSON.stringify(fields.object[name])}: ${other} (${JSON.stringify(only)})`);
    }
  }
  const layers = fields.integer('num_hidden_layers', 1, 12);
  const hiddenSize = fields.integer('hidden_size', 1, 768);
  const heads = fields.integer('num_attention_heads', 1, 12);
  const theta = fields.number('rope_theta', 1, Infinity, former ? undefined : 160_000);
  const parameters = ropeParameters(fields);
  const turned = ntk(fields, parameters, theta, hiddenSize / heads) ?? rope(fields, parameters, theta);
  return headsOf(fields, {
    vocabSize: fields.integer('vocab_size', 1, 250_048),
    hiddenSize,
    layers,
    heads,
    intermediateSize: fields.integer('intermediate_size', 1, 3072),
    positions: fields.integer('max_position_embeddings', 1, 8192),
    // What one of the two classes has where the file does not say, the other has not.
    typeVocabSize: former ? fields.integer('type_vocab_size', 0) : fields.integer('type_vocab_size', 0, 1),
    positionOffset: 0,
    padTokenId: padding(fields, former ? 0 : 1),
    layerNormEps: fields.number('layer_norm_eps', 0, 1, 1e-12),
    hiddenActivation: activation(fields, 'hidden_act'),
    hiddenDropout: fields.number('hidden_dropout_prob', 0, 1, 0.1),
    attentionDropout: fields.number('attention_probs_dropout_prob', 0, 1, 0),
    attention: Array.from({ length: layers }, () => ({ window: null, ...turned })),
  });
}

type Rope = Pick<LayerAttention, 'ropeTheta' | 'ropeDivisor'>;

/** What transformers 5 writes as "rope_parameters". */
function rope(fields: Fields, parameters: unknown, theta: number): Rope {
  if (parameters === undefined || parameters === null) return { ropeTheta: theta, ropeDivisor: 1 };
  if (!isObject(parameters)) throw fields.fail('rope_parameters', 'an object', parameters);
  const own = new Fields(parameters, `${fields.file}, "rope_parameters"`);
  const type = own.string(['rope_type', 'type'], 'default');
  if (type !== 'default' && type !== 'linear') {
    throw unlike(fields, `"rope_type" is "${type}"; vectune turns by "default" and "linear"`);
  }
  if (own.number('partial_rotary_factor', 0, 1, 1) !== 1) {
    throw unlike(fields, '"partial_rotary_factor" is not 1: vectune turns whole heads');
  }
  return {
    ropeTheta: own.number('rope_theta', 1, Infinity, theta),
    ropeDivisor: type === 'linear' ? own.number('factor', 1e-9, Infinity) : 1,
  };
}

/** "rope_parameters" of layers that are all turned alike. */
function writtenRope(shape: Shape): JsonObject {
  const { ropeTheta, ropeDivisor } = shape.attention![0]!;
  return {
    rope_theta: ropeTheta,
    ...(ropeDivisor === 1 ? { rope_type: 'default' } : { rope_type: 'linear', factor: ropeDivisor }),
  };
}

/** "rope_scaling" of the code in GTE's repositories: a larger base, and all pairs a little slower. */
function ntk(fields: Fields, scaling: unknown, theta: number, headSize: number): Rope | undefined {
  if (!isObject(scaling) || (scaling['type'] ?? scaling['rope_type']) !== 'ntk') return undefined;
  const own = new Fields(scaling, `${fields.file}, "rope_scaling"`);
  if (own.has('mixed_b')) throw unlike(fields, '"mixed_b" of "rope_scaling" is not something that vectune has');
  const factor = own.number('factor', 1, Infinity);
  return { ropeTheta: theta * factor, ropeDivisor: factor ** (2 / headSize) };
}

function headsOf(fields: Fields, shape: Shape): Shape {
  const size = fields.has('head_dim') ? fields.integer('head_dim', 1) : undefined;
  if (size === undefined || size * shape.heads === shape.hiddenSize) return shape;
  throw unlike(fields, `"head_dim" is ${size}, and ${shape.heads} of them are not the hidden size ${shape.hiddenSize}`);
}

/** Settings that must not be on. */
function refuse(fields: Fields, names: readonly string[], why: string): void {
  for (const name of names) if (fields.boolean(name, false)) throw unlike(fields, `"${name}" is true: ${why}`);
}

function unlike(fields: Fields, what: string): ModelError {
  return new ModelError('ERR_UNKNOWN_ARCHITECTURE', `${fields.file}: ${what}. Choose another model.`, {
    file: fields.file,
  });
}

/** `fallback` unless the file says otherwise; what is no id is none. */
function padding(fields: Fields, fallback = 0): number | null {
  const id = fields.object['pad_token_id'] === undefined ? fallback : Number(fields.object['pad_token_id'] ?? NaN);
  return Number.isSafeInteger(id) && id >= 0 && id < fields.integer('vocab_size', 1) ? id : null;
}

/** Hugging Face's names (transformers/activations.py) of the activations that the engine has. */
const ACTIVATIONS: Record<string, HiddenActivation> = {
  gelu: 'gelu',
  gelu_python: 'gelu',
  relu: 'relu',
  gelu_new: 'gelu_tanh',
  gelu_fast: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  silu: 'silu',
  swish: 'silu',
};

function activation(fields: Fields, name: string, fallback = 'gelu'): HiddenActivation {
  const found = fields.string(name, fallback);
  const known = Object.hasOwn(ACTIVATIONS, found) ? ACTIVATIONS[found] : undefined;
  if (known !== undefined) return known;
  throw new ModelError(
    'ERR_UNKNOWN_ARCHITECTURE',
    `${fields.file}: "${name}" is ${JSON.stringify(fields.object[name])}; ` +
      `vectune runs ${Object.keys(ACTIVATIONS).join(', ')}.`,
    { file: fields.file },
  );
}
