import { checkOptionNames } from '../system/options';
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
  const opened = await readFolder(found.folder, found.id);
  return found.revision === undefined ? opened : { ...opened, revision: found.revision };
}
