import { readdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { makeFolders } from '../system/make-folders';

/**
 * Downloads that were broken off, kept beside the releases under their SHA-256 so that the next installation asks
 * for the rest only. A part belongs to one installation at a time: it is taken and given back by renaming.
 */

const PARTS = '.parts';
/** Begins the names of installations' own folders. */
export const TEMPORARY = '.install-';
const OWNER = 'owner.json';
const SHA256 = /^[0-9a-f]{64}$/;
/** What nobody came back for. */
const FORGOTTEN_MS = 7 * 24 * 3600 * 1000;
/** Of another machine, or of a process that cannot be asked for. */
const ABANDONED_MS = 24 * 3600 * 1000;

/** Says in an installation's own folder whose it is, so that what it leaves when it is killed can be told. */
export async function signFolder(folder: string): Promise<void> {
  await writeFile(join(folder, OWNER), JSON.stringify({ host: hostname(), pid: process.pid }));
}

/** Where an installation receives the file with this hash. */
export async function placeFor(folder: string, sha256: string, file: string): Promise<string> {
  await makeFolders(join(folder, sha256));
  return join(folder, sha256, file);
}

/** Moves a part that is kept to `target`; false where there is none. */
export async function takePart(cache: string, sha256: string, target: string): Promise<boolean> {
  return renamed(join(cache, PARTS, sha256), target);
}

/** Keeps the parts in an installation's folder; of two of the same file the longer one. */
export async function keepParts(cache: string, folder: string): Promise<void> {
  for (const sha256 of await readdir(folder).catch(() => [] as string[])) {
    if (!SHA256.test(sha256)) continue;
    const [file] = await readdir(join(folder, sha256));
    if (file === undefined) continue;
    const path = join(folder, sha256, file);
    const kept = join(cache, PARTS, sha256);
    const [bytes, bytesKept] = await Promise.all([sizeOf(path), sizeOf(kept)]);
    if (bytes === 0 || bytes <= bytesKept) continue;
    await makeFolders(join(cache, PARTS));
    await rename(path, kept);
  }
}

/** Takes what killed installations received into the parts, and removes what nobody needs any more. */
export async function tidy(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (!name.startsWith(TEMPORARY)) continue;
    const folder = join(cache, name);
    if (!(await isAbandoned(folder))) continue;
    // Renamed first: two installations that tidy at once do not take the same.
    const mine = `${folder}-${process.pid}`;
    if (!(await renamed(folder, mine))) continue;
    await keepParts(cache, mine).catch(() => undefined); // then it begins anew
    await rm(mine, { recursive: true, force: true });
  }
  for (const name of await readdir(join(cache, PARTS)).catch(() => [] as string[])) {
    const part = join(cache, PARTS, name);
    const found = await stat(part).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > FORGOTTEN_MS) await rm(part, { force: true });
  }
}

/** Removes the folder of the parts where it is empty. */
export async function removeIfEmpty(cache: string): Promise<void> {
  await rmdir(join(cache, PARTS)).catch(() => undefined);
}

/** Removes all parts. */
export async function removeParts(cache: string): Promise<void> {
  await rm(join(cache, PARTS), { recursive: true, force: true });
}

async function renamed(from: string, to: string): Promise<boolean> {
  return rename(from, to).then(
    () => true,
    () => false,
  );
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    (found) => found.size,
    () => 0,
  );
}

async function isAbandoned(folder: string): Promise<boolean> {
  const found = await stat(folder).catch(() => undefined);
  if (found === undefined) return false;
  if (Date.now() - found.mtimeMs > ABANDONED_MS) return true;
  try {
    const owner = JSON.parse(await readFile(join(folder, OWNER), 'utf8')) as { host: string; pid: number };
    if (owner.host !== hostname()) return false;
    process.kill(owner.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
