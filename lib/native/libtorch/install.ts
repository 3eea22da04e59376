import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AbortError, DownloadError, InvalidArgumentError, LibTorchError } from '../../errors';
import { requireSpace } from '../disk';
import { download, shown, verifyFile } from '../download';
import { libtorchCache, releaseFolder } from './cache';
import type { OnLibTorchEvent } from './events';
import { incompleteInstall, inspectFolder, MARKER_FILE, type InstallMarker, type LibTorchFolder } from './folder';
import { downloadByPip, pipOf, resolveWheels } from './pip';
import { bytesNeeded, REFERENCE_VERSION, releaseOf, type LibTorchRelease, type PinnedWheel } from './table';
import { chooseFromArchive, chooseFromWheel, copyLibTorch, unpackArchive } from './unpack';

export interface InstallOptions {
  /** LibTorch's version; default REFERENCE_VERSION. */
  version?: string | undefined;
  /**
   * Where to take it from: a folder (an unpacked LibTorch, or one that holds the release's wheels), an archive (zip,
   * wheel, tar) or an address of one. Default: the release's wheels through the machine's pip.
   */
  from?: string | undefined;
  /** SHA-256 of the archive that `from` names, in hexadecimal. Wheels of the release are always checked. */
  sha256?: string | undefined;
  /** Install header files too, to build an engine with; default false. */
  headers?: boolean;
  pip?: readonly string[] | undefined;
  environment?: NodeJS.ProcessEnv | undefined;
  signal?: AbortSignal | undefined;
  onEvent?: OnLibTorchEvent | undefined;
}

/** What an install works with. */
interface Job {
  release: LibTorchRelease;
  headers: boolean;
  /** A folder of its own inside the cache, so that the result can be renamed into place. */
  temporary: string;
  /** What will be renamed. */
  tree: string;
  begunMs: number;
  options: InstallOptions;
}

const ABANDONED_MS = 24 * 3600 * 1000;

/**
 * Installs a LibTorch release in vectune's cache and gives its folder. A release that is there whole is left as it
 * is. Nothing appears in its place before it is whole: download, length and SHA-256, unpack aside, marker, rename.
 *
 * @throws LibTorchError, DownloadError, ToolError, AbortError
 */
export async function installLibTorch(options: InstallOptions = {}): Promise<LibTorchFolder> {
  const environment = options.environment ?? process.env;
  const release = releaseOf(options.version ?? REFERENCE_VERSION);
  const headers = options.headers ?? false;
  const target = releaseFolder(release.version, environment);
  if (options.from === undefined) {
    const present = await wholeInstall(target, headers);
    if (present !== undefined) return present;
  }
  const cache = libtorchCache(environment);
  const { download: downloadBytes, unpacked } = bytesNeeded(release, headers);
  // Twice: pip keeps a copy aside while it downloads.
  await requireSpace(cache, 2 * downloadBytes + unpacked, `The installation of LibTorch ${release.version}`);
  await mkdir(cache, { recursive: true });
  await removeAbandoned(cache);
  const temporary = await mkdtemp(join(cache, '.install-'));
  const job: Job = { release, headers, temporary, tree: join(temporary, 'tree'), begunMs: Date.now(), options };
  try {
    await mkdir(job.tree);
    const source = await fill(job);
    await checkTree(job);
    await place(job, target, source);
  } catch (error) {
    if (!options.signal?.aborted || error instanceof AbortError) throw error;
    throw new AbortError('ERR_ABORTED', 'The installation of LibTorch was stopped.', { cause: options.signal.reason });
  } finally {
    await rm(temporary, { recursive: true, force: true, maxRetries: 3 });
  }
  const folder = await inspectFolder(target);
  if (folder === undefined) {
    throw new LibTorchError('ERR_LIBTORCH_MISSING', `Another process is replacing ${target}. Try again when it is done.`, {
      file: target,
    });
  }
  options.onEvent?.({ type: 'libtorch-installed', version: release.version, folder: target });
  return folder;
}

/** Removes a release from the cache; false where it was not there. */
export async function removeLibTorch(version: string, environment = process.env): Promise<boolean> {
  const folder = releaseFolder(version, environment);
  const there = await stat(folder).then(
    () => true,
    () => false,
  );
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  return there;
}

async function wholeInstall(folder: string, headers: boolean): Promise<LibTorchFolder | undefined> {
  if ((await incompleteInstall(folder)) !== undefined) return undefined;
  const found = await inspectFolder(folder);
  return found !== undefined && (found.headers || !headers) ? found : undefined;
}

/** What a process that was killed left behind. */
async function removeAbandoned(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (!name.startsWith('.install-')) continue;
    const path = join(cache, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > ABANDONED_MS)
      await rm(path, { recursive: true, force: true });
  }
}

