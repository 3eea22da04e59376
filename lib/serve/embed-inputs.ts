import { promptName, promptText, unpooledTokens, type TextKind } from '../model/prompts';
import { orAborted } from '../system/aborted';
import type { TokenisedTexts } from '../tokenisation/tokenised-texts';
import type { Admission, Place } from './admission';
import type { Inputs } from './bodies';
import type { Holding } from './held-bytes';
import { HttpError } from './http-error';
import type { Metrics } from './metrics';
import type { ServedModel } from './served-model';

/** How a request wants its texts to become vectors. */
export interface EmbedRequest {
  inputs: Inputs;
  /** Field that the inputs came in. */
  param: string;
  truncate: boolean;
  side: 'left' | 'right' | undefined;
  prompt: PromptChoice;
  dimensions: number | undefined;
  /** Whether vectors are brought to length 1. */
  normalize: boolean;
  /** What of memory the request holds. */
  holding: Holding;
  /** Aborted where the client leaves or the time is over. */
  signal: AbortSignal;
}

/** What a request says of the prompt; where neither is there, what the model is served with counts. */
export interface PromptChoice {
  /** A prompt of the model's. */
  name?: string | null | undefined;
  /** Whether the texts are searched for or found. */
  kind?: TextKind | null | undefined;
}

export interface Embedded {
  vectors: Float32Array[];
  /** That were computed, of all texts. */
  tokens: number;
}

/** What all requests share. */
export interface Workplace {
  admission: Admission;
  metrics: Metrics;
  maxBatchTokens: number;
}

/** Takes a place, tokenises, and embeds together with whoever else asks. */
export async function embedInputs(
  { admission, metrics, maxBatchTokens }: Workplace,
  model: ServedModel,
  request: EmbedRequest,
): Promise<Embedded> {
  const { inputs, holding, signal } = request;
  const labels = { model: model.name };
  const method = { ...labels, method: inputs.single ? 'single' : 'batch' };
  const count = (inputs.texts ?? inputs.ids).length;
  metrics.requests.inc(method);
  metrics.embeds.inc(labels, count);
  const dimensions = checkDimensions(request.dimensions, model) ?? model.dimensions;
  holding.take(count * dimensions * Float32Array.BYTES_PER_ELEMENT);
  const place = admission.enter();
  const release = model.lease();
  const start = performance.now();
  let computed = false;
  const work = async (): Promise<Embedded> => {
    const tokens = await tokenise(model, request);
    const { opened } = model.loaded;
    // Of a prompt that the model's pooling leaves out.
    const promptTokens = inputs.texts ? await unpooledTokens(opened, promptOf(model, request.prompt)) : 0;
    place.take(tokens.ids.length);
    const tokenised = performance.now();
    metrics.tokenisation.observe(labels, (tokenised - start) / 1000);
    let begun: number | undefined;
    const vectors = await model.loaded.embedder.embedTokens(tokens, {
      maxBatchTokens,
      promptTokens,
      dimensions,
      signal,
      onPiece: (size) => {
        begun ??= performance.now();
        if (!size.first) return;
        metrics.batchTexts.observe(labels, size.texts);
        metrics.batchTokens.observe(labels, size.tokens);
      },
    });
    computed = true;
    const end = performance.now();
    metrics.queueing.observe(labels, ((begun ?? end) - tokenised) / 1000);
    metrics.inference.observe(labels, (end - (begun ?? end)) / 1000);
    metrics.duration.observe(labels, (end - start) / 1000);
    const lengths = metrics.inputLength.labels(labels);
    for (let i = 0; i < count; ++i) lengths.observe(tokens.offsets[i + 1]! - tokens.offsets[i]!);
    metrics.succeeded.inc(method);
    metrics.embedded.inc(labels, count);
    await shape(vectors, request.normalize, signal);
    return { vectors, tokens: tokens.ids.length };
  };
  return await held(work, { place, holding, release, computed: () => computed, signal });
}

/** What work holds, and what ends the waiting for it. */
interface Held {
  place: Place;
  holding: Holding;
  /** Gives the model's lease back. */
  release: () => void;
  /** Whether the work's tokens were computed. */
  computed: () => boolean;
  signal: AbortSignal;
}

/**
 * Runs work that holds a place, a lease and memory. All stay held until the work itself ends, so that what is computed for
 * nobody counts too; who waits for it is told as soon as the signal is aborted.
 */
export async function held<T>(work: () => Promise<T>, { place, holding, release, computed, signal }: Held): Promise<T> {
  const letGo = holding.share();
  const running = work().finally(() => {
    place.leave(computed());
    release();
    letGo();
  });
  return orAborted(running, signal);
}

