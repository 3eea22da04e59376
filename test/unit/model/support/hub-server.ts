import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { sha256 } from './fixture';

/** Repositories as the Hugging Face hub serves them to `@huggingface/hub`: facts, listing, files by commit. */

export type Files = Record<string, Buffer>;

export interface Repository {
  /** Files of each commit. */
  commits: Record<string, Files>;
  /** Commit of each branch and tag. */
  references: Record<string, string>;
  /** As it was asked for where it was made by a client. */
  visibility?: string;
}

export interface HubRequest {
  method: string;
  /** As it came, without the query. */
  path: string;
  range: string | undefined;
  authorization: string | undefined;
}

/** Answers a request in its own way and says that it did. */
export type Fault = (request: HubRequest, response: ServerResponse) => boolean;

/** Entries of one page of a listing; the hub has a thousand. */
const PAGE = 5;

function commitOf(label: string): string {
  return createHash('sha1').update(label).digest('hex');
}

/** What the hub keeps in large file storage. */
function isLarge(path: string): boolean {
  return /\.(safetensors|bin|onnx|gguf|parquet)$/.test(path);
}

export function filesBelow(folder: string, prefix = ''): Files {
  const files: Files = {};
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) Object.assign(files, filesBelow(path, `${prefix}${name}/`));
    else files[prefix + name] = readFileSync(path);
  }
  return files;
}

export class HubServer {
  readonly repositories = new Map<string, Repository>();
  readonly requests: HubRequest[] = [];
  /** Large files that were sent, whether or not a commit names them yet. */
  readonly storage = new Map<string, Buffer>();
  /** What each commit that was made said, the last one last. */
  readonly messages: string[] = [];
  /** Stands in for the server's own answers where it wants to. */
  fault: Fault = () => false;
  readonly #server: Server;
  #port = 0;

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(): Promise<HubServer> {
    const hub = new HubServer();
    await new Promise<void>((resolve) => hub.#server.listen(0, '127.0.0.1', resolve));
    hub.#port = (hub.#server.address() as AddressInfo).port;
    return hub;
  }

  /** May be called twice; the address stays, and nobody is there. */
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Of another host, as the hub's storage is. */
  get storageUrl(): string {
    return `http://localhost:${this.#port}/storage`;
  }

  /** A repository with one commit on `main`; gives the commit. */
  add(id: string, files: Files, label = `first of ${id}`): string {
    const commit = commitOf(label);
    const found = this.repositories.get(id) ?? { commits: {}, references: {} };
    found.commits[commit] = files;
    found.references['main'] = commit;
    this.repositories.set(id, found);
    return commit;
  }

  /** Paths of files that were asked for, each once, in order. */
  get fetched(): string[] {
    const paths = this.requests.map(({ path }) => /\/resolve\/[^/]+\/(.+)$/.exec(path)?.[1]);
    return [...new Set(paths.filter((path) => path !== undefined))];
  }

  async #answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(incoming.url!, this.url);
    const { range, authorization } = incoming.headers;
    const request = { method: incoming.method!, path: pathname, range, authorization };
    this.requests.push(request);
    if (this.fault(request, response)) return;
    if (request.method !== 'GET' && request.method !== 'HEAD') return this.#write(incoming, request, response);
    const parts =
      /^\/(?:api\/)?(?:models\/|datasets\/)?([^/]+\/[^/]+)\/(revision|tree|resolve)\/([^/]+)(?:\/(.+))?$/.exec(
        request.path,
      );
    const [, id, action, revision, path] = (parts ?? []).map((part) => part && decodeURIComponent(part));
    const repository = this.repositories.get(id ?? '');
    if (repository === undefined) return notFound(response, 'RepoNotFound', 'Repository not found');
    const commit = repository.references[revision!] ?? revision!;
    const files = repository.commits[commit];
    if (files === undefined) return notFound(response, 'RevisionNotFound', `Invalid rev id: ${revision}`);
    if (action === 'revision') return json(response, { _id: '1', id, sha: commit, private: false });
    if (action === 'tree') return this.#list(response, pathname, files, Number(searchParams.get('cursor') ?? 0));
    const content = files[path!];
    if (content === undefined) return notFound(response, 'EntryNotFound', 'Entry not found');
    sendFile(response, content, range);
  }

