import { mkdir, open, readdir, copyFile, stat, constants } from 'node:fs/promises';
import { dirname, isAbsolute, join, posix } from 'node:path';
import { DownloadError } from '../system/errors';
import { unpackTar } from '../system/tar';
import { ZipFile } from '../system/zip';
import type { PinnedWheel, Variant } from './release';

/** Says where an archive's member goes below the target folder; undefined leaves it out. */
export type Choose = (member: string) => string | undefined;

export interface UnpackOptions {
  signal?: AbortSignal | undefined;
  /** The total is undefined where the archive does not tell it beforehand (tar). */
  onBytes?: ((unpackedBytes: number, totalBytes: number | undefined) => void) | undefined;
}

/** Files unpacked at once: most of them are small headers. */
const PARALLEL = 8;

/** The libraries that a variant needs of a LibTorch that is not in the table. */
function isLibrary(name: string, { cuda }: Variant): boolean {
  if (/^lib(?:c10|torch_cpu)\.so$|^lib(?:gomp|cudart|cupti)[^/]*\.so[^/]*$/.test(name)) return true;
  // Which of CUDA's libraries are opened only when they are used cannot be seen: all are taken but Python's own.
  return cuda && /^lib[^/]*\.so(?:\.[\d.]+)?$/.test(name) && !/^lib(?:torch_python|shm)\./.test(name);
}

/** What is needed of a wheel in the table. */
export function chooseFromWheel(wheel: PinnedWheel, { cuda, headers }: Variant): Choose {
  const members = new Set([...(wheel.members ?? []), ...(cuda ? (wheel.cudaMembers ?? []) : [])]);
  return (member) => {
    if (members.has(member)) return member;
    return headers && wheel.headers?.some((folder) => member.startsWith(folder)) ? member : undefined;
  };
}

/** What is needed of any other archive of LibTorch, whose top folder may have any name. */
export function chooseFromArchive(variant: Variant): Choose {
  return (member) => {
    const path = /^(?:\.\/)?(?:[^/]+\/)?((?:lib|include)\/.+|version\.py|build-version)$/.exec(member)?.[1];
    if (path === undefined) return undefined;
    if (path.startsWith('include/')) return variant.headers ? `torch/${path}` : undefined;
    if (path.startsWith('lib/') && !isLibrary(path.slice('lib/'.length), variant)) return undefined;
    return `torch/${path}`;
  };
}

/**
 * Unpacks what `choose` wants from a zip archive (a wheel is one) or a tar archive below `target`: plain files only,
 * links and devices are passed over.
 *
 * @throws DownloadError ERR_DOWNLOAD: the archive is damaged, or its members cannot lie where they say;
 *   ERR_DISK_SPACE; the signal's reason. A part of it may then lie below `target`.
 */
export async function unpackArchive(
  archive: string,
  target: string,
  choose: Choose,
  options: UnpackOptions = {},
): Promise<void> {
  try {
    await unpack(archive, target, choose, options);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC') {
      throw new DownloadError('ERR_DISK_SPACE', `There is no room to unpack ${archive} in ${target}.`, {
        cause: error,
      });
    }
    if (!MISPLACED.has(code ?? '')) throw error;
    throw new DownloadError('ERR_DOWNLOAD', `${archive} has members that cannot lie beside each other: ${message}.`, {
      file: archive,
      cause: error,
    });
  }
}

/** What the system says to a name that is taken, is too long, or lies in a file. */
const MISPLACED = new Set(['EEXIST', 'EISDIR', 'ENOTDIR', 'ENAMETOOLONG']);

async function unpack(archive: string, target: string, choose: Choose, options: UnpackOptions): Promise<void> {
  const signature = await firstBytes(archive, 6);
  if (signature.subarray(0, 2).toString('latin1') === 'PK') return unpackZip(archive, target, choose, options);
  if (signature.equals(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]))) {
    throw new DownloadError(
      'ERR_DOWNLOAD',
      `${archive} is packed by xz, which vectune does not read. Unpack it (tar xf) and name the folder.`,
      { file: archive },
    );
  }
  const folders = new Folders(target);
  let unpacked = 0;
  await unpackTar(archive, async ({ name }) => folders.place(archive, name, choose(name)), {
    signal: options.signal,
    onBytes: (bytes) => options.onBytes?.((unpacked += bytes), undefined),
  });
}

