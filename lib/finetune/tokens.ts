import type { Groups } from '../data/groups';
import { HashChains } from '../data/hash-chains';
import type { TextEncoder, TokenisedTexts } from '../tokenisation/tokenised-texts';

/** Texts given to the tokeniser at once; between them a run can be stopped. */
const textsAtOnce = 4096;

/** Tokenised rows: each distinct text once, and row r names texts columns[rowOffsets[r] .. rowOffsets[r + 1]). */
export interface TokenisedRows extends TokenisedTexts {
  columns: Int32Array;
  rowOffsets: Int32Array;
  /** Tokens of each row, all its texts together. */
  lengths: Int32Array;
  /** Tokens of the longest text. */
  longest: number;
}

/** Tokenises each distinct text once. `prompt` is put before every text; `check` throws if the run is to stop. */
export async function tokeniseRows(
  tokeniser: TextEncoder,
  { texts, columns, offsets: rowOffsets }: Groups,
  maxInputLength: number,
  prompt: string,
  check: () => void,
): Promise<TokenisedRows> {
  const parts: TokenisedTexts[] = [];
  for (let first = 0; first < texts.length; first += textsAtOnce) {
    check();
    const some = texts.slice(first, first + textsAtOnce);
    parts.push(await tokeniser.encode(prompt === '' ? some : some.map((text) => prompt + text), maxInputLength));
  }
  check();
  const ids = new Int32Array(parts.reduce((sum, part) => sum + part.ids.length, 0));
  const offsets = new Int32Array(texts.length + 1);
  let tokens = 0;
  let done = 0;
  for (const part of parts) {
    ids.set(part.ids, tokens);
    for (let i = 1; i < part.offsets.length; ++i) offsets[++done] = tokens + part.offsets[i]!;
    tokens += part.ids.length;
  }
  const distinct = await mergeSameTokens({ ids, offsets }, columns.slice(), check);
  await new Promise(setImmediate);
  return measured({ ...distinct, rowOffsets });
}

/**
 * Texts of the same tokens (what cutting, lower case and the like have made equal) are one, too. Changes `columns`.
 */
async function mergeSameTokens(
  { ids, offsets }: TokenisedTexts,
  columns: Int32Array,
  check: () => void,
): Promise<TokenisedTexts & { columns: Int32Array }> {
  const texts = offsets.length - 1;
  const numbers = new Int32Array(texts);
  const newOffsets = new Int32Array(texts + 1);
  // The texts that are kept, by a hash of their tokens.
  const chains = new HashChains(texts);
  let kept = 0;
  const same = (text: number, other: number): boolean => {
    const [from, to] = [newOffsets[other]!, newOffsets[other + 1]!];
    if (to - from !== offsets[text + 1]! - offsets[text]!) return false;
    for (let i = from, j = offsets[text]!; i < to; ++i, ++j) if (ids[i] !== ids[j]) return false;
    return true;
  };
  for (let text = 0; text < texts; ++text) {
    if (text % textsAtOnce === 0) {
      check();
      await new Promise(setImmediate);
    }
    let hash = 0x811c9dc5; // FNV-1a
    for (let i = offsets[text]!; i < offsets[text + 1]!; ++i) hash = Math.imul(hash ^ ids[i]!, 0x01000193);
    let found = chains.find(hash, (other) => same(text, other));
    if (found < 0) {
      found = kept++;
      chains.add(hash, found);
      // To the front: never beyond where it stands.
      ids.copyWithin(newOffsets[found]!, offsets[text]!, offsets[text + 1]!);
      newOffsets[found + 1] = newOffsets[found]! + offsets[text + 1]! - offsets[text]!;
    }
    numbers[text] = found;
  }
  await new Promise(setImmediate);
  for (let i = 0; i < columns.length; ++i) columns[i] = numbers[columns[i]!]!;
  return { ids: ids.slice(0, newOffsets[kept]), offsets: newOffsets.slice(0, kept + 1), columns };
}

function measured(tokens: Omit<TokenisedRows, 'lengths' | 'longest'>): TokenisedRows {
  const { offsets, columns, rowOffsets } = tokens;
  const tokensOf = (text: number): number => offsets[text + 1]! - offsets[text]!;
  const lengths = new Int32Array(rowOffsets.length - 1);
  for (let row = 0; row < lengths.length; ++row)
    for (let i = rowOffsets[row]!; i < rowOffsets[row + 1]!; ++i) lengths[row]! += tokensOf(columns[i]!);
  let longest = 0;
  for (let text = 0; text + 1 < offsets.length; ++text) longest = Math.max(longest, tokensOf(text));
  return { ...tokens, lengths, longest };
}

/** The tokens of `more` behind those of the rows; no row names them. */
export function appended(tokens: TokenisedRows, more: TokenisedRows): Pick<TokenisedRows, 'ids' | 'offsets'> {
  const [a, b] = [tokens.ids.length, tokens.offsets.length];
  const ids = new Int32Array(a + more.ids.length);
  ids.set(tokens.ids);
  ids.set(more.ids, a);
  const offsets = new Int32Array(b + more.offsets.length - 1);
  offsets.set(tokens.offsets);
  more.offsets.forEach((offset, i) => {
    if (i > 0) offsets[b + i - 1] = a + offset;
  });
  return { ids, offsets };
}
