import type { TextPair } from '../data/pair';
import type { TextEncoder, TokenisedTexts } from '../tokenisation/tokenised-texts';

/** Texts given to the tokeniser at once; between them a run can be stopped. */
const textsAtOnce = 4096;

/** Tokenised pairs: texts 2i and 2i + 1 are pair i's. */
export interface TokenisedPairs extends TokenisedTexts {
  /** Tokens of each pair, both texts together. */
  lengths: Int32Array;
  /** Tokens of the longest text. */
  longest: number;
}

/** Tokenises all pairs once. `prompt` is put before every text; `check` throws if the run is to stop. */
export async function tokenisePairs(
  tokeniser: TextEncoder,
  pairs: readonly TextPair[],
  maxInputLength: number,
  prompt: string,
  check: () => void,
): Promise<TokenisedPairs> {
  const parts: TokenisedTexts[] = [];
  for (let first = 0; first < pairs.length; first += textsAtOnce / 2) {
    check();
    const texts = pairs.slice(first, first + textsAtOnce / 2).flatMap((pair) => [prompt + pair[0], prompt + pair[1]]);
    parts.push(await tokeniser.encode(texts, maxInputLength));
  }
  check();
  const ids = new Int32Array(parts.reduce((sum, part) => sum + part.ids.length, 0));
  const offsets = new Int32Array(2 * pairs.length + 1);
  let tokens = 0;
  let texts = 0;
  for (const part of parts) {
    ids.set(part.ids, tokens);
    for (let i = 1; i < part.offsets.length; ++i) offsets[++texts] = tokens + part.offsets[i]!;
    tokens += part.ids.length;
  }
  const lengths = new Int32Array(pairs.length);
  let longest = 0;
  for (let i = 0; i < pairs.length; ++i) {
    lengths[i] = offsets[2 * i + 2]! - offsets[2 * i]!;
    longest = Math.max(longest, offsets[2 * i + 1]! - offsets[2 * i]!, offsets[2 * i + 2]! - offsets[2 * i + 1]!);
  }
  return { ids, offsets, lengths, longest };
}
