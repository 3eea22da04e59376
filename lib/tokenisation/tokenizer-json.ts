import { isDeepStrictEqual } from 'node:util';
import { join } from 'node:path';
import { ModelError } from '../system/errors';
import { isObject, type JsonObject } from '../system/json';
import { collectAddedTokens, type AddedTokens } from './added-tokens';
import { isRebuilt, needsTokenizerJson, tokenizerClass, tokenizerFamily, type TokenizerClass } from './tokenizer-class';
import { jsonFile, tokenText } from './tokenizer-files';
import { familyTokenizer, readVocabulary } from './vocabulary';

export interface TokenizerRequest {
  folder: string;
  /** The tokenizer's files by name. */
  files: ReadonlyMap<string, Buffer>;
  /** The architecture's, where the folder names none. */
  tokenizerClass: string;
  /** config.json, which may name the class. */
  encoderConfig: JsonObject;
  /** tokenizer_config.json. */
  config: JsonObject;
  /** tokenizer.json, where there is one. */
  found: JsonObject | undefined;
  /** Rows of the embedding table. */
  rows: number;
  /** sentence-transformers' own `do_lower_case`. */
  doLowerCase: boolean;
}

export interface ReadyTokenizer {
  /** The content of a tokenizer.json, without sentence-transformers' own lower-casing. */
  json: JsonObject;
  /** The same with it: what is run. */
  run: JsonObject;
  /** The class, without `Fast`; 'PreTrainedTokenizer' where the folder's tokenizer.json is run as it is. */
  className: string;
  /** Text of each special token by its role. */
  roles: Record<string, string>;
  /** Where files disagree, and what counts. */
  notes: string[];
}

/**
 * The tokenizer that transformers 5 makes of a folder's files (tokenizer-class.ts), without truncation and padding, which
 * sentence-transformers sets itself.
 *
 * @throws ModelError ERR_TOKENIZER
 */
export function readyTokenizer(request: TokenizerRequest): ReadyTokenizer {
  const { folder, files, config, encoderConfig, rows } = request;
  if (config['split_special_tokens'] === true) {
    throw new ModelError(
      'ERR_TOKENIZER',
      `${join(folder, 'tokenizer_config.json')}: "split_special_tokens" is not something ` + 'that vectune does.',
      { file: join(folder, 'tokenizer_config.json') },
    );
  }
  const { found } = request;
  const json = found && withModelType(found, join(folder, 'tokenizer.json'));
  const chosen = tokenizerClass(folder, request.tokenizerClass, config, encoderConfig);
  const model = json?.['model'] as JsonObject | undefined;
  const notes: string[] = [];
  let { family } = chosen;
  if (family !== undefined && model !== undefined && model['type'] !== family.algorithm) {
    notes.push(
      `tokenizer.json is ${String(model['type'])} and is run as it is; the tokenizer class ${chosen.name} ` +
        `(${namedBy(chosen)}) would be ${family.algorithm}.`,
    );
    family = undefined;
  }
  let ready: JsonObject;
  let added: AddedTokens;
  if (family === undefined) {
    if (json === undefined) throw needsTokenizerJson(folder, chosen);
    added = collectAddedTokens({ folder, files, config, json, family, rows, ...ownIds(json) });
    ready = { ...json, truncation: null, padding: null, added_tokens: added.tokens };
    const sameSplit = (known: JsonObject) =>
      ['normalizer', 'pre_tokenizer'].every((name) => isDeepStrictEqual(splitting(json[name]), splitting(known[name])));
    if (isRebuilt(chosen, json, sameSplit)) {
      notes.push(
        `tokenizer.json is run as it is; transformers 5 makes the tokenizer class ${chosen.name} (${namedBy(chosen)}) anew ` +
          'from the vocabulary, and where the two split texts differently its ids are others.',
      );
    }
  } else {
    const vocabulary = readVocabulary(files, folder, family, json, {
      ...family.tokens,
      ...specialTexts(config, jsonFile(files, 'special_tokens_map.json', folder)),
    });
    const { idOf, size, extras } = vocabulary;
    const named = config['additional_special_tokens'] ?? config['extra_special_tokens'];
    const own = extras.length > 0 ? extras : named === undefined ? family.extras : undefined;
    const settings = own === undefined ? config : { ...config, additional_special_tokens: own };
    added = collectAddedTokens({ folder, files, config: settings, json, family, rows, idOf, size });
    ready = familyTokenizer(family, vocabulary, added, config);
    if (json !== undefined) notes.push(...disagreements(json, ready, chosen, config));
  }
  return {
    json: ready,
    run: request.doLowerCase ? { ...ready, normalizer: lowerCased(ready['normalizer']) } : ready,
    className: family === undefined ? 'PreTrainedTokenizer' : chosen.name,
    roles: added.roles,
    notes: [...notes, ...added.notes],
  };
}

