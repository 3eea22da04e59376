import { readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isObject } from '../system/json';
import { outsideArchive } from '../system/asar';
import { absolutePath } from '../system/working-folder';

/** Name of the file that says that a folder of the cache was installed whole; it comes with the folder. */
export const MARKER_FILE = 'vectune-libtorch.json';

export interface LibTorchFolder {
  /** Holds `lib`, and `include` where there are headers; links resolved. */
  root: string;
  /** Holds libtorch_cpu. */
  libDir: string;
  /** As the folder tells it without being loaded, build suffix removed; undefined where it does not. */
  version: string | undefined;
  /** The same as written there, e.g. '2.11.0+cu130'. */
  fullVersion: string | undefined;
  headers: boolean;
  /** Whether it can compute on an NVIDIA GPU: its CUDA part is there. */
  cuda: boolean;
}

export interface InstallMarker {
  version: string;
  /** Where it came from, for people to read. */
  source: string;
  headers: boolean;
  cuda: boolean;
  /** Length of every library, by its path from the marker's folder. */
  libraries: Record<string, number>;
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

/**
 * The LibTorch at `path`, which may be LibTorch's own folder, the folder that holds it as `torch` or `libtorch`
 * (a Python environment's site-packages, an unpacked archive), or the folder of the libraries themselves. Undefined
 * where there is none.
 */
export async function inspectFolder(path: string): Promise<LibTorchFolder | undefined> {
  const place = outsideArchive(absolutePath(path));
  const isLib = basename(place) === 'lib' || basename(place) === 'lib64';
  const layouts = [place, join(place, 'torch'), join(place, 'libtorch')].map(
    (root) => [root, join(root, 'lib')] as const,
  );
  for (const [root, libDir] of [...layouts, [isLib ? dirname(place) : place, place] as const]) {
    if (!(await isFile(join(libDir, 'libtorch_cpu.so')))) continue;
    const real = await realpath(root);
    const fullVersion = await writtenVersion(real);
    return {
      root: real,
      libDir: await realpath(libDir),
      version: fullVersion?.replace(/\+.*$/, ''),
      fullVersion,
      headers: await isFile(join(real, 'include', 'ATen', 'core', 'Tensor.h')),
      cuda: await isFile(join(libDir, 'libtorch_cuda.so')),
    };
  }
  return undefined;
}

/** A wheel has version.py; LibTorch's own archives have build-version. */
async function writtenVersion(root: string): Promise<string | undefined> {
  const python = await readFile(join(root, 'version.py'), 'utf8').catch(() => '');
  const quoted = /^__version__\s*(?::[^=]*)?=\s*['"]([^'"]+)['"]/m.exec(python)?.[1];
  if (quoted !== undefined) return quoted;
  const plain = await readFile(join(root, 'build-version'), 'utf8').catch(() => '');
  return /^\d+\.\d+\.\d+\S*/.exec(plain.trim())?.[0];
}

/** Why a folder of the cache is not a whole install; undefined where it is one. */
export async function incompleteInstall(folder: string): Promise<string | undefined> {
  const marker = await readMarker(folder);
  if (marker === undefined) return 'its installation was not completed';
  for (const [path, bytes] of Object.entries(marker.libraries)) {
    const found = await stat(join(folder, path)).catch(() => undefined);
    if (found === undefined) return `${path} is missing`;
    if (found.size !== bytes) return `${path} has ${found.size} bytes, expected ${bytes}`;
  }
  return undefined;
}

async function readMarker(folder: string): Promise<InstallMarker | undefined> {
  try {
    const marker = JSON.parse(await readFile(join(folder, MARKER_FILE), 'utf8')) as Partial<InstallMarker> | null;
    const whole = typeof marker?.version === 'string' && isObject(marker.libraries);
    return whole ? (marker as InstallMarker) : undefined;
  } catch {
    return undefined;
  }
}
