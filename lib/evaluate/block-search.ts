import type { Vector } from '../embed/similarity';
import type { EngineAddon, SearchSimilarity } from '../engine/addon';
import { loadedEngine } from '../engine/load';
import { VectorSource } from '../search/matrix';
import { NativeVectors, type FlatHits } from '../search/native-vectors';
import type { SimilarityName } from './similarities';
import { TopK, type Hit } from './top-k';
import { inPieces, throwIfAborted } from './work';

/** The nearest documents of each query, from documents that come in blocks. */
export interface BlockSearch {
  /** Compares all queries with documents `first`, `first + 1`, …; `onDone` hears of the comparisons of these so far. */
  add(documents: readonly Vector[], first: number, onDone?: (comparisons: number) => void): Promise<void>;
  /** Of a query, the best first. */
  hits(query: number): Hit[];
}

type Tie = (a: number, b: number) => number;
type Skip = (query: number, document: number) => boolean;

/** The engine, where it is loaded and searches by this similarity. */
export function searchEngine(name: SimilarityName): { addon: EngineAddon; similarity: SearchSimilarity } | undefined {
  const addon = loadedEngine();
  return addon !== undefined && (name === 'cosine' || name === 'dot') ? { addon, similarity: name } : undefined;
}

/**
 * By the engine where it is loaded, whose sums are fp32; else by TopK, whose sums are double.
 *
 * @param tie negative where document `a` goes before `b` at equal similarity
 * @param skip whether a document is no candidate for a query, which one at most is
 */
export async function blockSearch(
  queries: readonly Vector[],
  k: number,
  name: SimilarityName,
  tie: Tie,
  skip: Skip | undefined,
  signal: AbortSignal | undefined,
): Promise<BlockSearch> {
  const engine = searchEngine(name);
  if (engine !== undefined) return new EngineSearch(engine, queries, k, tie, skip, signal);
  const search = await inPieces(TopK.of(queries, k, name, tie, skip), signal);
  return {
    add: (documents, first, onDone) => inPieces(search.add(documents, first, onDone), signal),
    hits: (query) => search.hits(query),
  };
}

/** Documents that are put in the order of ties, and queries whose hits are merged, before the event loop gets its turn. */
const DOCUMENTS_AT_ONCE = 8192;
const QUERIES_AT_ONCE = 256;

class EngineSearch implements BlockSearch {
  readonly #addon: EngineAddon;
  readonly #similarity: SearchSimilarity;
  readonly #queries: VectorSource;
  readonly #k: number;
  readonly #tie: Tie;
  readonly #skip: Skip | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #similarities: Float32Array;
  readonly #documents: Int32Array;
  readonly #held: Int32Array;

  constructor(
    { addon, similarity }: { addon: EngineAddon; similarity: SearchSimilarity },
    queries: readonly Vector[],
    k: number,
    tie: Tie,
    skip: Skip | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.#addon = addon;
    this.#similarity = similarity;
    this.#queries = VectorSource.of(queries, 'The queries');
    this.#k = k;
    this.#tie = tie;
    this.#skip = skip;
    this.#signal = signal;
    this.#similarities = new Float32Array(queries.length * k);
    this.#documents = new Int32Array(queries.length * k);
    this.#held = new Int32Array(queries.length);
  }

  async add(documents: readonly Vector[], first: number, onDone?: (comparisons: number) => void): Promise<void> {
    for (let from = 0; from < documents.length; from += DOCUMENTS_AT_ONCE) {
      const before = from * this.#queries.count;
      await this.#addPart(documents.slice(from, from + DOCUMENTS_AT_ONCE), first + from, (done) =>
        onDone?.(before + done),
      );
    }
  }

  /** The engine breaks ties by place: the documents come to it in the order of ties. */
  async #addPart(documents: readonly Vector[], first: number, onDone: (comparisons: number) => void): Promise<void> {
    const order = Array.from(documents, (_, i) => first + i).sort(this.#tie);
    const source = VectorSource.of(
      order.map((document) => documents[document - first]!),
      'The documents',
    );
    const vectors = await NativeVectors.of(this.#addon, source.width, source.type, this.#similarity);
    try {
      for await (const { numbers } of source.pieces()) await vectors.append(numbers);
      const wanted = this.#k + (this.#skip === undefined ? 0 : 1);
      for await (const found of vectors.search(this.#queries, wanted, this.#signal, onDone))
        await this.#merge(found, order);
    } finally {
      vectors.dispose();
    }
  }

  async #merge(found: FlatHits, order: readonly number[]): Promise<void> {
    const similarities = new Float32Array(this.#k);
    const documents = new Int32Array(this.#k);
    for (let q = 0; q < found.queries; ++q) {
      const query = found.first + q;
      const base = query * this.#k;
      const end = base + this.#held[query]!;
      let old = base;
      let size = 0;
      for (let i = q * found.k; i < (q + 1) * found.k && size < this.#k; ) {
        const similarity = found.similarities[i]!;
        const document = order[found.rows[i]!]!;
        if (this.#skip?.(query, document) === true) {
          ++i;
          continue;
        }
        const difference = old === end ? 1 : similarity - this.#similarities[old]!;
        if (difference > 0 || (difference === 0 && this.#tie(document, this.#documents[old]!) < 0)) {
          similarities[size] = similarity;
          documents[size++] = document;
          ++i;
        } else {
          similarities[size] = this.#similarities[old]!;
          documents[size++] = this.#documents[old++]!;
        }
      }
      while (size < this.#k && old < end) {
        similarities[size] = this.#similarities[old]!;
        documents[size++] = this.#documents[old++]!;
      }
      this.#similarities.set(similarities.subarray(0, size), base);
      this.#documents.set(documents.subarray(0, size), base);
      this.#held[query] = size;
      if (q % QUERIES_AT_ONCE !== QUERIES_AT_ONCE - 1) continue;
      await new Promise(setImmediate);
      throwIfAborted(this.#signal);
    }
  }

  hits(query: number): Hit[] {
    const base = query * this.#k;
    return Array.from({ length: this.#held[query]! }, (_, i) => ({
      document: this.#documents[base + i]!,
      similarity: this.#similarities[base + i]!,
    }));
  }
}
