// By hand: undici 6's EnvHttpProxyAgent prints a warning that it is experimental, and the library never prints.
import type { ProxyAgent } from 'undici';
import { DownloadError } from './errors';
import { say, words } from './wording';

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
  try {
    const asked = undici.fetch(address, all as unknown as Parameters<typeof undici.fetch>[1]);
    return (await asked) as unknown as Response;
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw proxyError(proxy, address, error) ?? error;
  }
}

/** What the proxy itself answered, or that it could not be reached; undefined for any other failure. */
function proxyError(proxy: string, address: string, error: unknown): DownloadError | undefined {
  const { host: wanted } = new URL(address);
  const { host } = new URL(proxy);
  const variableName = new URL(address).protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const links: { message?: string; code?: string; port?: number }[] = [];
  for (let link = error as { cause?: unknown } | undefined; link && links.length < 8; link = link.cause as typeof link)
    links.push(link as (typeof links)[number]);
  const texts = links.map(({ message }) => message ?? '');
  const told = texts.map((text) => /Proxy response \((\d+)\)|Proxy Authentication Required \((\d+)\)/.exec(text));
  const found = told.find((match) => match !== null);
  const status = found ? Number(found[1] ?? found[2]) : undefined;
  const details = (remedy: ReturnType<typeof say>) => ({ cause: error, remedy });
  switch (status) {
    case undefined:
      break;
    case 407:
      return new DownloadError(
        'ERR_DOWNLOAD',
        `The proxy ${host} wants a name and a password (407), or refuses those that it was given.`,
        details(say`Put them into ${variableName}: http://name:password@${host}`),
      );
    case 403:
    case 405:
      return new DownloadError(
        'ERR_DOWNLOAD',
        `The proxy ${host} does not let anyone reach ${wanted} (${status}).`,
        details(say`Have it allowed there, or name a mirror that it allows with ${mirror}.`),
      );
    default:
      return new DownloadError(
        'ERR_DOWNLOAD',
        `The proxy ${host} could not reach ${wanted} (${status}).`,
        details(say`Try again; if it stays so, ask who runs the proxy.`),
      );
  }
  const refused = links.find(({ code }) =>
    ['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ETIMEDOUT'].includes(code ?? ''),
  );
  if (refused === undefined) return undefined;
  return new DownloadError(
    'ERR_DOWNLOAD',
    `The proxy ${host} cannot be reached (${refused.message || refused.code}).`,
    details(say`Correct ${variableName}, or leave ${wanted} out by NO_PROXY.`),
  );
}

const mirror = words('HF_ENDPOINT or the option `hubUrl`', 'HF_ENDPOINT');

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
