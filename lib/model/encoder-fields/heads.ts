import type { Fields } from '../../system/json';
import { unlike } from './refusal';
import type { Shape } from './shape';

/** Heads of queries, and how many of them share one of keys and values. */
export function grouped(fields: Fields, heads: number, keyValueHeads: number, headDim: number) {
  const queries = fields.integer('num_attention_heads', 1, heads);
  const keys =
    fields.object['num_key_value_heads'] === null ? queries : fields.integer('num_key_value_heads', 1, keyValueHeads);
  if (queries % keys !== 0) {
    throw fields.fail('num_key_value_heads', `a divisor of "num_attention_heads", ${queries}`, keys);
  }
  const size = fields.integer('head_dim', 1, headDim);
  if (size % 2 !== 0) throw fields.fail('head_dim', 'even, as heads are turned in pairs', size);
  return { heads: queries, keyValueHeads: keys, headDim: size };
}

/** The shape, whose heads must fill the hidden size. */
export function headsOf(fields: Fields, shape: Shape): Shape {
  const size = fields.has('head_dim') ? fields.integer('head_dim', 1) : undefined;
  if (size === undefined || size * shape.heads === shape.hiddenSize) return shape;
  throw unlike(fields, `"head_dim" is ${size}, and ${shape.heads} of them are not the hidden size ${shape.hiddenSize}`);
}
