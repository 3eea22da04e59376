import { setTimeout as sleep } from 'node:timers/promises';
import { AbortError, DownloadError, InvalidArgumentError } from '../system/errors';
import { isObject, parseJson } from '../system/json';
import { show } from '../system/options';
import { custom, integer, optional, resolveTable, text, type OptionsOf } from '../system/option-table';
import { proxiedFetch } from '../system/proxy';
import { option, say } from '../system/wording';

const endpointTable = {
  /** Name that the server knows the model by. Default: the address's fragment, else the only one that the server lists. */
  model: optional(text(), undefined),
  /** Sent as a bearer token. Default: VECTUNE_API_KEY, else OPENAI_API_KEY, else none. */
  apiKey: optional(text(), undefined, { variable: 'VECTUNE_API_KEY', aliases: ['key', 'token', 'accessToken'] }),
  /** Texts of one request, 1 to 2,048. Default 128. */
  batchSize: optional(integer(1, 2048), 128),
  /** How often a request that the server is too busy for is made again, after longer and longer. Default 4. */
  retries: optional(integer(0, 20), 4),
  /** Of the process, with the key and the proxies. Default: the process's own. */
  environment: optional(
    custom<NodeJS.ProcessEnv>('program', (_, value) => value as NodeJS.ProcessEnv),
    undefined,
  ),
};

/** Options of `EmbeddingsEndpoint`. */
export interface EndpointOptions extends OptionsOf<typeof endpointTable> {}

/** Options of a model's `embed` that a server has no place for, and why. */
const notAsked: Readonly<Record<string, string>> = {
  maxInputLength: 'which says itself how long a text may be',
  dimensions: 'which says itself how many numbers a vector has',
  prompt: 'which is sent texts as they are',
};

/** A server that is too busy is not asked again at once. */
const FIRST_PAUSE_MS = 500;
/** A server that says to wait longer than this is not waited for. */
const LONGEST_PAUSE_MS = 60_000;

/**
 * A model behind an address of OpenAI's form, `https://…/v1/embeddings` (OpenAI, text-embeddings-inference, vLLM,
 * llama.cpp, Infinity): texts are sent some at a time, vectors come back as base64 or lists. It has `embed` as a
 * TextVectorisation has, and stands wherever only that is needed: as one of two models that are compared, say.
 *
 * ```ts
 * const peer = new EmbeddingsEndpoint('http://127.0.0.1:8080/v1/embeddings#bge-small');
 * const vectors = await peer.embed(['How old are you?']);
 * ```
 */
export class EmbeddingsEndpoint {
  /** Without the fragment. */
  readonly address: string;
  readonly #options: ReturnType<typeof resolve>;
  #model: string | null | undefined;

