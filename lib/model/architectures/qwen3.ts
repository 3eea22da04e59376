import type { Fields } from '../../system/json';
import { activation } from '../encoder-fields/activation';
import { grouped } from '../encoder-fields/heads';
import { layerKinds } from '../encoder-fields/layer-kinds';
import { padding } from '../encoder-fields/padding';
import { refuse, unlike } from '../encoder-fields/refusal';
import { rope, ropeParameters } from '../encoder-fields/rope';
import type { Shape } from '../encoder-fields/shape';
import type { Description } from './description';

/** Yang et al. 2025. */
function readQwen3(fields: Fields): Shape {
  refuse(fields, ['attention_bias'], "a bias, which vectune's Qwen3 does not have");
  return qwenLike(fields, 128);
}

/**
 * A decoder, whose tokens see those before them; all of them where "is_causal" is false.
 *
 * @param headDim numbers of a head where the file does not say
 */
export function qwenLike(fields: Fields, headDim: number): Shape {
  refuse(
    fields,
    ['use_bidirectional_attention'],
    'transformers\' Qwen does not look at it; it says "is_causal": false',
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
    ...grouped(fields, 32, 32, headDim),
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

export const qwen3 = {
  modelClass: 'Qwen3Model',
  tokenizerClass: 'Qwen2Tokenizer',
  writtenTokenizerClass: 'PreTrainedTokenizerFast',
  formerModule: null,
  ownFields: ['max_window_layers'],
  read: readQwen3,
} as const satisfies Description;