async function unpackZip(archive: string, target: string, choose: Choose, options: UnpackOptions): Promise<void> {
  const zip = await ZipFile.open(archive);
  try {
    const folders = new Folders(target);
    const chosen = zip.entries.filter((entry) => !entry.name.endsWith('/') && choose(entry.name) !== undefined);
    const total = chosen.reduce((sum, entry) => sum + entry.bytes, 0);
    let unpacked = 0;
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < chosen.length) {
        const entry = chosen[next++]!;
        const path = await folders.place(archive, entry.name, choose(entry.name));
        await zip.extract(entry, path!, {
          signal: options.signal,
          onBytes: (bytes) => options.onBytes?.((unpacked += bytes), total),
        });
      }
    };
    const workers = await Promise.allSettled(Array.from({ length: PARALLEL }, work));
    const failed = workers.find((worker) => worker.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  } finally {
    await zip.close();
  }
}

/** Makes the folders of members, each once, and keeps every one below the target. */
class Folders {
  readonly #made = new Map<string, Promise<unknown>>();

  readonly #target: string;

  constructor(target: string) {
    this.#target = target;
  }

  async place(archive: string, member: string, path: string | undefined): Promise<string | undefined> {
    if (path === undefined) return undefined;
    if (!staysBelow(path)) {
      throw new DownloadError(
        'ERR_DOWNLOAD',
        `${archive} has a member that would lie outside of its folder (${member}): it is not used.`,
        { file: archive },
      );
    }
    const full = join(this.#target, path);
    const folder = dirname(full);
    let making = this.#made.get(folder);
    if (making === undefined) this.#made.set(folder, (making = mkdir(folder, { recursive: true })));
    await making;
    return full;
  }
}

/** Whether a member's path names a file below the folder that it is unpacked into, on every system. */
function staysBelow(path: string): boolean {
  if (path === '' || /[\\\0]/.test(path) || isAbsolute(path) || /^[A-Za-z]:/.test(path)) return false;
  return !posix.normalize(path).split('/').includes('..') && !path.split('/').includes('..');
}

async function firstBytes(path: string, count: number): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(count), 0, count, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/**
 * Copies what is needed of an unpacked LibTorch, and of the CUDA packages beside it that it names, below `target` in
 * the layout of the wheels.
 */
export async function copyLibTorch(
  folder: { root: string; libDir: string },
  target: string,
  variant: Variant,
  options: UnpackOptions = {},
): Promise<void> {
  const files: [from: string, to: string][] = [];
  const add = async (from: string, to: string): Promise<void> => {
    for (const name of await readdir(from).catch(() => [] as string[])) {
      if (isLibrary(name, variant)) files.push([join(from, name), join(target, to, name)]);
    }
  };
  await add(folder.libDir, 'torch/lib');
  const nvidia = join(dirname(folder.root), 'nvidia');
  for (const name of await readdir(nvidia).catch(() => [] as string[])) {
    await add(join(nvidia, name, 'lib'), `nvidia/${name}/lib`);
  }
  for (const name of ['version.py', 'build-version']) {
    if (await stat(join(folder.root, name)).catch(() => undefined)) {
      files.push([join(folder.root, name), join(target, 'torch', name)]);
    }
  }
  if (variant.headers) {
    const include = join(folder.root, 'include');
    for (const path of await readdir(include, { recursive: true }).catch(() => [] as string[])) {
      files.push([join(include, path), join(target, 'torch/include', path)]);
    }
  }
  const found = await Promise.all(files.map(async ([from]) => stat(from)));
  const total = found.reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0);
  let copied = 0;
  for (const [index, [from, to]] of files.entries()) {
    options.signal?.throwIfAborted();
    if (!found[index]!.isFile()) continue;
    await mkdir(dirname(to), { recursive: true });
    await copyFile(from, to, constants.COPYFILE_FICLONE);
    options.onBytes?.((copied += found[index]!.size), total);
  }
}
