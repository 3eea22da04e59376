import type { Fields } from '../../system/json';
import type { Shape } from '../encoder-fields/shape';
import { bertLike } from './bert';
import type { Description } from './description';

/** RoBERTa's: positions are counted from behind the padding's. */
export function afterPadding(fields: Fields): Shape {
  const padTokenId = fields.integer('pad_token_id', 0, 1);
  return { ...bertLike(fields), positionOffset: padTokenId + 1, padTokenId };
}

export const roberta = {
  modelClass: 'RobertaModel',
  alike: 'positions behind the padding',
  tokenizerClass: 'RobertaTokenizer',
  writtenTokenizerClass: 'RobertaTokenizer',
  formerModule: 'RoBERTa',
  ownFields: [],
  read: afterPadding,
} as const satisfies Description;
