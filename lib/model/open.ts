import { sep } from 'node:path';
import { DownloadError, ModelError, withoutRemedy } from '../system/errors';
import { checkOptionNames } from '../system/options';
import { say } from '../system/wording';
import { absolutePath } from '../system/working-folder';
import { readOrigin } from './fetch/cache';
import { baseUnusable, readAdapter, type Adapter } from './folder/adapter';
import { checkFolder, readFolder, type AdaptedBase } from './folder/read';
import { conversionCommand } from './folder/weights';
import { resolveModel, type ResolveOptions } from './fetch/resolve';
import { readFactsFile } from './save/facts-file';
import type { ModelPreset, OpenedModel } from './types';

export type OpenOptions = ResolveOptions;

const OPEN_OPTIONS = ['cacheFolder', 'hubUrl', 'revision', 'accessToken', 'offline', 'onProgress', 'signal'] as const;

/**
 * Finds a model (a folder, a hub id or a preset), fetching it where needed, and reads everything but its weights. Of a
 * folder that is an adapter its base is found in the same way.
 *
 * @throws ModelError, DownloadError, AbortError; InvalidArgumentError for an option that is not there.
 */
export async function openModel(source: string | ModelPreset, options: OpenOptions = {}): Promise<OpenedModel> {
  checkOptionNames(options, OPEN_OPTIONS, 'openModel');
  const found = await resolveModel(source, options, checkFetched);
  const read = async () => {
    const adapter = await readAdapter(found.folder);
    return readFolder(found.folder, found.id, adapter && (await baseOf(adapter, options)));
  };
  const opened = await read().catch(async (error: unknown) => {
    throw (await isOwnCopy(found.folder)) ? ownCopyDamaged(error, found.folder) : error;
  });
  if (found.revision !== undefined) return { ...opened, revision: found.revision };
  const saved = await readFactsFile(found.folder);
  return saved === undefined ? opened : { ...opened, saved };
}

/** The model that an adapter changes. */
async function baseOf(adapter: Adapter, options: OpenOptions): Promise<AdaptedBase> {
  try {
    const base = await resolveModel(adapter.base, { ...options, revision: adapter.baseRevision }, checkFetched);
    if ((await readAdapter(base.folder)) === undefined) return { adapter, base };
  } catch (error) {
    if (error instanceof ModelError || error instanceof DownloadError) {
      throw baseUnusable(adapter, withoutRemedy(error), error);
    }
    throw error;
  }
  throw baseUnusable(adapter, 'it is an adapter itself, and vectune reads one upon a whole model.', undefined);
}

/** Looks at a repository before its weights are fetched. */
async function checkFetched(folder: string, id: string): Promise<void> {
  await checkFolder(folder, id).catch((error: unknown) => {
    throw ofRepository(error, absolutePath(folder), id);
  });
}

/** What is wrong with a repository, said of it and not of the folder that it was being fetched into, which is gone. */
function ofRepository(error: unknown, folder: string, id: string): unknown {
  if (!(error instanceof ModelError)) return error;
  const renamed = (text: string) => text.replaceAll(folder + sep, `${id}/`).replaceAll(folder, id);
  const said = withoutRemedy(error).replace(/[,;]? *[Ff]etch the model folder again\.?$/, '');
  let remedy = error.remedy?.map((part) => (typeof part === 'string' ? renamed(part) : part));
  if (remedy?.some((part) => typeof part === 'string' && part.includes('.save_pretrained('))) {
    const command = conversionCommand(id, id.slice(id.indexOf('/') + 1));
    remedy = [...say`Write the model with one once, with Python, and open that folder:\n  ${command}`];
  }
  return new ModelError(error.code, renamed(said).replace(/\.?$/, '.'), { cause: error, remedy });
}

async function isOwnCopy(folder: string): Promise<boolean> {
  return (await readOrigin(folder)) !== undefined;
}

/** Of a folder that the user never saw "fetch the folder again" says little. */
function ownCopyDamaged(error: unknown, folder: string): unknown {
  if (!(error instanceof ModelError) || !/etch the model folder again/.test(error.message)) return error;
  const said = error.message.replace(/ *Fetch the model folder again\.$|; fetch the model folder again\.$/, '');
  return new ModelError(error.code, said.replace(/\.?$/, '.'), {
    file: error.file,
    cause: error,
    remedy: say`It is vectune's own copy: remove ${folder}, and it is fetched again.`,
  });
}
