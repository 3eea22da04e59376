import { AbortError, fromNative, hasCode } from '../system/errors';
import type { TextEncoder, TokenisedTexts } from '../tokenisation/tokenised-texts';
import type { EngineAddon, ModelHandle } from '../engine/addon';
import type { EmbeddingPrecision, NativeDevice } from '../engine/compute';

/** Texts of one call of the engine: few enough that others (a step, another caller) soon get their turn. */
const TEXTS_AT_ONCE = 256;
/** On a GPU, which fewer would not fill. */
const TEXTS_AT_ONCE_ON_DEVICE = 1024;

/** What embedding needs of a loaded model. */
export interface EmbeddableModel {
  addon: Pick<EngineAddon, 'embed'>;
  handle: ModelHandle;
  tokeniser: TextEncoder;
  /** Put before every text. */
  defaultPrompt: string;
  /** Width of what the engine makes of a text. */
  width: number;
  /** Width of an embedding: the first so many of those numbers. */
  dimension: number;
  /** Whether an embedding has length 1, cut or not. */
  normalised: boolean;
}

/** What of a request is its own. */
export interface EmbedRequest {
  /** Put before every text; default the model's. */
  prompt?: string | undefined;
  /** Tokens of the prompt that the pooling leaves out; default 0. */
  promptTokens?: number | undefined;
  /** Numbers of a vector, from the first on; default the model's. */
  dimensions?: number | undefined;
}

/** How many texts and tokens a piece has; `first` for the first of the requests that share it. */
export interface PieceSize {
  texts: number;
  tokens: number;
  first: boolean;
}

/** What `embedTokens` may be told. */
export interface TokenOptions {
  /** Most tokens of one call of the engine; a text that is longer alone is computed alone. */
  maxBatchTokens: number;
  /** As in `EmbedRequest`. */
  promptTokens?: number | undefined;
  /** Numbers of a vector, from the first on; default the model's. */
  dimensions?: number | undefined;
  signal?: AbortSignal;
  /** Is called when a piece with texts of this request goes to the engine. */
  onPiece?: (size: PieceSize) => void;
}

/** One caller's texts: as they are, or as token ids already. */
interface Request {
  texts: readonly string[] | undefined;
  tokens: TokenisedTexts | undefined;
  /** Of texts. */
  count: number;
  /** Put before every text that is yet to be tokenised. */
  prompt: string;
  promptTokens: number;
  dimensions: number;
  /** Most tokens: of a text that is yet to be tokenised, else of a piece. */
  limit: number;
  signal: AbortSignal | undefined;
  onPiece: ((size: PieceSize) => void) | undefined;
  /** Texts that have been taken into a piece so far. */
  taken: number;
  vectors: Float32Array[];
  resolve: (vectors: Float32Array[]) => void;
  reject: (error: unknown) => void;
  settled: boolean;
}

/** Texts that go through the tokeniser and the engine together; of each request a run of neighbours. */
interface Piece {
  parts: { request: Request; from: number; count: number }[];
}

/**
 * Embeds the texts of any number of callers. Who calls at the same time, or while the engine is busy, shares one
 * call of it: a server's requests are batched without its doing anything, and a long list does not keep a short one
 * waiting. While the engine works on one piece the next is tokenised; no work on the event loop is longer than a piece.
 */
export class Embedder {
  #waiting: Request[] = [];
  #pumping = false;
  /** The piece in the engine; never rejects. */
  #computing: Promise<void> = Promise.resolve();

  readonly #textsAtOnce: number;

  constructor(
    readonly model: EmbeddableModel,
    readonly precision: EmbeddingPrecision,
    readonly device: NativeDevice,
  ) {
    this.#textsAtOnce = device === 'cpu' ? TEXTS_AT_ONCE : TEXTS_AT_ONCE_ON_DEVICE;
  }

