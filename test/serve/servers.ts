import { request as httpRequest } from 'node:http';
import { TextVectorisation } from '../../lib';
import type { CaseName } from '../parity/cases';
import { createServer, type Models, type ServeOptions, type VectuneServer } from '../../lib/serve/create-server';
import { fixture } from '../public/models';

/** Servers and models of one test file, on ports of 127.0.0.1 that are free; all are closed after each test. */
export class Servers {
  #servers: VectuneServer[] = [];
  #models: TextVectorisation[] = [];

  model(name: CaseName = 'bert-mean'): TextVectorisation {
    return this.open(fixture(name));
  }

  open(folder: string): TextVectorisation {
    const tv = new TextVectorisation(folder, { device: 'cpu' });
    this.#models.push(tv);
    return tv;
  }

  async start(models?: Models, options: ServeOptions = {}): Promise<{ server: VectuneServer; url: string }> {
    const server = createServer(models ?? this.model(), { port: 0, ...options });
    this.#servers.push(server);
    return { server, url: await server.listen() };
  }

  async clear(): Promise<void> {
    await Promise.all(this.#servers.splice(0).map((server) => server.close()));
    await Promise.all(this.#models.splice(0).map((model) => model.dispose()));
  }
}

export function useServers(): Servers {
  const servers = new Servers();
  afterEach(() => servers.clear());
  return servers;
}

export interface Answered {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of many forms
  body: any;
}

/** Sends JSON and reads JSON. */
export async function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Answered> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
  });
  return read(response);
}

export async function get(url: string, headers: Record<string, string> = {}): Promise<Answered> {
  return read(await fetch(url, { headers }));
}

async function read(response: Response): Promise<Answered> {
  const text = await response.text();
  let body: unknown = text;
  try {
    body = JSON.parse(text);
  } catch {
    // as it is
  }
  return { status: response.status, headers: response.headers, body };
}

/** A request that is sent in parts; `left` once it was destroyed. */
export function open(url: string, path: string, headers: Record<string, string | number>) {
  const { hostname, port } = new URL(url);
  const request = httpRequest({ hostname, port, path, method: 'POST', agent: false, headers });
  request.on('error', () => undefined);
  return request;
}
