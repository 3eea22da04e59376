import { performance } from 'node:perf_hooks';
import { checkText } from '../data/validate';
import { AbortError, InvalidArgumentError } from '../system/errors';
import { callback, custom, integer, optional, resolveTable, signal, type OptionsOf } from '../system/option-table';
import { show } from '../system/options';
import type { Matrix } from './matrix';
import type { Vector } from './similarity';

/** What embeds: a TextVectorisation, an EmbeddingsEndpoint, or any object with such an `embed`. */
export interface BatchModel<Options = object> {
  /** A vector for each text, in order. */
  embed(texts: readonly string[], options?: Options): Promise<readonly Vector[]>;
}

/** Texts that were embedded together. */
export interface EmbeddedBatch {
  /** Number of the first text, from 0. */
  first: number;
  /** The texts. */
  texts: readonly string[];
  /** Their vectors. */
  vectors: Matrix;
}

/** Embedding goes on. */
export interface BatchEvent {
  /** Tells it from the other events. */
  type: 'embedded';
  /** Texts so far. */
  done: number;
  /** All of them; null where the source does not tell. */
  total: number | null;
  /** Since the beginning. */
  seconds: number;
  /** What is left, at the speed so far; null where nothing tells how much there is. */
  secondsLeft: number | null;
}

export const batchesTable = {
  /** Texts of a batch. Default 1024. */
  batchSize: optional(integer(1), 1024),
  /** How many texts there are, for the estimate of the time left. Default: a list's length. */
  total: optional(integer(0), undefined),
  /** Options of the model's `embed`, as `prompt` or `dimensions`. */
  embed: optional(
    custom<object>('program', (_, value) => value as object),
    undefined,
  ),
  /** Is told after each batch. */
  onProgress: optional(callback<(event: BatchEvent) => void>(), undefined),
  /** Stops between batches, and the model within one; the iteration throws an AbortError. */
  signal: optional(signal, undefined),
};

/** Options of `embedBatches` and `embedMatrix`. */
export interface BatchOptions extends OptionsOf<typeof batchesTable> {}

/**
 * Vectors of any number of texts, a batch after the other: a list, or an (async) iterable of any length, which is read only
 * as fast as batches are taken. While one is looked at the next is computed, and no more: memory is for two.
 *
 * ```ts
 * for await (const { texts, vectors } of embedBatches(tv, lines)) await store(texts, vectors);
 * ```
 *
 * @throws InvalidArgumentError ERR_TEXT_TYPE names the row; ERR_LENGTH_MISMATCH: vectors of several widths; AbortError; what
 *   the source throws, and what the model's `embed` rejects with
 */
export async function* embedBatches(
  model: BatchModel,
  source: Iterable<string> | AsyncIterable<string>,
  options?: BatchOptions,
): AsyncGenerator<EmbeddedBatch, void, undefined> {
  const resolved = resolveTable(batchesTable, options, { name: 'embedBatches', path: '' });
  const { signal, onProgress } = resolved;
  const total = resolved.total ?? (Array.isArray(source) ? source.length : null);
  const begun = performance.now();
  let width = 0;
  const compute = async ({ first, texts }: { first: number; texts: string[] }): Promise<EmbeddedBatch> => {
    const vectors = await model.embed(texts, { ...resolved.embed, ...(signal && { signal }) });
    if (vectors.length !== texts.length) {
      throw new InvalidArgumentError(
        'ERR_LENGTH_MISMATCH',
        `The model must give one vector for each text, but gave ${vectors.length} for ${texts.length}.`,
      );
    }
    if (width === 0) width = vectors[0]!.length;
    const data = new Float32Array(texts.length * width);
    for (const [i, vector] of vectors.entries()) {
      if (vector.length !== width) {
        throw new InvalidArgumentError(
          'ERR_LENGTH_MISMATCH',
          `The model gave vectors of ${width} and of ${vector.length} numbers, the latter for ${show(texts[i])}.`,
          { row: first + i },
        );
      }
      data.set(vector, i * width);
    }
    return { first, texts, vectors: { data, shape: [texts.length, width] } };
  };
  const tell = ({ first, texts }: EmbeddedBatch): void => {
    const done = first + texts.length;
    const seconds = (performance.now() - begun) / 1000;
    const secondsLeft = total === null ? null : (seconds / done) * Math.max(0, total - done);
    onProgress?.({ type: 'embedded', done, total, seconds, secondsLeft });
  };
  let computing: Promise<EmbeddedBatch> | undefined;
  try {
    for await (const read of batchesOf(source, resolved.batchSize)) {
      if (signal?.aborted === true) {
        const cause: unknown = signal.reason;
        throw new AbortError('ERR_ABORTED', 'Embedding was stopped.', { cause });
      }
      const ready = computing === undefined ? undefined : await computing;
      computing = compute(read);
      computing.catch(() => undefined); // it is awaited when its turn has come
      if (ready === undefined) continue;
      tell(ready);
      yield ready;
    }
    if (computing === undefined) return;
    const last = await computing;
    tell(last);
    yield last;
  } finally {
    await computing?.catch(() => undefined); // nothing of it goes on behind the caller's back
  }
}

/**
 * Vectors of all texts in one array, for millions of them: `semanticSearch`, `VectorIndex`, `quantize` and
 * `communityDetection` take it.
 *
 * @throws as `embedBatches`
 */
export async function embedMatrix(
  model: BatchModel,
  source: Iterable<string> | AsyncIterable<string>,
  options?: BatchOptions,
): Promise<Matrix> {
  const total = options?.total ?? (Array.isArray(source) ? source.length : undefined);
  let all = new Float32Array(0);
  let [count, width] = [0, 0];
  for await (const { vectors } of embedBatches(model, source, options)) {
    width = vectors.shape[1];
    const size = (count + vectors.shape[0]) * width;
    if (size > all.length) {
      const larger = new Float32Array(Math.max(size, total === undefined ? 2 * all.length : total * width));
      larger.set(all.subarray(0, count * width));
      all = larger;
    }
    all.set(vectors.data, count * width);
    count += vectors.shape[0];
  }
  return { data: all.length === count * width ? all : all.slice(0, count * width), shape: [count, width] };
}

async function* batchesOf(
  source: Iterable<string> | AsyncIterable<string>,
  size: number,
): AsyncGenerator<{ first: number; texts: string[] }, void> {
  const iterable = source as Partial<Iterable<string> & AsyncIterable<string>> | null | undefined;
  if (
    typeof source === 'string' ||
    (typeof iterable?.[Symbol.iterator] !== 'function' && typeof iterable?.[Symbol.asyncIterator] !== 'function')
  ) {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `The texts must be a list or an (async) iterable of texts, but are ${show(source)}.`,
    );
  }
  let first = 0;
  let texts: string[] = [];
  for await (const text of source) {
    texts.push(checkText(text, 'text', { row: first + texts.length }));
    if (texts.length < size) continue;
    yield { first, texts };
    first += texts.length;
    texts = [];
  }
  if (texts.length > 0) yield { first, texts };
}
