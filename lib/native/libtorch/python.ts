import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runChild } from '../child';

/** Folders in which a Python environment of this machine keeps its packages, and how each was found. */
export interface PackageFolder {
  folder: string;
  origin: string;
}

const ASK_SECONDS = 20;

/**
 * Package folders of the environments that the variables name, then of `python3`. Python is asked for its paths
 * only; no package is imported.
 */
export async function* packageFolders(environment: NodeJS.ProcessEnv): AsyncGenerator<PackageFolder> {
  for (const name of ['VIRTUAL_ENV', 'CONDA_PREFIX'] as const) {
    const prefix = environment[name];
    if (!prefix) continue;
    for (const folder of await sitePackages(prefix)) yield { folder, origin: name };
  }
  for (const folder of await pythonPaths(environment)) yield { folder, origin: 'python3' };
}

async function sitePackages(prefix: string): Promise<string[]> {
  const versions = await readdir(join(prefix, 'lib')).catch(() => [] as string[]);
  return versions.filter((name) => /^python3\.\d+$/.test(name)).map((name) => join(prefix, 'lib', name, 'site-packages'));
}

async function pythonPaths(environment: NodeJS.ProcessEnv): Promise<string[]> {
  const ask = 'import json, sys; print(json.dumps([path for path in sys.path if path]))';
  try {
    // Not -I: packages that the user installed for himself count too.
    const { stdout } = await runChild('python3', ['-c', ask], { environment, timeoutMs: ASK_SECONDS * 1000 });
    const paths: unknown = JSON.parse(stdout);
    return Array.isArray(paths) ? paths.filter((path): path is string => typeof path === 'string') : [];
  } catch {
    return []; // no Python, or one that does not start: then it has no LibTorch for us
  }
}
