import { ModelError } from '../system/errors';
import { checkOptionNames } from '../system/options';
import { say } from '../system/wording';
import { readOrigin } from './fetch/cache';
import { readFolder } from './folder/read';
import { resolveModel, type ResolveOptions } from './fetch/resolve';
import type { ModelPreset, OpenedModel } from './types';

export type OpenOptions = ResolveOptions;

export const OPEN_OPTIONS = [
  'cacheFolder',
  'hubUrl',
  'revision',
  'accessToken',
  'offline',
  'onProgress',
  'signal',
] as const;

/**
 * Finds a model (a folder, a hub id or a preset), fetching it where needed, and reads everything but its weights.
 *
 * @throws ModelError, DownloadError, AbortError; InvalidArgumentError for an option that is not there.
 */
export async function openModel(source: string | ModelPreset, options: OpenOptions = {}): Promise<OpenedModel> {
  checkOptionNames(options, OPEN_OPTIONS, 'openModel');
  const found = await resolveModel(source, options);
  const opened = await readFolder(found.folder, found.id).catch(async (error: unknown) => {
    throw (await isOwnCopy(found.folder)) ? ownCopyDamaged(error, found.folder) : error;
  });
  return found.revision === undefined ? opened : { ...opened, revision: found.revision };
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
