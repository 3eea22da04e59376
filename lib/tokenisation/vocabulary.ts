import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ModelError } from '../system/errors';
import { isObject, type JsonObject } from '../system/json';
import type { AddedTokens } from './added-tokens';
import { tokenizerRemedy, type TokenizerFamily } from './tokenizer-class';
import { readSentencePiece } from './sentencepiece';
import { jsonFile, SENTENCEPIECE_FILES } from './tokenizer-files';

/** What a class makes its tokenizer of. */
export interface Vocabulary {
  /** For messages. */
  file: string;
  /** Of a token; undefined where there is none. */
  idOf: (text: string) => number | undefined;
  /** How many tokens there are. */
  size: number;
  /** Of WordPiece and BPE. */
  ids: Record<string, number>;
  /** Of byte-level BPE, as tokenizer.json has them. */
  merges: unknown[];
  /** Of Unigram: each token with its score, by id. */
  pieces: [text: string, score: number][];
  /** Of Unigram: its normaliser's table in Base64. */
  charsmap: string | undefined;
  /** Tokens that a sentencepiece model adds, as a configuration lists them. */
  extras: JsonObject[];
}

/** Rust's `trim_end`. */
const SPACE_AT_END = /\p{White_Space}+$/u;

/**
 * The vocabulary of a class, from tokenizer.json where there is one, else from vocab.txt, or vocab.json and merges.txt,
 * or sentencepiece.bpe.model.
 *
 * @param roles texts of the special tokens, by role, which a sentencepiece model does not have
 * @throws ModelError ERR_TOKENIZER: the files are missing or damaged.
 */
export function readVocabulary(
  files: ReadonlyMap<string, Buffer>,
  folder: string,
  { algorithm, fromSentencePiece: converts }: TokenizerFamily,
  json: JsonObject | undefined,
  roles: Record<string, string> = {},
): Vocabulary {
  if (json !== undefined) {
    const file = join(folder, 'tokenizer.json');
    const model = json['model'] as JsonObject;
    if (algorithm === 'Unigram')
      return ofPieces(file, checkedPieces(model['vocab'], file), charsmapOf(json['normalizer']));
    return ofIds(file, checkedIds(model['vocab'], file), (model['merges'] ?? []) as unknown[]);
  }
  if (algorithm === 'Unigram') {
    if (converts !== true) throw missing(folder);
    return fromSentencePiece(files, folder, roles);
  }
  if (algorithm === 'BPE') {
    const merges = files.get('merges.txt');
    const words = jsonFile(files, 'vocab.json', folder);
    if (merges === undefined || words === undefined) throw missing(folder, 'vocab.json and merges.txt');
    const file = join(folder, 'vocab.json');
    return ofIds(file, checkedIds(words, file), mergesOf(merges.toString('utf8')));
  }
  const bytes = files.get('vocab.txt');
  if (bytes === undefined) throw missing(folder, 'vocab.txt');
  const lines = bytes.toString('utf8').split('\n');
  if (lines.at(-1) === '') lines.pop();
  // A token that stands twice has its last line as id, as in the tokenizers library.
  const ids = Object.fromEntries(lines.map((line, id) => [line.replace(SPACE_AT_END, ''), id]));
  return ofIds(join(folder, 'vocab.txt'), ids, []);
}

function ofIds(file: string, ids: Record<string, number>, merges: unknown[]): Vocabulary {
  const idOf = (text: string) => (Object.hasOwn(ids, text) ? ids[text] : undefined);
  return { file, idOf, size: Object.keys(ids).length, ids, merges, pieces: [], charsmap: undefined, extras: [] };
}

/** A piece that stands twice has its last place as id, as in the tokenizers library. Few are asked for: no map is made. */
function ofPieces(
  file: string,
  pieces: Vocabulary['pieces'],
  charsmap: string | undefined,
  extras: JsonObject[] = [],
): Vocabulary {
  const idOf = (text: string) => {
    for (let id = pieces.length - 1; id >= 0; --id) if (pieces[id]![0] === text) return id;
    return undefined;
  };
  return { file, idOf, size: pieces.length, ids: {}, merges: [], pieces, charsmap, extras };
}

