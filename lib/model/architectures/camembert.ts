import type { Description } from './description';
import { afterPadding } from './roberta';

export const camembert = {
  modelClass: 'CamembertModel',
  alike: 'positions behind the padding',
  tokenizerClass: 'CamembertTokenizer',
  writtenTokenizerClass: 'CamembertTokenizer',
  formerModule: 'CamemBERT',
  ownFields: [],
  read: afterPadding,
} as const satisfies Description;
