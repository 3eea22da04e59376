import type { Stats } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { proveReplaceable } from '../../system/atomic-folder';
import { InvalidArgumentError, ModelError } from '../../system/errors';
import { show } from '../../system/options';
import { say, words } from '../../system/wording';
import { systemReason } from '../../system/system-error';

/** What may be replaced at a place that is written to. */
export interface Replaceable {
  /** 'a model folder', and what it holds: 'a model'. */
  what: string;
  holds: string;
  /** By the names in a folder, whether it is one. */
  is: (names: readonly string[]) => boolean;
  /** What such folders hold; anything else would be lost if the folder were replaced. */
  entries: readonly RegExp[];
}

/** What the folders of model repositories hold beside weights. */
export const MODEL_FILES: readonly RegExp[] = [
  /^(modules|config|config_sentence_transformers|data_config|vectune|vectune_card|generation_config)\.json$/,
  /^sentence_[\w-]+_config\.json$/,
  /^(tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json$/,
  /^(vocab|merges)\.txt$/,
  /^(sentencepiece\.bpe|spiece|unigram)\.(model|json)$/,
  /^(README\.md|LICENSE|\.gitattributes|train_script\.py|product_quantization.*|\.DS_Store|Thumbs\.db)$/,
  /^\d+_[A-Z]\w*$/,
  /^(onnx|openvino|eval|\.cache)$/,
];

const WEIGHTS: readonly RegExp[] = [
  /^model[\w.-]*\.safetensors(\.index\.json)?$/,
  /^(pytorch_model[\w.-]*\.bin(\.index\.json)?|tf_model\.h5|flax_model\.msgpack|rust_model\.ot)$/,
];

const MODEL: Replaceable = {
  what: 'a model folder',
  holds: 'a model',
  is: (names) =>
    names.includes('modules.json') ||
    (names.includes('config.json') && names.some((name) => /^(model.*\.safetensors|pytorch_model.*\.bin)$/.test(name))),
  entries: [...MODEL_FILES, ...WEIGHTS],
};

/** A model's folder, or an export of one. */
export const MODEL_OR_EXPORT: Replaceable = {
  what: 'a model folder',
  holds: 'a model',
  is: (names) => MODEL.is(names) || names.includes('onnx') || names.some((name) => name.endsWith('.gguf')),
  entries: [...MODEL.entries, /\.gguf$/],
};

/** Names in a folder that are not of that kind. */
export function foreignNames(names: readonly string[], kind: Replaceable): string[] {
  return names.filter((name) => !kind.entries.some((pattern) => pattern.test(name)));
}

function refusal(target: string, what: string, kind: Replaceable, cause?: unknown): ModelError {
  return new ModelError(
    'ERR_SAVE_TARGET',
    `Cannot save to ${target}: ${what}. Nothing was changed; choose a new folder, or ` +
      `${kind.what.replace(/^an? /, 'an existing ')} to replace it.`,
    { file: target, ...(cause !== undefined && { cause }) },
  );
}

/**
 * Proves that a model can be saved at `folder`, before hours of training and not after them: it is checked as by `save`,
 * and a folder is made beside it, written to, flushed to disk and removed. Whether there is room for the model is not
 * known before it is saved.
 *
 * @returns the folder's absolute path
 * @throws ModelError ERR_SAVE_TARGET; InvalidArgumentError
 */
export async function checkSaveTarget(folder: string): Promise<string> {
  if (typeof folder !== 'string' || folder === '') {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      say`${words('checkSaveTarget', '--out')} needs the path of a folder, but was given ${show(folder)}.`,
    );
  }
  const place = await saveTarget(folder);
  try {
    await proveReplaceable(place);
  } catch (error) {
    throw refusal(place, systemReason(error), MODEL, error);
  }
  return place;
}

/**
 * Whether a model may be saved at `target`: where there is nothing, an empty folder, or one of the kind (which
 * is then replaced). A folder that also holds other files is refused: they would be lost.
 *
 * @throws ModelError ERR_SAVE_TARGET
 */
export async function saveTarget(target: string, kind: Replaceable = MODEL): Promise<string> {
  const place = resolve(target);
  let info: Stats;
  try {
    info = await stat(place);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      if (
        await lstat(place).then(
          () => true,
          () => false,
        )
      )
        throw refusal(place, 'it is a link that leads nowhere', kind);
      return place;
    }
    throw refusal(place, code === 'ENOTDIR' ? 'a part of the path is a file' : message, kind);
  }
  if (!info.isDirectory()) throw refusal(place, 'it is a file', kind);
  const names = await readdir(place).catch((error: Error) => {
    throw refusal(place, error.message, kind);
  });
  if (names.length === 0) return place;
  if (!kind.is(names)) throw refusal(place, `the folder is not ${kind.what} (it holds ${someNames(names)})`, kind);
  const foreign = foreignNames(names, kind);
  if (foreign.length > 0)
    throw refusal(place, `besides ${kind.holds} the folder holds ${someNames(foreign)}, which would be lost`, kind);
  return place;
}

/** Names for a message, the first five of many. */
export function someNames(names: readonly string[]): string {
  const shown = names
    .slice(0, 5)
    .map((name) => JSON.stringify(name))
    .join(', ');
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}
