import { lstat, readdir, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DownloadError } from './errors';

/** A twentieth more than the files: folders, blocks that are not full. */
const OVERHEAD = 1.05;

/** Bytes that this user may still write where `path` lies or will lie; undefined where the system does not tell. */
async function freeBytes(path: string): Promise<number | undefined> {
  for (let place = path; ; place = dirname(place)) {
    try {
      const { bavail, bsize } = await statfs(place);
      return bavail * bsize;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(place) === place) return undefined;
    }
  }
}

/** Bytes of all files below a folder, or of a file; what vanishes meanwhile does not count. */
export async function bytesBelow(path: string): Promise<number> {
  const found = await lstat(path).catch(() => undefined);
  if (!found?.isDirectory()) return found?.size ?? 0;
  const names = await readdir(path).catch(() => []);
  const sizes = await Promise.all(names.map((name) => bytesBelow(join(path, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** @throws DownloadError ERR_DISK_SPACE: `path` has no room for so many bytes. */
export async function requireSpace(path: string, bytes: number, purpose: string): Promise<void> {
  const free = await freeBytes(path);
  const needed = Math.ceil(bytes * OVERHEAD);
  if (free === undefined || free >= needed) return;
  throw new DownloadError(
    'ERR_DISK_SPACE',
    `${purpose} needs ${megabytes(needed)} under ${path}, which has ${megabytes(free)} left. Make room, or name ` +
      'another folder by the environment variable VECTUNE_CACHE.',
    { file: path },
  );
}

/** What a full disk's ENOSPC means: others may have written since the room was looked at. */
export function noRoom(path: string, purpose: string, cause: unknown): DownloadError {
  return new DownloadError(
    'ERR_DISK_SPACE',
    `${purpose} found no more room under ${path}. Make room, or name another folder by the environment variable ` +
      'VECTUNE_CACHE.',
    { file: path, cause },
  );
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
