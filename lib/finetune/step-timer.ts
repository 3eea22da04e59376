/** Steps over which the rate of tokens is taken: enough to be steady, few enough to show changes. */
const window = 10;

/** Measures speed from the times at which steps are done; time between epochs does not count. */
export class StepTimer {
  #recent: { at: number; tokens: number }[] = [];
  #last = 0;
  #training = 0;
  #steps = 0;

  /** `now` in milliseconds. */
  constructor(
    readonly totalSteps: number,
    readonly now: () => number = () => performance.now(),
  ) {}

  /** Steps begin now. */
  start(): void {
    this.#last = this.now();
    this.#recent = [{ at: this.#last, tokens: 0 }];
  }

  /** A step of so many tokens is done. Returns tokens per second lately, and seconds until all steps are done. */
  done(tokens: number): { tokensPerSecond: number; eta: number } {
    const at = this.now();
    ++this.#steps;
    this.#training += at - this.#last;
    this.#last = at;
    this.#recent.push({ at, tokens });
    if (this.#recent.length > window + 1) this.#recent.shift();
    const [first, ...rest] = this.#recent;
    const seconds = Math.max(1e-6, (at - first!.at) / 1000);
    return {
      tokensPerSecond: rest.reduce((sum, step) => sum + step.tokens, 0) / seconds,
      eta: (Math.max(0, this.totalSteps - this.#steps) * this.#training) / this.#steps / 1000,
    };
  }
}
