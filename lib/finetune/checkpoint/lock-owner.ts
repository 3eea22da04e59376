import { readFile } from 'node:fs/promises';

/** Who holds the lock of a file, for people to read. */
export async function lockOwner(file: string): Promise<string> {
  try {
    const { pid, host, since } = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    if (typeof pid === 'number')
      return `process ${pid} on ${String(host)} since ${new Date(Number(since) * 1000).toISOString()}`;
  } catch {
    // It is being written just now, or is not ours.
  }
  return 'another process';
}