/** Fills the tree; says where it came from. */
async function fill(job: Job): Promise<string> {
  const { from } = job.options;
  if (from === undefined) {
    refuseHash(job.options, 'no archive is named');
    await unpackWheels(job, await fetchWheels(job, job.release.wheels));
    return 'pip';
  }
  if (/^https?:\/\//i.test(from)) {
    const name = decodeURIComponent(new URL(from).pathname.split('/').at(-1) || 'libtorch');
    const path = join(job.temporary, name.replaceAll(/[^\w.+-]/g, '_'));
    await fetchFile(job, from, path, { sha256: job.options.sha256 ?? pinnedAs(job, path)?.sha256 });
    await fromArchive(job, path, undefined);
    return shown(from);
  }
  const path = resolve(from);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) refuseHash(job.options, `${path} is a folder`);
  if (found === undefined) {
    throw new LibTorchError(
      'ERR_LIBTORCH_MISSING',
      `${path} is not there: expected a folder, an archive or an address.`,
      {
        file: path,
      },
    );
  }
  if (found.isDirectory()) await fromFolder(job, path);
  else await fromArchive(job, path, resolve(path, '..'));
  return path;
}

/** A hash is checked or refused, never left aside. */
function refuseHash({ sha256 }: InstallOptions, why: string): void {
  if (sha256 === undefined) return;
  throw new InvalidArgumentError('ERR_INVALID_OPTION', `sha256 is the hash of an archive, and ${why}.`);
}

/** The wheel of the release whose file name `path` has. */
function pinnedAs(job: Job, path: string): PinnedWheel | undefined {
  return job.release.wheels.find((wheel) => path.endsWith(wheel.file));
}

async function fromFolder(job: Job, folder: string): Promise<void> {
  const names = await readdir(folder);
  if (names.includes(job.release.wheels[0]!.file)) {
    await unpackWheels(job, await besideOrFetched(job, job.release.wheels, folder));
    return;
  }
  const found = await inspectFolder(folder);
  if (found === undefined) {
    throw new LibTorchError(
      'ERR_LIBTORCH_MISSING',
      `${folder} holds no LibTorch (lib/libtorch_cpu.so) and no ${job.release.wheels[0]!.file}.`,
      { file: folder },
    );
  }
  await copyLibTorch(found, job.tree, job.headers, {
    signal: job.options.signal,
    onBytes: unpackTold(job, folder),
  });
}

/** An archive of any kind; the CUDA packages that it does not bring are taken from `beside` it, or through pip. */
async function fromArchive(job: Job, path: string, beside: string | undefined): Promise<void> {
  const pinned = pinnedAs(job, path);
  const sha256 = job.options.sha256 ?? pinned?.sha256;
  if (sha256 !== undefined) await verify(job, path, sha256, undefined);
  const choose = pinned ? chooseFromWheel(pinned, job.headers) : chooseFromArchive(job.headers);
  await unpackArchive(path, job.tree, choose, { signal: job.options.signal, onBytes: unpackTold(job, path) });
  if (await needsCudaPackages(job)) {
    await unpackWheels(job, await besideOrFetched(job, job.release.wheels.slice(1), beside));
  }
}

/** A build for CUDA names CUDA's libraries; LibTorch's own archives bring them, wheels do not. */
async function needsCudaPackages(job: Job): Promise<boolean> {
  const found = await inspectFolder(job.tree);
  if (found?.fullVersion === undefined || !/\+cu\d/.test(found.fullVersion)) return false;
  return !(await readdir(found.libDir)).some((name) => name.startsWith('libcudart'));
}

interface WheelFile {
  wheel: PinnedWheel;
  path: string;
}

async function besideOrFetched(
  job: Job,
  wheels: readonly PinnedWheel[],
  folder: string | undefined,
): Promise<WheelFile[]> {
  const names = folder === undefined ? [] : await readdir(folder);
  const here: WheelFile[] = [];
  for (const wheel of wheels.filter(({ file }) => names.includes(file))) {
    const path = join(folder!, wheel.file);
    await verify(job, path, wheel.sha256, wheel.bytes);
    here.push({ wheel, path });
  }
  const missing = wheels.filter(({ file }) => !names.includes(file));
  return missing.length === 0 ? here : [...here, ...(await fetchWheels(job, missing))];
}

