import type { Groups } from '../data/groups';
import { HashChains } from '../data/hash-chains';
import type { Prompt, RowsPrompts } from './prompts';
import type { TextEncoder, TokenisedTexts } from '../tokenisation/tokenised-texts';

/** Texts given to the tokeniser at once; between them a run can be stopped. */
const textsAtOnce = 4096;

/** Tokenised rows: each distinct text once, and row r names texts columns[rowOffsets[r] .. rowOffsets[r + 1]). */
export interface TokenisedRows extends TokenisedTexts {
  columns: Int32Array;
  rowOffsets: Int32Array;
  /** As `columns`, of texts that are the same whatever stands before them. */
  sources: Int32Array;
  /** Of each text the tokens at its beginning that no pooling sees; none where it sees all. */
  promptTokens: Int32Array | undefined;
  /** Tokens of each row, all its texts together. */
  lengths: Int32Array;
  /** Tokens of the longest text. */
  longest: number;
}

/**
 * Tokenises each distinct text once. Before a row's n-th text stands the n-th of the prompts, beyond them the last one;
 * with two prompts a text is two. `check` throws if the run is to stop.
 */
export async function tokeniseRows(
  tokeniser: TextEncoder,
  groups: Groups,
  maxInputLength: number,
  prompts: readonly RowsPrompts[],
  check: () => void,
): Promise<TokenisedRows> {
  const { offsets: rowOffsets } = groups;
  const { count, textOf, promptOf, columns, same } = await prompted(groups, prompts, check);
  const parts: TokenisedTexts[] = [];
  for (let first = 0; first < count; first += textsAtOnce) {
    check();
    const length = Math.min(textsAtOnce, count - first);
    const some = Array.from({ length }, (_, i) => promptOf(first + i).text + textOf(first + i));
    parts.push(await tokeniser.encode(some, maxInputLength));
  }
  check();
  const ids = new Int32Array(parts.reduce((sum, part) => sum + part.ids.length, 0));
  const offsets = new Int32Array(count + 1);
  let tokens = 0;
  let done = 0;
  for (const part of parts) {
    ids.set(part.ids, tokens);
    for (let i = 1; i < part.offsets.length; ++i) offsets[++done] = tokens + part.offsets[i]!;
    tokens += part.ids.length;
  }
  const unpooled = new Int32Array(count);
  for (let text = 0; text < count; ++text) unpooled[text] = promptOf(text).tokens;
  const distinct = await mergeSameTokens({ ids, offsets }, unpooled, columns.slice(), check);
  await new Promise(setImmediate);
  return measured({ ...distinct, sources: same ? distinct.columns : groups.columns, rowOffsets });
}

/** Texts with what stands before them, by number. */
interface PromptedTexts {
  count: number;
  textOf: (number: number) => string;
  promptOf: (number: number) => Prompt;
  columns: Int32Array;
  /** Whether the same stands before all. */
  same: boolean;
}

/** Each text with each prompt that it has, in the order in which rows first name them. */
async function prompted(
  { texts, columns, offsets }: Groups,
  sets: readonly RowsPrompts[],
  check: () => void,
): Promise<PromptedTexts> {
  // The same prompt of two columns is one.
  const kinds: Prompt[] = [];
  const numbersOf = sets.map(({ prompts }) =>
    prompts.map(({ text, tokens }) => {
      const known = kinds.findIndex((one) => one.text === text && one.tokens === tokens);
      return known >= 0 ? known : kinds.push({ text, tokens }) - 1;
    }),
  );
  const count = texts.length;
  if (kinds.length === 1)
    return { count, textOf: (number) => texts[number]!, promptOf: () => kinds[0]!, columns, same: true };
  const numbers = new Map<number, number>();
  const found: number[] = []; // keys
  const own = new Int32Array(columns.length);
  let row = 0;
  for (const [i, { rows }] of sets.entries()) {
    const kindsOfSet = numbersOf[i]!;
    for (const end = row + rows; row < end; ++row) {
      if (row % textsAtOnce === 0) {
        check();
        await new Promise(setImmediate);
      }
      for (let at = offsets[row]!; at < offsets[row + 1]!; ++at) {
        const kind = kindsOfSet[Math.min(at - offsets[row]!, kindsOfSet.length - 1)]!;
        const key = columns[at]! * kinds.length + kind;
        let number = numbers.get(key);
        if (number === undefined) {
          numbers.set(key, (number = found.length));
          found.push(key);
        }
        own[at] = number;
      }
    }
  }
  return {
    count: found.length,
    textOf: (number) => texts[Math.floor(found[number]! / kinds.length)]!,
    promptOf: (number) => kinds[found[number]! % kinds.length]!,
    columns: own,
    same: false,
  };
}

/**
 * Texts of the same tokens (what cutting, lower case and the like have made equal) are one, too, where the pooling sees as
 * many of them. Changes `columns`.
 */
async function mergeSameTokens(
  { ids, offsets }: TokenisedTexts,
  unpooled: Int32Array,
  columns: Int32Array,
  check: () => void,
): Promise<TokenisedTexts & { columns: Int32Array; promptTokens: Int32Array | undefined }> {
  const texts = offsets.length - 1;
  const numbers = new Int32Array(texts);
  const newOffsets = new Int32Array(texts + 1);
  // The texts that are kept, by a hash of their tokens.
  const chains = new HashChains(texts);
  let kept = 0;
  const same = (text: number, other: number): boolean => {
    const [from, to] = [newOffsets[other]!, newOffsets[other + 1]!];
    if (to - from !== offsets[text + 1]! - offsets[text]! || unpooled[text] !== unpooled[other]) return false;
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
      unpooled[found] = unpooled[text]!;
    }
    numbers[text] = found;
  }
  await new Promise(setImmediate);
  for (let i = 0; i < columns.length; ++i) columns[i] = numbers[columns[i]!]!;
  const promptTokens = unpooled.some((count) => count > 0) ? unpooled.slice(0, kept) : undefined;
  return { ids: ids.slice(0, newOffsets[kept]), offsets: newOffsets.slice(0, kept + 1), columns, promptTokens };
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
export function appended(
  tokens: TokenisedRows,
  more: TokenisedRows,
): Pick<TokenisedRows, 'ids' | 'offsets' | 'promptTokens'> {
  const [a, b] = [tokens.ids.length, tokens.offsets.length];
  const ids = new Int32Array(a + more.ids.length);
  ids.set(tokens.ids);
  ids.set(more.ids, a);
  const offsets = new Int32Array(b + more.offsets.length - 1);
  offsets.set(tokens.offsets);
  more.offsets.forEach((offset, i) => {
    if (i > 0) offsets[b + i - 1] = a + offset;
  });
  if (tokens.promptTokens === undefined && more.promptTokens === undefined)
    return { ids, offsets, promptTokens: undefined };
  const promptTokens = new Int32Array(offsets.length - 1);
  promptTokens.set(tokens.promptTokens ?? []);
  promptTokens.set(more.promptTokens ?? [], b - 1);
  return { ids, offsets, promptTokens };
}
