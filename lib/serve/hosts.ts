import { isIP } from 'node:net';
import { HttpError } from './http-error';

/** Whether only this machine reaches an address that a socket is bound to. */
export function isLoopback(address: string): boolean {
  return /^(?:::ffff:)?127\./.test(address) || address === '::1';
}

/** The host of a Host header: without its port, in small letters; '' of what is none. */
function hostOf(header: string): string {
  const [, bracketed, plain = ''] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(header.trim()) ?? [];
  return (bracketed ?? plain).toLowerCase().replace(/\.$/, '');
}

/**
 * The hosts that a server answers to. A page of another origin whose name is made to lead to this machine (DNS rebinding)
 * asks in the name of its own host; where no key is asked for, that name is all that tells it from its owner.
 */
export class Hosts {
  readonly #names: ReadonlySet<string>;

  /** @param names others than this machine's own; '*' is every one */
  constructor(names: readonly string[]) {
    // An address that stands alone is none of a header; it is answered to by its form.
    this.#names = new Set(names.map(hostOf).filter((name) => name !== ''));
  }

  /** @throws HttpError 403 for a name that is not one of them; addresses, and names that lead nowhere but to this machine, are. */
  check(header: string | undefined): void {
    if (header === undefined || this.#names.has('*')) return;
    const host = hostOf(header);
    if (isIP(host) !== 0 || host === 'localhost' || host.endsWith('.localhost') || this.#names.has(host)) return;
    throw new HttpError(
      'host',
      `This server does not answer to the host ${JSON.stringify(header.slice(0, 100))}: without a key it answers to localhost, to addresses, and to what its option allowedHosts (--allowed-hosts) names.`,
    );
  }
}
