import type { Fields } from '../../system/json';
import { activation } from '../encoder-fields/activation';
import { padding } from '../encoder-fields/padding';
import type { Shape } from '../encoder-fields/shape';
import type { Description } from './description';

/** By the names of BERT's configuration, which those of others took over. */
export function bertLike(fields: Fields): Shape {
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

export const bert = {
  modelClass: 'BertModel',
  tokenizerClass: 'BertTokenizer',
  writtenTokenizerClass: 'BertTokenizer',
  formerModule: 'BERT',
  ownFields: [],
  read: bertLike,
} as const satisfies Description;
