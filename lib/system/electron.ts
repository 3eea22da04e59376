import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * Electron's executable does as Node with ELECTRON_RUN_AS_NODE, unless the app's builder has set its fuse RunAsNode to
 * off: then it starts the app once more, whatever it is given. The fuses are bytes of the executable behind these ones.
 */
const SENTINEL = Buffer.from('dL7pKGdnNz796PbbjQWNKmHXBZaB9tsX', 'latin1');
/** Behind the sentinel: version and number of the fuses, then one character each; RunAsNode is the first. */
const RUN_AS_NODE = SENTINEL.length + 2;
const OFF = '0'.charCodeAt(0);
const CHUNK = 1 << 22;

/** Whether a process of this executable can do as Node. Reads the file only in Electron. */
export async function runsAsNode(executable = process.execPath): Promise<boolean> {
  if (process.versions['electron'] === undefined) return true;
  // On macOS the fuses are in the framework, beside which the executable is a stub.
  const framework = join(dirname(executable), '..', 'Frameworks', 'Electron Framework.framework', 'Electron Framework');
  for (const file of process.platform === 'darwin' ? [framework, executable] : [executable]) {
    const fuse = await runAsNodeFuse(file).catch(() => undefined);
    if (fuse !== undefined) return fuse !== OFF;
  }
  return true; // no fuses in it: older than they are
}

/** Whether this is a utility process: the app gave it to this work, and lives on if it crashes. */
export function isUtilityProcess(): boolean {
  return (process as { type?: string }).type === 'utility';
}

async function runAsNodeFuse(file: string): Promise<number | undefined> {
  const handle = await open(file);
  try {
    // Parts overlap by what belongs together.
    const part = Buffer.alloc(CHUNK + RUN_AS_NODE);
    for (let at = 0; ; at += CHUNK) {
      const { bytesRead } = await handle.read(part, 0, part.length, at);
      const found = part.subarray(0, bytesRead).indexOf(SENTINEL);
      if (found >= 0 && found + RUN_AS_NODE < bytesRead) return part[found + RUN_AS_NODE];
      if (bytesRead < part.length) return undefined;
    }
  } finally {
    await handle.close();
  }
}
