import { AbortError } from '../system/errors';

/** @throws AbortError: the signal is aborted */
export function stopped(signal: AbortSignal | undefined, what = 'The search'): void {
  if (signal?.aborted !== true) return;
  const cause: unknown = signal.reason;
  throw new AbortError('ERR_ABORTED', `${what} was stopped.`, { cause });
}