/**
 * The class to name in a folder that is written: the one that was read, else the architecture's own where it makes the
 * same tokenizer of tokenizer.json, as every release of transformers has it; else the one that runs the file as it is.
 *
 * @param name the architecture's own
 * @param config tokenizer_config.json as it is written
 */
export function classToWrite(ready: ReadyTokenizer, name: string, config: JsonObject): string {
  const { json, className, roles } = ready;
  const family = tokenizerFamily(name);
  if (className !== 'PreTrainedTokenizer') return tokenizerFamily(className) === family ? name : className;
  const model = json['model'] as JsonObject;
  if (family === undefined || model['type'] !== family.algorithm) return 'PreTrainedTokenizerFast';
  try {
    const vocabulary = readVocabulary(new Map(), '', family, json);
    const added = { tokens: json['added_tokens'] as AddedTokens['tokens'], roles, notes: [] };
    const made = familyTokenizer(family, vocabulary, added, config);
    const chosen = { name, given: name, namedBy: undefined, family, asItIs: false };
    return disagreements(json, made, chosen, config).length === 0 ? name : 'PreTrainedTokenizerFast';
  } catch {
    return 'PreTrainedTokenizerFast'; // it lacks a token that the class needs
  }
}

/** Texts of special tokens that the files name, by role. */
function specialTexts(...files: (JsonObject | undefined)[]): Record<string, string> {
  const entries = files.flatMap((file) => Object.entries(file ?? {}));
  return Object.fromEntries(
    entries.flatMap(([role, value]) => {
      const text = role.endsWith('_token') ? tokenText(value) : undefined;
      return text === undefined ? [] : [[role, text]];
    }),
  );
}

/** Ids of the file's own model. */
function ownIds(json: JsonObject): { idOf: (text: string) => number | undefined; size: number } {
  const { vocab } = json['model'] as JsonObject;
  if (Array.isArray(vocab)) {
    const ids = new Map((vocab as unknown[]).map((entry, id) => [Array.isArray(entry) ? entry[0] : entry, id]));
    return { idOf: (text) => ids.get(text), size: vocab.length };
  }
  if (!isObject(vocab)) return { idOf: () => undefined, size: 0 };
  const idOf = (text: string) => (Object.hasOwn(vocab, text) ? (vocab[text] as number) : undefined);
  return { idOf, size: Object.keys(vocab).length };
}

function withModelType(tokenizer: JsonObject, file: string): JsonObject {
  const model = tokenizer['model'];
  if (!isObject(model)) {
    throw new ModelError('ERR_TOKENIZER', `${file} has no "model". Fetch the model folder again.`, { file });
  }
  return typeof model['type'] === 'string'
    ? tokenizer
    : { ...tokenizer, model: { type: inferModelType(model, file), ...model } };
}

/** Files of before 2021 tell the model's type only by its fields. */
function inferModelType(model: JsonObject, file: string): string {
  if (Array.isArray(model['vocab'])) return 'Unigram';
  if (model['merges'] !== undefined) return 'BPE';
  if (model['max_input_chars_per_word'] !== undefined || model['continuing_subword_prefix'] !== undefined)
    return 'WordPiece';
  if (isObject(model['vocab']) && model['unk_token'] !== undefined) return 'WordLevel';
  throw new ModelError(
    'ERR_TOKENIZER',
    `${file}: "model" has no "type", and its fields (${Object.keys(model).join(', ')}) do ` +
      'not tell it. Fetch the model folder again.',
    { file },
  );
}

function namedBy({ namedBy: file }: TokenizerClass): string {
  return file === undefined ? 'which the architecture has where no file names one' : `named by ${file}`;
}

