import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AbortError, DownloadError, LibTorchError } from '../system/errors';
import { noRoom, requireSpace } from '../system/disk';
import { hasNvidiaDriver } from '../system/platform';
import { libtorchCache, releaseFolder } from './cache';
import { incompleteInstall, inspectFolder, MARKER_FILE, type InstallMarker, type LibTorchFolder } from './folder';
import { keepParts, removeIfEmpty, removeParts, signFolder, TEMPORARY, tidy } from './parts';
import { fill } from './source';
import type { InstallOptions, Job } from './job';
import { bytesNeeded, REFERENCE_VERSION, releaseOf } from './table';
import type { Variant } from './release';
import { makeFolders } from '../system/make-folders';
import { command, say } from '../system/wording';

/**
 * Installs a LibTorch release in vectune's cache and gives its folder. A release that is there whole is left as it
 * is. Nothing appears in its place before it is whole: download, length and SHA-256, unpack aside, marker, rename.
 * What was downloaded when it is broken off is kept, and the next installation asks for the rest.
 *
 * @throws LibTorchError, DownloadError, ToolError, AbortError
 */
export async function installLibTorch(options: InstallOptions = {}): Promise<LibTorchFolder> {
  const environment = options.environment ?? process.env;
  const release = releaseOf(options.version ?? REFERENCE_VERSION);
  const target = releaseFolder(release.version, environment);
  const variant: Variant = { cuda: options.cuda ?? hasNvidiaDriver(), headers: options.headers ?? false };
  if (options.from === undefined) {
    const present = await wholeInstall(target);
    if (present !== undefined) {
      if (satisfies(present, variant)) return present;
      // What is replaced is not made less.
      variant.cuda ||= present.cuda;
      variant.headers ||= present.headers;
    }
  }
  const cache = libtorchCache(environment);
  const purpose = `The installation of LibTorch ${release.version}`;
  await requireSpace(cache, bytesNeeded(release, variant).unpacked, purpose);
  await makeFolders(cache);
  await tidy(cache);
  const temporary = await mkdtemp(join(cache, TEMPORARY));
  const tree = join(temporary, 'tree');
  const job: Job = { release, variant, purpose, cache, temporary, tree, begunMs: Date.now(), options };
  try {
    await signFolder(temporary);
    await mkdir(tree);
    const source = await fill(job);
    await checkTree(job);
    await place(job, target, source);
  } catch (thrown) {
    const error = known(job, thrown);
    if (error instanceof AbortError || (error instanceof DownloadError && error.code === 'ERR_DOWNLOAD')) {
      await keepParts(cache, temporary).catch(() => undefined); // then it begins anew the next time
    }
    throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true, maxRetries: 3 });
    await removeIfEmpty(cache);
  }
  const folder = await inspectFolder(target);
  if (folder === undefined) {
    throw new LibTorchError(
      'ERR_LIBTORCH_MISSING',
      `Another process is replacing ${target}. Try again when it is done.`,
      {
        file: target,
      },
    );
  }
  options.onEvent?.({ type: 'libtorch-installed', version: release.version, folder: target });
  return folder;
}

/** Removes a release from the cache, and what is left of broken downloads; false where it was not there. */
export async function removeLibTorch(version: string, environment = process.env): Promise<boolean> {
  const folder = releaseFolder(version, environment);
  const there = await stat(folder).then(
    () => true,
    () => false,
  );
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  await removeParts(libtorchCache(environment));
  return there;
}

/** The error as the caller sees it. */
function known(job: Job, error: unknown): unknown {
  const { signal } = job.options;
  if (signal?.aborted && !(error instanceof AbortError)) {
    return new AbortError('ERR_ABORTED', 'The installation of LibTorch was stopped.', { cause: signal.reason });
  }
  return (error as NodeJS.ErrnoException).code === 'ENOSPC' ? noRoom(job.cache, job.purpose, error) : error;
}

async function wholeInstall(folder: string): Promise<LibTorchFolder | undefined> {
  return (await incompleteInstall(folder)) === undefined ? inspectFolder(folder) : undefined;
}

function satisfies(found: LibTorchFolder, { cuda, headers }: Variant): boolean {
  return (found.cuda || !cuda) && (found.headers || !headers);
}

/** @throws LibTorchError: what was unpacked is no LibTorch, or one of another version or without what is asked for. */
async function checkTree(job: Job): Promise<void> {
  const { release, options } = job;
  const source = options.from ?? 'pip';
  const found = await inspectFolder(job.tree);
  if (found === undefined) {
    throw new LibTorchError('ERR_LIBTORCH_MISSING', `${source} holds no LibTorch (lib/libtorch_cpu.so).`);
  }
  if (found.version !== release.version) {
    throw new LibTorchError(
      'ERR_LIBTORCH_VERSION',
      `${source} holds LibTorch ${found.fullVersion ?? 'of a version that it does not tell'}, expected ` +
        `${release.version}. It was not installed.`,
    );
  }
  if (options.cuda === true && !found.cuda) {
    throw new LibTorchError('ERR_LIBTORCH_MISSING', `${source} holds no CUDA libraries (lib/libtorch_cuda.so).`, {
      remedy: say`Name a build for CUDA, or ask for the processor only: ${command('libtorch install --cpu')}`,
    });
  }
  if (job.variant.headers && !found.headers) {
    throw new LibTorchError('ERR_LIBTORCH_MISSING', `${source} holds no header files (include/ATen).`);
  }
}

/** The tree takes its place with its marker, which is written when the libraries are on disk: whole or not at all. */
async function place(job: Job, target: string, source: string): Promise<void> {
  const libraries: InstallMarker['libraries'] = {};
  for (const path of await readdir(job.tree, { recursive: true })) {
    if (/\.so(?:\.[\d.]+)?$/.test(path)) libraries[path] = await flush(join(job.tree, path));
  }
  const { options, release, variant } = job;
  const marker: InstallMarker = { version: release.version, source, ...variant, libraries };
  const text = `${JSON.stringify(marker, null, 2)}\n`;
  await writeFile(join(job.tree, MARKER_FILE), text);
  await flush(join(job.tree, MARKER_FILE));
  for (let attempt = 0; !(await renamed(job.tree, target)); ++attempt) {
    // Another process that was at the same was quicker, and may be using its libraries.
    const whole = await wholeInstall(target);
    const same = whole !== undefined && satisfies(whole, variant);
    if (same && (options.from === undefined || (await wasPlaced(target, text, job.begunMs)))) return;
    await rename(target, join(job.temporary, `old-${attempt}`)).catch(ignoreMissing);
  }
}

/** Whether a folder got this very marker since a time. */
async function wasPlaced(folder: string, marker: string, sinceMs: number): Promise<boolean> {
  const path = join(folder, MARKER_FILE);
  const found = await Promise.all([stat(path), readFile(path, 'utf8')]).catch(() => undefined);
  return found !== undefined && found[0].mtimeMs >= sinceMs && found[1] === marker;
}

/** Whether a folder could take a place; false where something is there. */
async function renamed(folder: string, target: string): Promise<boolean> {
  try {
    await rename(folder, target);
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

/** Brings a file to disk; gives its length. */
async function flush(path: string): Promise<number> {
  const file = await open(path, 'r');
  try {
    await file.sync();
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}
