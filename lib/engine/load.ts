import { existsSync, readFileSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fromNative, LibTorchError, VectuneError } from '../system/errors';
import type { EngineAddon } from './addon';
import { findAddons, PACKAGE_ROOT, preferredVersion, versionsOf, type Addons } from './addons';
import { verdictCache } from '../libtorch/cache';
import type { OnLibTorchEvent } from '../libtorch/events';
import { searchLibTorch, type Candidate, type FindOptions } from '../libtorch/find';
import { inspectFolder, type LibTorchFolder } from '../libtorch/folder';
import { installLibTorch } from '../libtorch/install';
import type { LoaderAddon } from './loader';
import { hasNvidiaDriver } from '../system/platform';
import { say } from '../system/wording';
import { hasWorkingFolder } from '../system/working-folder';
import { probe, subjectOf } from './probe';
import { VerdictStore, type Verdict } from './verdicts';

export interface LoadOptions {
  /** Folder of the LibTorch to use; default: VECTUNE_LIBTORCH, else the search of `vectune doctor`. */
  libtorch?: string | undefined;
  /**
   * Consent to install LibTorch (a download of half a gigabyte into vectune's cache, with an NVIDIA driver of 2.3)
   * where none is found; default false.
   */
  consent?: boolean | undefined;
  /** Whether LibTorch's CUDA library is opened too, where there is one and an NVIDIA driver; default false. */
  cuda?: boolean | undefined;
  /** Told while LibTorch is installed. */
  onEvent?: OnLibTorchEvent | undefined;
  signal?: AbortSignal | undefined;
}

/** A LibTorch that was probed together with its engine. */
export interface Choice {
  libDir: string;
  loader: string;
  engine: string;
  verdict: Verdict;
  /** Whether the CUDA library is opened too, and if not, why. */
  cuda: boolean;
  noCuda: string | null;
}

/** Version of this package. */
export const ADDON_VERSION: string = (
  JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { version: string }
).version;

interface Loaded {
  addon: EngineAddon;
  libDir: string;
  noCuda: string | null;
}

let loading: Promise<Loaded> | undefined;
let loaded: EngineAddon | undefined;

/**
 * Finds LibTorch and the engine for it, tries both in a process of their own (once: the verdict is kept) and loads
 * them. The engine is loaded once in each Node environment (main thread, worker); later calls give the same.
 *
 * @throws LibTorchError ERR_LIBTORCH_MISSING, ERR_LIBTORCH_VERSION, ERR_LIBTORCH_LOAD, ERR_LIBTORCH_CONFLICT,
 *   ERR_ADDON_MISSING; with consent also DownloadError, ToolError, AbortError
 */
export async function loadEngine(options: LoadOptions = {}): Promise<EngineAddon> {
  const first = loading === undefined;
  loading ??= requireWorkingFolder()
    .then(() => choose(options))
    .then(open);
  try {
    const { addon, libDir } = await loading;
    loaded = addon;
    if (!first && options.libtorch !== undefined) await requireSame(options.libtorch, libDir);
    return addon;
  } catch (error) {
    if (first) loading = undefined; // what was missing may be there when it is tried again
    throw error;
  }
}

/** The engine, where it has been loaded already: for work that can be done without it too. */
export function loadedEngine(): EngineAddon | undefined {
  return loaded;
}

/** LibTorch's MKL asks for the working folder when it is first used, and ends the process where there is none. */
async function requireWorkingFolder(): Promise<void> {
  if (await hasWorkingFolder()) return;
  throw new LibTorchError(
    'ERR_LIBTORCH_LOAD',
    "The working folder of this process was removed. LibTorch's MKL would end the process for want of one.",
    { remedy: say`Change to a folder that is there (process.chdir), or start the program in one.` },
  );
}

async function requireSame(libtorch: string, libDir: string): Promise<void> {
  const asked = await inspectFolder(libtorch);
  if (asked?.libDir === libDir) return;
  throw conflict(`option libtorch names ${libtorch}`, join(libDir, 'libtorch_cpu.so'));
}

/** Why LibTorch was opened without CUDA; null where it was opened with it, or not at all yet. */
export async function reasonWithoutCuda(): Promise<string | null> {
  return (await loading)?.noCuda ?? null;
}

/** Finds and probes; installs with consent. */
async function choose(options: LoadOptions): Promise<Choice> {
  const addons = await findAddons();
  const tried: Candidate[] = [];
  const choice = await firstThatLoads(addons, options, tried);
  if (choice !== undefined) return choice;
  if (options.consent !== true) throw missing(addons, tried);
  const { onEvent, signal } = options;
  return probed(
    addons,
    await installLibTorch({ version: preferredVersion(addons), onEvent, signal }),
    signal,
    options.cuda,
  );
}

async function firstThatLoads(addons: Addons, options: LoadOptions, tried: Candidate[]): Promise<Choice | undefined> {
  const versions = versionsOf(addons);
  const search: FindOptions = { libtorch: options.libtorch, versions };
  for await (const candidate of searchLibTorch(search)) {
    const named = candidate.origin === 'option' || candidate.origin === 'environment';
    if (candidate.rejected !== undefined || candidate.found === undefined) {
      if (named) throw refused(candidate, versions);
      tried.push(candidate);
      continue;
    }
    try {
      return await probed(addons, candidate.found, options.signal, options.cuda);
    } catch (error) {
      if (named || !(error instanceof LibTorchError)) throw error;
      tried.push({ ...candidate, rejected: error.message });
    }
  }
  return undefined;
}

