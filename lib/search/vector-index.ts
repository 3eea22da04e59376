import type { EngineAddon, SearchSimilarity } from '../engine/addon';
import { loadEngine } from '../engine/load';
import { defineAsyncDispose } from '../system/dispose';
import { InvalidArgumentError, StateError } from '../system/errors';
import {
  callback,
  choice,
  integer,
  numeric,
  optional,
  resolveTable,
  signal,
  type OptionsOf,
} from '../system/option-table';
import { VectorSource, type Vectors } from './matrix';
import { NativeVectors, stopped } from './native-vectors';

/** A vector that was found. */
export interface SearchHit {
  /** Its number, from 0, in the order in which vectors came. */
  index: number;
  /** How similar it is to the query, rounded to float32. */
  score: number;
}

/** A search goes on. */
export interface SearchEvent {
  /** Tells it from the other events. */
  type: 'searching';
  /** Comparisons of a query with a vector so far. */
  done: number;
  /** All of them. */
  total: number;
}

const progress = callback<(event: SearchEvent) => void>();
const stop = { aliases: ['abortSignal', 'abortController', 'controller'] };
const similarity = { aliases: ['scoreFunction', 'similarityFunction', 'metric', 'distance'] };

export const indexTable = {
  /** 'cosine': the cosine of the angle; 'dot': the product. Default 'cosine'. */
  similarity: optional(choice('cosine', 'dot'), 'cosine', similarity),
  /** Stops between small pieces; the promise rejects with an AbortError. */
  signal: optional(signal, undefined, stop),
};

export const searchTable = {
  /** Most hits of a query. Default 10. */
  topK: optional(integer(1, 2 ** 31 - 1), 10, { aliases: ['k', 'limit', 'top', 'n'] }),
  /** What is less similar is no hit. Default: everything is one. */
  scoreThreshold: optional(
    numeric('a number', () => true),
    undefined,
    {
      aliases: ['threshold', 'minScore', 'minimumScore', 'minSimilarity'],
    },
  ),
  /** Is told while the search goes on. */
  onProgress: optional(progress, undefined, { aliases: ['callback', 'progress', 'onEvent', 'showProgressBar'] }),
  /** Stops between small pieces; the promise rejects with an AbortError. */
  signal: optional(signal, undefined, stop),
};

/** Options of `VectorIndex.of`. */
export interface IndexOptions extends OptionsOf<typeof indexTable> {}
/** Options of a search. */
export interface SearchOptions extends OptionsOf<typeof searchTable> {}

/** Hits that become objects before the event loop gets its turn. */
const OBJECTS_AT_ONCE = 1 << 14;

/**
 * Vectors held for search, in the engine's memory: exact, off the event loop, on all of the engine's threads. Of equal
 * scores the vector that came first goes first; neither threads nor batches change a result.
 *
 * ```ts
 * const index = await VectorIndex.of(await tv.embed(documents));
 * const [hits] = await index.search(await tv.embed(['How old are you?']), { topK: 3 });
 * ```
 *
 * Vectors are fp32, or int8 (Int8Array, as `quantize` gives them), which take a quarter of the memory and of the time;
 * their products are exact. For the cosine those of fp32 are held at length 1; a vector of zeros has 0 with every other.
 */
export class VectorIndex {
  /** `dispose`, for `await using`; not there in a Node that does not know it (before 20.5). */
  declare readonly [Symbol.asyncDispose]: () => Promise<void>;
  readonly #addon: EngineAddon;
  /** How vectors are compared. */
  readonly similarity: SearchSimilarity;
  #vectors: NativeVectors | undefined;
  #disposed = false;
  /** Additions, one after the other. */
  #adding: Promise<void> = Promise.resolve();

  private constructor(addon: EngineAddon, similarity: SearchSimilarity) {
    this.#addon = addon;
    this.similarity = similarity;
  }

  /**
   * Copies the vectors; loads LibTorch where it is not loaded yet.
   *
   * @param vectors list of vectors of one width (at most 65,536), or one flat array with its shape; may be empty
   * @throws InvalidArgumentError ERR_INVALID_ARGUMENT: what is no vector, a number that is not finite or a vector longer
   *   than 1.8e19; ERR_LENGTH_MISMATCH: several widths; OutOfMemoryError; AbortError; LibTorchError as `load` of
   *   TextVectorisation
   */
  static async of(vectors: Vectors, options?: IndexOptions): Promise<VectorIndex> {
    const resolved = resolveTable(indexTable, options, { name: 'VectorIndex.of', path: '' });
    const source = VectorSource.of(vectors, 'The vectors');
    stopped(resolved.signal);
    const index = new VectorIndex(await loadEngine(), resolved.similarity);
    try {
      await index.#append(source, resolved.signal);
    } catch (error) {
      await index.dispose();
      throw error;
    }
    return index;
  }

