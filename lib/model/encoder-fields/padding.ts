import type { Fields } from '../../system/json';

/** Id of the padding token: `fallback` unless the file says otherwise; what is no id is none. */
export function padding(fields: Fields, fallback = 0): number | null {
  const id = fields.object['pad_token_id'] === undefined ? fallback : Number(fields.object['pad_token_id'] ?? NaN);
  return Number.isSafeInteger(id) && id >= 0 && id < fields.integer('vocab_size', 1) ? id : null;
}
