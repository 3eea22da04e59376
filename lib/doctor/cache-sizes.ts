import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheRoot } from '../system/cache-root';
import { bytesBelow } from '../system/disk';
import { libtorchCache } from '../libtorch/cache';

/** A part of vectune's cache. */
export interface CacheEntry {
  /** For people to read: 'LibTorch 2.11.0', 'models', … */
  what: string;
  path: string;
  bytes: number;
  /** The command that removes it. */
  remove: string;
}

/** What lies in vectune's cache, LibTorch's releases one by one; nothing where there is no cache yet. */
export async function cacheSizes(environment: NodeJS.ProcessEnv = process.env): Promise<CacheEntry[]> {
  const entries: Promise<CacheEntry>[] = [];
  const add = (what: string, path: string, remove = `rm -r '${path}'`): void => {
    entries.push(bytesBelow(path).then((bytes) => ({ what, path, bytes, remove })));
  };
  const libtorch = libtorchCache(environment);
  for (const name of await namesIn(libtorch)) {
    if (/^\d+\.\d+\.\d+/.test(name)) {
      add(`LibTorch ${name}`, join(libtorch, name), `npx vectune libtorch remove ${name}`);
    } else {
      add(
        name === '.parts' ? 'downloads that were broken off' : 'an installation that is not done',
        join(libtorch, name),
      );
    }
  }
  const root = cacheRoot(environment);
  for (const name of await namesIn(root)) {
    if (join(root, name) !== libtorch) add(name, join(root, name));
  }
  return Promise.all(entries);
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [] as string[])).sort();
}
