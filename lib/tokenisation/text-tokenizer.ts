import type { TokenisedTexts } from './tokenised-texts';
import type { ReadyTokenizer, TokenizerRequest } from './tokenizer-json';

/** What a tokenizer is made of: a folder's files as transformers reads them, or its tokenizer.json as it is. */
export type TokenizerSource =
  | ({ kind: 'of files'; positions: number } & Omit<TokenizerRequest, 'config' | 'found'>)
  | { kind: 'as it is'; folder: string; files: ReadonlyMap<string, Buffer>; positions: number };

/** What is known of a tokenizer once it is made. */
export interface TokenizerFacts {
  /** For messages. */
  file: string;
  /** Special tokens before and after a text's own. */
  before: number;
  after: number;
  /** Whether a text that is too long loses its beginning. */
  cutLeft: boolean;
  /** Most tokens that a text may have. */
  positions: number;
  /** One more than the highest token id. */
  vocabularySize: number;
  /** Whether texts get special tokens. */
  special: boolean;
  /** What stands for a text that has no token, where none is put around texts: the end's or the padding's; null: nothing. */
  empty: number | null;
  /** Where files disagree, and what counts. */
  notes: readonly string[];
}

/** Token ids of some texts, special tokens included. */
export interface EncodedTexts extends TokenisedTexts {
  /** Those that had more than `positions` tokens and were cut, by their number from 0. */
  longer: readonly number[];
}

/** The tokens of a text and where each stands in it, in columns. */
export interface PlacedTokens {
  ids: Int32Array;
  /** 1 for a special token, else 0. */
  special: Uint8Array;
  /** Where each begins and ends in the text, in characters (code points), one token behind the other. */
  places: Int32Array;
  /** Names of the special tokens among them, in order. */
  names: readonly string[];
}

/** A Hugging Face tokenizer that runs in this thread (DirectTokenizer) or in one of its own (ThreadTokenizer). */
export interface TextTokenizer {
  readonly facts: TokenizerFacts;
  /** What it was made of. */
  ready(): Promise<ReadyTokenizer>;
  /** Ids of texts, cut to `positions` unless `whole`. Rejects with an Error where the library cannot tokenise a text. */
  encode(texts: readonly string[], whole: boolean): Promise<EncodedTexts>;
  /** All tokens of each text, however long it is. */
  tokens(texts: readonly string[], addSpecialTokens: boolean): Promise<PlacedTokens[]>;
  /** Ends its thread, if it has one. Nothing may be asked of it afterwards. */
  close(): void;
}
