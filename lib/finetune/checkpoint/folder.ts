import { access, constants, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, FileError, fromNative, VectuneError } from '../../system/errors';
import type { EngineAddon } from '../../engine/addon';
import { makeFolder, removeFolder, renameFolder, replaceFolder } from '../../system/atomic-folder';
import { readDescription } from './content';
import { lockOwner } from './lock-owner';
import { systemReason } from '../../system/system-error';

const LOCK_FILE = 'lock.json';
const checkpointName = /^step-(\d{8,})$/;
const leftOver = /^\.step-\d{8,}\.vectune-(new|old|gone)-/;
const replaced = /^\.(step-\d{8,})\.vectune-old-/;

/**
 * The checkpoint that one has been moved aside for, by a process that was killed before the new one came to its place:
 * what was moved aside is the checkpoint of that step then. Undefined for other names.
 */
function standsFor(name: string, names: readonly string[]): string | undefined {
  const place = replaced.exec(name)?.[1];
  return place === undefined || names.includes(place) ? undefined : place;
}

/** Checkpoints of a folder, the newest first. A folder that is not there has none. @throws FileError */
export async function listCheckpoints(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw asFileError(error, `Cannot read the checkpoint folder ${folder}`, folder);
  });
  const step = (name: string) => Number(/step-(\d+)/.exec(name)![1]);
  return names
    .filter((name) => checkpointName.test(name) || standsFor(name, names) !== undefined)
    .sort((a, b) => step(b) - step(a));
}

/** A system's error as ours; the engine's keep their class. */
function asFileError(error: unknown, doing: string, file: string): VectuneError {
  if (error instanceof VectuneError) return error;
  const failure = fromNative(error);
  if (failure instanceof VectuneError) return failure;
  return new FileError('ERR_FILE', `${doing}: ${systemReason(failure)}.`, { file, cause: error });
}

/** The folder that one run writes its checkpoints to; no other run can while it is open. */
export class CheckpointFolder {
  /** Checkpoints that are known not to be whole: none of those that are to be kept. */
  readonly damaged = new Set<string>();
  readonly #addon: Pick<EngineAddon, 'unlockFile'>;
  readonly #lock: number;
  readonly #inode: number;

  private constructor(
    readonly path: string,
    addon: Pick<EngineAddon, 'unlockFile'>,
    lock: number,
    inode: number,
  ) {
    this.#addon = addon;
    this.#lock = lock;
    this.#inode = inode;
  }

  /**
   * Makes the folder where it is missing, takes its lock, and removes what killed runs left half done; a checkpoint that
   * they had moved aside and not replaced goes back to its place.
   *
   * @throws CheckpointError ERR_CHECKPOINT_LOCKED names the owner; FileError
   */
  static async open(path: string, addon: Pick<EngineAddon, 'lockFile' | 'unlockFile'>): Promise<CheckpointFolder> {
    const file = join(path, LOCK_FILE);
    try {
      await makeFolder(path);
      const lock = await addon.lockFile(file);
      if (lock === null) {
        throw new CheckpointError(
          'ERR_CHECKPOINT_LOCKED',
          `The checkpoint folder ${path} is in use by ${await lockOwner(file)}. ` +
            'Wait for that run to end or stop it, or name another folder.',
          { file: path },
        );
      }
      try {
        const folder = new CheckpointFolder(path, addon, lock, (await stat(file)).ino);
        const names = await readdir(path);
        for (const name of names.filter((found) => leftOver.test(found))) {
          const place = standsFor(name, names);
          if (place === undefined) await rm(join(path, name), { recursive: true, force: true });
          else {
            await renameFolder(join(path, name), join(path, place));
            names.push(place);
          }
        }
        // A lock of an earlier run may be taken where nothing can be made: found out now, not at the first checkpoint.
        await access(path, constants.W_OK | constants.X_OK);
        return folder;
      } catch (error) {
        addon.unlockFile(lock);
        throw error;
      }
    } catch (error) {
      throw asFileError(error, `Cannot use the checkpoint folder ${path}`, path);
    }
  }

  /** Gives up the lock. May be called twice. */
  close(): void {
    this.#addon.unlockFile(this.#lock);
  }

  /** Puts the checkpoint of a step into its place, filled by `write` and flushed to disk. Gives its path. @throws FileError */
  async put(step: number, write: (folder: string) => Promise<void>): Promise<string> {
    const place = join(this.path, `step-${String(step).padStart(8, '0')}`);
    try {
      await this.#checkOurs();
      await replaceFolder(place, write);
    } catch (error) {
      throw asFileError(error, `Cannot write the checkpoint ${place}`, place);
    }
    return place;
  }

  /**
   * Removes all but the newest `keep` whole checkpoints, and, if `keepBest`, the newest that has the best epoch's
   * weights. To be called when a new one is on disk. @throws FileError
   */
  async rotate(keep: number, keepBest: boolean): Promise<void> {
    const names = await listCheckpoints(this.path);
    const kept = new Set(names.filter((name) => !this.damaged.has(name)).slice(0, keep));
    for (const name of keepBest ? names : []) {
      const { progress } = await readDescription(join(this.path, name)).catch(() => ({ progress: undefined }));
      if (
        progress === undefined ||
        progress.epoch === 0 ||
        progress.epoch !== progress.bestEpoch ||
        progress.epochSteps > 0
      )
        continue;
      kept.add(name);
      break;
    }
    for (const name of names) {
      if (kept.has(name)) continue;
      const place = join(this.path, name);
      try {
        await removeFolder(place);
      } catch (error) {
        throw asFileError(error, `Cannot remove the old checkpoint ${place}`, place);
      }
      this.damaged.delete(name);
    }
  }

  /** The lock holds for a file, and another folder in the same place may have another's. */
  async #checkOurs(): Promise<void> {
    const found = await stat(join(this.path, LOCK_FILE)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (found?.ino === this.#inode) return;
    throw new FileError(
      'ERR_FILE',
      `The checkpoint folder ${this.path} was removed or replaced while the run was on; nothing is ` +
        'written to it any more.',
      { file: this.path },
    );
  }
}
