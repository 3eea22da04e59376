import type { Fields } from '../../system/json';
import { activation } from '../encoder-fields/activation';
import { layerKinds } from '../encoder-fields/layer-kinds';
import { padding } from '../encoder-fields/padding';
import { refuse, unlike } from '../encoder-fields/refusal';
import { rope, ropesByKind } from '../encoder-fields/rope';
import type { Shape } from '../encoder-fields/shape';
import type { Description } from './description';

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
  const ropes = ropesByKind(fields);
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

export const modernbert = {
  modelClass: 'ModernBertModel',
  tokenizerClass: 'PreTrainedTokenizer',
  writtenTokenizerClass: 'PreTrainedTokenizerFast',
  formerModule: null,
  ownFields: ['global_attn_every_n_layers'],
  read: readModernBert,
} as const satisfies Description;
