import type { IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { defineAsyncDispose } from '../system/dispose';
import { InvalidArgumentError, ServerError, StateError } from '../system/errors';
import { resolveTable, type ResolvedOf } from '../system/option-table';
import { systemReason } from '../system/system-error';
import { option, say } from '../system/wording';
import type { TextVectorisation } from '../text-vectorisation';
import { Admission } from './admission';
import { ApiKeys, keysOfEnvironment } from './api-keys';
import { allowOrigin } from './cors';
import { ENDPOINTS, type Desk, type Endpoint } from './endpoints';
import { HeldBytes, type Holding } from './held-bytes';
import { Hosts, isLoopback } from './hosts';
import { HttpError, toHttpError, type ErrorForm } from './http-error';
import { Metrics } from './metrics';
import { checkModel, type GivenModel, type ModelToServe } from './model-to-serve';
import { openApi } from './openapi';
import { serveMisnomers, serveTable, type ServedRequest, type ServeOptions } from './options';
import { PAGE_HEADERS, PAGE_PATHS, pageFiles } from './page';
import { BodyReader } from './read-body';
import { checkModels, ServedModel, ServedModels, type Models } from './served-model';

type Options = ResolvedOf<typeof serveTable>;

/** What the server keeps of a request while it is on. */
interface Kept {
  start: number;
  holding: Holding;
  facts: Pick<ServedRequest, 'model' | 'texts' | 'tokens' | 'error'>;
}

/** A server of models; `createServer` makes it. */
export class VectuneServer {
  /** `close`, for `await using`; not there in a Node that does not know it (before 20.5). */
  declare readonly [Symbol.asyncDispose]: () => Promise<void>;
  readonly #given: [string | undefined, GivenModel][];
  readonly #options: Options;
  readonly #models = new ServedModels();
  readonly #desk: Desk;
  readonly #keys: ApiKeys;
  readonly #bodies: BodyReader;
  /** Undefined where every name is answered to. */
  #hosts: Hosts | undefined;
  readonly #kept = new WeakMap<FastifyRequest, Kept>();
  readonly #app: FastifyInstance;
  readonly #description: string;
  #listening: Promise<string> | undefined;
  #address: string | undefined;
  /** Whether others than this machine reach it and need no key. */
  #open = false;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(models: Models, options?: ServeOptions) {
    this.#given = checkModels(models);
    this.#options = resolveTable(serveTable, options, { name: 'createServer', path: '', misnomers: serveMisnomers });
    const { maxQueuedRequests, maxQueuedTokens, maxBatchTokens, maxTexts, truncate, maxBodyBytes } = this.#options;
    const admission = new Admission(maxQueuedRequests, maxQueuedTokens);
    const held = new HeldBytes(mostBytes(this.#options));
    this.#desk = {
      admission,
      held,
      metrics: new Metrics(admission, held),
      maxBatchTokens,
      models: this.#models,
      limits: { maxTexts, truncate, maxQueuedRequests, maxBodyBytes },
    };
    this.#keys = new ApiKeys(this.#options.apiKeys ?? keysOfEnvironment());
    this.#description = JSON.stringify(openApi(this.#keys.any));
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

  /** Names of the models; the first is meant where a request names none. Empty before `listen` has loaded them. */
  get models(): readonly string[] {
    return this.#models.all.map(({ name }) => name);
  }

  /**
   * What people should know of how the server stands, in sentences: a model that is served without the prompt that it was
   * trained with, an address that others reach where no key is asked for. Empty before `listen`.
   */
  get notes(): readonly string[] {
    const several = this.#models.all.length > 1;
    const ofModels = this.#models.all.flatMap(({ name, notes }) =>
      notes.map((note) => (several ? `Model "${name}": ${note}` : note)),
    );
    return this.#open ? [OPEN_TO_OTHERS, ...ofModels] : ofModels;
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
   * @param model the model, or one with what it is served with; what the old one was served with counts no longer
   * @returns the old model, once its last request is answered: to be disposed of, if it is used nowhere else
   * @throws InvalidArgumentError: no such name, not a model, the model that is served under the name already; what
   *   TextVectorisation's `load` does, and the old one stays; StateError: before `listen`, after `close`
   */
  async swap(name: string, model: TextVectorisation | ModelToServe): Promise<TextVectorisation> {
    this.#mustBeOpen();
    const served = this.#models.must(name).name;
    const next = await ServedModel.load(served, checkModel(name, model));
    this.#mustBeOpen();
    if (this.#models.must(served).tv === next.tv) {
      throw new InvalidArgumentError(
        'ERR_INVALID_ARGUMENT',
        `This model is served as "${name}" already: whoever disposed of the old one would dispose of it. Make another TextVectorisation.`,
      );
    }
    const old = this.#models.replace(next);
    await old.unused();
    return old.tv;
  }

  /**
   * Serves one more model: loads it, and then answers requests that name it.
   *
   * @throws InvalidArgumentError: the name is taken, not a model; what TextVectorisation's `load` does; StateError: before
   *   `listen`, after `close`
   */
  async add(name: string, model: TextVectorisation | ModelToServe): Promise<void> {
    this.#mustBeOpen();
    this.#models.mustLack(name);
    const added = await ServedModel.load(name, checkModel(name, model));
    this.#mustBeOpen();
    this.#models.add(added);
  }

  /**
   * Serves a model no longer: requests that name it are refused, those that it has taken are answered.
   *
   * @returns the model, once its last request is answered: to be disposed of, if it is used nowhere else
   * @throws InvalidArgumentError: no such name, the last model; StateError: before `listen`, after `close`
   */
  async remove(name: string): Promise<TextVectorisation> {
    this.#mustBeOpen();
    const model = this.#models.remove(name);
    await model.unused();
    return model.tv;
  }

  #mustBeOpen(): void {
    if (this.#closing !== undefined) throw closed();
    if (this.#models.all.length === 0)
      throw new StateError('ERR_BUSY', 'The server has no models yet: await listen() first.');
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
    const { host, port, maxConnections, allowedHosts } = this.#options;
    const loaded = await Promise.all(this.#given.map(([name, given]) => ServedModel.load(name, given)));
    for (const model of loaded) this.#models.add(model);
    if (this.#closing !== undefined) throw closed();
    this.#app.server.maxConnections = maxConnections;
    if (!this.#keys.any || allowedHosts !== undefined) this.#hosts = new Hosts([host, ...(allowedHosts ?? [])]);
    try {
      await this.#app.listen({ host, port });
    } catch (cause) {
      throw new ServerError('ERR_LISTEN', `Cannot listen on ${host}, port ${port}: ${systemReason(cause)}.`, { cause });
    }
    const bound = this.#app.server.address() as AddressInfo;
    const reached = !isLoopback(bound.address);
    this.#open = reached && !this.#keys.any;
    if (reached && allowedHosts === undefined) this.#hosts = undefined;
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
      http: { headersTimeout: receive, connectionsCheckingInterval: Math.max(50, Math.min(1000, receive / 2)) },
      clientErrorHandler: refuseRaw,
      frameworkErrors: (error, request, reply) => void this.#refuse(error, request, reply),
    });
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('application/json', (request: FastifyRequest, payload: IncomingMessage) =>
      this.#bodies.read(payload, this.#keptOf(request).holding),
    );
    app.addHook('onRequest', (request, reply) => this.#begin(request, reply));
    app.addHook('onResponse', (request, reply) => this.#end(request, reply.statusCode));
    app.addHook('onRequestAbort', (request) => this.#end(request, 499));
    app.setErrorHandler((error, request, reply) => this.#refuse(error, request, reply));
    app.setNotFoundHandler((request) => {
      const path = pathOf(request);
      const methods = methodsAt(path);
      if (methods !== undefined) {
        throw new HttpError('method', `${path} answers ${methods}, not ${request.method}.`, { allow: methods });
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
    const holding = this.#desk.held.open();
    const letGo = holding.share();
    this.#kept.set(request, { start: performance.now(), holding, facts: {} });
    reply.raw.once('close', () => {
      letGo();
      void this.#end(request, reply.raw.writableFinished ? reply.statusCode : 499);
    });
    if (this.#closing !== undefined) void reply.header('connection', 'close');
    this.#hosts?.check(request.headers.host);
    if (allowOrigin(this.#options.cors ?? [], request, reply)) return;
    const path = pathOf(request);
    if (!OPEN.has(path)) this.#keys.check(request.headers.authorization);
    const endpoint = ENDPOINTS.find((one) => one.path === path && one.method === request.method);
    if (endpoint?.works === true) this.#desk.admission.check();
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
        rest: (request.params as { '*'?: string })['*'] ?? '',
        holding: this.#keptOf(request).holding,
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
    if (kept !== undefined && FAULTS.has(error.kind)) kept.facts.error = error.cause ?? error;
    const { retryAfter, allow } = error.details;
    if (retryAfter !== undefined) void reply.header('retry-after', String(retryAfter));
    if (error.kind === 'unauthorized') void reply.header('www-authenticate', 'Bearer');
    if (allow !== undefined) void reply.header('allow', allow);
    return reply
      .code(status)
      .type('application/json')
      .send(JSON.stringify(error.body(form)));
  }

  #keptOf(request: FastifyRequest): Kept {
    const kept = this.#kept.get(request);
    if (kept === undefined) throw new HttpError('left', 'The client left.');
    return kept;
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

const OPEN_TO_OTHERS =
  'Whoever reaches this address can use it, as no key is asked for: apiKeys (VECTUNE_API_KEYS=key1,key2) asks for one.';

/** Reasons of which the server's owner hears, as they are no client's fault. */
const FAULTS = new Set(['backend', 'unavailable']);

/** What a path answers to; undefined where there is none. */
function methodsAt(path: string): string | undefined {
  const endpoint = ENDPOINTS.find((one) =>
    one.path.endsWith('/*') ? path.startsWith(one.path.slice(0, -1)) : one.path === path,
  );
  if (endpoint?.method === 'POST') return 'POST';
  return endpoint !== undefined || OPEN.has(path) || path === '/metrics' ? 'GET, HEAD' : undefined;
}

/** @throws InvalidArgumentError: less than one body */
function mostBytes({ maxBodyBytes, maxQueuedBytes }: Options): number {
  if (maxQueuedBytes === undefined) return Math.max(128_000_000, 4 * maxBodyBytes);
  if (maxQueuedBytes >= maxBodyBytes) return maxQueuedBytes;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option('maxQueuedBytes')} must be ${maxBodyBytes} (${option('maxBodyBytes')}) or more, but is ${maxQueuedBytes}.`,
  );
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0]!;
}

function formOf(path: string): ErrorForm {
  return path.startsWith('/v1/') ? 'openai' : 'tei';
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
