import { performance } from 'node:perf_hooks';
import { AbortError } from '../system/errors';

/** A computation that yields after each small piece (some milliseconds at most), so that it can be interrupted there. */
export type Work<T> = Generator<undefined, T, undefined>;

/** How long pieces go on before the event loop gets its turn, in milliseconds. */
const TURN_MS = 10;

/** The result, computed without a pause. */
export function atOnce<T>(work: Work<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

/** The result, computed in pieces between which the event loop gets its turn. Rejects with an AbortError. */
export async function inPieces<T>(work: Work<T>, signal?: AbortSignal): Promise<T> {
  throwIfAborted(signal);
  let begun = performance.now();
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
    if (performance.now() - begun < TURN_MS) continue;
    await new Promise(setImmediate);
    throwIfAborted(signal);
    begun = performance.now();
  }
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  const cause: unknown = signal.reason;
  throw new AbortError('ERR_ABORTED', 'The evaluation was stopped.', { cause });
}
