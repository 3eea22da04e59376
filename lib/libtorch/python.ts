import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runChild } from '../system/child';
import { makeFolders } from '../system/make-folders';
import { absolutePath } from '../system/working-folder';
import { verdictCache } from './cache';

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
  // What it said the last time comes first: where that holds what is looked for, a start costs no second process.
  const answer = join(verdictCache(environment), `python-${situation(environment)}.json`);
  for (const folder of await remembered(answer)) yield { folder, origin: 'python3' };
  const folders = await pythonPaths(environment);
  await makeFolders(verdictCache(environment))
    .then(() => writeFile(answer, JSON.stringify(folders)))
    .catch(() => undefined); // then it is asked the next time too
  for (const folder of folders) yield { folder, origin: 'python3' };
}

/** Which Python `python3` is, and what it has, depends on these. */
function situation(environment: NodeJS.ProcessEnv): string {
  const names = Object.keys(environment)
    .filter((name) => /^(?:PATH$|HOME$|PYTHON|PYENV|ASDF|UV_)/.test(name))
    .sort();
  const values = [absolutePath('.'), ...names.map((name) => `${name}=${environment[name]}`)];
  return createHash('sha256').update(JSON.stringify(values)).digest('hex').slice(0, 16);
}

async function remembered(answer: string): Promise<string[]> {
  try {
    return readPaths(await readFile(answer, 'utf8'));
  } catch {
    return [];
  }
}

function readPaths(text: string): string[] {
  const paths: unknown = JSON.parse(text);
  return Array.isArray(paths) ? paths.filter((path): path is string => typeof path === 'string') : [];
}

async function sitePackages(prefix: string): Promise<string[]> {
  const versions = await readdir(join(prefix, 'lib')).catch(() => [] as string[]);
  return versions
    .filter((name) => /^python3\.\d+$/.test(name))
    .map((name) => join(prefix, 'lib', name, 'site-packages'));
}

async function pythonPaths(environment: NodeJS.ProcessEnv): Promise<string[]> {
  const ask = 'import json, sys; print(json.dumps([path for path in sys.path if path]))';
  try {
    // Not -I: packages that the user installed for himself count too.
    const { stdout } = await runChild('python3', ['-c', ask], { environment, timeoutMs: ASK_SECONDS * 1000 });
    return readPaths(stdout);
  } catch {
    return []; // no Python, or one that does not start: then it has no LibTorch for us
  }
}