  /** Making a repository, the questions before a commit, storage, and the commit itself. */
  async #write(incoming: IncomingMessage, request: HubRequest, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
    } catch {
      return; // the client has gone
    }
    const body = Buffer.concat(chunks);
    const stored = /^\/storage\/([0-9a-f]{64})$/.exec(request.path)?.[1];
    if (stored !== undefined) {
      if (sha256(body) !== stored) return json(response, { error: 'another content' }, 400);
      this.storage.set(stored, body);
      return void response.writeHead(200).end();
    }
    if (request.authorization === undefined) return json(response, { error: 'Invalid credentials' }, 401);
    if (request.path === '/api/repos/create') {
      const asked = JSON.parse(body.toString()) as { name: string; organization: string; visibility: string };
      const id = `${asked.organization}/${asked.name}`;
      if (this.repositories.has(id)) return json(response, { error: 'You already created this model repo' }, 409);
      this.add(id, { '.gitattributes': Buffer.from('*.safetensors filter=lfs\n') });
      this.repositories.get(id)!.visibility = asked.visibility;
      return json(response, { url: `${this.url}/${id}`, id });
    }
    const [, id, action, branch] =
      /^\/(?:api\/models\/)?([^/]+\/[^/]+?)(?:\.git)?\/(preupload|info\/lfs\/objects\/batch|commit|branch)(?:\/([^/]+))?$/.exec(
        request.path,
      ) ?? [];
    const repository = this.repositories.get(id ?? '');
    if (repository === undefined) return notFound(response, 'RepoNotFound', 'Repository not found');
    const name = decodeURIComponent(branch ?? 'main');
    if (action === 'branch') {
      const { startingPoint } = JSON.parse(body.toString()) as { startingPoint?: string };
      repository.references[name] = startingPoint ?? repository.references['main']!;
      return void response.writeHead(200).end();
    }
    if (action !== 'info/lfs/objects/batch' && repository.references[name] === undefined)
      return notFound(response, 'RevisionNotFound', `Invalid rev id: ${name}`);
    if (action === 'preupload') {
      const { files } = JSON.parse(body.toString()) as { files: { path: string }[] };
      const mode = (path: string) => (isLarge(path) ? 'lfs' : 'regular');
      return json(response, {
        files: files.map(({ path }) => ({ path, uploadMode: mode(path), shouldIgnore: false })),
      });
    }
    if (action === 'info/lfs/objects/batch') {
      const { objects } = JSON.parse(body.toString()) as { objects: { oid: string; size: number }[] };
      const upload = (oid: string) => ({ actions: { upload: { href: `${this.storageUrl}/${oid}` } } });
      return json(response, {
        transfer: 'basic',
        objects: objects.map((one) => ({ ...one, ...(this.storage.has(one.oid) ? {} : upload(one.oid)) })),
      });
    }
    this.#commit(response, repository, name, body.toString());
  }

  #commit(response: ServerResponse, repository: Repository, branch: string, lines: string): void {
    type Line = { key: string; value: Record<string, string> };
    const steps = lines.split('\n').map((line) => JSON.parse(line) as Line);
    const head = repository.references[branch]!;
    const files = { ...repository.commits[head]! };
    for (const { key, value } of steps) {
      if (key === 'header' && (value['parentCommit'] ?? head) !== head)
        return json(response, { error: 'A commit has happened since. Please refresh and try again.' }, 412);
      if (key === 'header') this.messages.push(value['summary']!);
      if (key === 'file') files[value['path']!] = Buffer.from(value['content']!, 'base64');
      if (key === 'deletedFile') delete files[value['path']!];
      if (key === 'lfsFile') {
        const content = this.storage.get(value['oid']!);
        if (content === undefined) return json(response, { error: `${value['path']} was never sent` }, 400);
        files[value['path']!] = content;
      }
    }
    const commit = commitOf(`${head} ${lines}`);
    repository.commits[commit] = files;
    repository.references[branch] = commit;
    json(response, { success: true, commitOid: commit, commitUrl: `${this.url}/commit/${commit}`, hookOutput: '' });
  }

  #list(response: ServerResponse, path: string, files: Files, from: number): void {
    const folders = new Set(
      Object.keys(files)
        .filter((name) => name.includes('/'))
        .map((name) => name.split('/')[0]!),
    );
    const entries = [
      ...[...folders].map((name) => ({ type: 'directory', oid: commitOf(name), size: 0, path: name })),
      ...Object.entries(files).map(([name, content]) => ({
        type: 'file',
        oid: createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex'),
        size: content.length,
        path: name,
        ...(isLarge(name) && { lfs: { oid: sha256(content), size: content.length, pointerSize: 134 } }),
      })),
    ];
    const next = from + PAGE;
    if (next < entries.length)
      response.setHeader('Link', `<${this.url}${path}?recursive=true&cursor=${next}>; rel="next"`);
    json(response, entries.slice(from, next));
  }
}

function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(value));
}

export function notFound(response: ServerResponse, code: string, error: string): void {
  response.setHeader('X-Error-Code', code);
  json(response, { error }, 404);
}

function sendFile(response: ServerResponse, content: Buffer, range: string | undefined): void {
  response.setHeader('etag', `"${sha256(content).slice(0, 40)}"`);
  if (range === 'bytes=0-0') {
    response.writeHead(206, { 'content-range': `bytes 0-0/${content.length}`, 'content-length': 1 });
    response.end(content.subarray(0, 1));
  } else {
    response.writeHead(200, { 'content-length': content.length }).end(content);
  }
}
