import { join } from 'node:path';
import { ModelError } from '../system/errors';
import { isObject, type JsonObject } from '../system/json';

/**
 * `tokenizer.json` made ready for use: baked-in truncation and padding cleared (sentence-transformers sets
 * its own), the model's type named where an old file leaves it out, and the settings of
 * tokenizer_config.json applied where they are explicit, as Hugging Face's tokenizer classes do.
 *
 * @throws ModelError ERR_TOKENIZER
 */
export function readyTokenizer(
  tokenizer: JsonObject,
  config: JsonObject,
  doLowerCase: boolean,
  folder: string,
): JsonObject {
  const file = join(folder, 'tokenizer.json');
  if (config['split_special_tokens'] === true) {
    throw new ModelError(
      'ERR_TOKENIZER',
      `${join(folder, 'tokenizer_config.json')}: "split_special_tokens" is not something ` + 'that vectune does.',
      { file: join(folder, 'tokenizer_config.json') },
    );
  }
  const model = tokenizer['model'];
  if (!isObject(model)) {
    throw new ModelError('ERR_TOKENIZER', `${file} has no "model". Fetch the model folder again.`, { file });
  }
  const ready: JsonObject = {
    ...tokenizer,
    truncation: null,
    padding: null,
    model: typeof model['type'] === 'string' ? model : { type: inferModelType(model, file), ...model },
  };
  ready['normalizer'] = configuredNormalizer(tokenizer['normalizer'], config);
  if (
    isObject(ready['pre_tokenizer']) &&
    ready['pre_tokenizer']['type'] === 'ByteLevel' &&
    typeof config['add_prefix_space'] === 'boolean'
  ) {
    ready['pre_tokenizer'] = { ...ready['pre_tokenizer'], add_prefix_space: config['add_prefix_space'] };
  }
  if (doLowerCase) ready['normalizer'] = lowerCased(ready['normalizer']);
  return ready;
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

/** The class's options win over the file's; an option that is not there leaves the file's. */
function configuredNormalizer(normalizer: unknown, config: JsonObject): unknown {
  if (!isObject(normalizer) || normalizer['type'] !== 'BertNormalizer') return normalizer ?? null;
  const result: JsonObject = { ...normalizer };
  if (typeof config['do_lower_case'] === 'boolean') result['lowercase'] = config['do_lower_case'];
  if (typeof config['tokenize_chinese_chars'] === 'boolean')
    result['handle_chinese_chars'] = config['tokenize_chinese_chars'];
  if (config['strip_accents'] !== undefined) result['strip_accents'] = config['strip_accents'];
  return result;
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
