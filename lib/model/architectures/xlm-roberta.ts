import type { Description } from './description';
import { afterPadding } from './roberta';

export const xlmRoberta = {
  modelClass: 'XLMRobertaModel',
  alike: 'positions behind the padding',
  tokenizerClass: 'XLMRobertaTokenizer',
  writtenTokenizerClass: 'XLMRobertaTokenizer',
  formerModule: 'XLMRoBERTa',
  ownFields: [],
  read: afterPadding,
} as const satisfies Description;
