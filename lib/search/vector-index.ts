import type { EngineAddon, SearchSimilarity } from '../engine/addon';
import { loadEngine } from '../engine/load';
import { defineAsyncDispose } from '../system/dispose';
import { InvalidArgumentError, StateError } from '../system/errors';
import {
  callback,
  choice,
  flag,
  integer,
  numeric,
  optional,
  resolveTable,
  signal,
  signalNames,
  type OptionsOf,
  type ResolvedOf,
} from '../system/option-table';
import { CodedVectors } from './coded-vectors';
import {
  checkFinite,
  checkLengths,
  checkSameRanges,
  VectorSource,
  type QuantizationRanges,
  type Vectors,
} from './matrix';
import { NativeVectors } from './native-vectors';
import { Quantizer, type IndexPrecision } from './quantizer';
import { calibration, checkOneRange, ranges } from './ranges';
import { meant, rescored } from './rescore';
import { stopped } from './stopped';

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

/**
 * More than one in a hundred of the numbers that an index of 'int8' was given lay outside its ranges, and were taken as the
 * nearest end of them: what is found among such vectors is less exact. Ranges of more, or of other, vectors mend it.
 */
export interface ClippedEvent {
  /** Tells it from the other events. */
  type: 'clipped';
  /** Numbers outside. */
  clipped: number;
  /** All numbers of the vectors that were added. */
  numbers: number;
}

/** Share of numbers outside the ranges from which it is told. */
const CLIPPED_SHARE = 0.01;

/** Most hits of a query. */
const MOST_HITS = 2 ** 31 - 1;

export const progressNames = { aliases: ['callback', 'progress', 'onEvent', 'showProgressBar'] };
const similarity = { aliases: ['scoreFunction', 'similarityFunction', 'metric', 'distance'] };

export const indexTable = {
  /** 'cosine': the cosine of the angle; 'dot': the product. Default 'cosine'. */
  similarity: optional(choice('cosine', 'dot'), 'cosine', similarity),
  /**
   * What is kept of vectors of fp32: 'fp32', all; 'int8', a byte for each number; 'binary', a bit for each, whether it is
   * above 0. Queries are of fp32 all the same. Default 'fp32'.
   */
  precision: optional(choice('fp32', 'int8', 'binary'), 'fp32', {
    aliases: ['corpusPrecision', 'quantization', 'dtype', 'type'],
  }),
  /**
   * Of 'int8': the lowest and highest number of each dimension, as `quantizationRanges` gives them (for the cosine, of vectors
   * of length 1). Default: those of `calibration`.
   */
  ranges: optional(ranges, undefined),
  /** Of 'int8': vectors whose ranges are taken; a hundred or more. Default: the vectors that the index begins with. */
  calibration: optional(calibration, undefined, { aliases: ['calibrationEmbeddings'] }),
  /** Is told, of 'int8', where many numbers of what is added lie outside the ranges. */
  onProgress: optional(callback<(event: ClippedEvent) => void>(), undefined, progressNames),
  /** Stops between small pieces; the promise rejects with an AbortError. */
  signal: optional(signal, undefined, signalNames),
};

