import { freemem } from 'node:os';
import type { EngineAddon, MemoryInfo, TrainerHandle } from '../engine/addon';

/** Share of the machine's free memory that a run may take; the rest is for Node and for the others. */
const share = 0.9;

/**
 * Bytes that the engine may hold while it trains, where the caller set no limit: what it holds already, and most
 * of what is free. Free is what the control group leaves beside this process (page cache is given back when
 * needed, so only resident memory counts), or the machine's available memory, whichever is less.
 */
export function defaultMemoryLimit(memory: MemoryInfo): number {
  // 0, or a number beyond any machine, where there is no control group.
  const group = process.constrainedMemory();
  const free = Math.min(freemem(), group > 0 ? Math.max(0, group - process.memoryUsage.rss()) : Infinity);
  const limit = Math.floor(memory.inUse + share * free);
  return memory.limit === null ? limit : Math.min(limit, memory.limit);
}

/** Milliseconds for which what was free is taken to be so still. */
const fresh = 200;

/**
 * Has a trainer's limit follow what the machine really has free, as others take memory and give it back; `asked` is
 * the caller's own limit, which it never exceeds. What the engine holds already is not taken from it.
 */
export class MemoryFollower {
  #at = -Infinity;

  constructor(
    readonly addon: Pick<EngineAddon, 'memory' | 'setTrainerLimit'>,
    readonly trainer: TrainerHandle,
    readonly asked: number | null,
  ) {}

  /** To be called before work that takes memory; looks at most five times a second. */
  follow(): void {
    const now = performance.now();
    if (now - this.#at < fresh) return;
    this.#at = now;
    this.addon.setTrainerLimit(
      this.trainer,
      Math.max(1, Math.min(this.asked ?? Infinity, defaultMemoryLimit(this.addon.memory()))),
    );
  }
}
