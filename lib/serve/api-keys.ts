import { createHash, timingSafeEqual } from 'node:crypto';
import { InvalidArgumentError } from '../system/errors';
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

/**
 * The keys of VECTUNE_API_KEYS, with commas between; none where it is not set.
 *
 * @throws InvalidArgumentError: it is set and has no key; a server that is open because a secret got lost tells nobody
 */
export function keysOfEnvironment(): string[] {
  const variable = process.env['VECTUNE_API_KEYS'];
  if (variable === undefined) return [];
  const keys = variable
    .split(',')
    .map((key) => key.trim())
    .filter((key) => key !== '');
  if (keys.length > 0) return keys;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    'VECTUNE_API_KEYS is set and has no key in it. Give a key, as key1,key2, or unset it for a server that asks for none.',
  );
}
