import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { VectuneError } from '../system/errors';
import { cacheRoot } from '../system/cache-root';
import type { EngineInfo } from '../engine/addon';
import { findAddons, preferredVersion, versionsOf, type Addons } from '../engine/addons';
import { cacheSizes, type CacheEntry } from './cache-sizes';
import { megabytes } from '../system/disk';
import { releaseFolder } from '../libtorch/cache';
import { listLibTorch, type Candidate, type CandidateOrigin } from '../libtorch/find';
import type { LibTorchFolder } from '../libtorch/folder';
import { bytesNeeded, releases } from '../libtorch/table';
import { ADDON_VERSION, probed } from '../engine/load';
import { describeNvidia, type NvidiaReport } from '../system/nvidia';
import { glibcVersion, platformKey } from '../system/platform';

export interface CandidateReport {
  origin: CandidateOrigin;
  /** How the place was come upon: 'VECTUNE_LIBTORCH', 'VIRTUAL_ENV', … */
  via: string;
  path: string;
  /** As the folder tells it; null where it does not, or where no LibTorch is there. */
  version: string | null;
  /** Whether it has CUDA's part. */
  cuda: boolean;
  accepted: boolean;
  /** Why it is not used; null where it could be. */
  reason: string | null;
  /** What to type about it; null where there is nothing to be done. */
  next: string | null;
}

export interface ReleaseReport {
  version: string;
  /** Whether this installation of vectune has an engine for it. */
  engine: boolean;
  /** What was tried with it. */
  tested: string;
  /** Bytes that its installation downloads. */
  downloadBytes: { cpu: number; cuda: number };
}

/** Something that keeps `finetune` from running, and the command that mends it. */
export interface Problem {
  what: string;
  next: string;
}

export interface DoctorReport {
  vectune: string;
  node: { version: string; required: string; ok: boolean };
  platform: { key: string; supported: boolean; glibc: string | null };
  cpu: { model: string; cores: number; features: string[]; memoryBytes: number };
  /** `next` where LibTorch or the driver is not what a GPU needs. */
  nvidia: NvidiaReport & { next: string | null };
  addons: { loader: string; engines: Record<string, string> } | null;
  libtorch: {
    required: string[];
    candidates: CandidateReport[];
    /** Folder of the libraries that a program would load. */
    chosen: string | null;
    /** What can be installed. */
    releases: ReleaseReport[];
  };
  cache: { folder: string; entries: CacheEntry[] };
  /** What the engine says in a process of its own; null where it cannot be loaded. */
  engine: EngineInfo | null;
  /** Whether `finetune` can run here. */
  ok: boolean;
  problems: Problem[];
  /** What to type next. */
  next: string;
}

const REQUIRED_NODE = 20;
/** The addons' floor. */
const REQUIRED_GLIBC = [2, 28] as const;
/** Instruction sets that decide how fast the engine is. */
const FEATURES = ['avx2', 'fma', 'f16c', 'avx512f', 'avx512bw', 'avx512vl', 'avx512_vnni', 'avx512_bf16', 'amx_bf16'];

/** Looks at everything that `finetune` needs. Loads nothing into this process. */
export async function examine(options: { libtorch?: string | undefined } = {}): Promise<DoctorReport> {
  const problems: Problem[] = [];
  const node = checkNode(problems);
  const platform = checkPlatform(problems);
  let addons: Addons | undefined;
  try {
    addons = await findAddons();
  } catch (error) {
    problems.push({ what: (error as Error).message, next: 'npm run setup    (in a clone of the repository)' });
  }
  const required = addons ? versionsOf(addons) : releases().map((release) => release.version);
  const { candidates, chosen, engine } = await tryCandidates(addons, required, options.libtorch);
  if (addons && chosen === undefined) {
    const what = `No LibTorch ${required.join(' or ')} that can be used was found.`;
    problems.push({ what, next: howToGetLibTorch(candidates, preferredVersion(addons)) });
  }
  const ok = problems.length === 0 && engine !== null;
  return {
    vectune: ADDON_VERSION,
    node,
    platform,
    cpu: await describeProcessor(),
    nvidia: await checkNvidia(chosen?.version ?? preferredVersion(addons), chosen),
    addons: addons ? { loader: addons.loader, engines: Object.fromEntries(addons.engines) } : null,
    libtorch: { required, candidates, chosen: chosen?.libDir ?? null, releases: describeReleases(addons) },
    cache: { folder: cacheRoot(), entries: await cacheSizes() },
    engine,
    ok,
    problems,
    next: problems[0]?.next ?? 'Nothing is missing: finetune can run.',
  };
}

function checkNode(problems: Problem[]): DoctorReport['node'] {
  const version = process.versions.node;
  const ok = Number(version.split('.')[0]) >= REQUIRED_NODE;
  if (!ok) {
    const what = `Node ${version} is too old: vectune needs Node ${REQUIRED_NODE} or newer.`;
    problems.push({ what, next: `nvm install ${REQUIRED_NODE}` });
  }
  return { version, required: `>=${REQUIRED_NODE}`, ok };
}

