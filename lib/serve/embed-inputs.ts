import { promptText, unpooledTokens } from '../model/prompts';
import type { TokenisedTexts } from '../tokenisation/tokenised-texts';
import type { Admission, Place } from './admission';
import type { Inputs } from './bodies';
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
  promptName: string | undefined;
  dimensions: number | undefined;
  /** Whether vectors are brought to length 1. */
  normalize: boolean;
  /** Aborted where the client leaves or the time is over. */
  signal: AbortSignal;
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
  const { inputs, signal } = request;
  const method = inputs.single ? 'single' : 'batch';
  const count = (inputs.texts ?? inputs.ids).length;
  metrics.requests.inc({ method });
  metrics.embeds.inc(count);
  const dimensions = checkDimensions(request.dimensions, model);
  const place = admission.enter();
  const release = model.lease();
  const start = performance.now();
  let computed = false;
  const work = async (): Promise<Embedded> => {
    const tokens = await tokenise(model, request);
    const { opened } = model.loaded;
    // Of a prompt that the model's pooling leaves out.
    const promptTokens = inputs.texts ? await unpooledTokens(opened, promptOf(model, request.promptName)) : 0;
    place.take(tokens.ids.length);
    const tokenised = performance.now();
    metrics.tokenisation.observe((tokenised - start) / 1000);
    let begun: number | undefined;
    const vectors = await model.loaded.embedder.embedTokens(tokens, {
      maxBatchTokens,
      promptTokens,
      dimensions,
      signal,
      onPiece: (size) => {
        begun ??= performance.now();
        if (!size.first) return;
        metrics.batchTexts.observe(size.texts);
        metrics.batchTokens.observe(size.tokens);
      },
    });
    computed = true;
    const end = performance.now();
    metrics.queueing.observe(((begun ?? end) - tokenised) / 1000);
    metrics.inference.observe((end - (begun ?? end)) / 1000);
    metrics.duration.observe((end - start) / 1000);
    for (let i = 0; i < count; ++i) metrics.inputLength.observe(tokens.offsets[i + 1]! - tokens.offsets[i]!);
    metrics.succeeded.inc({ method });
    metrics.embedded.inc(count);
    return {
      vectors: vectors.map((vector) => shaped(vector, request.normalize)),
      tokens: tokens.ids.length,
    };
  };
  return await held(work, place, release, () => computed, signal);
}

/**
 * Runs work that holds a place and a lease. Both stay held until the work itself ends, so that what is computed for nobody
 * counts too; who waits for it is told as soon as the signal is aborted.
 */
export async function held<T>(
  work: () => Promise<T>,
  place: Place,
  release: () => void,
  computed: () => boolean,
  signal: AbortSignal,
): Promise<T> {
  let stop: () => void = () => undefined;
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
  });
  stopped.catch(() => undefined); // the race may be over
  const running = work().finally(() => {
    place.leave(computed());
    release();
  });
  running.catch(() => undefined); // nobody may be waiting for it any more
  try {
    return await Promise.race([running, stopped]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function tokenise(model: ServedModel, request: EmbedRequest): Promise<TokenisedTexts> {
  const { opened } = model.loaded;
  const { maxInputLength, tokeniser } = opened;
  const { inputs, param, truncate, side, promptName, signal } = request;
  if (inputs.ids !== undefined) {
    if (promptName !== undefined)
      throw new HttpError('invalid', 'A prompt cannot be put before token ids.', { param: 'prompt_name' });
    return packed(inputs.ids, param, maxInputLength, tokeniser.vocabularySize);
  }
  const prompt = promptOf(model, promptName);
  const texts = prompt === '' ? inputs.texts : inputs.texts.map((text) => prompt + text);
  const tokens = await tokeniser.encodeLimited(texts, maxInputLength, side, signal);
  const [cut] = tokens.cut;
  if (!truncate && cut !== undefined) {
    throw new HttpError(
      'invalid',
      `${inputs.single ? param : `${param}[${cut}]`} has more than the ${maxInputLength} tokens that the model takes.`,
      { param, code: 'context_length_exceeded' },
    );
  }
  return tokens;
}

/** What is put before every text. @throws HttpError for a name that the model does not know */
export function promptOf({ loaded: { opened } }: ServedModel, name: string | undefined): string {
  if (name !== undefined && !Object.hasOwn(opened.layout.prompts, name)) {
    const known = Object.keys(opened.layout.prompts);
    const there = known.length === 0 ? 'It has none.' : `It has: ${known.join(', ')}.`;
    throw new HttpError(
      'invalid',
      `The model has no prompt of the name ${JSON.stringify(name.slice(0, 64))}. ${there}`,
      {
        param: 'prompt_name',
      },
    );
  }
  return promptText(opened, name);
}

function packed(
  lists: readonly (readonly number[])[],
  param: string,
  maxInputLength: number,
  vocabularySize: number,
): TokenisedTexts {
  const offsets = new Int32Array(lists.length + 1);
  lists.forEach((ids, i) => {
    const wrong = ids.find((id) => id >= vocabularySize);
    if (wrong !== undefined) {
      throw new HttpError(
        'invalid',
        `${param} has the token id ${wrong}, but the model's go up to ${vocabularySize - 1}: they are of another tokenizer. Send texts, or ids of /tokenize.`,
        { param },
      );
    }
    if (ids.length > maxInputLength) {
      throw new HttpError(
        'invalid',
        `${param} has a text of ${ids.length} token ids, and the model takes ${maxInputLength}.`,
        { param, code: 'context_length_exceeded' },
      );
    }
    offsets[i + 1] = offsets[i]! + ids.length;
  });
  const all = new Int32Array(offsets.at(-1)!);
  lists.forEach((ids, i) => all.set(ids, offsets[i]));
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

/** A vector of length 1 if asked; one of zeros stays one. */
function shaped(vector: Float32Array, normalize: boolean): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  if (!Number.isFinite(length)) throw new HttpError('backend', 'The model gives numbers that are not finite.');
  if (!normalize || length === 0 || Math.abs(length - 1) < ROUNDING) return vector;
  return vector.map((value) => value / length);
}
