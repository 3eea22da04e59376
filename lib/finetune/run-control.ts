import { AbortError, fromNative } from '../system/errors';

/**
 * Stops a run: asked to by the caller, or because a callback threw. The first reason counts; what the
 * engine reports afterwards is only its echo.
 */
export class RunControl {
  readonly #controller = new AbortController();
  #forget: () => void = () => undefined;
  #paused = false;
  #wake: () => void = () => undefined;
  #referenced = true;
  #onReference: (wanted: boolean) => void = () => undefined;
  /** Keeps the process alive while the run is paused: nothing else of it is under way then. */
  #vigil: NodeJS.Timeout | undefined;

  /** Aborted when the run is to stop; its reason is the error that the run rejects with. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get stopped(): boolean {
    return this.signal.aborted;
  }

  stop(reason: unknown): void {
    if (!this.stopped) this.#controller.abort(reason);
    this.#wake();
  }

  get paused(): boolean {
    return this.#paused && !this.stopped;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#wake();
  }

  /** Resolves when the run is not paused, or is to stop. */
  async resumed(): Promise<void> {
    while (this.paused) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#vigil = setInterval(() => undefined, 2 ** 30);
      if (!this.#referenced) this.#vigil.unref();
      await woken;
      clearInterval(this.#vigil);
    }
  }

  /** Whether the run keeps the process alive. */
  reference(wanted: boolean): void {
    this.#referenced = wanted;
    if (wanted) this.#vigil?.ref();
    else this.#vigil?.unref();
    this.#onReference(wanted);
  }

  /** `apply` is told now, if that is not so, and from now on whether the run keeps the process alive. */
  applyReference(apply: (wanted: boolean) => void): void {
    this.#onReference = apply;
    if (!this.#referenced) apply(false);
  }

  abort(cause?: unknown): void {
    this.stop(
      new AbortError('ERR_ABORTED', 'The run was aborted; the model keeps its best weights so far.', { cause }),
    );
  }

  /** Aborts when the caller's signal does, until `release`. */
  follow(signal: AbortSignal): void {
    const onAbort = () => this.abort(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    this.#forget = () => signal.removeEventListener('abort', onAbort);
  }

  release(): void {
    this.#forget();
    this.#onReference = () => undefined;
  }

  /** Throws the reason if the run is to stop. */
  check(): void {
    if (this.stopped) throw this.signal.reason;
  }

  /** The error to reject with: the reason to stop if there is one, else `error` with its class. */
  explain(error: unknown): unknown {
    return this.stopped ? this.signal.reason : fromNative(error);
  }

  /**
   * A function that gives events to `listener`; if it throws or rejects, the run stops with that error. Once the run is
   * stopped only those for which `late` holds are told.
   */
  emitter<Event>(
    listener: ((event: Event) => unknown) | undefined,
    late: (event: Event) => boolean = () => false,
  ): (event: Event) => void {
    if (listener === undefined) return () => undefined;
    return (event) => {
      if (this.stopped && !late(event)) return;
      try {
        const result = listener(event);
        if (result instanceof Promise || typeof (result as PromiseLike<unknown> | undefined)?.then === 'function') {
          Promise.resolve(result as PromiseLike<unknown>).catch((error: unknown) => this.stop(error));
        }
      } catch (error) {
        this.stop(error);
      }
    };
  }
}
