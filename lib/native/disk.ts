import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DownloadError } from '../errors';

/** A twentieth more than the files: folders, blocks that are not full. */
const OVERHEAD = 1.05;

/** Bytes that this user may still write where `path` lies or will lie; undefined where the system does not tell. */
export async function freeBytes(path: string): Promise<number | undefined> {
  for (let place = path; ; place = dirname(place)) {
    try {
      const { bavail, bsize } = await statfs(place);
      return bavail * bsize;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(place) === place) return undefined;
    }
  }
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

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
