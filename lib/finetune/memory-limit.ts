import { freemem } from 'node:os';
import type { MemoryInfo } from '../native/addon';

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
