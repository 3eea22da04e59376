import { activation } from '../encoder-fields/activation';
import { padding } from '../encoder-fields/padding';
import type { Description } from './description';

export const distilbert = {
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
} as const satisfies Description;
