import { setImmediate as turn } from 'node:timers/promises';
import { ModelError } from '../../system/errors';
import { isObject, type JsonObject } from '../../system/json';
import { AT_ONCE, inTurns, type Turns } from '../../system/turns';
import type { OpenedModel } from '../../model/types';
import type { Field } from './file';
import { pieceScores } from './piece-scores';

/** The model's tokenizer as llama.cpp runs it; what it cannot is refused by name. Source: its conversion/bert.py, base.py. */

/** llama.cpp's kinds of tokens. */
const KIND = { normal: 1, unknown: 2, control: 3, own: 4, unused: 5, byte: 6 } as const;

/** The mark of a space before a word. */
const SPACE = '\u2581';

const ROLES: readonly [role: string, key: string][] = [
  ['unk_token', 'unknown_token_id'],
  ['sep_token', 'seperator_token_id'], // so they spell it
  ['pad_token', 'padding_token_id'],
  ['cls_token', 'cls_token_id'],
  ['mask_token', 'mask_token_id'],
];

interface AddedToken {
  id: number;
  content: string;
  special: boolean;
}

/** @throws ModelError ERR_EXPORT */
export async function tokenizerFields(model: OpenedModel): Promise<Map<string, Field>> {
  const { json, roles, run } = await model.tokeniser.ready();
  const own = json['model'] as JsonObject;
  const fields = new Map<string, Field>();
  const put = (name: string, value: Field) => fields.set(`tokenizer.ggml.${name}`, value);
  const added = ((json['added_tokens'] ?? []) as AddedToken[]).filter(({ id }) => id < model.spec.encoder.vocabSize);
  const family = FAMILIES[String(own['type'])];
  if (family === undefined) throw refusal(model, `its algorithm is ${String(own['type'])}`);
  // Large vocabularies take some hundredths of a second for each of these.
  await turn();
  const table = await inTurns(rows(model, own, added), nothing);
  await turn();
  await family(model, own, table, put, run);
  await turn();
  const idOf = (token: string) => added.find(({ content }) => content === token)?.id ?? table.vocabulary.get(token);

  if (isQwens(run) || isGemmas(own)) {
    aroundTexts(model, run, roles, idOf, put);
    return fields;
  }
  put('token_type_count', { u32: Math.max(1, model.spec.encoder.typeVocabSize) });
  const [first, last] = [roles['cls_token'] ?? roles['bos_token'], roles['sep_token'] ?? roles['eos_token']].map(
    (token) => (token === undefined ? undefined : idOf(token)),
  );
  if (first === undefined || last === undefined) throw refusal(model, 'it has no tokens around a text');
  put('bos_token_id', { u32: first });
  for (const [role, key] of ROLES) {
    const id = roles[role] === undefined ? undefined : idOf(roles[role]);
    if (id !== undefined) put(key, { u32: id });
  }
  // Behind a WordPiece text llama.cpp puts the separator by itself.
  if (family !== wordPiece) {
    put('eos_token_id', { u32: last });
    for (const name of ['add_bos_token', 'add_eos_token']) put(name, { bool: true });
  }
  return fields;
}

/** Whether its tokenizer brings texts into the Unicode form NFC, which llama.cpp does not. */
export async function composes(model: OpenedModel): Promise<boolean> {
  const { run } = await model.tokeniser.ready();
  return steps(run['normalizer'], 'normalizers').some(({ type }) => type === 'NFC');
}

/** Puts the fields of an algorithm; `run` is the whole tokenizer.json. */
type Family = (model: OpenedModel, own: JsonObject, rows: Rows, put: Put, run: JsonObject) => void | Promise<void>;

const FAMILIES: Readonly<Record<string, Family>> = {
  WordPiece: wordPiece,
  BPE: (model, own, ...rest) => (isGemmas(own) ? sentencePiece : byteLevel)(model, own, ...rest),
  Unigram: unigram,
};

/** An export is not stopped while its tokenizer is read. */
const nothing = (): void => undefined;

type Put = (name: string, value: Field) => void;

function refusal(model: OpenedModel, why: string): ModelError {
  return new ModelError(
    'ERR_EXPORT',
    `The tokenizer of ${model.id} cannot be exported as GGUF: ${why}, which llama.cpp does not do.`,
  );
}

/** What each row of the table of words is. */
interface Rows {
  tokens: string[];
  kinds: number[];
  /** Without added tokens. */
  vocabulary: ReadonlyMap<string, number>;
}

