import { RunControl } from './run-control';
import type { FinetuneReport } from './report';

/**
 * A run of `finetune`: a promise of its report, with the means to steer it. Made by
 * `TextVectorisation.finetune`; training goes on whether or not anyone awaits it.
 */
export class FinetuneRun implements Promise<FinetuneReport> {
  readonly [Symbol.toStringTag] = 'FinetuneRun';
  readonly #control = new RunControl();
  readonly #report: Promise<FinetuneReport>;

  /** `job` starts at once. */
  constructor(job: (control: RunControl) => Promise<FinetuneReport>) {
    this.#report = job(this.#control);
  }

  /**
   * Stops within one step. The promise then rejects with an AbortError whose cause is `reason`, and the model
   * keeps its best weights so far. Does nothing once the run is over.
   */
  abort(reason?: unknown): void {
    this.#control.abort(reason);
  }

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
