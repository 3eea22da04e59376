import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a folder and those above it; gives the highest that was made. Node's own `recursive` never ends where a folder
 * is there and cannot have others in it, as /proc, and keeps a thread of the pool busy with that.
 *
 * @throws the system's error
 */
export async function makeFolders(folder: string): Promise<string | undefined> {
  try {
    await mkdir(folder);
    return folder;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && dirname(folder) !== folder) {
      const first = await makeFolders(dirname(folder));
      try {
        await mkdir(folder);
        return first ?? folder;
      } catch (again) {
        if ((again as NodeJS.ErrnoException).code !== 'EEXIST') throw again;
        return first;
      }
    }
    // It may be there under a file system that can be read only.
    const found = await stat(folder).catch(() => undefined);
    if (found?.isDirectory()) return undefined;
    throw error;
  }
}
