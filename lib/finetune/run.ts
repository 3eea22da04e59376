import { RunControl } from './run-control';
import type { FinetuneReport } from './report';

/**
 * A run of `finetune`: a promise of its report, with the means to steer it. Made by
 * `TextVectorisation.finetune`; training goes on whether or not anyone awaits it.
 */
export class FinetuneRun implements Promise<FinetuneReport> {
  /** The class's name. */
  readonly [Symbol.toStringTag] = 'FinetuneRun';
  readonly #control = new RunControl();
  readonly #report: Promise<FinetuneReport>;

  /** `job` starts at once. */
  constructor(job: (control: RunControl) => Promise<FinetuneReport>) {
    this.#report = job(this.#control);
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
    return this.#report.then(onFulfilled, onRejected);
  }

  catch<B = never>(onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<FinetuneReport | B> {
    return this.#report.catch(onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<FinetuneReport> {
    return this.#report.finally(onFinally);
  }
}
