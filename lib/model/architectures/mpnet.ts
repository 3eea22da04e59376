import { ModelError } from '../../system/errors';
import { bertLike } from './bert';
import type { Description } from './description';

export const mpnet = {
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
} as const satisfies Description;
