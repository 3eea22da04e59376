import { join } from 'node:path';
import { ModelError } from '../../system/errors';
import { Fields, isObject, readJsonObject, type JsonObject } from '../../system/json';

/** Names of the Transformer module's own configuration, newest first, as sentence-transformers looks for them. */
const FILES = ['bert', 'roberta', 'distilbert', 'camembert', 'albert', 'xlm-roberta', 'xlnet'].map(
  (name) => `sentence_${name}_config.json`,
);

export interface SentenceConfig {
  /** null: the tokenizer's configuration or the positions tell (5.4 and later always). */
  maxSeqLength: number | null;
  doLowerCase: boolean;
}

/** sentence_bert_config.json, or one of its legacy names, in the Transformer's folder. */
export async function readSentenceConfig(folder: string): Promise<SentenceConfig> {
  for (const name of FILES) {
    const file = join(folder, name);
    const config = await readJsonObject(file);
    if (config === undefined) continue;
    const fields = new Fields(config, file);
    refuseUnknown(fields);
    return {
      maxSeqLength: fields.has('max_seq_length') ? fields.integer('max_seq_length', 1) : null,
      doLowerCase: fields.boolean('do_lower_case', false),
    };
  }
  return { maxSeqLength: null, doLowerCase: false };
}

/** Settings of 5.4 and later under which the module would compute something else. */
function refuseUnknown(fields: Fields): void {
  const fail = (key: string) =>
    new ModelError(
      'ERR_UNKNOWN_MODULE',
      `${fields.file}: "${key}" is ` +
        `${JSON.stringify(fields.object[key])}, which vectune's Transformer does not have.`,
      { file: fields.file },
    );
  for (const [key, only] of [
    ['transformer_task', 'feature-extraction'],
    ['module_output_name', 'token_embeddings'],
  ] as const) {
    if (fields.has(key) && fields.string(key) !== only) throw fail(key);
  }
  for (const key of [
    'processing_kwargs',
    'model_args',
    'model_kwargs',
    'tokenizer_args',
    'processor_kwargs',
    'config_args',
    'config_kwargs',
  ]) {
    const value = fields.object[key];
    if (isObject(value) && Object.keys(value).length > 0) throw fail(key);
  }
}

export interface ModelConfig {
  prompts: Record<string, string>;
  defaultPromptName: string | null;
  similarityFunction: string | null;
  truncateDim: number | null;
  versions: Record<string, string>;
}

/** config_sentence_transformers.json of the folder; every field is optional. */
export async function readModelConfig(folder: string): Promise<ModelConfig> {
  const file = join(folder, 'config_sentence_transformers.json');
  const config: JsonObject = (await readJsonObject(file)) ?? {};
  const fields = new Fields(config, file);
  const type = fields.has('model_type') ? fields.string('model_type') : 'SentenceTransformer';
  if (type !== 'SentenceTransformer') {
    throw new ModelError('ERR_UNKNOWN_MODULE', `${file} describes a ${type}; vectune runs a SentenceTransformer.`, {
      file,
    });
  }
  const prompts = strings(fields, 'prompts');
  const defaultPromptName = fields.has('default_prompt_name') ? fields.string('default_prompt_name') : null;
  if (defaultPromptName !== null && !Object.hasOwn(prompts, defaultPromptName)) {
    throw fields.fail(
      'default_prompt_name',
      `one of the prompts (${Object.keys(prompts).join(', ') || 'there is none'})`,
      defaultPromptName,
    );
  }
  return {
    prompts,
    defaultPromptName,
    similarityFunction: fields.has('similarity_fn_name') ? fields.string('similarity_fn_name') : null,
    truncateDim: fields.has('truncate_dim') ? fields.integer('truncate_dim', 1) : null,
    versions: strings(fields, '__version__'),
  };
}

function strings(fields: Fields, name: string): Record<string, string> {
  const value = fields.object[name] ?? {};
  const result: Record<string, string> = {};
  if (!isObject(value)) throw fields.fail(name, 'an object of strings', value);
  for (const [key, text] of Object.entries(value)) {
    if (text === null) continue;
    if (typeof text !== 'string') throw fields.fail(`${name}.${key}`, 'a string', text);
    result[key] = text;
  }
  return result;
}
