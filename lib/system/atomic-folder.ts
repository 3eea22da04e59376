import { randomBytes } from 'node:crypto';
import { lstat, mkdir, open, readdir, readFile, realpath, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { makeFolders } from './make-folders';

/**
 * Folders that are there whole or not at all. A folder is written beside its place, flushed to disk and
 * renamed; a process that is killed at any moment leaves the old one, the new one, or (between two
 * renames) both beside each other under names that begin with a dot.
 */

/** Flushes a folder's list of names to disk. */
async function flushFolder(path: string): Promise<void> {
  if (process.platform !== 'win32') await flush(path); // Windows has no handle on a folder to flush
}

async function flush(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Flushes every file and folder below `folder`, and itself, to disk. */
export async function flushTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await flushTree(path);
    else if (entry.isFile()) await flush(path);
  }
  await flushFolder(folder);
}

/** A name beside `target` that no one else uses; what is left under it after a crash is known by the prefix. */
export function siblingName(target: string, purpose: 'new' | 'old' | 'gone'): string {
  return join(
    dirname(target),
    `.${basename(target)}.vectune-${purpose}-${process.pid}-${randomBytes(4).toString('hex')}`,
  );
}

/** `target`, or where it leads if it is a link. */
async function placeOf(target: string): Promise<string> {
  try {
    return await realpath(target);
  } catch (error) {
    const isLink = await lstat(target).then(
      (info) => info.isSymbolicLink(),
      () => false,
    );
    if (isLink || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return target;
  }
}

/** Makes a folder and those above it; their names are on disk. */
export async function makeFolder(folder: string): Promise<void> {
  const first = await makeFolders(folder);
  if (first === undefined) return;
  const highest = resolve(first);
  for (let made = resolve(folder); made.length >= highest.length; made = dirname(made))
    await flushFolder(dirname(made));
}

/** Renames a folder, and has both names on disk. For two names in one folder. */
export async function renameFolder(from: string, to: string): Promise<void> {
  await rename(from, to);
  await flushFolder(dirname(to));
}

/**
 * Removes a folder. Its name goes first, so that one that is removed in part does not pass for a whole one.
 *
 * @param place the name by which what is left of it is known, after a crash
 */
export async function removeFolder(folder: string, place = folder): Promise<void> {
  const gone = siblingName(place, 'gone');
  await rename(folder, gone);
  await rm(gone, { recursive: true, force: true, maxRetries: 3 });
}

/**
 * Puts a folder at `target`. `write` fills an empty folder that is given to it; only when it is done and on
 * disk does it take the place of what was there. Where anything fails, what was there is there still and
 * nothing new is. A link at `target` is followed: the folder it leads to is replaced. Of several writers of one
 * target at once, the last to be done wins.
 *
 * @param keep asked when the new folder is done: whether what is at `target` by then stays, and the new one goes. With
 *   it, what it would keep is never moved, not for a moment: others may be reading it
 */
export async function replaceFolder(
  target: string,
  write: (folder: string) => Promise<void>,
  keep?: () => Promise<boolean>,
): Promise<void> {
  const place = await placeOf(target);
  await makeFolder(dirname(place));
  const fresh = siblingName(place, 'new');
  await mkdir(fresh);
  try {
    await write(fresh);
    await flushTree(fresh);
    await swap(place, fresh, keep);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Proves that `replaceFolder` can work at `target`: makes a folder beside it with a file in it, flushes both, and takes
 * them away again, with the parents that it had to make. Rejects with the system's error, or where `target` is a mount
 * point, which cannot be renamed.
 */
export async function proveReplaceable(target: string): Promise<void> {
  const place = await placeOf(target);
  const parent = dirname(place);
  const made = await makeFolders(parent);
  const fresh = siblingName(place, 'new');
  try {
    await mkdir(fresh);
    await writeFile(join(fresh, 'proof'), Buffer.alloc(4096));
    await flushTree(fresh);
    // A name of its own length is tried too: the longest of those that a replacement needs.
    const moved = siblingName(place, 'gone');
    await rename(fresh, moved);
    await rename(moved, fresh);
    if (await isMountPoint(place)) throw new Error(`${place} is a mount point, which cannot be replaced`);
  } finally {
    await rm(fresh, { force: true, recursive: true });
    if (made !== undefined) await removeMade(resolve(parent), resolve(made));
  }
}

/** Removes folders from `folder` up to `highest`, as far as they are empty. */
async function removeMade(folder: string, highest: string): Promise<void> {
  for (let path = folder; path.length >= highest.length; path = dirname(path)) {
    const removed = await rmdir(path).then(
      () => true,
      () => false,
    );
    if (!removed) return;
  }
}

async function isMountPoint(place: string): Promise<boolean> {
  const [here, above] = await Promise.all([place, dirname(place)].map((path) => stat(path).catch(() => null)));
  if (here === null || above === null) return false;
  if (here!.dev !== above!.dev) return true;
  // A folder of the same disk that is mounted here is known by this list only. Spaces are written as \\040.
  const mounts = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  const unescaped = (path: string) =>
    path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
  return mounts.split('\n').some((line) => unescaped(line.split(' ')[4] ?? '') === place);
}

/**
 * Renames `fresh` to `place`; an older folder there is moved aside before, and back if that fails. It goes when the new
 * one's name is on disk.
 */
async function swap(place: string, fresh: string, keep?: () => Promise<boolean>): Promise<void> {
  // A free place is taken in one step, so that between `keep` and the renames no other writer's folder can come there unseen.
  if (keep !== undefined) {
    if (await keep()) return rm(fresh, { recursive: true });
    if (await takes(fresh, place)) return flushFolder(dirname(place));
    if (await keep()) return rm(fresh, { recursive: true });
  }
  const old = siblingName(place, 'old');
  const replaces = await moveAside(place, old);
  let taken: boolean;
  try {
    taken = await takes(fresh, place);
  } catch (error) {
    if (replaces) await rename(old, place);
    throw error;
  }
  if (taken) await flushFolder(dirname(place));
  // The new folder stands: what cannot be removed of the old one is no failure of the write.
  if (replaces) await removeFolder(old, place).catch(() => undefined);
  // Another writer's folder came to the free place: now that one is replaced, or kept.
  if (!taken) await swap(place, fresh, keep);
}

/** Renames to a free place; false where it is not free. */
async function takes(fresh: string, place: string): Promise<boolean> {
  try {
    await rename(fresh, place);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
    throw error;
  }
}

/** Whether there was something to move; another writer may have moved it just now. */
async function moveAside(place: string, old: string): Promise<boolean> {
  return rename(place, old).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}