  /** A vector for each text, in order. Rejects with the engine's errors, or an AbortError once `signal` is aborted. */
  embed(
    texts: readonly string[],
    maxInputLength: number,
    signal?: AbortSignal,
    own: EmbedRequest = {},
  ): Promise<Float32Array[]> {
    const { prompt = this.model.defaultPrompt, promptTokens = 0, dimensions = this.model.dimension } = own;
    const given = { texts, tokens: undefined, count: texts.length, limit: maxInputLength };
    return this.#submit({ ...given, prompt, promptTokens, dimensions, signal, onPiece: undefined });
  }

  /** As `embed`, of texts that are token ids already, each with one at least: callers share a call by their tokens. */
  embedTokens(tokens: TokenisedTexts, options: TokenOptions): Promise<Float32Array[]> {
    const { maxBatchTokens, promptTokens = 0, dimensions = this.model.dimension, signal, onPiece } = options;
    const given = { texts: undefined, tokens, count: tokens.offsets.length - 1, limit: maxBatchTokens };
    return this.#submit({ ...given, prompt: '', promptTokens, dimensions, signal, onPiece });
  }

  #submit(asked: Omit<Request, 'taken' | 'vectors' | 'resolve' | 'reject' | 'settled'>): Promise<Float32Array[]> {
    if (asked.count === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...asked, taken: 0, vectors: [], resolve, reject, settled: false });
      if (!this.#pumping) void this.#pump();
    });
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    for (;;) {
      // Whoever calls in this turn of the event loop comes along.
      await new Promise(setImmediate);
      // With nothing to tokenise meanwhile, whoever calls while the engine is busy comes along too.
      if (this.#waiting[0]?.tokens !== undefined) await this.#computing;
      const piece = this.#take();
      if (piece === undefined) break;
      let tokens: TokenisedTexts;
      try {
        tokens = await this.#tokensOf(piece);
      } catch (error) {
        fail(piece, error);
        continue;
      }
      await this.#computing;
      this.#computing = this.#compute(piece, tokens);
    }
    this.#pumping = false;
  }

  /** The next piece: an equal share of each request that waits with the first one's limit and prompt; none where none waits. */
  #take(): Piece | undefined {
    for (const request of this.#waiting) {
      if (!request.settled && request.signal?.aborted) {
        const cause: unknown = request.signal.reason;
        settle(request, () => request.reject(new AbortError('ERR_ABORTED', 'Embedding was stopped.', { cause })));
      }
    }
    this.#waiting = this.#waiting.filter(({ settled }) => !settled);
    if (this.#waiting.length === 0) return undefined;
    const { limit, tokens, promptTokens } = this.#waiting[0]!;
    const alike = (request: Request) =>
      request.limit === limit &&
      request.promptTokens === promptTokens &&
      (request.tokens === undefined) === (tokens === undefined);
    // A text has a token at least, so there are never more requests than there is room for.
    const most = tokens === undefined ? this.#textsAtOnce : limit;
    const together = this.#waiting.filter(alike).slice(0, most);
    const piece: Piece = { parts: [] };
    let room = most;
    together.forEach((request, i) => {
      const share = Math.ceil(room / (together.length - i));
      const { end, size } = endOfShare(request, share, room, piece.parts.length === 0);
      if (end === request.taken) return;
      piece.parts.push({ request, from: request.taken, count: end - request.taken });
      room -= size;
      request.taken = end;
    });
    // What has more to come goes to the end, so that another limit gets its turn too; what got nothing stays in front.
    const got = new Set(piece.parts.map(({ request }) => request));
    const more = together.filter((request) => got.has(request) && request.taken < request.count);
    this.#waiting = [...this.#waiting.filter((request) => !got.has(request)), ...more];
    return piece;
  }

  #tokensOf(piece: Piece): Promise<TokenisedTexts> | TokenisedTexts {
    const { tokens, limit } = piece.parts[0]!.request;
    if (tokens !== undefined) return joined(piece);
    const texts = piece.parts.flatMap(({ request, from, count }) =>
      request.texts!.slice(from, from + count).map((text) => request.prompt + text),
    );
    return this.model.tokeniser.encode(texts, limit);
  }

  async #compute(piece: Piece, tokens: TokenisedTexts): Promise<void> {
    try {
      const { width, normalised } = this.model;
      const size = { texts: tokens.offsets.length - 1, tokens: tokens.ids.length };
      piece.parts.forEach(({ request }, i) => request.onPiece?.({ ...size, first: i === 0 }));
      const flat = await this.#embedTokens(tokens, piece.parts[0]!.request.promptTokens);
      let text = 0;
      for (const { request, count } of piece.parts) {
        // Each vector gets memory of its own, so that keeping one does not keep all, and this module's Float32Array: the
        // addon's arrays are of the process's main context, and the module may have been loaded in another (jest's).
        for (let i = 0; i < count; ++i, ++text)
          request.vectors.push(
            cut(new Float32Array(flat.subarray(text * width, text * width + request.dimensions)), width, normalised),
          );
        if (request.vectors.length === request.count) settle(request, () => request.resolve(request.vectors));
      }
    } catch (error) {
      fail(piece, error);
    }
  }

  /** What does not fit in memory is done in two halves. */
  async #embedTokens(tokens: TokenisedTexts, promptTokens: number): Promise<Float32Array> {
    const { ids, offsets } = tokens;
    const { addon, handle, width } = this.model;
    try {
      return await addon.embed(handle, ids, offsets, this.precision, this.device, promptTokens);
    } catch (error) {
      const failure = fromNative(error);
      const count = offsets.length - 1;
      if (!hasCode(failure, 'ERR_OUT_OF_MEMORY') || count < 2) throw failure;
      const middle = count >> 1;
      const cut = offsets[middle]!;
      const both = new Float32Array(count * width);
      const [first, second] = [
        { ids: ids.subarray(0, cut), offsets: offsets.subarray(0, middle + 1) },
        { ids: ids.subarray(cut), offsets: offsets.subarray(middle).map((offset) => offset - cut) },
      ];
      both.set(await this.#embedTokens(first, promptTokens));
      both.set(await this.#embedTokens(second, promptTokens), middle * width);
      return both;
    }
  }
}

