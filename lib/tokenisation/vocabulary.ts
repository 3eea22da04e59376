import { join } from 'node:path';
import { ModelError } from '../system/errors';
import { isObject, type JsonObject } from '../system/json';
import type { AddedTokens } from './added-tokens';
import type { TokenizerFamily } from './tokenizer-class';
import { jsonFile } from './tokenizer-files';

/** What a class makes its tokenizer of. */
export interface Vocabulary {
  /** For messages. */
  file: string;
  ids: Record<string, number>;
  /** Of byte-level BPE, as tokenizer.json has them. */
  merges: unknown[];
}

/** Rust's `trim_end`. */
const SPACE_AT_END = /\p{White_Space}+$/u;

/**
 * The vocabulary of a class, from tokenizer.json where there is one, else from vocab.txt, or vocab.json and merges.txt.
 *
 * @throws ModelError ERR_TOKENIZER: the files are missing or damaged.
 */
export function readVocabulary(
  files: ReadonlyMap<string, Buffer>,
  folder: string,
  { algorithm }: TokenizerFamily,
  json: JsonObject | undefined,
): Vocabulary {
  if (json !== undefined) {
    const file = join(folder, 'tokenizer.json');
    const model = json['model'] as JsonObject;
    return { file, ids: checkedIds(model['vocab'], file), merges: (model['merges'] ?? []) as unknown[] };
  }
  if (algorithm === 'BPE') {
    const merges = files.get('merges.txt');
    const words = jsonFile(files, 'vocab.json', folder);
    if (merges === undefined || words === undefined) throw missing(folder, 'vocab.json and merges.txt');
    const file = join(folder, 'vocab.json');
    return { file, ids: checkedIds(words, file), merges: mergesOf(merges.toString('utf8')) };
  }
  const bytes = files.get('vocab.txt');
  if (bytes === undefined) throw missing(folder, 'vocab.txt');
  const lines = bytes.toString('utf8').split('\n');
  if (lines.at(-1) === '') lines.pop();
  // A token that stands twice has its last line as id, as in the tokenizers library.
  const ids = Object.fromEntries(lines.map((line, id) => [line.replace(SPACE_AT_END, ''), id]));
  return { file: join(folder, 'vocab.txt'), ids, merges: [] };
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

function missing(folder: string, names: string): ModelError {
  return new ModelError(
    'ERR_TOKENIZER',
    `${folder} holds no tokenizer: expected tokenizer.json, or ${names}. Fetch the ` + 'model folder again.',
    { file: folder },
  );
}

/**
 * The tokenizer that a class makes of its vocabulary, as the content of a tokenizer.json: WordPiece as BertTokenizer,
 * byte-level BPE as RobertaTokenizer.
 *
 * @throws ModelError ERR_TOKENIZER: a special token that every text needs is not in the vocabulary.
 */
export function familyTokenizer(
  family: TokenizerFamily,
  { file, ids, merges }: Vocabulary,
  added: AddedTokens,
  config: JsonObject,
): JsonObject {
  const special = (role: string): [text: string, id: number] => {
    const text = added.roles[role] ?? family.tokens[role]!;
    const id = Object.hasOwn(ids, text) ? ids[text] : added.tokens.find(({ content }) => content === text)?.id;
    if (id !== undefined) return [text, id];
    throw new ModelError(
      'ERR_TOKENIZER',
      `${file} lacks the special token ${JSON.stringify(text)}. Is it the vocabulary of ` + 'this model?',
      { file },
    );
  };
  const common = { version: '1.0', truncation: null, padding: null, added_tokens: added.tokens };
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
      single: [piece(cls, 0), { Sequence: { id: 'A', type_id: 0 } }, piece(sep, 0)],
      pair: [
        piece(cls, 0),
        { Sequence: { id: 'A', type_id: 0 } },
        piece(sep, 0),
        { Sequence: { id: 'B', type_id: 1 } },
        piece(sep, 1),
      ],
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
