import type { BatchEvent } from '../embed/batches';
import { duration, integer } from './numbers';
import { animates, type ProgressStream } from './terminal';

/** Shows how many texts have been embedded, and how long the rest takes. Call `end` whatever happens. */
export class EmbedDisplay {
  readonly #stream: ProgressStream;
  readonly #animates: boolean;
  #last = Date.now();
  #drawn = false;

  constructor(stream: ProgressStream = process.stderr) {
    this.#stream = stream;
    this.#animates = animates(stream);
  }

  show({ done, total, seconds, secondsLeft }: BatchEvent): void {
    // A line now and then, where it cannot be drawn again.
    if (!this.#animates && Date.now() - this.#last < 10_000) return;
    this.#last = Date.now();
    const of = total === null ? '' : ` of ${integer(total)}`;
    const left = secondsLeft === null ? '' : `, ${duration(secondsLeft)} left`;
    const line = `${integer(done)}${of} texts, ${integer(done / seconds)} a second${left}`;
    this.#stream.write(this.#animates ? `\r${line}\u001b[K` : `${line}\n`);
    this.#drawn = this.#animates;
  }

  /** Takes the line away. May be called twice. */
  end(): void {
    if (this.#drawn) this.#stream.write('\r\u001b[K');
    this.#drawn = false;
  }
}
