/// <reference lib="esnext.disposable" preserve="true" />
import { inspect, type InspectOptions } from 'node:util';
import { defineAsyncDispose } from '../system/dispose';
import { hasCode, VectuneError, type ErrorCode, type ErrorDetails } from '../system/errors';
import { say, type Wording } from '../system/wording';
import type { FinetuneReport } from './report';
import { RunControl } from './run-control';

/** Where a run is: at work or paused, done, or failed (stopped by `abort` too). */
export type FinetuneStatus = 'pending' | 'done' | 'failed';

/**
 * A run of `finetune`: a promise of its report, with the means to steer it. Made by
 * `TextVectorisation.finetune`; training goes on whether or not anyone awaits it.
 */
export class FinetuneRun implements Promise<FinetuneReport> {
  /** The class's name. */
  readonly [Symbol.toStringTag] = 'FinetuneRun';
  /** Aborts a run that is on and waits for its end, for `await using`; not there in a Node before 20.5. */
  declare readonly [Symbol.asyncDispose]: () => Promise<void>;
  readonly #control = new RunControl();
  readonly #report: Promise<FinetuneReport>;
  #status: FinetuneStatus = 'pending';
  #outcome: unknown;
  #awaited = false;
  /** Rejects with what `unhandledRejection` is told of a run that failed while nobody awaited it. */
  #unheard: Promise<never> | undefined;

  /** `job` starts at once. */
  constructor(job: (control: RunControl) => Promise<FinetuneReport>) {
    const called = { stack: '' };
    Error.captureStackTrace(called, FinetuneRun);
    this.#report = job(this.#control);
    this.#report.then(
      (report) => {
        this.#status = 'done';
        this.#outcome = report;
      },
      (error: unknown) => {
        this.#status = 'failed';
        this.#outcome = error;
        if (!this.#awaited) this.#unheard = Promise.reject(unawaited(error, called.stack));
      },
    );
  }

  /** Where the run is. A paused one is 'pending'. */
  get status(): FinetuneStatus {
    return this.#status;
  }

  /** For vectune itself: whether anyone has asked for the outcome, by `await`, `then`, `catch` or `finally`. */
  get awaited(): boolean {
    return this.#awaited;
  }

  /**
   * Stops within one step. The promise then rejects with an AbortError whose cause is `reason`, and the model
   * keeps its best weights so far; with the option `checkpoint` the state is written to disk before it rejects. Does
   * nothing once the run is over.
   */
  abort(reason?: unknown): void {
    this.#control.abort(reason);
  }

  /**
   * Halts before the next step, or between two parts of a validation, until `resume`; the event 'paused' tells when.
   * The memory stays taken. `embed` goes on working.
   */
  pause(): void {
    this.#control.pause();
  }

  /** Goes on after `pause`, with the numbers of a run that was never paused. */
  resume(): void {
    this.#control.resume();
  }

  /** Whether `pause` was called, and neither `resume` nor `abort` since. */
  get paused(): boolean {
    return this.#control.paused;
  }

  /**
   * Lets the process end while this run trains or is paused, if nothing else keeps it: the run is cut off then, as by
   * `process.exit`. The reading of data and model before, and of a checkpoint, still keep the process.
   */
  unref(): this {
    this.#control.reference(false);
    return this;
  }

  /** The opposite of `unref`, and how a run begins. */
  ref(): this {
    this.#control.reference(true);
    return this;
  }

  // biome-ignore lint/suspicious/noThenProperty: a run is awaited
  then<A = FinetuneReport, B = never>(
    onFulfilled?: ((report: FinetuneReport) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#heard().then(onFulfilled, onRejected);
  }

  catch<B = never>(onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<FinetuneReport | B> {
    return this.#heard().catch(onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<FinetuneReport> {
    return this.#heard().finally(onFinally);
  }

  /** What `console.log` shows: whether the run is on, and what came of it. */
  [inspect.custom](_depth: number, options: InspectOptions): string {
    const state =
      this.#status === 'pending'
        ? this.paused
          ? '<pending, paused>'
          : '<pending>'
        : `<${this.#status}> ${inspect(this.#outcome, options)}`;
    return `FinetuneRun { ${state} }`;
  }

  #heard(): Promise<FinetuneReport> {
    this.#awaited = true;
    // As with any promise: whoever asks in time takes the failure upon himself.
    this.#unheard?.catch(() => undefined);
    return this.#report;
  }
}

defineAsyncDispose(FinetuneRun.prototype, async function (this: FinetuneRun) {
  const { awaited } = this;
  this.abort();
  await this.catch((error: unknown) => {
    if (!awaited && !hasCode(error, 'ERR_ABORTED')) throw error; // else it has been told
  });
});

/** The failure of a run that nobody awaits: of the same class and code, and from where the run was begun. */
function unawaited(error: unknown, called: string): Error {
  const what = `A run of finetune that nobody awaits has failed: ${error instanceof Error ? error.message : String(error)}`;
  const next = 'Put await before finetune(…), or give the run a catch.';
  const told =
    error instanceof VectuneError ? alike(error, what, say`${next}`) : new Error(`${what} ${next}`, { cause: error });
  told.stack = `${told.name}: ${told.message}${called.slice(called.indexOf('\n'))}`;
  return told;
}

function alike(error: VectuneError, message: string, remedy: Wording): VectuneError {
  const { code, row, file } = error;
  const Class = error.constructor as new (code: ErrorCode, message: string, details: ErrorDetails) => VectuneError;
  return new Class(code, message, { cause: error, row, file, remedy });
}
