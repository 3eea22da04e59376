import type { Fields } from '../../system/json';
import { activation } from '../encoder-fields/activation';
import { grouped } from '../encoder-fields/heads';
import { layerKinds } from '../encoder-fields/layer-kinds';
import { padding } from '../encoder-fields/padding';
import { refuse, unlike } from '../encoder-fields/refusal';
import { rope, ropesByKind } from '../encoder-fields/rope';
import type { Shape } from '../encoder-fields/shape';
import type { Description } from './description';

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
  const ropes = ropesByKind(fields);
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

export const gemma3Text = {
  modelClass: 'Gemma3TextModel',
  otherClasses: ['Gemma3Model'],
  tokenizerClass: 'GemmaTokenizer',
  writtenTokenizerClass: 'PreTrainedTokenizerFast',
  formerModule: null,
  ownFields: ['query_pre_attn_scalar'],
  read: readGemma3,
} as const satisfies Description;
