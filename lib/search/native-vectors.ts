import type { EngineAddon, SearchSimilarity, VectorsHandle } from '../engine/addon';
import { fromNative } from '../system/errors';
import { checkFinite, type SearchNumbers, type SearchType, type VectorSource } from './matrix';
import { stopped } from './stopped';

/** Hits that a batch of queries holds, and numbers of its queries, at most. */
const HITS_AT_ONCE = 1 << 20;
const QUERY_NUMBERS_AT_ONCE = 1 << 21;
const QUERIES_AT_ONCE = 4096;
/** What a batch of queries found: of each `k` hits, the best first. */
export interface FlatHits {
  /** Number of the first query. */
  first: number;
  queries: number;
  k: number;
  rows: Int32Array;
  similarities: Float32Array;
}

/** Vectors in the engine's memory: what `VectorIndex` and the evaluators search. */
export class NativeVectors {
  readonly #addon: EngineAddon;
  readonly #handle: VectorsHandle;
  #count = 0;

  private constructor(
    addon: EngineAddon,
    handle: VectorsHandle,
    readonly width: number,
    readonly type: SearchType,
  ) {
    this.#addon = addon;
    this.#handle = handle;
  }

  static async of(addon: EngineAddon, width: number, type: SearchType, similarity: SearchSimilarity) {
    const handle = await addon.createVectors(width, type, similarity).catch(rethrow);
    return new NativeVectors(addon, handle, width, type);
  }

  get count(): number {
    return this.#count;
  }

  async append(numbers: SearchNumbers): Promise<void> {
    await this.#addon.appendVectors(this.#handle, numbers).catch(rethrow);
    this.#count += numbers.length / this.width;
  }

  /** Vectors by their numbers, as they are kept, one behind the other. */
  read(rows: Int32Array): Promise<SearchNumbers> {
    return this.#addon.readVectors(this.#handle, rows).catch(rethrow);
  }

  /** Batches of queries after each other; `onDone` hears of each query's vectors as they are compared. */
  async *search(
    queries: VectorSource,
    k: number,
    signal?: AbortSignal,
    onDone?: (comparisons: number) => void,
  ): AsyncGenerator<FlatHits, void, undefined> {
    const count = this.#count; // what is added later is not looked at
    const found = Math.min(k, count);
    if (found === 0) return;
    const some = Math.max(
      1,
      Math.min(QUERIES_AT_ONCE, Math.floor(HITS_AT_ONCE / found), Math.floor(QUERY_NUMBERS_AT_ONCE / this.width)),
    );
    for (let first = 0; first < queries.count; first += some) {
      stopped(signal);
      const numbers = queries.flat(first, Math.min(queries.count, first + some));
      checkFinite(numbers, queries, first); // the engine would count from the batch's first
      const batch = numbers.length / this.width;
      const search = await this.#addon.createSearch(this.#handle, numbers, found, count).catch(rethrow);
      try {
        for (let done = 0; done < count; ) {
          stopped(signal);
          done = await this.#addon.searchStep(search).catch(rethrow);
          onDone?.(first * count + batch * done);
        }
        const { rows, similarities } = await this.#addon.hits(search).catch(rethrow);
        yield { first, queries: batch, k: found, rows, similarities };
      } finally {
        this.#addon.disposeSearch(search);
      }
    }
  }

  dispose(): void {
    this.#addon.disposeVectors(this.#handle);
  }
}

function rethrow(error: unknown): never {
  throw fromNative(error);
}
