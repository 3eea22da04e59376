import { join } from 'node:path';
import { ModelError } from '../system/errors';
import { show } from '../system/options';
import { isObject, type JsonObject } from '../system/json';
import type { TokenizerFamily } from './tokenizer-class';
import { jsonFile, tokenText } from './tokenizer-files';

/**
 * The tokens that are found in a text before it is split, from every file that names them. What counts, in which order,
 * and which ids come of it is transformers 5's `_from_pretrained` and `TokenizersBackend.__init__`: a token has the id of
 * its text in the vocabulary, else the next free one; the ids that the files name only order them.
 */

/** As tokenizer.json writes it. */
export interface AddedToken {
  id: number;
  content: string;
  single_word: boolean;
  lstrip: boolean;
  rstrip: boolean;
  normalized: boolean;
  special: boolean;
}

export interface AddedTokens {
  /** In the order in which they get their ids. */
  tokens: AddedToken[];
  /** Text of each special token by its role; those that the model has no row for are left out. */
  roles: Record<string, string>;
  /** What people should know. */
  notes: string[];
}

export interface AddedTokensRequest {
  folder: string;
  files: ReadonlyMap<string, Buffer>;
  config: JsonObject;
  /** tokenizer.json, where there is one. */
  json: JsonObject | undefined;
  /** The class; undefined where tokenizer.json is run as it is, whose own tokens then come first. */
  family: TokenizerFamily | undefined;
  /** Ids of the tokenizer's model, and how many there are. */
  idOf: (text: string) => number | undefined;
  size: number;
  /** Rows of the embedding table. */
  rows: number;
}

const ROLES = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'];

/** Python's AddedToken(content, …). */
function added(content: string, fields: JsonObject, file: string): AddedToken {
  const flag = (name: string, otherwise: boolean): boolean => {
    const value = fields[name] ?? otherwise;
    if (typeof value === 'boolean') return value;
    throw bad(file, `"${name}" of the token ${show(content)} must be true or false, found ${show(value)}`);
  };
  const special = flag('special', false);
  return {
    id: -1,
    content,
    single_word: flag('single_word', false),
    lstrip: flag('lstrip', false),
    rstrip: flag('rstrip', false),
    normalized: flag('normalized', !special),
    special,
  };
}

function bad(file: string, what: string): ModelError {
  return new ModelError('ERR_TOKENIZER', `${file}: ${what}. Fetch the model folder again.`, { file });
}

function checkId(id: unknown, content: string, file: string): number {
  if (Number.isSafeInteger(id) && (id as number) >= 0) return id as number;
  throw bad(file, `the id of the token ${show(content)} must be an integer from 0, found ${show(id)}`);
}

/** Where a token's id stands, for messages. */
interface Declared {
  id: number;
  file: string;
}

/** @throws ModelError ERR_TOKENIZER: a file is damaged, or a token has an id that the model has no row for */
export function collectAddedTokens(request: AddedTokensRequest): AddedTokens {
  const { folder, files, config, json, family, rows } = request;
  const configFile = join(folder, 'tokenizer_config.json');
  const decoder = config['added_tokens_decoder'];
  const declared = new Map<string, Declared>();
  const byId = new Map<number, AddedToken>();
  const declare = (id: unknown, token: AddedToken, file: string) => {
    const place = checkId(id, token.content, file);
    byId.set(place, token);
    declared.set(token.content, { id: place, file });
  };

  // With an added_tokens_decoder the older files are not read.
  let settings = config;
  let extras = extraTokens(config);
  if (decoder !== undefined && decoder !== null) {
    if (!isObject(decoder)) throw bad(configFile, '"added_tokens_decoder" must be an object of tokens by id');
    for (const [id, value] of Object.entries(decoder)) {
      if (!isObject(value) || typeof value['content'] !== 'string') {
        throw bad(
          configFile,
          `a token of "added_tokens_decoder" must be an object with a "content", found ${show(value)}`,
        );
      }
      declare(/^\d+$/.test(id) ? Number(id) : id, added(value['content'], value, configFile), configFile);
    }
  } else {
    const map = jsonFile(files, 'special_tokens_map.json', folder) ?? {};
    settings = { ...config, ...Object.fromEntries(Object.entries(map).filter(([, value]) => value !== null)) };
    extras = mergedExtras(config, map);
    const listed = mergedExtras(config, { ...map, additional_special_tokens: undefined });
    const named = new Set(
      [...ROLES.map((role) => settings[role]), ...(Array.isArray(listed) ? listed : [])].map(tokenText),
    );
    const file = join(folder, 'added_tokens.json');
    for (const [content, id] of Object.entries(jsonFile(files, 'added_tokens.json', folder) ?? {})) {
      declare(id, added(content, { special: named.has(content) }, file), file);
    }
    for (const token of ownTokens(json, folder)) declare(token.id, token, join(folder, 'tokenizer.json'));
  }

  const roles: Record<string, string> = {};
  for (const role of ROLES) {
    const text = tokenText(settings[role]) ?? family?.tokens[role];
    if (text !== undefined) roles[role] = text;
  }
  const named = new Set(Object.values(roles));
  const found = new Map<string, AddedToken>();
  const put = (token: AddedToken) => {
    if (token.content !== '') found.set(token.content, token);
  };
  if (family === undefined) for (const token of ownTokens(json, folder)) put(token);
  for (const [, token] of [...byId].sort(([a], [b]) => a - b)) {
    put({ ...token, special: token.special || named.has(token.content) });
  }
  const asked = new Set(found.keys());
  for (const [role, text] of Object.entries(roles)) {
    if (found.has(text)) continue;
    const value = settings[role];
    const usual = {
      normalized: family?.normalized === true,
      lstrip: family?.maskStrips === true && role === 'mask_token',
    };
    put({ ...added(text, isObject(value) ? value : usual, configFile), special: true });
  }
  const others = Array.isArray(extras) ? extras : isObject(extras) ? Object.values(extras) : [];
  for (const value of [...namedTokens(settings), ...(others as unknown[])]) {
    const text = tokenText(value);
    if (text === undefined || found.has(text)) continue;
    asked.add(text);
    put(added(text, { special: true, ...(isObject(value) ? value : {}) }, configFile));
  }
  return withIds(request, [...found.values()], asked, declared, roles, rows);
}