function* rows({ spec }: OpenedModel, own: JsonObject, added: readonly AddedToken[]): Turns<Rows> {
  const { vocabSize } = spec.encoder;
  const vocab = own['vocab'] as [string, number][] | Record<string, number>;
  const listed = Array.isArray(vocab);
  const names = listed ? vocab : Object.keys(vocab);
  yield;
  const vocabulary = new Map<string, number>();
  for (let i = 0; i < names.length; ++i) {
    const [token, id] = listed ? [vocab[i]![0], i] : [names[i] as string, vocab[names[i] as string]!];
    if (!vocabulary.has(token)) vocabulary.set(token, id);
    if (i % AT_ONCE === 0) yield;
  }
  const tokens = Array.from({ length: vocabSize }, (_, id) => `[PAD${id}]`);
  const kinds = new Array<number>(vocabSize).fill(KIND.unused);
  yield;
  for (const [token, id] of vocabulary) {
    if (id >= vocabSize) continue;
    tokens[id] = token;
    kinds[id] = KIND.normal;
    if (id % AT_ONCE === 0) yield;
  }
  for (const { id, content, special } of added) {
    tokens[id] = content;
    kinds[id] = special ? KIND.control : KIND.own;
  }
  // llama.cpp refuses a text that is there twice; the first is the one that texts are cut into.
  const known = new Set<string>();
  for (const [id, token] of tokens.entries()) {
    if (known.has(token)) [tokens[id], kinds[id]] = [`[PAD${id}]`, KIND.unused];
    known.add(token);
    if (id % AT_ONCE === 0) yield;
  }
  return { tokens, kinds, vocabulary };
}

function steps(value: unknown, key: string): JsonObject[] {
  if (!isObject(value)) return [];
  return value['type'] === 'Sequence' ? (value[key] as JsonObject[]).filter(isObject) : [value];
}

function wordPiece(model: OpenedModel, own: JsonObject, { tokens, kinds }: Rows, put: Put, run: JsonObject): void {
  const normalizers = steps(run['normalizer'], 'normalizers');
  const bert = normalizers.find(({ type }) => type === 'BertNormalizer');
  if (bert === undefined) throw refusal(model, "its normaliser is not BERT's");
  if (bert['handle_chinese_chars'] === false) throw refusal(model, 'it leaves Chinese characters together');
  if (own['continuing_subword_prefix'] !== '##') throw refusal(model, 'it does not mark continuations with ##');
  put('model', { text: 'bert' });
  put('pre', { text: 'default' });
  put('tokens', {
    texts: tokens.map((token, id) =>
      kinds[id] === KIND.control ? token : token.startsWith('##') ? token.slice(2) : `${SPACE}${token}`,
    ),
  });
  put('token_type', { i32s: kinds });
  // Both are true where they are left out; releases before 2026 do not know them.
  const lowercase = bert['lowercase'] === true || normalizers.some(({ type }) => type === 'Lowercase');
  const strip = (bert['strip_accents'] ?? bert['lowercase']) === true;
  if (!lowercase) put('normalizer.lowercase', { bool: false });
  if (!strip) put('normalizer.strip_accents', { bool: false });
}

/** What Qwen2's tokenizer, which is Qwen3's, cuts texts by. */
const QWENS =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

function isQwens(run: JsonObject): boolean {
  const [split, bytes, ...more] = steps(run['pre_tokenizer'], 'pretokenizers');
  const pattern = split?.['pattern'];
  return (
    more.length === 0 &&
    split?.['type'] === 'Split' &&
    isObject(pattern) &&
    pattern['Regex'] === QWENS &&
    bytes?.['type'] === 'ByteLevel' &&
    bytes['add_prefix_space'] !== true
  );
}

/** The tokens that a template puts around a text: one before it, one behind it, or none. */
function aroundTexts(
  model: OpenedModel,
  run: JsonObject,
  roles: Readonly<Record<string, string>>,
  idOf: (token: string) => number | undefined,
  put: Put,
): void {
  const template = steps(run['post_processor'], 'processors').find(({ type }) => type === 'TemplateProcessing');
  const parts = (template?.['single'] ?? [{ Sequence: {} }]) as JsonObject[];
  const text = parts.findIndex((part) => part['Sequence'] !== undefined);
  if (text > 1 || parts.length - text > 2) throw refusal(model, 'it puts more than one token before or behind a text');
  const [first, last] = [text - 1, text + 1].map((at) => {
    const token = parts[at]?.['SpecialToken'];
    return isObject(token) ? idOf(String(token['id'])) : undefined;
  });
  // node-llama-cpp puts an end token where there is a begin token too, whether or not that is put.
  const ids = { bos: first ?? last, eos: last ?? first };
  for (const [name, id] of Object.entries(ids)) if (id !== undefined) put(`${name}_token_id`, { u32: id });
  for (const [role, key] of [
    ['unk_token', 'unknown_token_id'],
    ['pad_token', 'padding_token_id'],
  ] as const) {
    const id = roles[role] === undefined ? undefined : idOf(roles[role]);
    if (id !== undefined) put(key, { u32: id });
  }
  put('add_bos_token', { bool: first !== undefined });
  put('add_eos_token', { bool: last !== undefined });
}

