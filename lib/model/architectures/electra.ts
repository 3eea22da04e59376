import { ModelError } from '../../system/errors';
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
} as const satisfies Description;
