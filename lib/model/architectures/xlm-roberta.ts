import type { Description } from './description';
import { afterPadding } from './roberta';

export const xlmRoberta = {
  modelClass: 'XLMRobertaModel',
  otherClasses: ['CamembertModel', 'RobertaModel'],
  tokenizerClass: 'XLMRobertaTokenizer',
  writtenTokenizerClass: 'XLMRobertaTokenizer',
  formerModule: 'XLMRoBERTa',
  ownFields: [],
  read: afterPadding,
} as const satisfies Description;