function byteLevel(model: OpenedModel, own: JsonObject, { tokens, kinds }: Rows, put: Put, run: JsonObject): void {
  const split = steps(run['pre_tokenizer'], 'pretokenizers');
  const qwens = isQwens(run);
  if (!qwens && (split.length !== 1 || split[0]!['type'] !== 'ByteLevel' || split[0]!['use_regex'] === false))
    throw refusal(model, "it does not split texts as RoBERTa's or Qwen's does");
  if (split[0]!['add_prefix_space'] === true) throw refusal(model, 'it puts a space before each text');
  // llama.cpp leaves texts as they are, which the export's notes say.
  const normalizer = run['normalizer'];
  if (isObject(normalizer) && normalizer['type'] !== 'NFC')
    throw refusal(model, 'it changes texts before it splits them');
  put('model', { text: 'gpt2' });
  // llama.cpp splits texts alike by the last two.
  const { architecture } = model.spec.encoder;
  put('pre', { text: qwens ? 'qwen2' : architecture === 'modernbert' ? 'modern-bert' : 'roberta-bpe' });
  put('tokens', { texts: tokens });
  put('token_type', { i32s: kinds });
  const merges = own['merges'] as (string | [string, string])[];
  put('merges', { texts: merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' '))) });
}

/** Byte-pair encoding made of a SentencePiece model, as Gemma's: a token for each byte that no piece has. */
function isGemmas(own: JsonObject): boolean {
  return own['type'] === 'BPE' && own['byte_fallback'] === true;
}

async function sentencePiece(
  model: OpenedModel,
  own: JsonObject,
  { tokens, kinds, vocabulary }: Rows,
  put: Put,
  run: JsonObject,
): Promise<void> {
  const normalizers = steps(run['normalizer'], 'normalizers');
  const { pattern, content } = normalizers[0] ?? {};
  const marks = isObject(pattern) && pattern['String'] === ' ' && content === SPACE;
  if (normalizers.length !== 1 || !marks)
    throw refusal(model, 'it changes texts otherwise than by a mark for each space');
  const merges = own['merges'] as (string | [string, string])[];
  const scores = await inTurns(pieceScores(vocabulary, merges), nothing);
  if (scores === undefined) throw refusal(model, 'its merges are not all that its vocabulary allows');
  tokens.forEach((token, id) => {
    if (/^<0x[0-9A-F]{2}>$/.test(token)) kinds[id] = KIND.byte;
    else if (token === own['unk_token']) kinds[id] = KIND.unknown;
  });
  await turn();
  put('model', { text: 'llama' });
  put('pre', { text: 'default' });
  put('tokens', { texts: tokens });
  put('scores', { f32s: tokens.map((token) => scores.get(token) ?? 0) });
  put('token_type', { i32s: kinds });
  put('add_space_prefix', { bool: false });
}

function unigram(model: OpenedModel, own: JsonObject, { tokens, kinds }: Rows, put: Put, run: JsonObject): void {
  const normalizers = steps(run['normalizer'], 'normalizers');
  const map = normalizers.find(({ type }) => type === 'Precompiled')?.['precompiled_charsmap'];
  const unknown = normalizers.find(({ type }) => !['Precompiled', 'Replace', 'Strip'].includes(String(type)));
  if (unknown !== undefined) throw refusal(model, `its normaliser has the step ${String(unknown['type'])}`);
  const vocab = own['vocab'] as [string, number][];
  const scores = tokens.map((_, id) => vocab[id]?.[1] ?? -10_000);
  if (typeof own['unk_id'] === 'number') kinds[own['unk_id']] = KIND.unknown;
  put('model', { text: 't5' });
  put('pre', { text: 'default' });
  put('tokens', { texts: tokens });
  put('scores', { f32s: scores });
  put('token_type', { i32s: kinds });
  put('add_space_prefix', { bool: true });
  put('remove_extra_whitespaces', { bool: true });
  if (typeof map === 'string') put('precompiled_charsmap', { u8s: Buffer.from(map, 'base64') });
}
