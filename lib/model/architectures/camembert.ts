import type { Description } from './description';
import { afterPadding } from './roberta';

export const camembert = {
  modelClass: 'CamembertModel',
  tokenizerClass: 'CamembertTokenizer',
  writtenTokenizerClass: 'CamembertTokenizer',
  formerModule: 'CamemBERT',
  ownFields: [],
  read: afterPadding,
} as const satisfies Description;
