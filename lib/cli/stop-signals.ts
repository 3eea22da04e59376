import { constants } from 'node:os';

type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/**
 * What stops a run from outside: Ctrl-C, `kill` (and whoever stops a container or a service), the end of the terminal. The
 * first aborts `signal`; a second one ends the process at once. `release` gives the signals back.
 */
export class StopSignals {
  readonly #stop = new AbortController();
  /** What a shell takes for the signal that came: 128 and its number; 0 where none came. */
  exitCode = 0;

  /** @param names the signals that stop it */
  constructor(readonly names: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    for (const name of names) process.on(name, this.#onSignal);
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  release(): void {
    for (const name of this.names) process.off(name, this.#onSignal);
  }

  /** As if the signal had come. */
  stop(name: StopSignal): void {
    this.#onSignal(name);
  }

  readonly #onSignal = (name: NodeJS.Signals): void => {
    const code = 128 + constants.signals[name];
    if (this.exitCode !== 0) process.exit(code);
    this.exitCode = code;
    // Nobody reads any more where a terminal is gone; the model is saved all the same.
    if (name === 'SIGHUP') for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
    this.#stop.abort();
  };
}
