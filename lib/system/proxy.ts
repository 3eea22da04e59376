import type { ProxyAgent } from 'undici';

/**
 * Node's fetch knows no proxy by itself. Where the environment names one for an address (HTTPS_PROXY, HTTP_PROXY, and
 * NO_PROXY for what it is not for; lower case goes first, as with curl and pip), undici fetches through it: a tunnel
 * for https, plain requests for http, name and password from the proxy's address.
 */

/** One for each proxy: it keeps connections open for the next file. */
const agents = new Map<string, ProxyAgent>();

export async function proxiedFetch(
  input: Parameters<typeof fetch>[0],
  init: RequestInit,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Response> {
  const request = input instanceof Request ? input : undefined;
  const address = request?.url ?? String(input);
  const proxy = proxyFor(address, environment);
  if (proxy === undefined) return fetch(input, init);
  const undici = await import('undici'); // loaded only where there is a proxy
  let dispatcher = agents.get(proxy);
  if (dispatcher === undefined) {
    agents.set(proxy, (dispatcher = new undici.ProxyAgent({ uri: proxy, proxyTunnel: false })));
  }
  const { method, headers } = request ?? {};
  const all = { ...(method && { method }), ...(headers && { headers }), ...init, dispatcher };
  return (await undici.fetch(address, all as unknown as Parameters<typeof undici.fetch>[1])) as unknown as Response;
}

/** Address of the proxy that an address is fetched through; undefined where there is none. */
export function proxyFor(address: string, environment: NodeJS.ProcessEnv): string | undefined {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') return undefined;
  const named = variable(environment, url.protocol === 'https:' ? 'https_proxy' : 'http_proxy');
  if (named === '' || isExempt(url, variable(environment, 'no_proxy'))) return undefined;
  const proxy = named.includes('://') ? named : `http://${named}`;
  // Others (SOCKS) are pip's to use: it fetches where vectune cannot.
  return URL.canParse(proxy) && /^https?:/i.test(proxy) ? proxy : undefined;
}

function variable(environment: NodeJS.ProcessEnv, name: string): string {
  return (environment[name] ?? environment[name.toUpperCase()] ?? '').trim();
}

/** A name stands for itself and for all below it, with a port for that only; '*' for everything. */
function isExempt(url: URL, list: string): boolean {
  const host = url.hostname.toLowerCase();
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((entry) => {
      const [, name, only] = /^(?:\*?\.)?(\[.*\]|[^:]*)(?::(\d+))?$/.exec(entry) ?? ['', `[${entry}]`];
      if (only !== undefined && only !== port) return false;
      return name === '*' || host === name || host.endsWith(`.${name}`);
    });
}
