import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import { option, say } from '../system/wording';
import type { OpenedModel } from './types';

/** What a family of models was trained to have before its texts, and does not say in its folders. */
interface KnownPrompts {
  /** Of the hub. */
  owner: string;
  /** Names of the owner's repositories. */
  names: RegExp;
  prompts: { query?: string; document?: string };
  /** Whether its authors say that vectors are worse without. */
  needed: boolean;
}

const SEARCHING = 'Represent this sentence for searching relevant passages: ';

/**
 * Prompts by model. Sources: the model cards of these repositories, compared with mteb's
 * `mteb/models/model_implementations` (e5_models.py, e5_instruct.py, bge_models.py, uae_models.py, mixedbread_ai_models.py,
 * arctic_models.py, nomic_models.py, ru_sentence_models.py, qwen3_models.py, google_models.py).
 */
const KNOWN: readonly KnownPrompts[] = [
  {
    owner: 'intfloat',
    names: /^(?:multilingual-)?e5-(?:small|base|large)(?:-v2|-unsupervised)?$/i,
    prompts: { query: 'query: ', document: 'passage: ' },
    needed: true,
  },
  {
    owner: 'intfloat',
    names: /^multilingual-e5-large-instruct$/i,
    prompts: { query: 'Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: ' },
    needed: true,
  },
  { owner: 'BAAI', names: /^bge-(?:small|base|large)-en(?:-v1\.5)?$/i, prompts: { query: SEARCHING }, needed: false },
  {
    owner: 'BAAI',
    names: /^bge-(?:small|base|large)-zh(?:-v1\.5)?$/i,
    prompts: { query: '为这个句子生成表示以用于检索相关文章：' },
    needed: false,
  },
  { owner: 'WhereIsAI', names: /^UAE-Large-V1$/i, prompts: { query: SEARCHING }, needed: true },
  { owner: 'mixedbread-ai', names: /^mxbai-embed-large-v1$/i, prompts: { query: SEARCHING }, needed: true },
  {
    owner: 'mixedbread-ai',
    names: /^deepset-mxbai-embed-de-large-v1$/i,
    prompts: { query: 'query: ', document: 'passage: ' },
    needed: true,
  },
  {
    owner: 'Snowflake',
    names: /^snowflake-arctic-embed-(?:xs|s|m|l|m-long|m-v1\.5)$/i,
    prompts: { query: SEARCHING },
    needed: true,
  },
  { owner: 'Snowflake', names: /^snowflake-arctic-embed-[ml]-v2\.0$/i, prompts: { query: 'query: ' }, needed: true },
  {
    owner: 'nomic-ai',
    names: /^(?:nomic-embed-text-v1(?:\.5|-unsupervised)?|modernbert-embed-base(?:-unsupervised)?)$/i,
    prompts: { query: 'search_query: ', document: 'search_document: ' },
    needed: true,
  },
  {
    owner: 'ai-forever',
    names: /^ru-en-RoSBERTa$/i,
    prompts: { query: 'search_query: ', document: 'search_document: ' },
    needed: true,
  },
  {
    owner: 'Qwen',
    names: /^Qwen3-Embedding-/i,
    prompts: {
      query: 'Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:',
    },
    needed: true,
  },
  {
    owner: 'google',
    names: /^embeddinggemma-300m$/i,
    prompts: { query: 'task: search result | query: ', document: 'title: none | text: ' },
    needed: true,
  },
];

/** By `owner/name`, or by a name alone, as a folder has it that was cloned or copied. */
function knownOf(id: string): KnownPrompts | undefined {
  const [owner, name] = id.includes('/') ? id.split('/') : [undefined, id];
  return KNOWN.find(
    (known) =>
      (owner === undefined || owner.toLowerCase() === known.owner.toLowerCase()) && known.names.test(name ?? ''),
  );
}

/** What a model of the hub is known to have been trained with. */
export function knownPrompts(id: string): KnownPrompts['prompts'] {
  return { ...knownOf(id)?.prompts };
}

/** Names under which a folder may have the prompt of each kind of text, the first that it has counts. */
const NAMES = { query: ['query'], document: ['document', 'passage', 'corpus'] } as const;

export type TextKind = keyof typeof NAMES;

/** The folder's prompts, and those that its model is known to have been trained with where it has none. */
export function withKnownPrompts(
  prompts: Record<string, string>,
  id: string,
): { prompts: Record<string, string>; needed: boolean; notes: string[] } {
  const known = knownOf(id);
  // A folder that names one for queries or documents, as those that vectune saves do, was trained with it.
  const names: readonly string[] = [...NAMES.query, ...NAMES.document];
  const own = Object.entries(prompts).some(([name, text]) => names.includes(name) && text !== '');
  if (known === undefined) return { prompts, needed: own, notes: [] };
  const has = Object.values(prompts).some((text) => text !== '');
  if (has) return { prompts, needed: known.needed, notes: [] };
  const taken = { ...prompts, ...known.prompts };
  const note =
    `The folder has no prompts; by its name it is ${known.owner}/${id}, whose prompts are taken (${listed(taken)}). ` +
    'If it is another model, give the option prompt.';
  return { prompts: taken, needed: known.needed, notes: id.includes('/') ? [] : [note] };
}