/** A vector that lost its last numbers has length 1 again where the whole one has. */
function cut(vector: Float32Array, width: number, normalised: boolean): Float32Array {
  if (vector.length === width || !normalised) return vector;
  const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
  return length === 0 ? vector : vector.map((x) => x / length);
}

/** Where a request's share of a piece ends, and what it takes of the room: texts, or tokens where they are known. */
function endOfShare(request: Request, share: number, room: number, first: boolean): { end: number; size: number } {
  const { tokens, taken, count } = request;
  if (tokens === undefined) {
    const end = Math.min(count, taken + share);
    return { end, size: end - taken };
  }
  const { offsets } = tokens;
  const sizeTo = (end: number) => offsets[end]! - offsets[taken]!;
  // One text at least where there is room for it, and of the first request even where there is none.
  let end = first || sizeTo(taken + 1) <= room ? taken + 1 : taken;
  while (end > taken && end < count && sizeTo(end + 1) <= share) ++end;
  return { end, size: sizeTo(end) };
}

/** The token ids of a piece's texts behind each other. */
function joined({ parts }: Piece): TokenisedTexts {
  const runs = parts.map(({ request, from, count }) => {
    const { ids, offsets } = request.tokens!;
    const own = offsets.subarray(from, from + count + 1);
    return { ids: ids.subarray(own[0], own[count]), ends: own.subarray(1).map((end) => end - own[0]!) };
  });
  const ids = new Int32Array(runs.reduce((sum, run) => sum + run.ids.length, 0));
  const offsets = new Int32Array(1 + runs.reduce((sum, run) => sum + run.ends.length, 0));
  let [token, text] = [0, 0];
  for (const run of runs) {
    ids.set(run.ids, token);
    for (const end of run.ends) offsets[++text] = token + end;
    token += run.ids.length;
  }
  return { ids, offsets };
}

function settle(request: Request, how: () => void): void {
  if (request.settled) return;
  request.settled = true;
  how();
}

function fail(piece: Piece, error: unknown): void {
  for (const { request } of piece.parts) settle(request, () => request.reject(fromNative(error)));
}
