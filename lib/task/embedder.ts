import { AbortError, fromNative, hasCode } from '../errors';
import type { EngineAddon, ModelHandle, NativePrecision } from '../native/addon';
import type { TextEncoder, TokenisedTexts } from '../finetune/tokens';

/** Texts of one call of the engine: few enough that others (a step, another caller) soon get their turn. */
const TEXTS_AT_ONCE = 512;

/** What embedding needs of a loaded model. */
export interface EmbeddableModel {
  addon: Pick<EngineAddon, 'embed'>;
  handle: ModelHandle;
  tokeniser: TextEncoder;
  /** Put before every text. */
  defaultPrompt: string;
  /** Width of an embedding. */
  dimension: number;
}

export interface EmbedRequest {
  precision: NativePrecision;
  maxInputLength: number;
  signal: AbortSignal | undefined;
}

/**
 * Embeds texts piece by piece, in order. While the engine works on one piece the next is tokenised, and no work
 * on the event loop is longer than one piece. A piece that does not fit in memory is done in two halves.
 */
export async function embedTexts(model: EmbeddableModel, texts: readonly string[], request: EmbedRequest):
    Promise<Float32Array[]> {
  const { signal, maxInputLength } = request;
  const vectors: Float32Array[] = [];
  const check = () => {
    if (signal?.aborted) throw new AbortError('ERR_ABORTED', 'Embedding was stopped.', { cause: signal.reason });
  };
  let running: Promise<Float32Array> | undefined;
  const finish = async () => {
    if (running === undefined) return;
    const flat = await running;
    running = undefined;
    // Each vector gets memory of its own, so that keeping one does not keep all.
    for (let at = 0; at < flat.length; at += model.dimension) vectors.push(flat.slice(at, at + model.dimension));
  };
  try {
    for (let first = 0; first < texts.length; first += TEXTS_AT_ONCE) {
      check();
      const piece = texts.slice(first, first + TEXTS_AT_ONCE).map((text) => model.defaultPrompt + text);
      const tokens = await model.tokeniser.encode(piece, maxInputLength);
      await finish();
      check();
      running = embedTokens(model, tokens, request.precision);
    }
    await finish();
    return vectors;
  } catch (error) {
    await running?.catch(() => undefined);
    throw fromNative(error);
  }
}

async function embedTokens(model: EmbeddableModel, tokens: TokenisedTexts, precision: NativePrecision):
    Promise<Float32Array> {
  const { ids, offsets } = tokens;
  try {
    return await model.addon.embed(model.handle, ids, offsets, precision);
  } catch (error) {
    const failure = fromNative(error);
    const count = offsets.length - 1;
    if (!hasCode(failure, 'ERR_OUT_OF_MEMORY') || count < 2) throw failure;
    const middle = count >> 1;
    const cut = offsets[middle]!;
    const halves: TokenisedTexts[] = [
      { ids: ids.subarray(0, cut), offsets: offsets.subarray(0, middle + 1) },
      { ids: ids.subarray(cut), offsets: offsets.subarray(middle).map((offset) => offset - cut) },
    ];
    const both = new Float32Array(count * model.dimension);
    both.set(await embedTokens(model, halves[0]!, precision));
    both.set(await embedTokens(model, halves[1]!, precision), middle * model.dimension);
    return both;
  }
}
