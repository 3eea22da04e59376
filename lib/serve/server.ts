import type { IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { defineAsyncDispose } from '../system/dispose';
import { ServerError, StateError } from '../system/errors';
import { resolveTable, type ResolvedOf } from '../system/option-table';
import { systemReason } from '../system/system-error';
import type { TextVectorisation } from '../text-vectorisation';
import { Admission } from './admission';
import { ApiKeys } from './api-keys';
import { ENDPOINTS, type Desk, type Endpoint } from './endpoints';
import { HttpError, toHttpError, type ErrorForm } from './http-error';
import { Metrics } from './metrics';
import { openApi } from './openapi';
import { PAGE_HEADERS, PAGE_PATHS, pageFiles } from './page';
import { serveMisnomers, serveTable, type ServedRequest, type ServeOptions } from './options';
import { BodyReader } from './read-body';
import { checkModel, checkModels, ServedModel, ServedModels, type Models } from './served-model';

type Options = ResolvedOf<typeof serveTable>;

/** What the server keeps of a request while it is on. */
interface Kept {
  start: number;
  facts: Pick<ServedRequest, 'model' | 'texts' | 'tokens' | 'error'>;
}

/** A server of models; `createServer` makes it. */
export class VectuneServer {
  /** `close`, for `await using`; not there in a Node that does not know it (before 20.5). */
  declare readonly [Symbol.asyncDispose]: () => Promise<void>;
  readonly #given: [string | undefined, TextVectorisation][];
  readonly #options: Options;
  readonly #models = new ServedModels();
  readonly #desk: Desk;
  readonly #keys: ApiKeys;
  readonly #bodies: BodyReader;
  readonly #kept = new WeakMap<FastifyRequest, Kept>();
  readonly #app: FastifyInstance;
  readonly #description = JSON.stringify(openApi());
  #listening: Promise<string> | undefined;
  #address: string | undefined;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(models: Models, options?: ServeOptions) {
    this.#given = checkModels(models);
    this.#options = resolveTable(serveTable, options, { name: 'createServer', path: '', misnomers: serveMisnomers });
    const { maxQueuedRequests, maxQueuedTokens, maxBatchTokens, maxTexts, truncate, maxBodyBytes } = this.#options;
    const admission = new Admission(maxQueuedRequests, maxQueuedTokens);
    this.#desk = {
      admission,
      metrics: new Metrics(admission),
      maxBatchTokens,
      models: this.#models,
      limits: { maxTexts, truncate, maxQueuedRequests, maxBodyBytes },
    };
    this.#keys = new ApiKeys(this.#options.apiKeys ?? keysOf(process.env['VECTUNE_API_KEYS']));
    this.#bodies = new BodyReader(maxBodyBytes);
    this.#app = this.#makeApp();
  }

  /** Where it listens, as 'http://127.0.0.1:8080'; undefined before `listen` has and after `close`. */
  get address(): string | undefined {
    return this.#address;
  }

  /** Whether a request must bring a key. */
  get asksForKey(): boolean {
    return this.#keys.any;
  }

  /**
   * Loads the models and listens.
   *
   * @returns the address, as 'http://127.0.0.1:8080'
   * @throws what TextVectorisation's `load` does; ServerError ERR_LISTEN: the port is taken, or may not be used; StateError
   *   ERR_DISPOSED after `close`
   */
  listen(): Promise<string> {
    if (this.#closing !== undefined) return Promise.reject(closed());
    this.#listening ??= this.#listen();
    return this.#listening;
  }

  /**
   * Puts a model in the place of the one that is served under a name: loads it, and then gives it every new request. No
   * request is dropped: those that the old one has taken are answered by it.
   *
   * @returns the old model, once its last request is answered: to be disposed of, if it is used nowhere else
   * @throws InvalidArgumentError: no such name, not a model; what TextVectorisation's `load` does, and the old one stays;
   *   StateError: before `listen`, after `close`
   */
  async swap(name: string, model: TextVectorisation): Promise<TextVectorisation> {
    if (this.#closing !== undefined) throw closed();
    if (this.#models.get(name) === undefined) throw this.#models.unknown(name);
    const next = await ServedModel.load(name, checkModel(name, model));
    const old = this.#models.replace(next);
    await old.unused();
    return old.tv;
  }

  /**
   * Takes no more connections, answers what it has taken, and ends. Clients that do not take their answer within
   * `stopTimeout` are cut off. May be called twice.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #listen(): Promise<string> {
    const { host, port, maxConnections } = this.#options;
    const loaded = await Promise.all(
      this.#given.map(async ([name, tv]) => ServedModel.load(name ?? (await tv.info()).id, tv)),
    );
    for (const model of loaded) this.#models.add(model);
    if (this.#closing !== undefined) throw closed();
    this.#app.server.maxConnections = maxConnections;
    try {
      await this.#app.listen({ host, port });
    } catch (cause) {
      throw new ServerError('ERR_LISTEN', `Cannot listen on ${host}, port ${port}: ${systemReason(cause)}.`, { cause });
    }
    const bound = this.#app.server.address() as AddressInfo;
    const shown = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
    this.#address = `http://${shown}:${bound.port}`;
    return this.#address;
  }

  async #close(): Promise<void> {
    await this.#listening?.catch(() => undefined);
    this.#address = undefined;
    const ending = this.#app.close();
    let cutOff: NodeJS.Timeout | undefined;
    // The time for taking answers begins when there are no more to compute.
    void Promise.all(this.#models.all.map((model) => model.unused())).then(() => {
      const cut = () => this.#app.server.closeAllConnections();
      cutOff = setTimeout(cut, this.#options.stopTimeout * 1000);
    });
    try {
      await ending;
    } finally {
      clearTimeout(cutOff);
    }
    // What was computed for clients that have left.
    await Promise.all(this.#models.all.map((model) => model.unused()));
  }

  #makeApp(): FastifyInstance {
    const { receiveTimeout, answerTimeout } = this.#options;
    const receive = receiveTimeout * 1000;
    const app = fastify({
      logger: false,
      requestTimeout: receive,
      // Nothing has come or gone for so long: a client that does not take its answer.
      connectionTimeout: receive + answerTimeout * 1000,
      keepAliveTimeout: 72_000,
      forceCloseConnections: 'idle',
      // A request that came in time is answered, also when the server is about to stop.
      return503OnClosing: false,
      exposeHeadRoutes: false,
      http: { headersTimeout: receive, connectionsCheckingInterval: Math.max(50, Math.min(1000, receive / 2)) },
      clientErrorHandler: refuseRaw,
      frameworkErrors: (error, request, reply) => void this.#refuse(error, request, reply),
    });
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('application/json', (_: FastifyRequest, payload: IncomingMessage) =>
      this.#bodies.read(payload),
    );
    app.addHook('onRequest', (request, reply) => this.#begin(request, reply));
    app.addHook('onResponse', (request, reply) => this.#end(request, reply.statusCode));
    app.addHook('onRequestAbort', (request) => this.#end(request, 499));
    app.setErrorHandler((error, request, reply) => this.#refuse(error, request, reply));
    app.setNotFoundHandler((request) => {
      const path = pathOf(request);
      const other = ENDPOINTS.find((endpoint) => endpoint.path === path);
      if (other !== undefined) {
        throw new HttpError('method', `${path} answers ${other.method}, not ${request.method}.`);
      }
      throw new HttpError('not-found', `There is nothing at ${path.slice(0, 200)}. /openapi.json says what there is.`);
    });
    for (const endpoint of ENDPOINTS) {
      app.route({
        method: endpoint.method,
        url: endpoint.path,
        handler: (request, reply) => this.#answer(endpoint, request, reply),
      });
    }
    app.get('/health', (_, reply) => this.#health(reply));
    for (const { path, type, content } of pageFiles()) {
      app.get(path, (_, reply) => reply.headers(PAGE_HEADERS).type(type).send(content));
    }
    app.get('/openapi.json', (_, reply) => reply.type('application/json').send(this.#description));
    app.get('/metrics', async (_, reply) => {
      const { registry } = this.#desk.metrics;
      return reply.type(registry.contentType).send(await registry.metrics());
    });
    return app;
  }

  /** Before the body is read: may it come in at all? */
  async #begin(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    this.#kept.set(request, { start: performance.now(), facts: {} });
    if (this.#closing !== undefined) void reply.header('connection', 'close');
    if (this.#allowOrigin(request, reply)) return;
    const path = pathOf(request);
    if (!OPEN.has(path)) this.#keys.check(request.headers.authorization);
    const endpoint = ENDPOINTS.find((one) => one.path === path && one.method === request.method);
    if (endpoint?.works === true) this.#desk.admission.check();
  }

  /** What pages of other origins are allowed; true where the request was the question for that, and is answered. */
  #allowOrigin(request: FastifyRequest, reply: FastifyReply): boolean {
    const { origin } = request.headers;
    const cors = this.#options.cors ?? [];
    if (origin === undefined || cors.length === 0) return false;
    void reply.header('vary', 'Origin');
    if (!cors.includes('*') && !cors.includes(origin)) return false;
    void reply.header('access-control-allow-origin', cors.includes('*') ? '*' : origin);
    void reply.header('access-control-expose-headers', 'Retry-After');
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return false;
    void reply
      .header('access-control-allow-methods', 'GET, POST')
      .header('access-control-allow-headers', 'authorization, content-type')
      .header('access-control-max-age', '600')
      .code(204)
      .send();
    return true;
  }

  async #answer(endpoint: Endpoint, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const stop = new AbortController();
    const { answerTimeout } = this.#options;
    const timer = setTimeout(() => {
      stop.abort(
        new HttpError('unavailable', `The vectors were not there within ${answerTimeout} s.`, {
          code: 'timeout',
          retryAfter: Math.ceil(answerTimeout),
        }),
      );
    }, answerTimeout * 1000);
    const left = () => {
      stop.abort(new HttpError('left', 'The client left.'));
      void this.#end(request, 499);
    };
    reply.raw.once('close', left);
    let answer: Awaited<ReturnType<Endpoint['answer']>>;
    try {
      answer = await endpoint.answer(this.#desk, {
        body: request.body,
        signal: stop.signal,
        note: (facts) => Object.assign(this.#kept.get(request)?.facts ?? {}, facts),
      });
    } finally {
      clearTimeout(timer);
      reply.raw.off('close', left);
    }
    return reply.type('application/json').send(answer);
  }

  #health(reply: FastifyReply): FastifyReply {
    const up = this.#closing === undefined && this.#address !== undefined;
    return reply.code(up ? 200 : 503).send();
  }

  #refuse(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const error = toHttpError(thrown);
    const form = formOf(pathOf(request));
    const status = error.status(form);
    this.#desk.metrics.failed.inc({ err: error.label });
    const kept = this.#kept.get(request);
    if (kept !== undefined && error.kind === 'backend') kept.facts.error = error.cause ?? error;
    const { retryAfter } = error.details;
    if (retryAfter !== undefined) void reply.header('retry-after', String(retryAfter));
    if (error.kind === 'unauthorized') void reply.header('www-authenticate', 'Bearer');
    if (error.kind === 'method') void reply.header('allow', error.message.includes('answers GET') ? 'GET' : 'POST');
    // What is left of a body that nobody reads.
    if (!request.raw.complete) void reply.header('connection', 'close');
    return reply
      .code(status)
      .type('application/json')
      .send(JSON.stringify(error.body(form)));
  }

  async #end(request: FastifyRequest, status: number): Promise<void> {
    const kept = this.#kept.get(request);
    if (kept === undefined) return;
    this.#kept.delete(request);
    const { start, facts } = kept;
    try {
      const milliseconds = performance.now() - start;
      this.#options.onRequest?.({ method: request.method, path: pathOf(request), status, milliseconds, ...facts });
    } catch {
      // The server answers, whatever its owner's function does.
    }
  }
}

defineAsyncDispose(VectuneServer.prototype, function (this: VectuneServer) {
  return this.close();
});

/** What needs no key: nothing of the models or of others' requests is in it. The page asks for one where it must. */
const OPEN = new Set(['/health', '/openapi.json', ...PAGE_PATHS]);

function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0]!;
}

function formOf(path: string): ErrorForm {
  return path.startsWith('/v1/') ? 'openai' : 'tei';
}

function keysOf(variable: string | undefined): string[] {
  return (variable ?? '')
    .split(',')
    .map((key) => key.trim())
    .filter((key) => key !== '');
}

function closed(): StateError {
  return new StateError('ERR_DISPOSED', 'The server was closed. Make a new one.');
}

const RAW: Record<string, [number, string, string]> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large', 'The headers are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'The request did not come in time.'],
};

/** What is no request of HTTP, or one that never ends. */
function refuseRaw(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const [status, reason, message] = RAW[error.code ?? ''] ?? [400, 'Bad Request', 'This is no request of HTTP.'];
  const body = JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code: 'bad_request' } });
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
