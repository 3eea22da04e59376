import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import { option, say } from '../system/wording';
import type { OpenedModel } from './types';

/** What a family of models was trained to have before its texts, and does not say in its folders. */
interface KnownPrompts {
  /** Hub ids. */
  models: RegExp;
  prompts: { query?: string; document?: string };
  /** Whether its authors say that vectors are worse without. */
  needed: boolean;
}

/**
 * Prompts by model. Sources: the model cards of these repositories, compared with mteb's
 * `mteb/models/model_implementations` (e5_models.py, bge_models.py, mxbai_models.py, arctic_models.py, nomic_models.py,
 * qwen3_models.py, google_models.py).
 */
const KNOWN: readonly KnownPrompts[] = [
  {
    models: /^intfloat\/(?:multilingual-)?e5-(?:small|base|large)(?:-v2|-unsupervised)?$/i,
    prompts: { query: 'query: ', document: 'passage: ' },
    needed: true,
  },
  {
    models: /^BAAI\/bge-(?:small|base|large)-en(?:-v1\.5)?$/i,
    prompts: { query: 'Represent this sentence for searching relevant passages: ' },
    needed: false,
  },
  {
    models: /^mixedbread-ai\/mxbai-embed-large-v1$/i,
    prompts: { query: 'Represent this sentence for searching relevant passages: ' },
    needed: true,
  },
  {
    models: /^Snowflake\/snowflake-arctic-embed-(?:xs|s|m|l|m-long|m-v1\.5)$/i,
    prompts: { query: 'Represent this sentence for searching relevant passages: ' },
    needed: true,
  },
  { models: /^Snowflake\/snowflake-arctic-embed-[ml]-v2\.0$/i, prompts: { query: 'query: ' }, needed: true },
  {
    models: /^nomic-ai\/(?:nomic-embed-text-v1(?:\.5)?|modernbert-embed-base)$/i,
    prompts: { query: 'search_query: ', document: 'search_document: ' },
    needed: true,
  },
  {
    models: /^Qwen\/Qwen3-Embedding-/i,
    prompts: {
      query: 'Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:',
    },
    needed: true,
  },
  {
    models: /^google\/embeddinggemma-300m$/i,
    prompts: { query: 'task: search result | query: ', document: 'title: none | text: ' },
    needed: true,
  },
];

function knownOf(id: string): KnownPrompts | undefined {
  return KNOWN.find(({ models }) => models.test(id));
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
): { prompts: Record<string, string>; needed: boolean } {
  const known = knownOf(id);
  const has = Object.values(prompts).some((text) => text !== '');
  if (known === undefined) return { prompts, needed: false };
  return { prompts: has ? prompts : { ...prompts, ...known.prompts }, needed: known.needed };
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

/** What people should know who train without a prompt. */
export function untrainedPromptNote(model: OpenedModel): string {
  return (
    `${model.id} was trained with a prompt before each text (${promptList(model)}), and is trained here without: ` +
    'give the option prompts.'
  );
}

function promptList({ layout }: OpenedModel): string {
  return Object.entries(layout.prompts)
    .filter(([, text]) => text !== '')
    .map(([name, text]) => `${name}: ${show(text)}`)
    .join(', ');
}

/** What people should know who serve a model that has prompts without one; undefined where it has none. */
export function unservedPromptNote(model: OpenedModel): string | undefined {
  const prompts = promptList(model);
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
    `${model.id} was trained with a prompt before each text (${promptList(model)}), ` +
    `and texts were embedded without: use ${remedy}.`
  );
}
