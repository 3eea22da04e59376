import type { ServedRequest } from '../serve/create-server';
import { VectuneError } from '../system/errors';

/** Milliseconds for which a failure that was told is not told again. */
const QUIET = 1000;
/** Failures that are remembered. */
const MOST = 100;

/** Lines for requests that the server failed to answer; of one failure a line a second at most, with the number of the others. */
export class FailureLog {
  readonly #last = new Map<string, { at: number; more: number }>();

  constructor(
    readonly write: (line: string) => void,
    readonly now: () => number = () => performance.now(),
  ) {}

  tell({ method, path, status, error }: ServedRequest): void {
    if (error === undefined) return;
    const what = `${method} ${path} ${status}: ${describe(error)}`;
    const last = this.#last.get(what);
    const now = this.now();
    if (last !== undefined && now - last.at < QUIET) {
      ++last.more;
      return;
    }
    const more = last === undefined || last.more === 0 ? '' : ` (and ${last.more} times before)`;
    this.write(`${what}${more}\n`);
    if (this.#last.size >= MOST) this.#last.clear();
    this.#last.set(what, { at: now, more: 0 });
  }
}

/** A fault of ours with where it is; what has a code is known. */
function describe(error: unknown): string {
  if (error instanceof VectuneError) return `${error.message} [${error.code}]`;
  if (!(error instanceof Error)) return String(error);
  return error.name === 'HttpError' ? error.message : (error.stack ?? String(error));
}
