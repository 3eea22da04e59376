import { createHash } from 'node:crypto';
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { cpus, hostname } from 'node:os';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { isObject } from '../system/json';
import { makeFolders } from '../system/make-folders';
import type { EngineInfo } from './addon';

/** What a successful probe says. Failures are not kept: what was missing may be there the next time. */
export interface Verdict {
  version: string;
  info: EngineInfo;
}

/** The files that were loaded together. */
export interface ProbeSubject {
  files: { path: string; bytes: number; changedMs: number }[];
  cuda: boolean;
  /** What the NVIDIA driver calls itself, as another one may crash where this does not; null without CUDA. */
  driver: string | null;
  /** npm gives all files of a package the same time, so the version is told apart too. */
  addonVersion: string;
}

/** Longer than any load takes: a marker as old as this was left behind. */
const MAX_LOAD_MS = 10 * 60 * 1000;
/** Clocks of a process's start, read twice, differ by less. */
const SAME_START_MS = 2000;

/**
 * Verdicts and markers, a file each. A marker stands while a process loads the libraries; a process that dies of it
 * leaves the marker, and the verdict does not count any more. Nothing here is needed to work: where the folder cannot
 * be written, each start probes.
 */
export class VerdictStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The verdict that is kept, unless a process crashed while loading the same files. */
  async read(subject: ProbeSubject): Promise<Verdict | undefined> {
    const name = keyOf(subject);
    if (await this.#forgetCrash(name)) return undefined;
    try {
      const verdict = JSON.parse(await readFile(join(this.#folder, `${name}.json`), 'utf8')) as Partial<Verdict>;
      return typeof verdict.version === 'string' && isObject(verdict.info) ? (verdict as Verdict) : undefined;
    } catch {
      return undefined;
    }
  }

  async write(subject: ProbeSubject, verdict: Verdict): Promise<void> {
    const path = join(this.#folder, `${keyOf(subject)}.json`);
    const aside = `${path}.${process.pid}-${threadId}`;
    try {
      await makeFolders(this.#folder);
      await writeFile(aside, JSON.stringify({ ...verdict, files: subject.files }, null, 2));
      await rename(aside, path);
    } catch {
      await rm(aside, { force: true }).catch(() => undefined);
    }
  }

  /** Runs `load` under a marker, which goes when it ends, well or badly, and stays if the process dies. */
  async marked<T>(subject: ProbeSubject, load: () => Promise<T>): Promise<T> {
    const marker = join(this.#folder, `${keyOf(subject)}.loading-${process.pid}-${threadId}`);
    const mine = { pid: process.pid, started: processStart() };
    const written = await makeFolders(this.#folder)
      .then(() => writeFile(marker, JSON.stringify(mine)))
      .then(
        () => true,
        () => false,
      );
    try {
      return await load();
    } finally {
      if (written) await rm(marker, { force: true }).catch(() => undefined);
    }
  }

  /** Whether a process that is no more left a marker; it and the verdict are then removed. */
  async #forgetCrash(name: string): Promise<boolean> {
    const names = await readdir(this.#folder).catch(() => [] as string[]);
    let crashed = false;
    for (const marker of names.filter((file) => file.startsWith(`${name}.loading-`))) {
      if (await isLoading(join(this.#folder, marker))) continue;
      crashed = true;
      await rm(join(this.#folder, `${name}.json`), { force: true }).catch(() => undefined);
      await rm(join(this.#folder, marker), { force: true }).catch(() => undefined);
    }
    return crashed;
  }
}

/** Whether the marker's process is at it still, or has just ended it. */
async function isLoading(marker: string): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(marker);
    const owner = JSON.parse(await readFile(marker, 'utf8')) as { pid: number; started: number };
    return Date.now() - mtimeMs < MAX_LOAD_MS && isAlive(owner);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

function processStart(): number {
  return Date.now() - process.uptime() * 1000;
}

/** In containers each start has the same process id: then the time of the start tells them apart. */
function isAlive(owner: { pid: number; started: number }): boolean {
  if (owner.pid === process.pid) return Math.abs(owner.started - processStart()) < SAME_START_MS;
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A home folder may be shared by machines and runtimes that differ. */
function keyOf(subject: ProbeSubject): string {
  const { electron, node } = process.versions;
  const place = [hostname(), cpus()[0]?.model ?? '', electron ? `electron ${electron}` : `node ${node}`];
  return createHash('sha256')
    .update(JSON.stringify([subject, place]))
    .digest('hex')
    .slice(0, 32);
}
