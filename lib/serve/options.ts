import {
  callback,
  custom,
  flag,
  integer,
  numeric,
  optional,
  text,
  type Misnomers,
  type OptionsOf,
} from '../system/option-table';
import { invalidOption } from '../system/options';
import { say } from '../system/wording';

/** One request that was answered, or whose client left. */
export interface ServedRequest {
  /** As 'POST'. */
  method: string;
  /** Without what follows a question mark. */
  path: string;
  /** Of HTTP; 499 where the client left before it was answered. */
  status: number;
  /** From the first byte to the end of the answer. */
  milliseconds: number;
  /** The model that answered; absent where none was asked. */
  model?: string;
  /** Texts that were asked for; absent where there were none. */
  texts?: number;
  /** Tokens that were computed; absent where there were none. */
  tokens?: number;
  /** What went wrong inside, where the status is 500, 503 or 424; never what a client did wrong. */
  error?: unknown;
}

const areTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string' && one !== '');

const list = custom<readonly string[]>('texts', (path, value) => {
  if (areTexts(value)) return [...value];
  throw invalidOption(path, 'a list of texts that are not empty', value);
});

/** An empty list opens the server as much as none would, and is mostly a variable that somewhere got lost. */
const keys = custom<readonly string[]>('texts', (path, value) => {
  if (areTexts(value) && value.length > 0) return [...value];
  throw invalidOption(path, 'a list of keys with one at least (left out, the server asks for none)', value);
});

const seconds = numeric('a number of seconds above 0', (value) => value > 0 && value <= 86_400);

export const serveTable = {
  /** Address to listen on. Default '127.0.0.1': this machine only. */
  host: optional(text(), '127.0.0.1', {
    flag: '--host <address>',
    help: 'address to listen on; 0.0.0.0 is every one of this machine',
    aliases: ['hostname', 'bind', 'address'],
  }),
  /** Port to listen on; 0 takes one that is free, which `address` tells. Default 8080. */
  port: optional(integer(0, 65_535), 8080, { flag: '--port <n>', help: 'port; 0 takes a free one' }),
  /**
   * Keys of which a request must bring one as `Authorization: Bearer …`; /health, the page and the API's description need
   * none. Default: those of VECTUNE_API_KEYS, with commas between; where it is not set none is asked for, and where it is
   * set and empty the server is not made.
   */
  apiKeys: optional(keys, undefined, { variable: 'VECTUNE_API_KEYS', aliases: ['apiKey', 'keys', 'tokens'] }),
  /** Origins whose pages may ask, as ['https://example.org'], or ['*']. Default: none. */
  cors: optional(list, undefined, {
    flag: '--cors <origin...>',
    help: 'origins whose pages may ask, or *',
    unset: 'none',
    aliases: ['corsOrigins', 'corsAllowOrigin', 'allowedOrigins'],
  }),
  /**
   * Names that requests may be for, by their Host header, besides localhost and addresses; ['*'] is every one. Without keys
   * and on an address of this machine only, others are refused with 403, so that no page whose name leads to this machine
   * can ask; else every name is answered unless this is given.
   */
  allowedHosts: optional(list, undefined, {
    flag: '--allowed-hosts <name...>',
    help: 'names that requests may be for, or *',
    unset: 'localhost where only this machine reaches the server and no key is asked for, else all',
    aliases: ['hosts', 'trustedHosts'],
  }),
  /** Most bytes of a request's body; a larger one is refused with 413. Default 2,000,000. */
  maxBodyBytes: optional({ ...integer(1024), typed: 'bytes' as const }, 2_000_000, {
    flag: '--max-body <size>',
    help: "most bytes of a request's body",
    aliases: ['bodyLimit', 'payloadLimit'],
  }),
  /** Most texts of a request. Default 2,048. */
  maxTexts: optional(integer(1), 2048, {
    flag: '--max-texts <n>',
    help: 'most texts of a request',
    aliases: ['maxClientBatchSize', 'maxBatchSize'],
  }),
  /** Most tokens, of any number of requests, that are computed together. Default 16,384. */
  maxBatchTokens: optional(integer(1), 16_384, {
    flag: '--max-batch-tokens <n>',
    help: 'most tokens that are computed together',
  }),
  /** Requests that are accepted and not yet computed, at most; others get 429 with Retry-After. Default 512. */
  maxQueuedRequests: optional(integer(1), 512, {
    flag: '--max-queued-requests <n>',
    help: 'most requests that wait or are computed',
    aliases: ['maxConcurrentRequests', 'queueSize'],
  }),
  /** Tokens of those requests, at most; a request that has more alone gets 413. Default 500,000. */
  maxQueuedTokens: optional(integer(1), 500_000, {
    flag: '--max-queued-tokens <n>',
    help: 'most tokens of those requests',
  }),
  /**
   * Bytes that requests hold in memory, at most: their bodies from the first byte that comes, and their answers until the
   * last is gone; others get 429. At least `maxBodyBytes`. Default 128,000,000, or four bodies where that is more.
   */
  maxQueuedBytes: optional({ ...integer(1024), typed: 'bytes' as const }, undefined, {
    flag: '--max-queued-bytes <size>',
    help: 'most bytes of bodies and answers that are held',
    unset: '128MB, or four bodies where that is more',
  }),
  /** Connections that are open at the same time, at most; others are closed at once. Default 4,096. */
  maxConnections: optional(integer(1), 4096, { flag: '--max-connections <n>', help: 'most open connections' }),
  /** Seconds that a client may take to send a request; then 408. Default 30. */
  receiveTimeout: optional(seconds, 30, {
    flag: '--receive-timeout <seconds>',
    help: 'for a client to send a request',
    aliases: ['requestTimeout'],
  }),
  /** Seconds from an accepted request to its vectors; then 503, and what waits is not computed. Default 120. */
  answerTimeout: optional(seconds, 120, {
    flag: '--answer-timeout <seconds>',
    help: 'for an accepted request to be computed',
    aliases: ['timeout'],
  }),
  /**
   * Seconds that `close` waits for clients to take their answers once all are computed, which takes at most `answerTimeout`;
   * then it closes their connections. Default 30.
   */
  stopTimeout: optional(seconds, 30, {
    flag: '--stop-timeout <seconds>',
    help: 'for clients to take their answers when the server stops',
  }),
  /**
   * Whether a text of more tokens than the model takes is cut, where the request does not say. Without it such a text is
   * refused. Default true.
   */
  truncate: optional(flag, true, {
    flag: '--no-truncate',
    help: 'refuse texts that are too long for the model, which else are cut',
    aliases: ['autoTruncate'],
  }),
  /** Is told of every request when it has been answered. What it throws is ignored. */
  onRequest: optional(callback<(request: ServedRequest) => void>(), undefined),
};

/** Options of `createServer`. */
export interface ServeOptions extends OptionsOf<typeof serveTable> {}

/** What other servers call something that is no option of ours. */
export const serveMisnomers: Misnomers = {
  workers: say`Leave it out: one process computes on all of its threads.`,
  model: say`The models are the first argument: createServer(models, options).`,
  logger: say`Give onRequest a function: the library prints nothing.`,
};
