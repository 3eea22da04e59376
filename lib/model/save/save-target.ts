import type { Stats } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { proveReplaceable } from '../../system/atomic-folder';
import { InvalidArgumentError, ModelError } from '../../system/errors';
import { show } from '../../system/options';
import { say, words } from '../../system/wording';
import { systemReason } from '../../system/system-error';

/** What the folders of model repositories hold; anything else would be lost if the folder were replaced. */
const MODEL_ENTRIES: readonly RegExp[] = [
  /^(modules|config|config_sentence_transformers|data_config|vectune|generation_config)\.json$/,
  /^sentence_[\w-]+_config\.json$/,
  /^(tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json$/,
  /^(vocab|merges)\.txt$/,
  /^(sentencepiece\.bpe|spiece|unigram)\.(model|json)$/,
  /^model[\w.-]*\.safetensors(\.index\.json)?$/,
  /^(pytorch_model[\w.-]*\.bin(\.index\.json)?|tf_model\.h5|flax_model\.msgpack|rust_model\.ot)$/,
  /^(README\.md|LICENSE|\.gitattributes|train_script\.py|product_quantization.*|\.DS_Store|Thumbs\.db)$/,
  /^\d+_[A-Z]\w*$/,
  /^(onnx|openvino|eval|\.cache)$/,
];

function refusal(target: string, what: string, cause?: unknown): ModelError {
  return new ModelError(
    'ERR_SAVE_TARGET',
    `Cannot save to ${target}: ${what}. Nothing was changed; choose a new folder, or an ` +
      'existing model folder to replace it.',
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
    throw refusal(place, systemReason(error), error);
  }
  return place;
}

/**
 * Whether a model may be saved at `target`: where there is nothing, an empty folder, or a model folder (which
 * is then replaced). A folder that also holds other files is refused: they would be lost.
 *
 * @throws ModelError ERR_SAVE_TARGET
 */
export async function saveTarget(target: string): Promise<string> {
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
        throw refusal(place, 'it is a link that leads nowhere');
      return place;
    }
    throw refusal(place, code === 'ENOTDIR' ? 'a part of the path is a file' : message);
  }
  if (!info.isDirectory()) throw refusal(place, 'it is a file');
  const names = await readdir(place).catch((error: Error) => {
    throw refusal(place, error.message);
  });
  if (names.length === 0) return place;
  const isModel =
    names.includes('modules.json') ||
    (names.includes('config.json') && names.some((name) => /^(model.*\.safetensors|pytorch_model.*\.bin)$/.test(name)));
  if (!isModel) throw refusal(place, `the folder is not a model folder (it holds ${list(names)})`);
  const foreign = names.filter((name) => !MODEL_ENTRIES.some((pattern) => pattern.test(name)));
  if (foreign.length > 0)
    throw refusal(place, `besides a model the folder holds ${list(foreign)}, which would be lost`);
  return place;
}

function list(names: readonly string[]): string {
  const shown = names
    .slice(0, 5)
    .map((name) => JSON.stringify(name))
    .join(', ');
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}
