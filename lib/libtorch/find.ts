import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { libtorchCache } from './cache';
import { incompleteInstall, inspectFolder, type LibTorchFolder } from './folder';
import { libraryFile } from '../system/platform';
import { packageFolders } from './python';

export type CandidateOrigin = 'option' | 'environment' | 'cache' | 'python' | 'system';

/** A place that was looked at. Places without a LibTorch are reported only where someone named them. */
export interface Candidate {
  origin: CandidateOrigin;
  /** How the place was come upon, for people to read: 'VECTUNE_LIBTORCH', 'VIRTUAL_ENV', … */
  via: string;
  path: string;
  /** What lies there; undefined where no LibTorch does. */
  found: LibTorchFolder | undefined;
  /** Why it is not used; undefined where it may be. */
  rejected: string | undefined;
}

export interface FindOptions {
  /** Folder that the caller names; nothing else is looked at. */
  libtorch?: string | undefined;
  /** Versions that there is an engine for. A folder that does not tell its version is accepted: a probe tells it. */
  versions: readonly string[];
  /** Accept only a LibTorch that an engine can be built against: with headers, and its version told. */
  headers?: boolean;
  environment?: NodeJS.ProcessEnv;
  /** Whether to ask Python's environments and the system; default true. */
  beyondCache?: boolean;
}

const SYSTEM_ROOTS = ['/usr/local/libtorch', '/opt/libtorch', '/usr/local', '/usr', '/usr/lib/x86_64-linux-gnu'];

/**
 * Places that may hold LibTorch, in the order of preference: the caller's, VECTUNE_LIBTORCH, vectune's cache, Python
 * environments, the system. Places that are named (the first two) end the search, whatever lies there.
 */
export async function* searchLibTorch(options: FindOptions): AsyncGenerator<Candidate> {
  const environment = options.environment ?? process.env;
  const named = options.libtorch ?? environment['VECTUNE_LIBTORCH'];
  if (named) {
    const origin = options.libtorch ? 'option' : 'environment';
    yield await judge(origin, options.libtorch ? 'option libtorch' : 'VECTUNE_LIBTORCH', named, options);
    return;
  }
  const seen = new Set<string>();
  for await (const candidate of unnamed(options, environment)) {
    const closed = candidate.rejected?.startsWith('this user may not read') === true;
    if (candidate.found === undefined && candidate.origin !== 'cache' && !closed) continue;
    const key = candidate.found?.root ?? candidate.path;
    if (seen.has(key)) continue;
    seen.add(key);
    yield candidate;
  }
}

/** All candidates of the search. */
export async function listLibTorch(options: FindOptions): Promise<Candidate[]> {
  const candidates: Candidate[] = [];
  for await (const candidate of searchLibTorch(options)) candidates.push(candidate);
  return candidates;
}

async function* unnamed(options: FindOptions, environment: NodeJS.ProcessEnv): AsyncGenerator<Candidate> {
  const cache = libtorchCache(environment);
  const refused = await unreadable(cache);
  if (refused !== undefined) {
    yield { origin: 'cache', via: "vectune's cache", path: cache, found: undefined, rejected: refused };
  }
  const versions = (await readdir(cache).catch(() => [] as string[])).filter((name) => /^\d+\.\d+\.\d+/.test(name));
  const rank = (version: string) => {
    const place = options.versions.indexOf(version);
    return place < 0 ? options.versions.length : place;
  };
  for (const version of versions.sort((a, b) => rank(a) - rank(b))) {
    yield await judge('cache', "vectune's cache", join(cache, version), options);
  }
  if (options.beyondCache === false) return;
  for await (const { folder, origin } of packageFolders(environment)) {
    yield await judge('python', origin, join(folder, 'torch'), options);
  }
  for (const folder of (environment['LD_LIBRARY_PATH'] ?? '').split(':').filter(Boolean)) {
    yield await judge('system', 'LD_LIBRARY_PATH', folder, options);
  }
  for (const root of SYSTEM_ROOTS) yield await judge('system', 'system', root, options);
}

async function judge(origin: CandidateOrigin, via: string, path: string, options: FindOptions): Promise<Candidate> {
  const found = await inspectFolder(path);
  return { origin, via, path, found, rejected: await reject(origin, path, found, options) };
}

async function reject(
  origin: CandidateOrigin,
  path: string,
  found: LibTorchFolder | undefined,
  options: FindOptions,
): Promise<string | undefined> {
  if (origin === 'cache') {
    const closed = await unreadable(path);
    if (closed !== undefined) return closed;
    const incomplete = await incompleteInstall(path);
    if (incomplete !== undefined) return incomplete;
  }
  if (found === undefined) return (await unreadable(path)) ?? 'no lib/libtorch_cpu.so is there';
  const closed = await unreadable(found.libDir);
  if (closed !== undefined) return closed;
  if (found.version !== undefined && !options.versions.includes(found.version)) {
    return wrongVersion(found.fullVersion ?? found.version, options.versions);
  }
  if (!options.headers) return undefined;
  if (!found.headers) return 'it has no header files (include/ATen) to build the engine with';
  return found.version === undefined ? 'it does not tell its version (version.py or build-version)' : undefined;
}

/** What of a folder this user may not look at; undefined where nothing is in the way. */
export async function unreadable(path: string): Promise<string | undefined> {
  const library = libraryFile('torch_cpu');
  for (const place of [path, join(path, 'lib'), join(path, library), join(path, 'lib', library)]) {
    try {
      if ((await stat(place)).isFile()) await (await open(place)).close();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EACCES' || code === 'EPERM') {
        return `this user may not read ${place} (${code}): have it opened to the user, or run as its owner`;
      }
    }
  }
  return undefined;
}

/** One sentence for a LibTorch that there is no engine for. */
export function wrongVersion(found: string, versions: readonly string[]): string {
  return `it is LibTorch ${found}, and the engine is for LibTorch ${versions.join(' or ')}`;
}
