import { HttpError } from './http-error';

/**
 * What requests hold in memory, all together, within a bound: their bodies, and what they are answered with, until the
 * last byte of the answer is gone.
 */
export class HeldBytes {
  #bytes = 0;

  constructor(readonly most: number) {}

  get bytes(): number {
    return this.#bytes;
  }

  /** What one request holds: nothing yet. It is given back when all who share it have let go. */
  open(): Holding {
    let own = 0;
    let holders = 0;
    let over = false;
    return {
      take: (bytes) => {
        if (over) throw new HttpError('left', 'The client left.');
        if (own + bytes > this.most) {
          throw new HttpError(
            'large',
            `The request and its answer have more than the ${this.most} bytes that the server holds at a time. Send the texts in several requests.`,
          );
        }
        if (this.#bytes + bytes > this.most) {
          throw new HttpError('overloaded', `The server has no room: it holds ${this.#bytes} bytes of requests.`, {
            retryAfter: 1,
          });
        }
        own += bytes;
        this.#bytes += bytes;
      },
      share: () => {
        ++holders;
        let held = true;
        return () => {
          if (!held) return;
          held = false;
          if (--holders > 0) return;
          over = true;
          this.#bytes -= own;
        };
      },
    };
  }
}

/** What a request holds. */
export interface Holding {
  /** @throws HttpError 429, or 413 for more than there can ever be room for */
  take(bytes: number): void;
  /** One more who needs it; gives what says that he needs it no longer, which may be called twice. */
  share(): () => void;
}
