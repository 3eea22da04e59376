import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFolder } from '../../system/atomic-folder';
import { InvalidArgumentError } from '../../system/errors';
import { isObject, readJson } from '../../system/json';

/** Marks a complete cached folder and says where it came from. */
const ORIGIN_FILE = 'vectune.json';

export interface CachedOrigin {
  id: string;
  source: 'hub' | 'wheel';
  /** Commit of the hub repository, or `name==version` of the wheel. */
  revision: string;
  /** SHA-256 of each file that was fetched and could be checked. */
  sha256: Record<string, string>;
}

const ID = /^[A-Za-z0-9][\w.-]*(?:\/[A-Za-z0-9][\w.-]*)?$/;

/** Whether the text has the form of a repository's name: `owner/name`, or `name` alone. */
export function isHubId(text: string): boolean {
  return ID.test(text) && !text.includes('..') && !text.includes('--');
}

/** Where the model of a hub id and revision is kept. */
export function cachedModelFolder(cacheFolder: string, id: string, revision: string): string {
  if (!isHubId(id) || !/^[\w.-]+(?:\/[\w.-]+)*$/.test(revision) || revision.includes('..')) {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `"${id}" at revision "${revision}" is not a repository of the ` +
        'hub: expected owner/name and a branch, tag or commit.',
    );
  }
  const version = revision === 'main' ? '' : `@${revision.replaceAll('/', '--')}`;
  return join(cacheFolder, 'models', id.replace('/', '--') + version);
}

/** The origin of a complete cached folder; undefined where it is not there or not complete. */
export async function readOrigin(folder: string): Promise<CachedOrigin | undefined> {
  const value = await readJson(join(folder, ORIGIN_FILE)).catch(() => undefined);
  return isObject(value) && typeof value['id'] === 'string' ? (value as unknown as CachedOrigin) : undefined;
}

/**
 * Puts a fetched model at `folder`, whole or not at all. One that another caller or process put there meanwhile
 * stays: it may be in use.
 *
 * @param write fills the folder that is given to it, and the hashes of `origin`
 * @returns the origin of the model that is there
 */
export async function addToCache(
  folder: string,
  origin: CachedOrigin,
  write: (folder: string) => Promise<void>,
): Promise<CachedOrigin> {
  const there = () => readOrigin(folder);
  await replaceFolder(
    folder,
    async (fresh) => {
      await write(fresh);
      await writeFile(join(fresh, ORIGIN_FILE), `${JSON.stringify(origin, null, 2)}\n`);
    },
    async () => (await there()) !== undefined,
  );
  return (await there()) ?? origin;
}
