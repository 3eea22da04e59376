import { performance } from 'node:perf_hooks';
import { checkText } from '../data/validate';
import { AbortError, InvalidArgumentError, OutOfMemoryError } from '../system/errors';
import {
  callback,
  choice,
  custom,
  integer,
  optional,
  resolveTable,
  signal,
  signalNames,
  type OptionsOf,
} from '../system/option-table';
import { show } from '../system/options';
import { option, say } from '../system/wording';
import type { Matrix } from './matrix';
import type { Vector } from './similarity';

/** What embeds: a TextVectorisation, an EmbeddingsEndpoint, or any object with such an `embed`. */
export interface BatchModel<Options = object> {
  /** A vector for each text, in order. */
  embed(texts: readonly string[], options?: Options): Promise<readonly Vector[]>;
  /** The same for what is searched for, where the model treats it in a way of its own. */
  embedQueries?(texts: readonly string[], options?: Options): Promise<readonly Vector[]>;
  /** The same for what is to be found. */
  embedDocuments?(texts: readonly string[], options?: Options): Promise<readonly Vector[]>;
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
  /**
   * What the texts are in a search: 'query' is what is searched for, 'document' what is to be found. The model's
   * `embedQueries` or `embedDocuments` embeds them, with the prompt that the model has for such. Default: `embed` does, with
   * the prompt that `embed` names, mostly none.
   */
  role: optional(choice('query', 'document'), undefined, {
    flag: '--role <query|document>',
    help: "with the model's prompt for what is searched for, or for what is to be found",
    unset: 'neither',
    aliases: ['kind', 'inputType', 'task', 'promptRole'],
  }),
  /** Options of the model's `embed`, as `prompt` or `dimensions`. */
  embed: optional(
    custom<object>('program', (_, value) => value as object),
    undefined,
  ),
  /** Is told after each batch. */
  onProgress: optional(callback<(event: BatchEvent) => void>(), undefined),
  /** Stops between batches, and the model within one; the iteration throws an AbortError. */
  signal: optional(signal, undefined, signalNames),
};

/** Options of `embedBatches` and `embedMatrix`. */
export interface BatchOptions extends OptionsOf<typeof batchesTable> {}

/** What the model embeds texts of a role with. @throws InvalidArgumentError: the model has none for it, or a prompt was named too */
export function embedOf(
  model: BatchModel,
  { role, embed = {} }: { role?: 'query' | 'document' | undefined; embed?: object | undefined },
): NonNullable<BatchModel['embed']> {
  if (role === undefined) return (texts, options) => model.embed(texts, options);
  if ((embed as { prompt?: unknown }).prompt !== undefined) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('role')} and ${option('prompt')} were both given, and each says what is put before the texts: leave one out.`,
    );
  }
  const name = role === 'query' ? 'embedQueries' : 'embedDocuments';
  if (typeof model[name] !== 'function') {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('role')} is '${role}', but the model has no ${name}.`,
    );
  }
  return (texts, options) => model[name]!(texts, options);
}

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
  const embed = embedOf(model, resolved);
  const total = resolved.total ?? (Array.isArray(source) ? source.length : null);
  const begun = performance.now();
  let width = 0;
  const compute = async ({ first, texts }: { first: number; texts: string[] }): Promise<EmbeddedBatch> => {
    const vectors = await embed(texts, { ...resolved.embed, ...(signal && { signal }) });
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
 * `communityDetection` take it. Memory is for the array; where nothing tells how many texts there are, for two.
 *
 * @throws as `embedBatches`; OutOfMemoryError: there is no array so large
 */
export async function embedMatrix(
  model: BatchModel,
  source: Iterable<string> | AsyncIterable<string>,
  options?: BatchOptions,
): Promise<Matrix> {
  const total = options?.total ?? (Array.isArray(source) ? source.length : undefined);
  /** Where it is known how large it is. */
  let all: Float32Array<ArrayBuffer> | undefined;
  const pieces: Float32Array[] = [];
  let [count, width, filled] = [0, 0, 0];
  for await (const { vectors } of embedBatches(model, source, options)) {
    width = vectors.shape[1];
    count += vectors.shape[0];
    if (total !== undefined) all ??= floats(total, width);
    if (all !== undefined && pieces.length === 0 && filled + vectors.data.length <= all.length) {
      all.set(vectors.data, filled);
      filled += vectors.data.length;
    } else pieces.push(vectors.data);
  }
  if (all !== undefined && pieces.length === 0 && filled === all.length) return { data: all, shape: [count, width] };
  if (all !== undefined && filled > 0) pieces.unshift(all.subarray(0, filled));
  const data = floats(count, width);
  let at = 0;
  for (const [i, piece] of pieces.entries()) {
    data.set(piece, at);
    at += piece.length;
    if (i % PIECES_AT_ONCE === PIECES_AT_ONCE - 1) await new Promise(setImmediate);
  }
  return { data, shape: [count, width] };
}

/** Batches that are copied before the event loop gets its turn. */
const PIECES_AT_ONCE = 16;

/** @throws OutOfMemoryError */
function floats(count: number, width: number): Float32Array<ArrayBuffer> {
  try {
    return new Float32Array(count * width);
  } catch (cause) {
    throw new OutOfMemoryError(
      'ERR_OUT_OF_MEMORY',
      `${count} vectors of ${width} numbers are ${Math.ceil((4 * count * width) / 1e9)} GB, which no single array here can be.`,
      {
        cause,
        remedy: say`Take them batch by batch: embedBatches, with add of VectorIndex or a store, or embedFile.`,
      },
    );
  }
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