async function tokenise(model: ServedModel, request: EmbedRequest): Promise<TokenisedTexts> {
  const { tokeniser } = model.loaded.opened;
  const { inputs, param, truncate, side, signal } = request;
  if (inputs.ids !== undefined) {
    const { name, kind } = request.prompt;
    const asked = isGiven(name) ? 'prompt_name' : isGiven(kind) ? 'input_type' : undefined;
    if (asked !== undefined)
      throw new HttpError('invalid', 'A prompt cannot be put before token ids.', { param: asked });
    return await packed(inputs.ids, model, request);
  }
  const prompt = promptOf(model, request.prompt);
  const texts = prompt === '' ? inputs.texts : inputs.texts.map((text) => prompt + text);
  const { kind } = request.prompt;
  const maxInputLength = model.lengthOf(kind);
  const tokens = await tokeniser.encodeLimited(texts, maxInputLength, side, signal);
  const [cut] = tokens.cut;
  if (!truncate && cut !== undefined) {
    throw new HttpError(
      'invalid',
      `${inputs.single ? param : `${param}[${cut}]`} has more than the ${maxInputLength} tokens that the model takes` +
        `${maxInputLength === model.maxInputLength ? '' : ` of a ${kind}`}.`,
      { param, code: 'context_length_exceeded' },
    );
  }
  return tokens;
}

function isGiven<T>(value: T | null | undefined): value is T {
  return value !== undefined && value !== null;
}

/** What is put before every text. @throws HttpError for a name that the model does not know, and for both of a choice */
export function promptOf({ loaded: { opened }, prompt }: ServedModel, { name, kind }: PromptChoice): string {
  if (isGiven(name) && isGiven(kind)) {
    throw new HttpError('invalid', 'prompt_name and input_type both say which prompt is meant; give one of them.', {
      param: 'input_type',
    });
  }
  if (isGiven(kind)) return promptText(opened, promptName(opened, kind) ?? '');
  if (!isGiven(name)) return prompt;
  const { prompts } = opened.layout;
  if (Object.hasOwn(prompts, name)) return prompts[name]!;
  const known = Object.keys(prompts);
  const there = known.length === 0 ? 'It has none.' : `It has: ${known.join(', ')}.`;
  throw new HttpError('invalid', `The model has no prompt of the name ${JSON.stringify(name.slice(0, 64))}. ${there}`, {
    param: 'prompt_name',
  });
}

/** Token ids, each list cut as the text that it is of would be. */
async function packed(
  lists: readonly (readonly number[])[],
  { maxInputLength, loaded }: ServedModel,
  { param, truncate, side }: EmbedRequest,
): Promise<TokenisedTexts> {
  const { tokeniser } = loaded.opened;
  const offsets = new Int32Array(lists.length + 1);
  const kept: ArrayLike<number>[] = [];
  for (const [i, ids] of lists.entries()) {
    const wrong = ids.find((id) => id >= tokeniser.vocabularySize);
    if (wrong !== undefined) {
      throw new HttpError(
        'invalid',
        `${param} has the token id ${wrong}, but the model's go up to ${tokeniser.vocabularySize - 1}: they are of another tokenizer. Send texts, or ids of /tokenize.`,
        { param },
      );
    }
    if (ids.length > maxInputLength && !truncate) {
      throw new HttpError(
        'invalid',
        `${param} has a text of ${ids.length} token ids, and the model takes ${maxInputLength}.`,
        { param, code: 'context_length_exceeded' },
      );
    }
    kept.push(ids.length > maxInputLength ? await tokeniser.cutIds(ids, maxInputLength, side) : ids);
    offsets[i + 1] = offsets[i]! + kept[i]!.length;
  }
  const all = new Int32Array(offsets.at(-1)!);
  kept.forEach((ids, i) => all.set(ids, offsets[i]));
  return { ids: all, offsets };
}

function checkDimensions(asked: number | undefined, model: ServedModel): number | undefined {
  const { width } = model.loaded.opened;
  if (asked === undefined || asked <= width) return asked;
  throw new HttpError('invalid', `dimensions is ${asked}, but the model's vectors have ${width}.`, {
    param: 'dimensions',
  });
}

/** Of length 1 already, but for rounding: left as the model gave it. */
const ROUNDING = 1e-5;

/** Numbers that are looked at in one turn of the event loop. */
const AT_ONCE = 1 << 17;

/** Brings vectors to length 1 if asked; one of zeros stays one. @throws HttpError 500 where a number is not finite */
async function shape(vectors: Float32Array[], normalize: boolean, signal: AbortSignal): Promise<void> {
  let numbers = 0;
  for (const vector of vectors) {
    numbers += vector.length;
    if (numbers > AT_ONCE) {
      numbers = 0;
      await new Promise(setImmediate);
      signal.throwIfAborted();
    }
    let squares = 0;
    for (let i = 0; i < vector.length; ++i) squares += vector[i]! * vector[i]!;
    const length = Math.sqrt(squares);
    if (!Number.isFinite(length)) throw new HttpError('backend', 'The model gives numbers that are not finite.');
    if (!normalize || length === 0 || Math.abs(length - 1) < ROUNDING) continue;
    for (let i = 0; i < vector.length; ++i) vector[i]! /= length;
  }
}