/** As transformers converts it (XLMRobertaConverter): fairseq's four special tokens, the pieces, and the mask. */
function fromSentencePiece(
  files: ReadonlyMap<string, Buffer>,
  folder: string,
  roles: Record<string, string>,
): Vocabulary {
  const bytes = files.get('sentencepiece.bpe.model');
  if (bytes === undefined) throw missing(folder, 'sentencepiece.bpe.model');
  const file = join(folder, 'sentencepiece.bpe.model');
  const model = readSentencePiece(bytes, file);
  if (model.modelType !== 1) {
    throw new ModelError(
      'ERR_TOKENIZER',
      `${file} is a sentencepiece model of the type ${model.modelType}, and vectune converts Unigram (1) only: a ` +
        'tokenizer.json is wanted.',
      { file, remedy: tokenizerRemedy(folder) },
    );
  }
  const special = ['bos_token', 'pad_token', 'eos_token', 'unk_token'].map((role): [string, number] => [
    roles[role]!,
    0,
  ]);
  const pieces = model.pieces.slice(3).map(({ text, score }): [string, number] => [text, score]);
  const extras = model.pieces
    .filter(({ type }) => type === 3 || type === 4)
    .map(({ text, type }) => ({ content: text, normalized: false, special: type === 3 }));
  return ofPieces(
    file,
    [...special, ...pieces, [roles['mask_token']!, 0]],
    model.charsmap.length > 0 ? model.charsmap.toString('base64') : undefined,
    extras,
  );
}

/** That of the first step which has one. */
function charsmapOf(normalizer: unknown): string | undefined {
  if (!isObject(normalizer)) return undefined;
  const steps = Array.isArray(normalizer['normalizers']) ? (normalizer['normalizers'] as unknown[]) : [normalizer];
  const found = steps.filter(isObject).find(({ type }) => type === 'Precompiled')?.['precompiled_charsmap'];
  return typeof found === 'string' ? found : undefined;
}

function checkedPieces(vocabulary: unknown, file: string): Vocabulary['pieces'] {
  if (!Array.isArray(vocabulary) || vocabulary.length === 0) {
    throw new ModelError(
      'ERR_TOKENIZER',
      `${file} has no vocabulary of pieces and scores. Fetch the model folder again.`,
      {
        file,
      },
    );
  }
  const id = (vocabulary as unknown[]).findIndex(
    (entry) => !Array.isArray(entry) || typeof entry[0] !== 'string' || typeof entry[1] !== 'number',
  );
  if (id < 0) return vocabulary as Vocabulary['pieces'];
  throw new ModelError(
    'ERR_TOKENIZER',
    `${file}: the piece of id ${id} must be a text and a score, found ${JSON.stringify(vocabulary[id])}.`,
    { file },
  );
}

function mergesOf(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#version'));
}

function checkedIds(vocabulary: unknown, file: string): Record<string, number> {
  if (!isObject(vocabulary)) {
    throw new ModelError('ERR_TOKENIZER', `${file} has no vocabulary of ids by token. Fetch the model folder again.`, {
      file,
    });
  }
  for (const token in vocabulary) {
    const id = vocabulary[token];
    if (Number.isSafeInteger(id) && (id as number) >= 0) continue;
    throw new ModelError(
      'ERR_TOKENIZER',
      `${file}: the id of ${JSON.stringify(token)} must be an integer from 0, found ${JSON.stringify(id)}.`,
      { file },
    );
  }
  return vocabulary as Record<string, number>;
}

function missing(folder: string, names?: string): ModelError {
  const expected = `expected tokenizer.json${names === undefined ? '' : `, or ${names}`}`;
  const other = SENTENCEPIECE_FILES.find((name) => existsSync(join(folder, name)));
  if (other !== undefined) {
    return new ModelError(
      'ERR_TOKENIZER',
      `${folder} holds ${other}, which vectune does not convert for this tokenizer class: ${expected}.`,
      { file: folder, remedy: tokenizerRemedy(folder) },
    );
  }
  return new ModelError('ERR_TOKENIZER', `${folder} holds no tokenizer: ${expected}. Fetch the model folder again.`, {
    file: folder,
  });
}

/**
 * The tokenizer that a class makes of its vocabulary, as the content of a tokenizer.json: WordPiece as BertTokenizer,
 * byte-level BPE as RobertaTokenizer, Unigram as XLMRobertaTokenizer or AlbertTokenizer.
 *
 * @throws ModelError ERR_TOKENIZER: a special token that every text needs is not in the vocabulary.
 */