/**
 * The text to put before texts: the prompt of that name, else the text itself where it can be none's name; what is put
 * before every text where nothing is asked for.
 *
 * @throws InvalidArgumentError ERR_INVALID_OPTION: the model has no prompt of the name
 */
export function promptText(model: OpenedModel, asked: string | undefined, path = 'prompt'): string {
  const { prompts } = model.layout;
  if (asked === undefined) return model.defaultPrompt;
  const text = Object.hasOwn(prompts, asked) ? prompts[asked]! : asked;
  if (text === asked && !Object.hasOwn(prompts, asked) && asked !== '' && !/[\s:]/.test(asked)) {
    const names = Object.keys(prompts).map((name) => show(name));
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option(path)} is ${show(asked)}, and the model ${model.id} has ${
        names.length === 0 ? 'no prompts' : `the prompts ${names.join(', ')}`
      }.`,
      { remedy: say`A text of your own has a space or a colon in it, as in 'query: '.` },
    );
  }
  return text;
}

/** Tokens at the beginning of a text with the prompt that the model's pooling leaves out (`include_prompt`). */
export async function unpooledTokens(model: OpenedModel, prompt: string): Promise<number> {
  return model.layout.includePrompt ? 0 : model.tokeniser.promptTokens(prompt);
}

/** The name of the model's prompt for a kind of text; undefined where it has none. */
export function promptName(model: OpenedModel, kind: TextKind): string | undefined {
  return NAMES[kind].find((name) => Object.hasOwn(model.layout.prompts, name));
}

/** Most tokens of texts of a kind, where the model has a limit for them; null: that of all texts. */
export function kindLength({ layout, positions }: OpenedModel, kind: TextKind | undefined): number | null {
  const length = kind === undefined ? null : layout.kindLengths[kind];
  return length === null ? null : Math.min(length, positions);
}

/** What people should know who train without a prompt. */
export function untrainedPromptNote(model: OpenedModel): string {
  return (
    `${model.id} was trained with a prompt before each text (${listed(model.layout.prompts)}), and is trained here ` +
    'without: give the option prompts.'
  );
}

function listed(prompts: Readonly<Record<string, string>>): string {
  return Object.entries(prompts)
    .filter(([, text]) => text !== '')
    .map(([name, text]) => `${name}: ${show(text)}`)
    .join(', ');
}

/** What people should know who serve a model that has prompts without one; undefined where it has none. */
export function unservedPromptNote(model: OpenedModel): string | undefined {
  const prompts = listed(model.layout.prompts);
  if (prompts === '') return undefined;
  return (
    `${model.id} ${model.layout.needsPrompt ? 'was trained with a prompt before each text' : 'has prompts'} (${prompts}), and ` +
    'a request that says neither prompt_name nor input_type gets none: serve it with a prompt, under a name for each.'
  );
}

/** What people should know who embed without a prompt; `remedy` is what to use, and follows «use». */
export function unpromptedNote(
  model: OpenedModel,
  remedy = 'embedQueries and embedDocuments, or the option prompt',
): string {
  return (
    `${model.id} was trained with a prompt before each text (${listed(model.layout.prompts)}), ` +
    `and texts were embedded without: use ${remedy}.`
  );
}

/** Which texts were embedded with nothing before them. */
export class BareTexts {
  #texts = false;
  #queries = false;

  /** @param kind of texts that were embedded; `prompt` is what was put before them, `asked` what the caller wanted there */
  note(kind: TextKind | undefined, prompt: string, asked: string | undefined): void {
    if (prompt !== '' || asked !== undefined) return; // a document may have none by intent
    this.#texts ||= kind === undefined;
    this.#queries ||= kind === 'query';
  }

  /** What people should know of it. */
  notes(model: OpenedModel): string[] {
    const { id, layout } = model;
    const notes: string[] = [];
    if (this.#texts && layout.needsPrompt) {
      notes.push(unpromptedNote(model));
    }
    // Of sentence-transformers' own models none was trained with a prompt.
    if (this.#queries && listed(layout.prompts) === '' && !id.startsWith('sentence-transformers/')) {
      notes.push(
        `Queries were embedded as all texts are, as ${id} has no prompts. If its authors name one for queries, put it ` +
          'before them.',
      );
    }
    return notes;
  }
}
