import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { replaceFolder } from '../../system/atomic-folder';
import { FileError, fromNative, VectuneError } from '../../system/errors';
import type { EngineAddon, ModelHandle } from '../../engine/addon';
import type { SaveFile } from '../../engine/weight-files';
import { modelCard, type CardFacts, type ModelFacts } from './card';
import { FACTS_FILE, factsFile } from './facts-file';
import { STATIC } from '../folder/static-embedding';
import { layoutFiles, MODULE_CLASSES, moduleFolders, STATIC_FOLDER } from './layout';
import { saveTarget } from './save-target';
import type { OpenedModel } from '../types';
import { systemReason } from '../../system/system-error';

/**
 * Writes a model as a sentence-transformers folder of the 2.x layout: aside, flushed to disk, then renamed
 * into place. A model folder that is there already is replaced; on any failure it is there as it was.
 *
 * @param target folder to write; its parents are made
 * @param card what is known of the training, asked when the weights are written
 * @returns the folder's absolute path
 * @throws ModelError ERR_SAVE_TARGET: something that is not a model is there; FileError; the engine's errors.
 */
export async function saveModel(
  opened: OpenedModel,
  addon: Pick<EngineAddon, 'saveModel'>,
  handle: ModelHandle,
  target: string,
  card: () => CardFacts = () => ({}),
): Promise<string> {
  const place = await saveTarget(target);
  const files = await layoutFiles(opened);
  try {
    await replaceFolder(place, async (folder) => {
      await writeFiles(files, folder);
      await makeModuleFolders(opened, folder);
      await addon.saveModel(handle, weightTargets(opened, folder));
      // Asked now: the facts are those of the weights that were written, whatever a run that is on has made since.
      const [model, facts] = [factsOf(opened), card()];
      await writeFile(join(folder, 'README.md'), modelCard(model, facts), { flag: 'wx' });
      await writeFile(join(folder, FACTS_FILE), factsFile({ ...model, facts }), { flag: 'wx' });
    });
  } catch (error) {
    throw saveError(error, place);
  }
  return place;
}

/** Writes files by their paths in a new folder. */
export async function writeFiles(files: ReadonlyMap<string, string | Buffer>, folder: string): Promise<void> {
  for (const [path, content] of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content, { flag: 'wx' });
  }
}

export async function makeModuleFolders(opened: OpenedModel, folder: string): Promise<void> {
  const own = moduleFolders(opened.spec.head).slice(opened.architecture === STATIC ? 1 : 0);
  for (const name of own) await mkdir(join(folder, name), { recursive: true });
}

/** Where the weights of each module go, those of the encoder to `encoder`. */
export function weightTargets(opened: OpenedModel, folder: string, encoder = 'model.safetensors'): SaveFile[] {
  const own = opened.architecture === STATIC ? join(folder, STATIC_FOLDER) : folder;
  const targets: SaveFile[] = [{ path: join(own, encoder), module: 'encoder' }];
  moduleFolders(opened.spec.head).forEach((name, module) => {
    const { kind } = opened.spec.head[module]!;
    if (kind === 'dense' || kind === 'layer_norm')
      targets.push({ path: join(folder, name, 'model.safetensors'), module });
  });
  return targets;
}

/** What the model card says of the model itself. */
export function factsOf(opened: OpenedModel): ModelFacts {
  const { encoder, head } = opened.spec;
  // All began with another model, where this one was saved before.
  const { id, revision } = opened.saved ?? opened;
  const names = head.map((module) => {
    if (module.kind === 'pooling') return `Pooling (${module.modes.join(', ')})`;
    return module.kind === 'dense'
      ? `Dense (${module.inFeatures} to ${module.outFeatures}, ${module.activation})`
      : MODULE_CLASSES[module.kind];
  });
  return {
    id,
    name: basename(id),
    revision,
    architecture: encoder.architecture,
    modules: opened.architecture === STATIC ? ['StaticEmbedding', ...names.slice(1)] : ['Transformer', ...names],
    dimension: opened.dimension,
    maxInputLength: opened.maxInputLength,
    prompts: opened.layout.prompts,
  };
}

/** The system's errors become ours, with the folder; the engine's keep their class. */
export function saveError(error: unknown, place: string): Error {
  if (error instanceof VectuneError) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (typeof code === 'string' && typeof syscall === 'string') {
    return new FileError('ERR_FILE', `Cannot save to ${place}: ${systemReason(error)}. What was there is unchanged.`, {
      file: place,
      cause: error,
    });
  }
  return fromNative(error);
}
