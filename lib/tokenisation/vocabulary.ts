import { join } from 'node:path';
import { ModelError } from '../system/errors';
import type { Architecture } from '../engine/addon';
import type { JsonObject } from '../system/json';
import { jsonFile, tokenText } from './tokenizer-files';

/** Roles and default texts of the special tokens, as Hugging Face's BertTokenizer and RobertaTokenizer have them. */
const BERT_TOKENS = {
  unk_token: '[UNK]',
  sep_token: '[SEP]',
  pad_token: '[PAD]',
  cls_token: '[CLS]',
  mask_token: '[MASK]',
};
const ROBERTA_TOKENS = {
  bos_token: '<s>',
  eos_token: '</s>',
  unk_token: '<unk>',
  sep_token: '</s>',
  pad_token: '<pad>',
  cls_token: '<s>',
  mask_token: '<mask>',
};

/** Each special token's text by its role, from the configuration where it says so. */
export function specialTokens(architecture: Architecture, config: JsonObject, map: JsonObject): Record<string, string> {
  const tokens: Record<string, string> = { ...(architecture === 'roberta' ? ROBERTA_TOKENS : BERT_TOKENS) };
  for (const role of Object.keys(tokens)) {
    const text = tokenText(config[role]) ?? tokenText(map[role]);
    if (text !== undefined) tokens[role] = text;
  }
  return tokens;
}

/**
 * The content of a tokenizer.json for a folder that has only a vocabulary: WordPiece from vocab.txt, or
 * byte-level BPE from vocab.json and merges.txt.
 *
 * @throws ModelError ERR_TOKENIZER: the files are missing or damaged.
 */
export function tokenizerFromVocabulary(
  files: ReadonlyMap<string, Buffer>,
  folder: string,
  architecture: Architecture,
  config: JsonObject,
  map: JsonObject,
): JsonObject {
  const tokens = specialTokens(architecture, config, map);
  return architecture === 'roberta'
    ? byteLevel(files, folder, config, tokens)
    : wordPiece(files, folder, config, tokens);
}

function missing(folder: string, names: string): ModelError {
  return new ModelError(
    'ERR_TOKENIZER',
    `${folder} holds no tokenizer: expected tokenizer.json, or ${names}. Fetch the ` + 'model folder again.',
    { file: folder },
  );
}

function idOf(vocabulary: ReadonlyMap<string, number>, token: string, file: string): number {
  const id = vocabulary.get(token);
  if (id !== undefined) return id;
  throw new ModelError(
    'ERR_TOKENIZER',
    `${file} lacks the special token ${JSON.stringify(token)}. Is it the vocabulary of ` + 'this model?',
    { file },
  );
}

function addedTokens(
  tokens: Record<string, string>,
  vocabulary: ReadonlyMap<string, number>,
  file: string,
): JsonObject[] {
  const list = [...new Set(Object.values(tokens))].map((content) => ({
    id: idOf(vocabulary, content, file),
    content,
    single_word: false,
    // RoBERTa's mask takes the space before it, as Hugging Face's does.
    lstrip: content === tokens['mask_token'] && tokens['bos_token'] !== undefined,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  return list.sort((a, b) => a.id - b.id);
}

function wordPiece(
  files: ReadonlyMap<string, Buffer>,
  folder: string,
  config: JsonObject,
  tokens: Record<string, string>,
): JsonObject {
  const bytes = files.get('vocab.txt');
  if (bytes === undefined) throw missing(folder, 'vocab.txt');
  const file = join(folder, 'vocab.txt');
  const lines = bytes.toString('utf8').split('\n');
  if (lines.at(-1) === '') lines.pop();
  // A token that stands twice has its last line as id, as in Hugging Face's reader.
  const vocabulary = new Map(lines.map((line, id) => [line.endsWith('\r') ? line.slice(0, -1) : line, id]));
  const cls = idOf(vocabulary, tokens['cls_token']!, file);
  const sep = idOf(vocabulary, tokens['sep_token']!, file);
  const flag = (name: string, fallback: boolean) => (typeof config[name] === 'boolean' ? config[name] : fallback);
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(tokens, vocabulary, file),
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
      single: [
        special(tokens['cls_token']!, 0),
        { Sequence: { id: 'A', type_id: 0 } },
        special(tokens['sep_token']!, 0),
      ],
      pair: [
        special(tokens['cls_token']!, 0),
        { Sequence: { id: 'A', type_id: 0 } },
        special(tokens['sep_token']!, 0),
        { Sequence: { id: 'B', type_id: 1 } },
        special(tokens['sep_token']!, 1),
      ],
      special_tokens: {
        [tokens['cls_token']!]: { id: tokens['cls_token'], ids: [cls], tokens: [tokens['cls_token']] },
        [tokens['sep_token']!]: { id: tokens['sep_token'], ids: [sep], tokens: [tokens['sep_token']] },
      },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: tokens['unk_token'],
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(vocabulary),
    },
  };
}

function special(id: string, typeId: number): JsonObject {
  return { SpecialToken: { id, type_id: typeId } };
}

function byteLevel(
  files: ReadonlyMap<string, Buffer>,
  folder: string,
  config: JsonObject,
  tokens: Record<string, string>,
): JsonObject {
  const merges = files.get('merges.txt');
  const words = jsonFile(files, 'vocab.json', folder);
  if (merges === undefined || words === undefined) throw missing(folder, 'vocab.json and merges.txt');
  const file = join(folder, 'vocab.json');
  const vocabulary = new Map<string, number>();
  for (const [token, id] of Object.entries(words)) {
    if (!Number.isSafeInteger(id) || (id as number) < 0) {
      throw new ModelError(
        'ERR_TOKENIZER',
        `${file}: the id of ${JSON.stringify(token)} must be an integer from 0, found ` + `${JSON.stringify(id)}.`,
        { file },
      );
    }
    vocabulary.set(token, id as number);
  }
  const addPrefixSpace = config['add_prefix_space'] === true;
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(tokens, vocabulary, file),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: addPrefixSpace, trim_offsets: true, use_regex: true },
    post_processor: {
      type: 'RobertaProcessing',
      sep: [tokens['sep_token'], idOf(vocabulary, tokens['sep_token']!, file)],
      cls: [tokens['cls_token'], idOf(vocabulary, tokens['cls_token']!, file)],
      trim_offsets: true,
      add_prefix_space: addPrefixSpace,
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      vocab: words,
      merges: merges
        .toString('utf8')
        .split(/\r?\n/)
        .filter((line, i) => line !== '' && !(i === 0 && line.startsWith('#version'))),
    },
  };
}