/** Through pip: it tells the addresses and we fetch, or where it cannot tell them or we cannot fetch, it fetches. */
async function fetchWheels(job: Job, wheels: readonly PinnedWheel[]): Promise<WheelFile[]> {
  const { options, release } = job;
  const found = await pipOf(options);
  options.onEvent?.({ type: 'libtorch-resolve', version: release.version, source: found.join(' ') });
  const asking = await mkdtemp(join(job.temporary, 'ask-'));
  const addresses = await resolveWheels(release, wheels, asking, { ...options, pip: found });
  await rm(asking, { recursive: true, force: true });
  if (addresses !== undefined) {
    try {
      return await fetchAddresses(job, addresses);
    } catch (error) {
      // pip knows proxies, certificates and passwords that we do not; a wrong hash it would not mend.
      if (!(error instanceof DownloadError) || error.code !== 'ERR_DOWNLOAD') throw error;
    }
  }
  const folder = await mkdtemp(join(job.temporary, 'pip-'));
  const totalBytes = wheels.reduce((sum, wheel) => sum + wheel.bytes, 0);
  const file = wheels.map((wheel) => wheel.name).join(', ');
  const paths = await downloadByPip(release, wheels, folder, {
    ...options,
    pip: found,
    onBytes: (bytes) =>
      options.onEvent?.({
        type: 'libtorch-download',
        file,
        receivedBytes: Math.min(bytes, totalBytes),
        totalBytes,
      }),
  });
  const files = wheels.map((wheel, index) => ({ wheel, path: paths[index]! }));
  for (const { wheel, path } of files) await verify(job, path, wheel.sha256, wheel.bytes);
  return files;
}

async function fetchAddresses(
  job: Job,
  addresses: readonly { wheel: PinnedWheel; address: string }[],
): Promise<WheelFile[]> {
  const files: WheelFile[] = [];
  for (const { wheel, address } of addresses) {
    if (address.startsWith('file:')) {
      const path = fileURLToPath(address);
      await verify(job, path, wheel.sha256, wheel.bytes);
      files.push({ wheel, path });
      continue;
    }
    const path = join(job.temporary, wheel.file);
    await rm(path, { force: true });
    await fetchFile(job, address, path, wheel);
    files.push({ wheel, path });
  }
  return files;
}

async function fetchFile(
  job: Job,
  address: string,
  path: string,
  expected: { sha256?: string | undefined; bytes?: number },
): Promise<void> {
  const { signal, onEvent } = job.options;
  const file = path.split('/').at(-1)!;
  await download(address, path, {
    ...expected,
    signal,
    onProgress: (receivedBytes, totalBytes) =>
      onEvent?.({ type: 'libtorch-download', file, receivedBytes, totalBytes }),
  });
}

async function verify(job: Job, path: string, sha256: string, bytes: number | undefined): Promise<void> {
  job.options.onEvent?.({ type: 'libtorch-verify', file: path.split('/').at(-1)! });
  await verifyFile(path, { sha256, bytes, signal: job.options.signal });
}

async function unpackWheels(job: Job, files: readonly WheelFile[]): Promise<void> {
  for (const { wheel, path } of files) {
    await unpackArchive(path, job.tree, chooseFromWheel(wheel, job.headers), {
      signal: job.options.signal,
      onBytes: unpackTold(job, path),
    });
  }
}

function unpackTold(job: Job, path: string): (unpackedBytes: number, totalBytes: number | undefined) => void {
  const file = path.split('/').at(-1)!;
  return (unpackedBytes, totalBytes) =>
    job.options.onEvent?.({ type: 'libtorch-unpack', file, unpackedBytes, totalBytes });
}

/** @throws LibTorchError: what was unpacked is no LibTorch, or one of another version, or without headers. */
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
  if (job.headers && !found.headers) {
    throw new LibTorchError('ERR_LIBTORCH_MISSING', `${source} holds no header files (include/ATen).`);
  }
}

/** The tree takes its place with its marker, which is written when the libraries are on disk: whole or not at all. */
async function place(job: Job, target: string, source: string): Promise<void> {
  const libraries: InstallMarker['libraries'] = {};
  for (const path of await readdir(job.tree, { recursive: true })) {
    if (/\.so(?:\.[\d.]+)?$/.test(path)) libraries[path] = await flush(join(job.tree, path));
  }
  const { headers, options, release } = job;
  const marker: InstallMarker = { version: release.version, source, headers, libraries };
  const text = `${JSON.stringify(marker, null, 2)}\n`;
  await writeFile(join(job.tree, MARKER_FILE), text);
  await flush(join(job.tree, MARKER_FILE));
  for (let attempt = 0; !(await renamed(job.tree, target)); ++attempt) {
    // Another process that was at the same was quicker, and may be using its libraries.
    const whole = (await wholeInstall(target, headers)) !== undefined;
    if (whole && (options.from === undefined || (await wasPlaced(target, text, job.begunMs)))) return;
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
