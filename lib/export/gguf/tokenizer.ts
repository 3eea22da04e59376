import { setImmediate as turn } from 'node:timers/promises';
import { ModelError } from '../../system/errors';
import { isObject, type JsonObject } from '../../system/json';
import type { OpenedModel } from '../../model/types';
import type { Field } from './file';

/** The model's tokenizer as llama.cpp runs it; what it cannot is refused by name. Source: its conversion/bert.py, base.py. */

/** llama.cpp's kinds of tokens. */
const KIND = { normal: 1, unknown: 2, control: 3, own: 4, unused: 5 } as const;

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
  const table = await rows(model, own, added);
  await turn();
  family(model, own, table, put, run);
  await turn();
  const idOf = (token: string) => added.find(({ content }) => content === token)?.id ?? table.idOf(token);

  if (isQwens(run)) {
    behindTexts(model, run, roles, idOf, put);
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

/** Puts the fields of an algorithm; `run` is the whole tokenizer.json. */
type Family = (model: OpenedModel, own: JsonObject, rows: Rows, put: Put, run: JsonObject) => void;

const FAMILIES: Readonly<Record<string, Family>> = {
  WordPiece: wordPiece,
  BPE: byteLevel,
  Unigram: unigram,
};

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
  /** By the vocabulary, without added tokens. */
  idOf: (token: string) => number | undefined;
}

async function rows(model: OpenedModel, own: JsonObject, added: readonly AddedToken[]): Promise<Rows> {
  const { vocabSize } = model.spec.encoder;
  const vocab = own['vocab'] as [string, number][] | Record<string, number>;
  const entries = Array.isArray(vocab)
    ? vocab.map(([token], id): [string, number] => [token, id])
    : Object.entries(vocab);
  await turn();
  const tokens = Array.from({ length: vocabSize }, (_, id) => `[PAD${id}]`);
  const kinds = new Array<number>(vocabSize).fill(KIND.unused);
  for (const [token, id] of entries) {
    if (id >= vocabSize) continue;
    tokens[id] = token;
    kinds[id] = KIND.normal;
  }
  for (const { id, content, special } of added) {
    tokens[id] = content;
    kinds[id] = special ? KIND.control : KIND.own;
  }
  // llama.cpp refuses a text that is there twice; the first is the one that texts are cut into.
  const known = new Set<string>();
  tokens.forEach((token, id) => {
    if (known.has(token)) [tokens[id], kinds[id]] = [`[PAD${id}]`, KIND.unused];
    known.add(token);
  });
  return { tokens, kinds, idOf: (token) => entries.find(([one]) => one === token)?.[1] };
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

/** Where a tokenizer puts nothing but one token behind a text, or nothing. */
function behindTexts(
  model: OpenedModel,
  run: JsonObject,
  roles: Readonly<Record<string, string>>,
  idOf: (token: string) => number | undefined,
  put: Put,
): void {
  const template = steps(run['post_processor'], 'processors').find(({ type }) => type === 'TemplateProcessing');
  const [first, last, ...more] = (template?.['single'] ?? [{ Sequence: {} }]) as JsonObject[];
  const special = isObject(last?.['SpecialToken']) ? idOf(String(last['SpecialToken']['id'])) : undefined;
  if (first?.['Sequence'] === undefined || more.length > 0 || (last !== undefined && special === undefined))
    throw refusal(model, 'it puts more than one token around a text');
  const pad = roles['pad_token'] === undefined ? undefined : idOf(roles['pad_token']);
  // What llama.cpp puts behind a text is its end token; node-llama-cpp does so where there is a begin token too.
  if (special !== undefined) for (const name of ['bos', 'eos']) put(`${name}_token_id`, { u32: special });
  if (pad !== undefined) put('padding_token_id', { u32: pad });
  put('add_bos_token', { bool: false });
  put('add_eos_token', { bool: special !== undefined });
}

function byteLevel(model: OpenedModel, own: JsonObject, { tokens, kinds }: Rows, put: Put, run: JsonObject): void {
  const split = steps(run['pre_tokenizer'], 'pretokenizers');
  const qwens = isQwens(run);
  if (!qwens && (split.length !== 1 || split[0]!['type'] !== 'ByteLevel'))
    throw refusal(model, "it does not split texts as RoBERTa's or Qwen's does");
  if (split[0]!['add_prefix_space'] === true) throw refusal(model, 'it puts a space before each text');
  // llama.cpp leaves texts as they are, which the export's notes say of Qwen's.
  const normalizer = run['normalizer'];
  if (isObject(normalizer) && !(qwens && normalizer['type'] === 'NFC'))
    throw refusal(model, 'it changes texts before it splits them');
  put('model', { text: 'gpt2' });
  put('pre', { text: qwens ? 'qwen2' : 'roberta-bpe' });
  put('tokens', { texts: tokens });
  put('token_type', { i32s: kinds });
  const merges = own['merges'] as (string | [string, string])[];
  put('merges', { texts: merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' '))) });
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
