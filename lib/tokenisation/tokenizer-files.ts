import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelError } from '../system/errors';
import { isObject, parseJson, type JsonObject } from '../system/json';
import { systemReason } from '../system/system-error';

/** Names of the files that make a Hugging Face tokenizer. */
export const TOKENIZER_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.txt',
  'vocab.json',
  'merges.txt',
  'sentencepiece.bpe.model',
] as const;

/** sentencepiece's models under the names that classes give them, which vectune converts none of but XLM-R's. */
export const SENTENCEPIECE_FILES = ['sentencepiece.bpe.model', 'spiece.model', 'spm.model', 'tokenizer.model'] as const;

/** Those of the files that the folder has, bytes as they are. */
export async function readTokenizerFiles(
  folder: string,
  names: readonly string[] = TOKENIZER_FILES,
): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const name of names) {
    const bytes = await readFile(join(folder, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      const file = join(folder, name);
      throw new ModelError('ERR_TOKENIZER', `Cannot read ${file}: ${systemReason(error)}.`, { file, cause: error });
    });
    if (bytes !== undefined) files.set(name, bytes);
  }
  return files;
}

/** Whether the folder has a file that a tokenizer can be made of. */
export async function hasVocabulary(folder: string): Promise<boolean> {
  const names = TOKENIZER_FILES.filter((name) => /^tokenizer\.json$|^vocab\.|\.model$/.test(name));
  const found = await Promise.all(names.map((name) => stat(join(folder, name)).catch(() => undefined)));
  return found.some((info) => info?.isFile() === true);
}

/** A JSON object out of the tokenizer's files; undefined where there is no such file. */
export function jsonFile(files: ReadonlyMap<string, Buffer>, name: string, folder: string): JsonObject | undefined {
  const bytes = files.get(name);
  if (bytes === undefined) return undefined;
  const file = join(folder, name);
  try {
    const value = parseJson(bytes.toString('utf8'));
    if (isObject(value)) return value;
  } catch (error) {
    throw new ModelError(
      'ERR_TOKENIZER',
      `${file} is not valid JSON (${(error as Error).message}). Fetch the model ` + 'folder again.',
      { file, cause: error },
    );
  }
  throw new ModelError('ERR_TOKENIZER', `${file} must hold a JSON object. Fetch the model folder again.`, { file });
}

/** A token as the configuration writes it: its text, or an object with the text as `content`. */
export function tokenText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (isObject(value) && typeof value['content'] === 'string') return value['content'];
  return undefined;
}