function checkPlatform(problems: Problem[]): DoctorReport['platform'] {
  const key = platformKey();
  const glibc = glibcVersion() ?? null;
  const wanted = REQUIRED_GLIBC.join('.');
  const next = `Use a Linux on x64 with glibc ${wanted} or newer.`;
  let supported = releases(key).length > 0;
  if (!supported) problems.push({ what: `vectune does not run on ${key} yet.`, next });
  else if (glibc !== null && isOlder(glibc, REQUIRED_GLIBC)) {
    supported = false;
    problems.push({ what: `glibc ${glibc} is too old: LibTorch needs glibc ${wanted} or newer.`, next });
  }
  return { key, supported, glibc };
}

function isOlder(version: string, [major, minor]: readonly [number, number]): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split('.').map(Number);
  return ownMajor < major || (ownMajor === major && ownMinor < minor);
}

async function describeProcessor(): Promise<DoctorReport['cpu']> {
  const text = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  const flags = new Set((/^flags\s*:\s*(.*)$/m.exec(text)?.[1] ?? '').split(' '));
  return {
    model: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    features: FEATURES.filter((feature) => flags.has(feature)),
    memoryBytes: totalmem(),
  };
}

/** Goes through the search as a program's first call would, and on to its end to tell what else there is. */
async function tryCandidates(addons: Addons | undefined, versions: readonly string[], libtorch: string | undefined) {
  const candidates: CandidateReport[] = [];
  let chosen: LibTorchFolder | undefined;
  let engine: EngineInfo | null = null;
  for (const candidate of await listLibTorch({ libtorch, versions })) {
    let reason = candidate.rejected ?? null;
    if (reason === null && candidate.found && addons && chosen === undefined) {
      try {
        engine = (await probed(addons, candidate.found, undefined)).verdict.info;
        chosen = candidate.found;
      } catch (error) {
        reason = (error as Error).message;
        if (!(error instanceof VectuneError)) throw error;
      }
    }
    const { origin, via, found } = candidate;
    candidates.push({
      origin,
      via,
      path: found?.libDir ?? candidate.path,
      version: found?.fullVersion ?? null,
      cuda: found?.cuda ?? false,
      accepted: reason === null,
      reason,
      next: reason === null ? null : nextFor(candidate, versions),
    });
  }
  return { candidates, chosen, engine };
}

/** What to type about a LibTorch that is rejected. Those that others put there are theirs. */
function nextFor({ origin, path, found }: Candidate, required: readonly string[]): string | null {
  if (origin === 'environment') return 'unset VECTUNE_LIBTORCH';
  if (origin === 'option') return 'Name another folder, or none.';
  if (origin !== 'cache') return null;
  const version = found?.version ?? path.split('/').at(-1)!;
  return `npx vectune libtorch ${required.includes(version) ? 'install' : 'remove'} ${version}`;
}

async function checkNvidia(version: string, chosen: LibTorchFolder | undefined): Promise<DoctorReport['nvidia']> {
  const nvidia = await describeNvidia();
  return { ...nvidia, next: nextForNvidia(nvidia, version, chosen) };
}

function nextForNvidia(
  { driver, gpus }: NvidiaReport,
  version: string,
  chosen: LibTorchFolder | undefined,
): string | null {
  if (driver === null && gpus.length === 0) return null;
  const release = releases().find((known) => known.version === version);
  if (release === undefined) return null;
  if (driver !== null && Number(driver.split('.')[0]) < release.cudaDriver) {
    return `Install NVIDIA's driver ${release.cudaDriver} or newer: CUDA in LibTorch ${version} does not run on ${driver}.`;
  }
  if (chosen === undefined || chosen.cuda) return null;
  const { download } = bytesNeeded(release, { cuda: true, headers: false });
  return `npx vectune libtorch install ${version} --cuda    (downloads ${megabytes(download)})`;
}

function describeReleases(addons: Addons | undefined): ReleaseReport[] {
  return releases().map((release) => {
    const bytes = (cuda: boolean): number => bytesNeeded(release, { cuda, headers: false }).download;
    const { version, tested } = release;
    const downloadBytes = { cpu: bytes(false), cuda: bytes(true) };
    return { version, engine: addons?.engines.has(version) ?? false, tested, downloadBytes };
  });
}

function howToGetLibTorch(candidates: readonly CandidateReport[], wanted: string): string {
  const named = candidates.find(({ origin }) => origin === 'option' || origin === 'environment');
  if (named?.origin === 'environment') return 'unset VECTUNE_LIBTORCH && npx vectune libtorch install';
  if (named !== undefined) return 'Name another folder, or none.';
  const release = releases().find(({ version }) => version === wanted);
  if (release === undefined) return 'npx vectune libtorch install --from <folder, archive or URL>';
  const { download } = bytesNeeded(release, { cuda: false, headers: false });
  return `npx vectune libtorch install    (downloads ${megabytes(download)} into ${releaseFolder(release.version)})`;
}
