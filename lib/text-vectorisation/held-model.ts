import { fromNative, hasCode, StateError } from '../system/errors';
import { say } from '../system/wording';
import type { LoadedModel } from './loaded-model';

/** The model of a TextVectorisation: loaded by whoever first waits for it, held until it is closed, and freed then. */
export class HeldModel {
  readonly #load: (closing: AbortSignal) => Promise<LoadedModel>;
  readonly #closing = new AbortController();
  #loading: Promise<LoadedModel> | undefined;
  #closed = false;

  /** @param load is tried again by the next who waits, where it failed */
  constructor(load: (closing: AbortSignal) => Promise<LoadedModel>) {
    this.#load = load;
  }

  /** Is aborted by `close`. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  get closed(): boolean {
    return this.#closed;
  }

  checkOpen(): void {
    if (this.#closed) throw disposed();
  }

  /** The model; `call` is what waits for it. */
  async loaded(call: string): Promise<LoadedModel> {
    this.checkOpen();
    if (this.#loading === undefined) {
      const loading = this.#begin();
      this.#loading = loading;
      loading.catch(() => {
        // What was missing may be there when it is tried again.
        if (this.#loading === loading) this.#loading = undefined;
      });
    }
    const loaded = await this.#loading.catch((error: unknown) => {
      throw this.#closed ? disposedDuring(call) : error;
    });
    if (this.#closed) throw disposedDuring(call);
    return loaded;
  }

  /** One that need not be loaded. */
  take(model: Promise<LoadedModel>): void {
    this.#loading = model;
  }

  /** What is wrong with a call that was at work: the engine knows only that its model is gone. */
  explain(error: unknown, call: string): unknown {
    return this.#closed && hasCode(error, 'ERR_DISPOSED') ? disposedDuring(call) : error;
  }

  /** Refuses whoever comes from now on. */
  close(): void {
    this.#closing.abort(disposed());
    this.#closed = true;
  }

  /** Gives its memory back, once it has been loaded where that was on. */
  async free(): Promise<void> {
    const loaded = await this.#loading?.catch(() => undefined);
    loaded?.addon.disposeModel(loaded.handle);
    loaded?.opened.tokeniser.close();
  }

  async #begin(): Promise<LoadedModel> {
    try {
      return await this.#load(this.#closing.signal);
    } catch (error) {
      throw this.#closed ? disposed() : fromNative(error);
    }
  }
}

function disposed(): StateError {
  return new StateError('ERR_DISPOSED', 'This TextVectorisation was disposed. Make a new one.');
}

/** For a call that had begun. */
export function disposedDuring(call: string): StateError {
  return new StateError('ERR_DISPOSED', `dispose was called while ${call} was at work, and stopped it.`, {
    remedy: say`Await ${call}(…) before dispose().`,
  });
}
