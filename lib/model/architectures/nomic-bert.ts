import type { Fields } from '../../system/json';
import { activation } from '../encoder-fields/activation';
import { headsOf } from '../encoder-fields/heads';
import { padding } from '../encoder-fields/padding';
import { refuse, refuseOthers, unlike } from '../encoder-fields/refusal';
import { rope, writtenRope } from '../encoder-fields/rope';
import type { Shape } from '../encoder-fields/shape';
import type { Description } from './description';

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
  refuseOthers(
    fields,
    [
      ['rotary_emb_fraction', 1],
      ['rotary_emb_scale_base', null],
      ['rotary_scaling_factor', null],
      ['moe_every_n_layers', 0],
      ['activation_function', 'swiglu'],
    ],
    other,
  );
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

export const nomicBert = {
  modelClass: 'NomicBertModel',
  ownCode: true,
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
} as const satisfies Description;
