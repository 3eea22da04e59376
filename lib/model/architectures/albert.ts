import type { Fields } from '../../system/json';
import { activation } from '../encoder-fields/activation';
import { padding } from '../encoder-fields/padding';
import { refuseOthers } from '../encoder-fields/refusal';
import type { Shape } from '../encoder-fields/shape';
import type { Description } from './description';

/** Lan et al. 2019. */
function readAlbert(fields: Fields): Shape {
  refuseOthers(
    fields,
    [
      ['num_hidden_groups', 1],
      ['inner_group_num', 1],
    ],
    "several sets of layers, and vectune's ALBERT has one layer for all",
  );
  return {
    vocabSize: fields.integer('vocab_size', 1, 30_000),
    embeddingSize: fields.integer('embedding_size', 1, 128),
    hiddenSize: fields.integer('hidden_size', 1, 4096),
    layers: fields.integer('num_hidden_layers', 1, 12),
    heads: fields.integer('num_attention_heads', 1, 64),
    intermediateSize: fields.integer('intermediate_size', 1, 16_384),
    positions: fields.integer('max_position_embeddings', 1, 512),
    typeVocabSize: fields.integer('type_vocab_size', 1, 2),
    positionOffset: 0,
    padTokenId: padding(fields),
    layerNormEps: fields.number('layer_norm_eps', 0, 1, 1e-12),
    hiddenActivation: activation(fields, 'hidden_act', 'gelu_new'),
    hiddenDropout: fields.number('hidden_dropout_prob', 0, 1, 0),
    attentionDropout: fields.number('attention_probs_dropout_prob', 0, 1, 0),
  };
}

export const albert = {
  modelClass: 'AlbertModel',
  tokenizerClass: 'AlbertTokenizer',
  writtenTokenizerClass: 'AlbertTokenizer',
  formerModule: 'ALBERT',
  ownFields: ['num_hidden_groups', 'inner_group_num'],
  read: readAlbert,
} as const satisfies Description;
