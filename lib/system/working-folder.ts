import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';

/** Whether the process's working folder is still there; `process.cwd()` remembers one that was removed since. */
export async function hasWorkingFolder(): Promise<boolean> {
  return realpath('.').then(
    () => true,
    () => false,
  );
}

/** The path as an absolute one, or as it is where the working folder is gone. */
export function absolutePath(path: string): string {
  try {
    return resolve(path);
  } catch {
    return path;
  }
}
