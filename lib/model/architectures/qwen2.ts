import type { Fields } from '../../system/json';
import { unlike } from '../encoder-fields/refusal';
import type { Shape } from '../encoder-fields/shape';
import type { Description } from './description';
import { qwenLike } from './qwen3';

/** Yang et al. 2024: as its successor, but for biases and heads' norms, which the engine's plan has. */
function readQwen2(fields: Fields): Shape {
  // The code that comes with gte-Qwen2 and stella_en_1.5B lets tokens see both sides, and their files do not say so.
  if (fields.has('auto_map') && !fields.has('is_causal')) {
    throw unlike(
      fields,
      'the model comes with code of its own ("auto_map"), and nothing says whether its tokens see both sides. Write ' +
        '"is_causal": false into it where they do (gte-Qwen2, stella_en_1.5B_v5), else true, and open that folder',
    );
  }
  const size = fields.integer('hidden_size', 1, 4096) / fields.integer('num_attention_heads', 1, 32);
  return qwenLike(fields, size);
}

export const qwen2 = {
  modelClass: 'Qwen2Model',
  ownCode: true, // of which its reader asks what it does
  tokenizerClass: 'Qwen2Tokenizer',
  writtenTokenizerClass: 'PreTrainedTokenizerFast',
  formerModule: null,
  ownFields: [],
  read: readQwen2,
} as const satisfies Description;