  /** Vectors that are held. */
  get size(): number {
    return this.#vectors?.count ?? 0;
  }

  /** Numbers of a vector; 0 while there is none. */
  get dimensions(): number {
    return this.#vectors?.width ?? 0;
  }

  /**
   * Adds vectors behind those that are there. A search that is on does not see them. Where one of them is refused, those
   * before it in the same call may be there already: `size` tells.
   *
   * @throws as `of`; StateError ERR_DISPOSED
   */
  add(vectors: Vectors, options?: Pick<IndexOptions, 'signal'>): Promise<void> {
    const adding = this.#adding.then(() => {
      const { signal } = resolveTable({ signal: indexTable.signal }, options, { name: 'add', path: '' });
      return this.#append(VectorSource.of(vectors, 'The vectors'), signal);
    });
    this.#adding = adding.catch(() => undefined);
    return adding;
  }

  async #append(source: VectorSource, signal: AbortSignal | undefined): Promise<void> {
    this.#checkAlive();
    if (source.count === 0) return;
    this.#vectors ??= await NativeVectors.of(this.#addon, source.width, source.type, this.similarity);
    checkLike(this.#vectors, source);
    for await (const { numbers } of source.pieces()) {
      stopped(signal);
      this.#checkAlive();
      await this.#vectors.append(numbers);
    }
  }

  /**
   * The `topK` most similar vectors of each query, the best first.
   *
   * @throws InvalidArgumentError ERR_INVALID_ARGUMENT, ERR_LENGTH_MISMATCH: queries that are not as the vectors; an
   *   option; OutOfMemoryError; AbortError; StateError ERR_DISPOSED
   */
  async search(queries: Vectors, options?: SearchOptions): Promise<SearchHit[][]> {
    const { topK, scoreThreshold, onProgress, signal } = resolveTable(searchTable, options, {
      name: 'search',
      path: '',
    });
    this.#checkAlive();
    const source = VectorSource.of(queries, 'The queries');
    const hits = Array.from({ length: source.count }, (): SearchHit[] => []);
    const vectors = this.#vectors;
    if (vectors === undefined || source.count === 0) return hits;
    checkLike(vectors, source);
    const total = source.count * vectors.count;
    let made = 0;
    for await (const batch of vectors.search(source, topK, signal, (done) =>
      onProgress?.({ type: 'searching', done, total }),
    )) {
      for (let q = 0; q < batch.queries; ++q) {
        const of = hits[batch.first + q]!;
        for (let i = q * batch.k; i < (q + 1) * batch.k; ++i) {
          const score = batch.similarities[i]!;
          if (scoreThreshold !== undefined && score < scoreThreshold) break;
          of.push({ index: batch.rows[i]!, score });
        }
        made += of.length;
        if (made < OBJECTS_AT_ONCE) continue;
        made = 0;
        await new Promise(setImmediate);
        stopped(signal);
      }
    }
    return hits;
  }

  #checkAlive(): void {
    if (!this.#disposed) return;
    throw new StateError('ERR_DISPOSED', 'This index was disposed of. Make another.');
  }

  /** Frees the memory, after what is being searched or added. Later calls reject. May be called twice. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#adding;
    this.#vectors?.dispose();
  }
}

defineAsyncDispose(VectorIndex.prototype, function () {
  return this.dispose();
});

function checkLike(vectors: NativeVectors, source: VectorSource): void {
  if (source.width !== vectors.width) {
    throw new InvalidArgumentError(
      'ERR_LENGTH_MISMATCH',
      `${source.name} have ${source.width} numbers each, but the vectors of the index have ${vectors.width}.`,
    );
  }
  if (source.type === vectors.type) return;
  throw new InvalidArgumentError(
    'ERR_INVALID_ARGUMENT',
    `The vectors of the index are ${vectors.type}, so that ${source.name.toLowerCase()} must be ${vectors.type === 'int8' ? 'Int8Arrays' : 'of floats'} too, but are ${source.type}.`,
  );
}