export const searchTable = {
  /** Most hits of a query. Default 10. */
  topK: optional(integer(1, MOST_HITS), 10, { aliases: ['k', 'limit', 'top', 'n'] }),
  /** What is less similar is no hit. Default: everything is one. */
  scoreThreshold: optional(
    numeric('a number', () => true),
    undefined,
    {
      aliases: ['threshold', 'minScore', 'minimumScore', 'minSimilarity'],
    },
  ),
  /**
   * Of an index of 'int8' or 'binary': whether more candidates are taken, and those compared again by the query's own
   * numbers. Default true.
   */
  rescore: optional(flag, true),
  /** How many times `topK` candidates are compared again. Default 2, as in sentence-transformers. */
  rescoreMultiplier: optional(integer(1, 1000), 2, { aliases: ['oversampling', 'multiplier'] }),
  /** Is told while the search goes on. */
  onProgress: optional(callback<(event: SearchEvent) => void>(), undefined, progressNames),
  /** Stops between small pieces; the promise rejects with an AbortError. */
  signal: optional(signal, undefined, signalNames),
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
 * Vectors are fp32, or int8 (Int8Array, as `quantize` gives them), whose products are exact. For the cosine those of fp32 are
 * held at length 1; a vector of zeros has 0 with every other.
 *
 * With `precision` vectors of fp32 are kept in a quarter of the memory ('int8') or a thirty-second ('binary'), and searched
 * in less time. A search takes more candidates than were asked for and compares those again (`rescore`), as
 * sentence-transformers' `semantic_search_faiss` and `semantic_search_usearch` do: the query's own numbers with what the bytes
 * stand for, or with the bits.
 */
export class VectorIndex {
  /** `dispose`, for `await using`; not there in a Node that does not know it (before 20.5). */
  declare readonly [Symbol.asyncDispose]: () => Promise<void>;
  readonly #addon: EngineAddon;
  /** How vectors are compared. */
  readonly similarity: SearchSimilarity;
  /** What is kept of vectors of fp32. */
  readonly precision: IndexPrecision;
  readonly #ranges: QuantizationRanges | undefined;
  readonly #calibration: Vectors | undefined;
  #vectors: NativeVectors | undefined;
  /** Once there are vectors, where they are not kept as they are. */
  #coded: CodedVectors | undefined;
  #clipped = 0;
  /** Of vectors that came as bytes: what these stand for, where it was said. */
  #givenRanges: QuantizationRanges | undefined;
  #disposed = false;
  /** Additions, one after the other. */
  #adding: Promise<void> = Promise.resolve();

  private constructor(
    addon: EngineAddon,
    { similarity, precision, ranges, calibration }: ResolvedOf<typeof indexTable>,
  ) {
    this.#addon = addon;
    this.similarity = similarity;
    this.precision = precision;
    this.#ranges = ranges;
    this.#calibration = calibration;
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
    if (resolved.precision !== 'int8' && (resolved.ranges ?? resolved.calibration) !== undefined) {
      throw new InvalidArgumentError(
        'ERR_INVALID_OPTION',
        `ranges and calibration are for the precision 'int8', but it is '${resolved.precision}'.`,
      );
    }
    checkOneRange(resolved);
    const index = new VectorIndex(await loadEngine(), resolved);
    try {
      await index.#append(source, resolved);
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
    return this.#coded?.quantizer.dimensions ?? this.#vectors?.width ?? 0;
  }

  /** Of 'int8': the ranges that were taken; null while there is no vector, and of the other precisions. */
  get ranges(): QuantizationRanges | null {
    return this.#coded?.quantizer.ranges ?? null;
  }

  /** Of 'int8': numbers of all vectors that lay outside the ranges, and were taken as the nearest end of them. */
  get clipped(): number {
    return this.#clipped;
  }

  /**
   * Adds vectors behind those that are there. A search that is on does not see them. Where one of them is refused, those
   * before it in the same call may be there already: `size` tells.
   *
   * @throws as `of`; StateError ERR_DISPOSED
   */
  add(vectors: Vectors, options?: Pick<IndexOptions, 'onProgress' | 'signal'>): Promise<void> {
    const adding = this.#adding.then(() => {
      const { onProgress, signal } = indexTable;
      const resolved = resolveTable({ onProgress, signal }, options, { name: 'add', path: '' });
      return this.#append(VectorSource.of(vectors, 'The vectors'), resolved);
    });
    this.#adding = adding.catch(() => undefined);
    return adding;
  }

  async #append(
    source: VectorSource,
    { onProgress, signal }: Pick<ResolvedOf<typeof indexTable>, 'onProgress' | 'signal'>,
  ): Promise<void> {
    this.#checkAlive();
    if (source.count === 0) return;
    if (this.#vectors === undefined) await this.#begin(source, signal);
    this.#checkLike(source);
    this.#givenRanges ??= source.ranges;
    const check = () => {
      stopped(signal);
      this.#checkAlive();
    };
    if (this.#coded === undefined) {
      for await (const { first, numbers } of source.pieces()) {
        check();
        await this.#vectors!.append(numbers).catch((error: unknown) => {
          // The engine counts from the first vector of the index.
          checkFinite(numbers, source, first);
          checkLengths(numbers, source, first);
          throw error;
        });
      }
      return;
    }
    const clipped = await this.#coded.append(source, check);
    this.#clipped += clipped;
    const all = source.count * source.width;
    if (clipped > CLIPPED_SHARE * all) onProgress?.({ type: 'clipped', clipped, numbers: all });
  }

  /** Makes room for vectors like the first ones. */
  async #begin(source: VectorSource, signal: AbortSignal | undefined): Promise<void> {
    if (this.precision === 'fp32') {
      this.#vectors = await NativeVectors.of(this.#addon, source.width, source.type, this.similarity);
      return;
    }
    const like = this.#calibration === undefined ? source : VectorSource.of(this.#calibration, 'The calibration');
    for (const one of [source, like]) {
      if (one.type === 'fp32') continue;
      throw new InvalidArgumentError(
        'ERR_INVALID_ARGUMENT',
        `${one.name} must be of floats for the precision '${this.precision}', but are int8 already.`,
      );
    }
    const { similarity, precision } = this;
    const quantizer = await Quantizer.of(precision, source.width, similarity, this.#ranges, like, signal);
    this.#coded = await CodedVectors.of(this.#addon, quantizer);
    this.#vectors = this.#coded.vectors;
  }

  /**
   * The `topK` most similar vectors of each query, the best first.
   *
   * @throws InvalidArgumentError ERR_INVALID_ARGUMENT, ERR_LENGTH_MISMATCH: queries that are not as the vectors; an
   *   option; OutOfMemoryError; AbortError; StateError ERR_DISPOSED
   */
  async search(queries: Vectors, options?: SearchOptions): Promise<SearchHit[][]> {
    const { topK, scoreThreshold, rescore, rescoreMultiplier, onProgress, signal } = resolveTable(
      searchTable,
      options,
      { name: 'search', path: '' },
    );
    this.#checkAlive();
    const source = VectorSource.of(queries, 'The queries');
    const hits = Array.from({ length: source.count }, (): SearchHit[] => []);
    const vectors = this.#vectors;
    if (vectors === undefined || source.count === 0) return hits;
    this.#checkLike(source);
    const kept = this.#coded;
    const coded = kept?.quantizer.queries(source);
    const again = coded !== undefined && rescore;
    const k = again ? Math.min(topK * rescoreMultiplier, MOST_HITS) : topK;
    const total = source.count * vectors.count;
    const told = (done: number) => onProgress?.({ type: 'searching', done, total });
    let made = 0;
    for await (const batch of vectors.search(coded?.source ?? source, k, signal, told)) {
      const found =
        kept === undefined || coded === undefined
          ? batch
          : again
            ? await rescored(kept, source, batch, topK, signal)
            : meant(kept, batch, coded, source);
      for (let q = 0; q < found.queries; ++q) {
        const of = hits[found.first + q]!;
        for (let i = q * found.k; i < (q + 1) * found.k; ++i) {
          const score = found.similarities[i]!;
          if (scoreThreshold !== undefined && score < scoreThreshold) break;
          of.push({ index: found.rows[i]!, score });
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

  #checkLike(source: VectorSource): void {
    const type = this.#coded === undefined ? this.#vectors!.type : 'fp32';
    if (source.width !== this.dimensions) {
      throw new InvalidArgumentError(
        'ERR_LENGTH_MISMATCH',
        `${source.name} have ${source.width} numbers each, but the vectors of the index have ${this.dimensions}.`,
      );
    }
    if (source.type === type) {
      checkSameRanges(source, this.#givenRanges);
      return;
    }
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `The vectors of the index are ${type}, so that ${source.name.toLowerCase()} must be ${type === 'int8' ? 'Int8Arrays' : 'of floats'} too, but are ${source.type}.`,
    );
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
