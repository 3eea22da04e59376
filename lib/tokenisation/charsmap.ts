import { isUtf8 } from 'node:buffer';
import { isObject } from '../system/json';

/**
 * The table of a "Precompiled" normaliser, sentencepiece's: a trie of texts (darts-clone's double array) and what each is
 * replaced by. The tokenizers library takes it as it comes, and one that is damaged ends the process, when the tokenizer
 * is made or at some text; so it is looked through before. Source: huggingface/spm_precompiled, src/lib.rs.
 */

/** XLM-R's takes a quarter of a megabyte. */
const MOST_BYTES = 2 ** 21;

/**
 * @param normalizer of a tokenizer.json
 * @throws Error a table that the library could not use
 */
export function checkCharsmaps(normalizer: unknown): void {
  if (!isObject(normalizer)) return;
  if (Array.isArray(normalizer['normalizers'])) normalizer['normalizers'].forEach(checkCharsmaps);
  if (normalizer['type'] === 'Precompiled' && !isUsable(normalizer['precompiled_charsmap']))
    throw new Error('the table of its normaliser ("precompiled_charsmap") is damaged');
}

function isUsable(text: unknown): boolean {
  if (typeof text !== 'string') return false;
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length < 8 || bytes.length > MOST_BYTES || bytes.toString('base64') !== text) return false;
  const units = Math.floor(bytes.readUInt32LE(0) / 4);
  const end = 4 + 4 * units;
  if (units === 0 || end > bytes.length) return false;
  const replaced = bytes.subarray(end);
  if (!isUtf8(replaced)) return false;
  const trie = new Uint32Array(Uint8Array.from(bytes.subarray(4, end)).buffer);
  return isWalkable(trie, replaced);
}

/** Whether every text leads from place to place within the trie, and what it finds is within `replaced`. */
function isWalkable(trie: Uint32Array, replaced: Buffer): boolean {
  const offset = (unit: number) => (unit >>> 10) << ((unit & (1 << 9)) >>> 6);
  const seen = new Uint8Array(trie.length);
  const states = [offset(trie[0]!) >>> 0];
  while (states.length > 0) {
    const state = states.pop()!;
    if (state < trie.length) {
      if (seen[state] === 1) continue;
      seen[state] = 1;
    }
    // A byte leads to a place of the state's block of 256, and on from there where that has its name.
    const block = (state & ~255) >>> 0;
    const last = block + 255;
    if (last >= trie.length) return false;
    for (let place = block; place <= last; ++place) {
      const unit = trie[place]!;
      if ((unit & 0x800000ff) !== (place ^ state) || place === state) continue;
      const next = (place ^ offset(unit)) >>> 0;
      if ((unit >>> 8) % 2 === 1) {
        if (next >= trie.length) return false;
        const found = trie[next]! & 0x7fffffff;
        // It must begin with a character: not within one.
        if (found > replaced.length || ((replaced[found] ?? 0) & 0xc0) === 0x80) return false;
      }
      states.push(next);
    }
  }
  return true;
}
