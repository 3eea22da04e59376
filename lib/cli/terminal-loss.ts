import { isatty } from 'node:tty';

/** The terminals among this process's input and outputs. */
const terminals = () => [0, 1, 2].filter((descriptor) => isatty(descriptor));

/**
 * Tells what SIGHUP means: that the terminal that the process was started in is gone, or, where there is none or it is
 * there still, that somebody sent it.
 */
export class TerminalLoss {
  readonly #had = terminals().length > 0;

  get happened(): boolean {
    return this.#had && (process.platform === 'win32' || terminals().length === 0);
  }
}
