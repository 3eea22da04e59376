import { HttpError } from './http-error';

/** Longest that a client is told to wait, in seconds. */
const LONGEST_WAIT = 60;

/**
 * Who may wait for the model: a bounded number of requests with a bounded number of tokens. Beyond either a request is
 * refused at once, with the time after which there should be room; what was accepted is answered.
 */
export class Admission {
  #requests = 0;
  #tokens = 0;
  /** Since the queue was last empty: when that was, and what has been computed. */
  #busySince = 0;
  #done = 0;

  constructor(
    readonly maxRequests: number,
    readonly maxTokens: number,
  ) {}

  get requests(): number {
    return this.#requests;
  }

  get tokens(): number {
    return this.#tokens;
  }

  /** @throws HttpError 429 */
  check(): void {
    if (this.#requests >= this.maxRequests) throw this.#full(`${this.#requests} requests wait`);
  }

  /** Takes a place among the requests; `Place.leave` must be called whatever happens. @throws HttpError 429 */
  enter(): Place {
    this.check();
    if (this.#requests === 0) {
      this.#busySince = performance.now();
      this.#done = 0;
    }
    ++this.#requests;
    let own = 0;
    let left = false;
    return {
      take: (tokens) => {
        if (own + tokens > this.maxTokens) {
          throw new HttpError(
            'large',
            `The request has ${own + tokens} tokens, and the server takes at most ${this.maxTokens} at a time. Send the texts in several requests.`,
          );
        }
        if (this.#tokens + tokens > this.maxTokens) throw this.#full(`${this.#tokens} tokens wait`);
        this.#tokens += tokens;
        own += tokens;
      },
      leave: (computed) => {
        if (left) return;
        left = true;
        --this.#requests;
        this.#tokens -= own;
        if (computed) this.#done += own;
      },
    };
  }

  #full(what: string): HttpError {
    const elapsed = (performance.now() - this.#busySince) / 1000;
    const rate = elapsed > 0 ? this.#done / elapsed : 0;
    // Half of what waits done is room enough.
    const wait = rate > 0 ? this.#tokens / 2 / rate : 1;
    const retryAfter = Math.min(LONGEST_WAIT, Math.max(1, Math.ceil(wait)));
    return new HttpError('overloaded', `The server has no room: ${what}. Try again in ${retryAfter} s.`, {
      retryAfter,
    });
  }
}

/** A request's place. */
export interface Place {
  /** Adds tokens of the request. @throws HttpError 429, or 413 for more than there can ever be room for */
  take(tokens: number): void;
  /** May be called twice. */
  leave(computed: boolean): void;
}
