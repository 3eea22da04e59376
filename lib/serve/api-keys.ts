import { createHash, timingSafeEqual } from 'node:crypto';
import { HttpError } from './http-error';

const digest = (key: string) => createHash('sha256').update(key).digest();

/** The keys that open the server. How long the comparison takes tells nothing of a key, not even its length. */
export class ApiKeys {
  readonly #digests: readonly Buffer[];

  constructor(keys: readonly string[]) {
    this.#digests = keys.map(digest);
  }

  get any(): boolean {
    return this.#digests.length > 0;
  }

  /** @throws HttpError: none or a wrong one was brought, where one is asked for. */
  check(authorization: string | undefined): void {
    if (this.#digests.length === 0) return;
    const brought = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
    if (brought === undefined) {
      throw new HttpError('unauthorized', 'This server needs a key: send the header "Authorization: Bearer …".');
    }
    const found = digest(brought);
    let matches = 0;
    for (const known of this.#digests) matches += Number(timingSafeEqual(known, found));
    if (matches === 0) throw new HttpError('unauthorized', 'This key is not one of the server.');
  }
}
