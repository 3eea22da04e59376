import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fromNative, hasCode, NativeError, type VectuneError } from '../../system/errors';
import type { EventContent } from '../events';
import type { Progress } from '../progress';
import type { EngineAddon, TrainerHandle } from '../../engine/addon';
import { STATE_FILE, writeDescription } from './content';
import type { CheckpointFolder } from './folder';
import type { RunIdentity } from './identity';
import type { ResolvedCheckpoint } from './options';

export interface CheckpointerOptions {
  addon: Pick<EngineAddon, 'copyState' | 'writeCopy' | 'writeState' | 'trainerStats'>;
  trainer: TrainerHandle;
  folder: CheckpointFolder;
  when: ResolvedCheckpoint;
  /** What the run is; written into each checkpoint. */
  run: RunIdentity;
  /** The checkpoint that the run went on from, if it is in this folder. */
  restored: { path: string; progress: Progress } | null;
  emit: (event: EventContent) => void;
}

/**
 * Writes a run's checkpoints: the state is copied while no step is under way, and goes to disk while training goes on.
 * What fails is told by an event and stops nothing. One checkpoint is written at a time.
 */
export class Checkpointer {
  written = 0;
  failed = 0;
  lastError: VectuneError | null = null;
  readonly #options: CheckpointerOptions;
  /** Never rejects; undefined while nothing is being written. */
  #writing: Promise<void> | undefined;
  #lastStep: number;
  #lastAt = performance.now();
  /** What the newest checkpoint on disk, or the one on its way there, holds. */
  #newest: string;

  constructor(options: CheckpointerOptions) {
    this.#options = options;
    this.#lastStep = options.restored?.progress.steps ?? 0;
    this.#newest = options.restored === null ? '' : placeOf(options.restored.progress);
  }

  /** Whether one is to be written when so many steps are taken, and no epoch ends with them. */
  due(steps: number): boolean {
    const { everySteps, everyMinutes } = this.#options.when;
    if (steps <= this.#lastStep) return false;
    return (
      (everySteps !== null && steps % everySteps === 0) ||
      (everyMinutes !== null && performance.now() - this.#lastAt >= everyMinutes * 60_000)
    );
  }

  async atStep(progress: Progress): Promise<void> {
    if (this.due(progress.steps)) await this.write(progress);
  }

  async atEpochEnd(progress: Progress): Promise<void> {
    const { everyEpoch, keepBest } = this.#options.when;
    const best = keepBest && progress.bestEpoch === progress.epoch;
    if (everyEpoch || best || this.due(progress.steps)) await this.write(progress);
  }

  async onAbort(progress: Progress): Promise<void> {
    if (this.#options.when.onAbort && progress.steps > 0) await this.write(progress);
  }

  /** Resolves when what is being written is on disk, or has failed. Whether there was anything. */
  async settled(): Promise<boolean> {
    if (this.#writing === undefined) return false;
    await this.#writing;
    return true;
  }

  /** Resolves when the state is copied, and training may go on. */
  async write(progress: Progress): Promise<void> {
    // Before waiting: while it is on its way, the same is not due again.
    this.#lastStep = progress.steps;
    this.#lastAt = performance.now();
    await this.settled();
    if (placeOf(progress) === this.#newest) return;
    const frozen = structuredClone(progress);
    let copied: () => void = () => undefined;
    const ready = new Promise<void>((resolve) => {
      copied = resolve;
    });
    const writing = this.#put(frozen, copied).finally(() => {
      copied();
      if (this.#writing === writing) this.#writing = undefined;
    });
    this.#writing = writing;
    await ready;
  }

  async #put(progress: Progress, copied: () => void): Promise<void> {
    const { addon, trainer, folder, when, run, emit } = this.#options;
    const started = performance.now();
    try {
      const taken = addon.trainerStats(trainer).steps;
      if (taken !== progress.steps) {
        throw new NativeError(
          'ERR_NATIVE',
          `The engine has taken ${taken} steps and not ${progress.steps}; no checkpoint was written.`,
        );
      }
      let bytes = 0;
      let byCopy = true;
      const path = await folder.put(progress.steps, async (place) => {
        const file = join(place, STATE_FILE);
        byCopy = await this.#copy();
        if (byCopy) copied();
        const checksum = byCopy ? await addon.writeCopy(trainer, file) : await addon.writeState(trainer, file);
        bytes = (await stat(file)).size;
        await writeDescription(place, {
          format: 1,
          written: new Date().toISOString(),
          run,
          progress,
          state: { bytes, checksum },
        });
      });
      this.#newest = placeOf(progress);
      folder.damaged.delete(basename(path));
      ++this.written;
      emit({
        type: 'checkpoint',
        folder: path,
        totalSteps: progress.steps,
        bytes,
        copied: byCopy,
        seconds: (performance.now() - started) / 1000,
      });
      await folder.rotate(when.keep, when.keepBest);
    } catch (error) {
      ++this.failed;
      this.lastError = fromNative(error) as VectuneError;
      const { message } = this.lastError;
      emit({ type: 'checkpoint-failed', totalSteps: progress.steps, error: this.lastError, message });
    }
  }

  /** Whether there was memory for a copy. */
  async #copy(): Promise<boolean> {
    try {
      await this.#options.addon.copyState(this.#options.trainer);
      return true;
    } catch (error) {
      if (hasCode(fromNative(error), 'ERR_OUT_OF_MEMORY')) return false;
      throw error;
    }
  }
}

/** Names a moment of a run: the last step of an epoch and the epoch's end have the same number of steps. */
function placeOf({ steps, epoch }: Progress): string {
  return `${steps} ${epoch}`;
}
