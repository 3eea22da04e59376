import { bertLike } from './bert';
import type { Description } from './description';

export const electra = {
  modelClass: 'ElectraModel',
  tokenizerClass: 'BertTokenizer',
  writtenTokenizerClass: 'ElectraTokenizer',
  formerModule: null,
  ownFields: [],
  read: (fields) => {
    const shape = bertLike(fields);
    const embeddingSize = fields.integer('embedding_size', 1, 128);
    return embeddingSize === shape.hiddenSize ? shape : { ...shape, embeddingSize };
  },
} as const satisfies Description;
