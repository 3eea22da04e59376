import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelError } from '../../system/errors';
import { outsideArchive } from '../../system/asar';
import { isObject, readJsonObject } from '../../system/json';
import { show } from '../../system/options';
import type { WeightFile } from '../../engine/weight-files';
import { tensorsOfTorchFile } from './torch-file';

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    (info) => info.isFile(),
    () => false,
  );
}

/** Text as a Python string literal in single quotes. */
function pythonString(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** The shell command that turns a model of pickles into a folder of safetensors. */
export function conversionCommand(source: string, target: string): string {
  const program =
    'from sentence_transformers import SentenceTransformer; ' +
    `SentenceTransformer(${pythonString(source)}, device='cpu').save(${pythonString(target)})`;
  return `python -c "${program.replaceAll(/[\\"$`]/g, '\\$&')}"`;
}

/** A pickle that cannot be read without running it. */
export function pickleError(found: string, why: string, source: string, target: string): ModelError {
  return new ModelError(
    'ERR_PICKLE',
    `${found} is a Python pickle, of which vectune reads tensors and nothing else, and ${why}. Convert the model to ` +
      `safetensors once (Python with sentence-transformers), then open ${target}:\n  ${conversionCommand(source, target)}`,
    { file: found },
  );
}

/** What a module's weights are read from. */
export type WeightSource = Omit<WeightFile, 'module'>;

const KINDS = [
  { whole: 'model.safetensors', index: 'model.safetensors.index.json', pickled: false },
  { whole: 'pytorch_model.bin', index: 'pytorch_model.bin.index.json', pickled: true },
] as const;

/** Names of files that a module's own weights begin with. */
export const OWN_WEIGHTS: readonly string[] = KINDS.flatMap(({ whole, index }) => [whole, index]);

/**
 * The files of the weights of the module in `folder`, part of the model at `root`: safetensors, whole or split with an
 * index, else what torch.save wrote, likewise.
 *
 * @throws ModelError ERR_PICKLE: there is only a pickle of other things than tensors; ERR_MODEL_FOLDER: there is nothing,
 *   or an index without its files.
 */
export async function findWeights(folder: string, root: string): Promise<WeightSource[]> {
  for (const { whole, index, pickled } of KINDS) {
    const file = join(folder, whole);
    const paths = (await isThere(file)) ? [await mapped(file)] : await shards(folder, index);
    if (paths === undefined) continue;
    if (!pickled) return paths.map((path) => ({ path }));
    return Promise.all(
      paths.map(async (path) => {
        try {
          return { path, tensors: await tensorsOfTorchFile(path) };
        } catch (error) {
          throw pickleError(path, (error as Error).message.replace(/\.$/, ''), root, `${root}-safetensors`);
        }
      }),
    );
  }
  const file = join(folder, KINDS[0].whole);
  const exported = await stat(join(folder, 'onnx')).then(
    (info) => info.isDirectory(),
    () => false,
  );
  throw new ModelError(
    'ERR_MODEL_FOLDER',
    exported
      ? `${folder} holds ONNX graphs and no weights. Open the model that they were exported from.`
      : `${file} is missing: ${folder} holds no weights. Fetch the model folder again.`,
    { file },
  );
}

async function isThere(file: string): Promise<boolean> {
  return (await exists(outsideArchive(file))) || exists(file);
}

/** A path that can be mapped. */
async function mapped(file: string): Promise<string> {
  const outside = outsideArchive(file);
  if (await exists(outside)) return outside;
  throw new ModelError(
    'ERR_MODEL_FOLDER',
    `${file} lies in an archive of Electron's, from which weights cannot be mapped. Have the app's packager leave ` +
      'the model unpacked (asarUnpack), or keep it outside of the app.',
    { file },
  );
}

/** The files that an index names; undefined where there is no index. */
async function shards(folder: string, index: string): Promise<string[] | undefined> {
  const file = join(folder, index);
  const content = await readJsonObject(file);
  if (content === undefined) return undefined;
  const map = content['weight_map'];
  const names = isObject(map) ? [...new Set(Object.values(map))] : [];
  if (names.length === 0 || !names.every((name) => typeof name === 'string' && /^[\w.-]+$/.test(name))) {
    throw new ModelError(
      'ERR_MODEL_FOLDER',
      `${file}: "weight_map" must name a file of the same folder for each tensor, found ${show(map)}.`,
      { file },
    );
  }
  return Promise.all(
    (names as string[]).map(async (name) => {
      const shard = join(folder, name);
      if (await isThere(shard)) return mapped(shard);
      throw new ModelError(
        'ERR_MODEL_FOLDER',
        `${shard} is missing, which ${index} names. Fetch the model folder again.`,
        {
          file: shard,
        },
      );
    }),
  );
}