/**
 * Tokens without a role, a list or texts by a name, under the name that 5 has for them or, where that says nothing, the
 * one of before.
 */
function extraTokens(config: JsonObject): unknown {
  const found = config['extra_special_tokens'];
  const says = Array.isArray(found) ? found.length > 0 : isObject(found) && Object.keys(found).length > 0;
  return says ? found : (config['additional_special_tokens'] ?? found);
}

/** The same with special_tokens_map.json, whose older name counts only where there is nothing else. */
function mergedExtras(config: JsonObject, map: JsonObject): unknown {
  const [own, others] = [extraTokens(config), map['extra_special_tokens']];
  if (Array.isArray(others)) return [...(Array.isArray(own) ? own : []), ...others];
  return others ?? own ?? map['additional_special_tokens'];
}

/** Fields of a name of their own that ends in `_token`. */
function namedTokens(settings: JsonObject): unknown[] {
  return Object.entries(settings)
    .filter(([name, value]) => name.endsWith('_token') && !ROLES.includes(name) && typeof value === 'string')
    .map(([, value]) => value);
}

function ownTokens(json: JsonObject | undefined, folder: string): AddedToken[] {
  const list = json?.['added_tokens'] ?? [];
  const file = join(folder, 'tokenizer.json');
  if (!Array.isArray(list)) throw bad(file, `"added_tokens" must be a list, found ${show(list)}`);
  return (list as unknown[]).map((value) => {
    if (!isObject(value) || typeof value['content'] !== 'string') {
      throw bad(file, `a token of "added_tokens" must be an object with a "content", found ${show(value)}`);
    }
    return { ...added(value['content'], value, file), id: checkId(value['id'], value['content'], file) };
  });
}

/** As the tokenizers library gives ids when it reads the list. */
function withIds(
  { idOf, size, folder }: AddedTokensRequest,
  tokens: readonly AddedToken[],
  asked: ReadonlySet<string>,
  declared: ReadonlyMap<string, Declared>,
  roles: Record<string, string>,
  rows: number,
): AddedTokens {
  const result: AddedTokens = { tokens: [], roles: { ...roles }, notes: [] };
  let largest = -1;
  for (const token of tokens) {
    const own = idOf(token.content);
    const id = own ?? (largest >= size || size === 0 ? largest + 1 : size);
    const place = declared.get(token.content);
    if (id >= rows && !asked.has(token.content)) {
      // The class would add it, to an id that the model has no row for: texts that do not name it are not touched.
      const names = Object.keys(roles).filter((role) => roles[role] === token.content);
      for (const role of names) delete result.roles[role];
      result.notes.push(
        `The vocabulary has no ${show(token.content)} (${names.join(', ')}): in a text it is read as any other word.`,
      );
      continue;
    }
    if (id >= rows) {
      const file = place?.file ?? join(folder, 'tokenizer_config.json');
      throw new ModelError(
        'ERR_TOKENIZER',
        `${file} adds the token ${show(token.content)}, which gets the id ${id}, but the model has rows for the ids up ` +
          `to ${rows - 1} ("vocab_size" ${rows} of config.json): they are not of one model. Fetch the model folder again, ` +
          'or remove the token.',
        { file },
      );
    }
    if (place !== undefined && place.id !== id) {
      result.notes.push(
        `${place.file} names the id ${place.id} for the token ${show(token.content)}; it has ${id}, as in transformers, ` +
          'which reads the ids as an order only.',
      );
    }
    largest = Math.max(largest, id);
    result.tokens.push({ ...token, id });
  }
  return result;
}