  /** @throws InvalidArgumentError: not an http address; an option */
  constructor(address: string, options?: EndpointOptions) {
    const url = typeof address === 'string' && URL.canParse(address) ? new URL(address) : undefined;
    if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
      throw new InvalidArgumentError(
        'ERR_INVALID_ARGUMENT',
        `The address of embeddings must be as https://host/v1/embeddings, but is ${show(address)}.`,
      );
    }
    this.#options = resolve(options);
    const fragment = decodeURIComponent(url.hash.slice(1));
    this.#model = this.#options.model ?? (fragment === '' ? undefined : fragment);
    url.hash = '';
    this.address = url.href;
  }

  /**
   * A vector for each text, in order. How long a text may be, and what stands before it, is the server's to say.
   *
   * @throws DownloadError: the server cannot be reached, refuses, or answers with something else; InvalidArgumentError: an
   *   option that a server is not asked; AbortError
   */
  async embed(texts: readonly string[], options: { signal?: AbortSignal } = {}): Promise<Float32Array[]> {
    for (const [name, why] of Object.entries(notAsked)) {
      if ((options as Record<string, unknown>)[name] === undefined) continue;
      throw new InvalidArgumentError(
        'ERR_INVALID_OPTION',
        say`${option(name)} is for a model that is opened here, but ${this.address} is a server, ${why}.`,
        { remedy: say`Leave it out${name === 'prompt' ? ', and put the text before each text yourself' : ''}.` },
      );
    }
    const vectors: Float32Array[] = [];
    if (this.#model === undefined) this.#model = await this.#onlyModel(options.signal);
    for (let start = 0; start < texts.length; start += this.#options.batchSize) {
      vectors.push(...(await this.#request(texts.slice(start, start + this.#options.batchSize), options.signal)));
    }
    return vectors;
  }

  /** The name of the only model that the server has; null where it does not tell and wants none. */
  async #onlyModel(signal: AbortSignal | undefined): Promise<string | null> {
    const list = this.address.replace(/\/embeddings\/?$/, '/models');
    if (list === this.address) return null;
    const response = await this.#fetch(list, {}, signal);
    const body = response.ok ? await this.#json(response) : (await response.body?.cancel(), undefined);
    const entries = isObject(body) && Array.isArray(body['data']) ? (body['data'] as unknown[]) : [];
    const names = entries.flatMap((entry) => (isObject(entry) && typeof entry['id'] === 'string' ? [entry['id']] : []));
    if (names.length < 2) return names[0] ?? null;
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `${this.address} has several models: ${names.slice(0, 10).join(', ')}${names.length > 10 ? ', …' : ''}.`,
      { remedy: say`Name one behind the address, as ${`${this.address}#${names[0]!}`}.` },
    );
  }

  async #request(texts: readonly string[], signal: AbortSignal | undefined): Promise<Float32Array[]> {
    const body = JSON.stringify({
      input: texts,
      ...(this.#model !== null && { model: this.#model }),
      encoding_format: 'base64',
    });
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
    for (let attempt = 0; ; ++attempt) {
      const response = await this.#fetch(this.address, init, signal);
      if (response.ok) return this.#vectors(await this.#json(response), texts.length);
      const busy = response.status === 429 || response.status >= 500;
      const pause = pauseOf(response.headers.get('retry-after'), attempt);
      if (!busy || attempt >= this.#options.retries || pause > LONGEST_PAUSE_MS) throw await this.#refusal(response);
      await response.body?.cancel();
      await sleep(pause, undefined, signal && { signal }).catch(() => {
        throw this.#stopped(signal);
      });
    }
  }

  async #fetch(address: string, init: RequestInit, signal: AbortSignal | undefined): Promise<Response> {
    const { apiKey, environment } = this.#options;
    const headers = {
      ...(init.headers as Record<string, string>),
      ...(apiKey && { authorization: `Bearer ${apiKey}` }),
    };
    try {
      return await proxiedFetch(address, { ...init, headers, ...(signal && { signal }) }, environment);
    } catch (error) {
      if (signal?.aborted === true) throw this.#stopped(signal);
      const cause = (error as { cause?: Error }).cause;
      throw new DownloadError('ERR_DOWNLOAD', `${address} cannot be reached: ${(cause ?? (error as Error)).message}.`, {
        cause: error,
      });
    }
  }

  async #json(response: Response): Promise<unknown> {
    const body = await response.text();
    try {
      return parseJson(body);
    } catch (cause) {
      throw new DownloadError(
        'ERR_DOWNLOAD',
        `${response.url || this.address} answered with something that is not JSON: ${show(body.slice(0, 60))}.`,
        { cause },
      );
    }
  }

  #vectors(body: unknown, texts: number): Float32Array[] {
    const data = isObject(body) ? body['data'] : undefined;
    if (!Array.isArray(data) || data.length !== texts) {
      const found = Array.isArray(data) ? `${data.length} vectors` : show(body);
      throw new DownloadError(
        'ERR_DOWNLOAD',
        `${this.address} must answer with a vector for each of ${texts} texts, but answered with ${found}.`,
      );
    }
    const vectors: (Float32Array | undefined)[] = new Array<undefined>(texts).fill(undefined);
    (data as unknown[]).forEach((entry, i) => {
      const { embedding, index } = isObject(entry) ? entry : {};
      vectors[typeof index === 'number' ? index : i] = vectorOf(embedding);
    });
    return vectors.map((vector, i) => {
      if (vector !== undefined && vector.length > 0) return vector;
      throw new DownloadError('ERR_DOWNLOAD', `${this.address} answered without a vector for text ${i} of ${texts}.`);
    });
  }

  async #refusal(response: Response): Promise<DownloadError> {
    const body = await response.text().catch(() => '');
    let message = body.slice(0, 200);
    try {
      const parsed = parseJson(body);
      const error = isObject(parsed) ? (isObject(parsed['error']) ? parsed['error'] : parsed) : {};
      for (const name of ['message', 'error', 'detail']) if (typeof error[name] === 'string') message = error[name];
    } catch {
      // What is not JSON is shown as it is.
    }
    const what = `${this.address} answered ${response.status}${message === '' ? '' : `: ${message.trim()}`}`;
    const key = response.status === 401 || response.status === 403;
    return new DownloadError('ERR_DOWNLOAD', what.endsWith('.') ? what : `${what}.`, {
      ...(key && { remedy: say`Set VECTUNE_API_KEY to a key that this server accepts.` }),
    });
  }

  #stopped(signal: AbortSignal | undefined): AbortError {
    return new AbortError('ERR_ABORTED', 'Embedding was stopped.', { cause: signal?.reason });
  }
}

function resolve(options: unknown) {
  const resolved = resolveTable(endpointTable, options, { name: 'new EmbeddingsEndpoint', path: '' });
  const environment = resolved.environment ?? process.env;
  const fromEnvironment = environment['VECTUNE_API_KEY'] ?? environment['OPENAI_API_KEY'];
  return {
    ...resolved,
    environment,
    apiKey: resolved.apiKey ?? (fromEnvironment === '' ? undefined : fromEnvironment),
  };
}

/** A list of numbers, or float32 of little-endian bytes in base64, as the server likes it. */
function vectorOf(embedding: unknown): Float32Array | undefined {
  if (Array.isArray(embedding)) {
    return embedding.every((value) => typeof value === 'number') ? Float32Array.from(embedding) : undefined;
  }
  if (typeof embedding !== 'string') return undefined;
  const bytes = Buffer.from(embedding, 'base64');
  if (bytes.length % 4 !== 0) return undefined;
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
}

/** As the server asks, in seconds or as a date; else twice as long each time. */
function pauseOf(retryAfter: string | null, attempt: number): number {
  const seconds = Number(retryAfter);
  if (retryAfter !== null && Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = retryAfter === null ? Number.NaN : Date.parse(retryAfter);
  return Number.isNaN(date) ? FIRST_PAUSE_MS * 2 ** attempt : Math.max(0, date - Date.now());
}
