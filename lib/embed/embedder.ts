import { AbortError, fromNative, hasCode } from '../system/errors';
import type { TextEncoder, TokenisedTexts } from '../tokenisation/tokenised-texts';
import type { EmbeddingPrecision, EngineAddon, ModelHandle, NativeDevice } from '../engine/addon';

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

/** One caller's texts. */
interface Request {
  texts: readonly string[];
  prompt: string;
  promptTokens: number;
  dimensions: number;
  maxInputLength: number;
  signal: AbortSignal | undefined;
  /** Texts that have been taken into a piece so far. */
  taken: number;
  vectors: Float32Array[];
  resolve: (vectors: Float32Array[]) => void;
  reject: (error: unknown) => void;
  settled: boolean;
}

/** Texts that go through the tokeniser and the engine together; of each request a run of neighbours. */
interface Piece {
  maxInputLength: number;
  promptTokens: number;
  texts: string[];
  parts: { request: Request; count: number }[];
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
    if (texts.length === 0) return Promise.resolve([]);
    const { prompt = this.model.defaultPrompt, promptTokens = 0, dimensions = this.model.dimension } = own;
    return new Promise((resolve, reject) => {
      const begun = { taken: 0, vectors: [], resolve, reject, settled: false };
      this.#waiting.push({ texts, prompt, promptTokens, dimensions, maxInputLength, signal, ...begun });
      if (!this.#pumping) void this.#pump();
    });
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    for (;;) {
      // Whoever calls in this turn of the event loop comes along.
      await new Promise(setImmediate);
      const piece = this.#take();
      if (piece === undefined) break;
      let tokens: TokenisedTexts;
      try {
        tokens = await this.model.tokeniser.encode(piece.texts, piece.maxInputLength);
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
    const { maxInputLength, promptTokens } = this.#waiting[0]!;
    const together = this.#waiting
      .filter((request) => request.maxInputLength === maxInputLength && request.promptTokens === promptTokens)
      .slice(0, this.#textsAtOnce);
    const piece: Piece = { maxInputLength, promptTokens, texts: [], parts: [] };
    let room = this.#textsAtOnce;
    together.forEach((request, i) => {
      const share = Math.ceil(room / (together.length - i));
      const end = Math.min(request.texts.length, request.taken + share);
      for (let text = request.taken; text < end; ++text) piece.texts.push(request.prompt + request.texts[text]!);
      piece.parts.push({ request, count: end - request.taken });
      room -= end - request.taken;
      request.taken = end;
    });
    // What has more to come goes to the end, so that another limit gets its turn too.
    const more = together.filter((request) => request.taken < request.texts.length);
    this.#waiting = [...this.#waiting.filter((request) => !together.includes(request)), ...more];
    return piece;
  }

  async #compute(piece: Piece, tokens: TokenisedTexts): Promise<void> {
    try {
      const { width, normalised } = this.model;
      const flat = await this.#embedTokens(tokens, piece.promptTokens);
      let text = 0;
      for (const { request, count } of piece.parts) {
        // Each vector gets memory of its own, so that keeping one does not keep all, and this module's Float32Array: the
        // addon's arrays are of the process's main context, and the module may have been loaded in another (jest's).
        for (let i = 0; i < count; ++i, ++text)
          request.vectors.push(
            cut(new Float32Array(flat.subarray(text * width, text * width + request.dimensions)), width, normalised),
          );
        if (request.vectors.length === request.texts.length) settle(request, () => request.resolve(request.vectors));
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

function settle(request: Request, how: () => void): void {
  if (request.settled) return;
  request.settled = true;
  how();
}

function fail(piece: Piece, error: unknown): void {
  for (const { request } of piece.parts) settle(request, () => request.reject(fromNative(error)));
}