/** What the class does otherwise than tokenizer.json says. The class counts, as in transformers 5. */
function disagreements(file: JsonObject, ready: JsonObject, chosen: TokenizerClass, config: JsonObject): string[] {
  const notes: string[] = [];
  const who = `the tokenizer class ${chosen.name} (${namedBy(chosen)})`;
  const [theirs, ours] = [file['normalizer'], ready['normalizer']];
  if (isObject(theirs) && isObject(ours) && theirs['type'] === 'BertNormalizer') {
    for (const [name, option] of [
      ['lowercase', 'do_lower_case'],
      ['handle_chinese_chars', 'tokenize_chinese_chars'],
      ['strip_accents', 'strip_accents'],
    ] as const) {
      // Accents go with the case where nothing is said of them.
      const of = (normalizer: JsonObject) => normalizer[name] ?? normalizer['lowercase'];
      if ((theirs[name] ?? null) === (ours[name] ?? null) || of(theirs) === of(ours)) continue;
      const why = Object.hasOwn(config, option)
        ? `tokenizer_config.json says "${option}": ${String(config[option])}`
        : `its default, as tokenizer_config.json has no "${option}"; write "${option}": ${String(of(theirs))} into it if ` +
          'tokenizer.json is right';
      notes.push(
        `tokenizer.json has "${name}": ${String(theirs[name])}, and ${who} has ${String(ours[name])}, which counts, as in ` +
          `transformers 5 (${why}).`,
      );
    }
  } else if (!isDeepStrictEqual(mapping(theirs), mapping(ours))) {
    notes.push(`The normaliser of tokenizer.json is not run: ${who} has its own, as in transformers 5.`);
  }
  const same = (name: string) => isDeepStrictEqual(splitting(file[name]), splitting(ready[name]));
  if (!same('pre_tokenizer')) {
    notes.push(`The pre-tokeniser of tokenizer.json is not run: ${who} has its own, as in transformers 5.`);
  }
  const [before, now] = [around(file['post_processor']), around(ready['post_processor'])];
  if (before !== undefined && !isDeepStrictEqual(before, now)) {
    notes.push(
      `tokenizer.json puts ${before.join(' … ')} around a text, and ${who} puts ${now!.join(' … ')}, which counts, as in ` +
        'transformers 5.',
    );
  }
  const [model, made] = [file['model'] as JsonObject, ready['model'] as JsonObject];
  for (const name of [
    'unk_token',
    'unk_id',
    'continuing_subword_prefix',
    'max_input_chars_per_word',
    'fuse_unk',
    'dropout',
  ]) {
    if (made[name] === undefined || (model[name] ?? null) === made[name] || (model[name] ?? '') === made[name])
      continue;
    if (name === 'fuse_unk' && model[name] === undefined) continue;
    if (name === 'unk_token' && made[name] === null) continue; // byte-level BPE knows every byte
    notes.push(
      `tokenizer.json has "${name}": ${JSON.stringify(model[name])}, and ${who} has ${JSON.stringify(made[name])}, which ` +
        'counts, as in transformers 5.',
    );
  }
  return notes;
}

/** A pre-tokeniser without what changes no token. */
function splitting(value: unknown): unknown {
  if (!isObject(value)) return value ?? null;
  const { trim_offsets: _, ...rest } = value;
  switch (value['type']) {
    case 'Sequence':
      return { ...rest, pretokenizers: Array.isArray(value['pretokenizers']) && value['pretokenizers'].map(splitting) };
    case 'Metaspace': {
      const { str_rep: __, add_prefix_space: spaced, ...others } = rest; // of before tokenizers 0.15
      return { prepend_scheme: spaced === false ? 'never' : 'always', split: true, ...others };
    }
    case 'ByteLevel':
      return { use_regex: true, ...rest };
    default:
      return rest;
  }
}

/** A Unigram's normaliser without what changes no token: spaces are joined where texts are split at them. */
function mapping(value: unknown): unknown {
  if (!isObject(value) || value['type'] !== 'Sequence' || !Array.isArray(value['normalizers'])) return value ?? null;
  const steps = (value['normalizers'] as unknown[]).filter(
    (step) => !isDeepStrictEqual(step, { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' }),
  );
  return steps.length === 1 ? steps[0] : { ...value, normalizers: steps };
}

/** Special tokens that a post-processor puts around one text; undefined where it is of a kind that is not looked into. */
function around(value: unknown): string[] | undefined {
  if (!isObject(value)) return [];
  const first = (pair: unknown) => String(Array.isArray(pair) ? pair[0] : pair);
  switch (value['type']) {
    case 'BertProcessing':
    case 'RobertaProcessing':
      return [first(value['cls']), first(value['sep'])];
    case 'TemplateProcessing':
      return (Array.isArray(value['single']) ? (value['single'] as unknown[]) : [])
        .map((entry) => isObject(entry) && isObject(entry['SpecialToken']) && entry['SpecialToken']['id'])
        .filter((id) => typeof id === 'string');
    default:
      return undefined;
  }
}

/** As sentence-transformers does for its own `do_lower_case`: lower case first, unless a step does so already. */
function lowerCased(normalizer: unknown): JsonObject {
  const steps =
    isObject(normalizer) && normalizer['type'] === 'Sequence' && Array.isArray(normalizer['normalizers'])
      ? normalizer['normalizers']
      : isObject(normalizer)
        ? [normalizer]
        : [];
  if (steps.some((step) => isObject(step) && step['type'] === 'Lowercase')) return normalizer as JsonObject;
  return { type: 'Sequence', normalizers: [{ type: 'Lowercase' }, ...steps] };
}