export function familyTokenizer(
  family: TokenizerFamily,
  { file, idOf, ids, merges, pieces, charsmap }: Vocabulary,
  added: AddedTokens,
  config: JsonObject,
): JsonObject {
  const special = (role: string): [text: string, id: number] => {
    const text = added.roles[role] ?? family.tokens[role]!;
    const id = idOf(text) ?? added.tokens.find(({ content }) => content === text)?.id;
    if (id !== undefined) return [text, id];
    throw new ModelError(
      'ERR_TOKENIZER',
      `${file} lacks the special token ${JSON.stringify(text)}. Is it the vocabulary of ` + 'this model?',
      { file },
    );
  };
  const common = { version: '1.0', truncation: null, padding: null, added_tokens: added.tokens };
  if (family.algorithm === 'Unigram')
    return {
      ...common,
      ...unigram(
        { pieces, unknown: family.unknownId ?? special('unk_token')[1] },
        family.folds === true ? folding(charsmap, config) : precompiled(charsmap),
        special(family.folds === true ? 'cls_token' : 'bos_token'),
        special(family.folds === true ? 'sep_token' : 'eos_token'),
        config,
      ),
    };
  return family.algorithm === 'BPE'
    ? { ...common, ...byteLevel(ids, merges, special('cls_token'), special('sep_token'), config) }
    : { ...common, ...wordPiece(ids, special('cls_token'), special('sep_token'), special('unk_token')[0], config) };
}

type Special = [text: string, id: number];

function wordPiece(
  vocab: Record<string, number>,
  [cls, clsId]: Special,
  [sep, sepId]: Special,
  unknown: string,
  config: JsonObject,
): JsonObject {
  const flag = (name: string, fallback: boolean) => (typeof config[name] === 'boolean' ? config[name] : fallback);
  return {
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: flag('tokenize_chinese_chars', true),
      strip_accents: typeof config['strip_accents'] === 'boolean' ? config['strip_accents'] : null,
      lowercase: flag('do_lower_case', true),
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [piece(cls, 0), sequence('A', 0), piece(sep, 0)],
      pair: [piece(cls, 0), sequence('A', 0), piece(sep, 0), sequence('B', 1), piece(sep, 1)],
      special_tokens: {
        [cls]: { id: cls, ids: [clsId], tokens: [cls] },
        [sep]: { id: sep, ids: [sepId], tokens: [sep] },
      },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: unknown,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab,
    },
  };
}

function piece(id: string, typeId: number): JsonObject {
  return { SpecialToken: { id, type_id: typeId } };
}

function sequence(id: 'A' | 'B', typeId: number): JsonObject {
  return { Sequence: { id, type_id: typeId } };
}

function unigram(
  { pieces: vocab, unknown }: Pick<Vocabulary, 'pieces'> & { unknown: number },
  normalizer: JsonObject | null,
  [bos, bosId]: Special,
  [eos, eosId]: Special,
  config: JsonObject,
): JsonObject {
  const prepend_scheme = config['add_prefix_space'] === false ? 'never' : 'always';
  const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme, split: true };
  return {
    normalizer,
    pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, metaspace] },
    post_processor: {
      type: 'TemplateProcessing',
      single: [piece(bos, 0), sequence('A', 0), piece(eos, 0)],
      pair: [piece(bos, 0), sequence('A', 0), piece(eos, 0), piece(eos, 0), sequence('B', 0), piece(eos, 0)],
      special_tokens: {
        [bos]: { id: bos, ids: [bosId], tokens: [bos] },
        [eos]: { id: eos, ids: [eosId], tokens: [eos] },
      },
    },
    decoder: metaspace,
    model: { type: 'Unigram', unk_id: unknown, byte_fallback: false, vocab },
  };
}

function precompiled(charsmap: string | undefined): JsonObject | null {
  return charsmap === undefined ? null : { type: 'Precompiled', precompiled_charsmap: charsmap };
}

/** AlbertTokenizer's: quotes of two characters as one, and unless the configuration says otherwise no accents, no case. */
function folding(charsmap: string | undefined, config: JsonObject): JsonObject {
  const quotes = ['``', "''"].map((text) => ({ type: 'Replace', pattern: { String: text }, content: '"' }));
  const last = precompiled(charsmap);
  return {
    type: 'Sequence',
    normalizers: [
      ...quotes,
      ...(config['keep_accents'] === true ? [] : [{ type: 'NFKD' }, { type: 'StripAccents' }]),
      ...(config['do_lower_case'] === false ? [] : [{ type: 'Lowercase' }]),
      ...(last === null ? [] : [last]),
    ],
  };
}

function byteLevel(
  vocab: Record<string, number>,
  merges: unknown[],
  cls: Special,
  sep: Special,
  config: JsonObject,
): JsonObject {
  const addPrefixSpace = config['add_prefix_space'] === true;
  return {
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: addPrefixSpace, trim_offsets: true, use_regex: true },
    post_processor: { type: 'RobertaProcessing', sep, cls, trim_offsets: true, add_prefix_space: addPrefixSpace },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      vocab,
      merges,
    },
  };
}
