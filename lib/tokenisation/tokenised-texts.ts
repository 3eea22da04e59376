/** Texts as token ids, packed: text i is `ids[offsets[i] .. offsets[i + 1])`. */
export interface TokenisedTexts {
  ids: Int32Array;
  /** One more than there are texts. */
  offsets: Int32Array;
}

/** The part of a tokeniser that training and embedding need. */
export interface TextEncoder {
  encode(texts: readonly string[], maxInputLength: number): Promise<TokenisedTexts>;
}