/**
 * Tries a LibTorch and the engine for it in a process of their own; each engine where it does not tell its version. With
 * `cuda` its CUDA library is tried too, where there is something that it could use; where it does not load the processor
 * is still good.
 */
export async function probed(
  addons: Addons,
  { libDir, version }: Pick<LibTorchFolder, 'libDir' | 'version'>,
  signal: AbortSignal | undefined,
  cuda = false,
): Promise<Choice> {
  const { loader } = addons;
  const store = new VerdictStore(verdictCache());
  let refusal: LibTorchError | undefined;
  for (const engineVersion of version === undefined ? versionsOf(addons) : [version]) {
    const engine = addons.engines.get(engineVersion)!;
    const request = { loader, engine, libDir, addonVersion: ADDON_VERSION, signal };
    let noCuda = whatCudaLacks(libDir);
    if (noCuda === null && !cuda) {
      noCuda =
        'LibTorch was first used for the processor alone in this process, and is opened once; use the GPU first, or in a process of its own';
    }
    try {
      if (noCuda === null) {
        try {
          const verdict = await probe({ ...request, cuda: true }, store);
          return { libDir, loader, engine, verdict, cuda: true, noCuda };
        } catch (error) {
          if (!(error instanceof LibTorchError)) throw error;
          noCuda = error.message;
        }
      }
      const verdict = await probe({ ...request, cuda: false }, store);
      return { libDir, loader, engine, verdict, cuda: false, noCuda };
    } catch (error) {
      if (!(error instanceof LibTorchError) || error.code !== 'ERR_LIBTORCH_VERSION') throw error;
      refusal ??= error;
    }
  }
  throw refusal!;
}

/** Why there is no sense in opening the CUDA library; null where there is. */
function whatCudaLacks(libDir: string): string | null {
  const lacks: string[] = [];
  if (!hasNvidiaDriver())
    lacks.push('no NVIDIA driver is loaded (there is no /dev/nvidiactl and no /proc/driver/nvidia/version)');
  if (!existsSync(join(libDir, 'libtorch_cuda.so')))
    lacks.push(`the LibTorch in ${libDir} has no libtorch_cuda.so: it is for the processor only`);
  return lacks.length === 0 ? null : lacks.join('; ');
}

/** Loads what was chosen into this process. With CUDA the driver is started under the marker too: a crash asks for a new probe. */
export async function open(choice: Choice): Promise<Loaded> {
  const loader = require(choice.loader) as LoaderAddon;
  await refuseForeign(loader, choice.libDir);
  const { loader: loaderPath, engine, libDir, cuda, noCuda } = choice;
  const subject = await subjectOf({ loader: loaderPath, engine, libDir, cuda, addonVersion: ADDON_VERSION });
  return new VerdictStore(verdictCache()).marked(subject, async () => {
    try {
      await loader.open(libDir, { cuda });
      const addon = require(engine) as EngineAddon;
      if (cuda) await addon.devices().catch(() => undefined); // who wants a GPU asks again, and is told
      return { addon, libDir, noCuda };
    } catch (error) {
      throw asLibTorchError(error, libDir);
    }
  });
}

/** Two LibTorch in one process share symbols and crash; the second is not opened. */
async function refuseForeign(loader: LoaderAddon, libDir: string): Promise<void> {
  for (const path of loader.mapped()) {
    const folder = dirname(await realpath(path).catch(() => path));
    if (folder !== libDir) throw conflict(`vectune was about to load the one in ${libDir}`, path);
  }
}

function conflict(wanted: string, mapped: string): LibTorchError {
  return new LibTorchError(
    'ERR_LIBTORCH_CONFLICT',
    `This process has already loaded a LibTorch, ${mapped}, and ${wanted}. One process can hold one LibTorch only: ` +
      'set VECTUNE_LIBTORCH to the folder of the one that is loaded, or load vectune in a process of its own.',
    { file: mapped },
  );
}

function refused(candidate: Candidate, versions: readonly string[]): LibTorchError {
  const wrongVersion = candidate.found?.version !== undefined && !versions.includes(candidate.found.version);
  return new LibTorchError(
    wrongVersion ? 'ERR_LIBTORCH_VERSION' : 'ERR_LIBTORCH_MISSING',
    `The LibTorch that ${candidate.via} names, ${candidate.path}, cannot be used: ${candidate.rejected}. ` +
      `Name the folder of a LibTorch ${versions.join(' or ')}, or name none and run: npx vectune libtorch install`,
    { file: candidate.path },
  );
}

function missing(addons: Addons, tried: readonly Candidate[]): LibTorchError {
  const versions = versionsOf(addons).join(' or ');
  const reasons = tried.map(({ path, rejected }) => ` ${path}: ${rejected}.`).join('');
  const wrongVersion =
    tried.length > 0 &&
    tried.every(
      ({ found }) => found !== undefined && found.version !== undefined && !addons.engines.has(found.version),
    );
  return new LibTorchError(
    wrongVersion ? 'ERR_LIBTORCH_VERSION' : 'ERR_LIBTORCH_MISSING',
    `No LibTorch ${versions} was found.${reasons} Install it by: npx vectune libtorch install`,
  );
}

function asLibTorchError(error: unknown, libDir: string): Error {
  const { code, message } = error as { code?: unknown; message: string };
  if (error instanceof VectuneError) return error;
  switch (code) {
    case 'ERR_LIBTORCH_VERSION':
      return new LibTorchError(code, message, { cause: error, file: libDir });
    case 'ERR_LIBTORCH_LOAD':
    case 'ERR_DLOPEN_FAILED':
      return new LibTorchError('ERR_LIBTORCH_LOAD', message, { cause: error, file: libDir });
    default:
      return fromNative(error);
  }
}
