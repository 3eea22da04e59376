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
  /** Where files disagree, and what counts. */
  notes: readonly string[];
}

/** Token ids of some texts, special tokens included. */
export interface EncodedTexts extends TokenisedTexts {
  /** Those that had more than `positions` tokens and were cut, by their number from 0. */
  longer: readonly number[];
}

/** A token of a text, for people to read. */
export interface TextToken {
  id: number;
  /** The part of the text that it stands for; of a special token its own name. */
  text: string;
  special: boolean;
  /** Where that part begins and ends in the text, in characters (code points); null of a special token. */
  start: number | null;
  stop: number | null;
}

/** A Hugging Face tokenizer that runs in this thread (DirectTokenizer) or in one of its own (ThreadTokenizer). */
export interface TextTokenizer {
  readonly facts: TokenizerFacts;
  /** What it was made of. */
  ready(): Promise<ReadyTokenizer>;
  /** Ids of texts, cut to `positions` unless `whole`. Rejects with an Error where the library cannot tokenise a text. */
  encode(texts: readonly string[], whole: boolean): Promise<EncodedTexts>;
  /** All tokens of each text, however long it is. */
  tokens(texts: readonly string[], addSpecialTokens: boolean): Promise<TextToken[][]>;
  /** Ends its thread, if it has one. Nothing may be asked of it afterwards. */
  close(): void;
}
