import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { VectuneError } from '../errors';
import type { EngineInfo } from './addon';
import { findAddons, type Addons } from './addons';
import { releaseFolder } from './libtorch/cache';
import { listLibTorch, type CandidateOrigin } from './libtorch/find';
import { bytesNeeded, REFERENCE_VERSION, releases } from './libtorch/table';
import { ADDON_VERSION, probed, versionsOf } from './load';
import { glibcVersion, hasNvidiaDriver, platformKey } from './platform';

export interface CandidateReport {
  origin: CandidateOrigin;
  /** How the place was come upon: 'VECTUNE_LIBTORCH', 'VIRTUAL_ENV', … */
  via: string;
  path: string;
  /** As the folder tells it; null where it does not, or where no LibTorch is there. */
  version: string | null;
  accepted: boolean;
  /** Why it is not used; null where it could be. */
  reason: string | null;
}

export interface DoctorReport {
  vectune: string;
  node: { version: string; required: string; ok: boolean };
  platform: { key: string; supported: boolean; glibc: string | null };
  cpu: { model: string; cores: number; features: string[]; memoryBytes: number };
  /** Whether an NVIDIA driver is loaded. The engine computes on the processor. */
  nvidiaDriver: boolean;
  addons: { loader: string; engines: Record<string, string> } | null;
  libtorch: {
    required: string[];
    candidates: CandidateReport[];
    /** Folder of the libraries that a program would load. */
    chosen: string | null;
  };
  /** What the engine says in a process of its own; null where it cannot be loaded. */
  engine: EngineInfo | null;
  /** Whether `finetune` can run here. */
  ok: boolean;
  problems: string[];
  /** What to type next. */
  next: string;
}

const REQUIRED_NODE = 20;
/** Instruction sets that decide how fast the engine is. */
const FEATURES = ['avx2', 'fma', 'f16c', 'avx512f', 'avx512bw', 'avx512vl', 'avx512_vnni', 'avx512_bf16', 'amx_bf16'];

/** Looks at everything that `finetune` needs. Loads nothing into this process. */
export async function examine(options: { libtorch?: string | undefined } = {}): Promise<DoctorReport> {
  const problems: string[] = [];
  const node = checkNode(problems);
  const platform = checkPlatform(problems);
  let addons: Addons | undefined;
  try {
    addons = await findAddons();
  } catch (error) {
    problems.push((error as Error).message);
  }
  const required = addons ? versionsOf(addons) : releases().map((release) => release.version);
  const candidates: CandidateReport[] = [];
  let chosen: string | null = null;
  let engine: EngineInfo | null = null;
  for (const candidate of await listLibTorch({ libtorch: options.libtorch, versions: required })) {
    let reason = candidate.rejected ?? null;
    if (reason === null && candidate.found && addons && chosen === null) {
      try {
        const version = candidate.found.version ?? required[0]!;
        engine = (await probed(addons, version, candidate.found.libDir, undefined)).verdict.info;
        chosen = candidate.found.libDir;
      } catch (error) {
        reason = (error as Error).message;
        if (!(error instanceof VectuneError)) throw error;
      }
    }
    const version = candidate.found?.fullVersion ?? null;
    const { origin, via, path } = candidate;
    candidates.push({ origin, via, path: candidate.found?.libDir ?? path, version, accepted: reason === null, reason });
  }
  if (addons && chosen === null) problems.push(`No LibTorch ${required.join(' or ')} that can be used was found.`);
  const ok = problems.length === 0 && engine !== null;
  return {
    vectune: ADDON_VERSION,
    node,
    platform,
    cpu: await describeProcessor(),
    nvidiaDriver: hasNvidiaDriver(),
    addons: addons ? { loader: addons.loader, engines: Object.fromEntries(addons.engines) } : null,
    libtorch: { required, candidates, chosen },
    engine,
    ok,
    problems,
    next: nextStep(ok, node.ok && platform.supported, addons, candidates),
  };
}

function checkNode(problems: string[]): DoctorReport['node'] {
  const version = process.versions.node;
  const ok = Number(version.split('.')[0]) >= REQUIRED_NODE;
  if (!ok) problems.push(`Node ${version} is too old: vectune needs Node ${REQUIRED_NODE} or newer.`);
  return { version, required: `>=${REQUIRED_NODE}`, ok };
}

function checkPlatform(problems: string[]): DoctorReport['platform'] {
  const key = platformKey();
  const supported = releases(key).length > 0;
  if (!supported) problems.push(`vectune does not run on ${key} yet; it runs on linux-x64 with glibc.`);
  return { key, supported, glibc: glibcVersion() ?? null };
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

function nextStep(
  ok: boolean,
  canRun: boolean,
  addons: Addons | undefined,
  candidates: readonly CandidateReport[],
): string {
  if (ok) return 'Nothing is missing: finetune can run.';
  if (!canRun) return 'Use a supported Node and platform.';
  if (addons === undefined) return 'In a clone of the repository: npm run setup';
  const named = candidates.find(({ origin }) => origin === 'option' || origin === 'environment');
  if (named?.origin === 'environment') return 'unset VECTUNE_LIBTORCH && npx vectune libtorch install';
  if (named !== undefined) return 'Name another folder, or none.';
  const release = releases().find(({ version }) => version === REFERENCE_VERSION)!;
  const megabytes = Math.round(bytesNeeded(release, false).download / 1e6);
  return `npx vectune libtorch install    (downloads ${megabytes} MB into ${releaseFolder(release.version)})`;
}
