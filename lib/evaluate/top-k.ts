import type { Vector } from '../embed/similarity';
import { isDistance, type SimilarityName } from './similarities';
import type { Work } from './work';

/** A document that was found: its number and its similarity with the query. */
export interface Hit {
  document: number;
  similarity: number;
}

/** Rows of a tile: a tile of queries meets a tile of documents between two pauses (2 million products at width 512). */
const TILE = 64;

/**
 * The `k` nearest documents of each query, by exact search, from documents that come in blocks; memory is for the
 * queries and their hits only. Similarities are rounded to float32; of equal ones the document goes first that `tie`
 * puts first, whatever the blocks.
 */
export class TopK {
  readonly #width: number;
  readonly #capacity: number;
  readonly #similarities: Float32Array;
  readonly #documents: Int32Array;
  readonly #held: Int32Array;
  /** Below this a document is no candidate. */
  readonly #least: Float32Array;

  /** One after the other, ready for products. */
  readonly #vectors: Float32Array;
  readonly #k: number;
  readonly #similarity: SimilarityName;
  readonly #tie: (a: number, b: number) => number;
  readonly #skip: ((query: number, document: number) => boolean) | undefined;

  private constructor(
    vectors: Float32Array,
    readonly queries: number,
    k: number,
    similarity: SimilarityName,
    tie: (a: number, b: number) => number,
    skip?: (query: number, document: number) => boolean,
  ) {
    this.#vectors = vectors;
    this.#k = k;
    this.#similarity = similarity;
    this.#tie = tie;
    this.#skip = skip;
    this.#width = queries === 0 ? 0 : vectors.length / queries;
    this.#capacity = 2 * k + 8;
    this.#similarities = new Float32Array(queries * this.#capacity);
    this.#documents = new Int32Array(queries * this.#capacity);
    this.#held = new Int32Array(queries);
    this.#least = new Float32Array(queries).fill(-Infinity);
  }

  /**
   * @param tie negative where document `a` goes before `b` at equal similarity
   * @param skip whether a document is no candidate for a query (itself, say)
   */
  static *of(
    queries: readonly Vector[],
    k: number,
    similarity: SimilarityName,
    tie: (a: number, b: number) => number,
    skip?: (query: number, document: number) => boolean,
  ): Work<TopK> {
    const width = queries[0]?.length ?? 0;
    const vectors = new Float32Array(queries.length * width);
    for (const [i, query] of queries.entries()) {
      prepare(query, similarity, vectors, i * width);
      if (i % TILE === 0) yield;
    }
    return new TopK(vectors, queries.length, k, similarity, tie, skip);
  }

  /** Compares all queries with documents `first`, `first + 1`, …; `onDone` hears of the comparisons of these so far. */
  *add(documents: readonly Vector[], first: number, onDone?: (comparisons: number) => void): Work<void> {
    const width = this.#width;
    const left = new Float64Array(TILE * width);
    const right = new Float64Array(TILE * width);
    const rounded = new Float32Array(TILE * width);
    const found = new Float64Array(TILE * TILE);
    const products = isDistance(this.#similarity) ? this.#similarity : 'dot';
    for (let from = 0; from < documents.length; from += TILE) {
      const across = Math.min(TILE, documents.length - from);
      for (let d = 0; d < across; ++d) prepare(documents[from + d]!, this.#similarity, rounded, d * width);
      right.set(rounded);
      for (let query = 0; query < this.queries; query += TILE) {
        const down = Math.min(TILE, this.queries - query);
        left.set(this.#vectors.subarray(query * width, (query + down) * width));
        if (products === 'dot') tileProducts(left, right, down, across, width, found);
        else tileDistances(left, right, down, across, width, found, products === 'euclidean');
        for (let q = 0; q < down; ++q) {
          for (let d = 0; d < across; ++d) this.#offer(query + q, first + from + d, found[q * TILE + d]!);
        }
        yield;
      }
      onDone?.(this.queries * (from + across));
    }
  }

  #offer(query: number, document: number, exact: number): void {
    // Rounded by the array; what is compared must be the rounded one.
    const similarity = Math.fround(exact);
    if (similarity < this.#least[query]! || this.#skip?.(query, document) === true) return;
    const base = query * this.#capacity;
    const held = this.#held[query]!;
    this.#similarities[base + held] = similarity;
    this.#documents[base + held] = document;
    this.#held[query] = held + 1;
    if (held + 1 < this.#capacity) return;
    const kept = this.#sorted(query).slice(0, this.#k);
    kept.forEach((hit, i) => {
      this.#similarities[base + i] = hit.similarity;
      this.#documents[base + i] = hit.document;
    });
    this.#held[query] = this.#k;
    this.#least[query] = kept.at(-1)?.similarity ?? Infinity;
  }

  #sorted(query: number): Hit[] {
    const base = query * this.#capacity;
    const hits: Hit[] = [];
    for (let i = 0; i < this.#held[query]!; ++i) {
      hits.push({ document: this.#documents[base + i]!, similarity: this.#similarities[base + i]! });
    }
    return hits.sort((a, b) => b.similarity - a.similarity || this.#tie(a.document, b.document));
  }

  /** Of a query, the best first. */
  hits(query: number): Hit[] {
    return this.#sorted(query).slice(0, this.#k);
  }
}

/** Copies a vector; for the cosine with length 1, so that it is a product. A vector of zeros stays as it is. */
function prepare(vector: Vector, similarity: SimilarityName, to: Float32Array, at: number): void {
  let scale = 1;
  if (similarity === 'cosine') {
    let squares = 0;
    for (let i = 0; i < vector.length; ++i) squares += vector[i]! * vector[i]!;
    scale = squares === 0 ? 1 : Math.sqrt(squares);
  }
  for (let i = 0; i < vector.length; ++i) to[at + i] = vector[i]! / scale;
}

/** found[q, d] = left[q] · right[d]; two by four at once, so that a number that is read is used more than once. */
function tileProducts(
  left: Float64Array,
  right: Float64Array,
  down: number,
  across: number,
  width: number,
  found: Float64Array,
): void {
  for (let q = 0; q < down; q += 2) {
    const a = q * width;
    const b = a + width;
    for (let d = 0; d < across; d += 4) {
      const w = d * width;
      const x = w + width;
      const y = x + width;
      const z = y + width;
      let aw = 0;
      let ax = 0;
      let ay = 0;
      let az = 0;
      let bw = 0;
      let bx = 0;
      let by = 0;
      let bz = 0;
      for (let i = 0; i < width; ++i) {
        const l = left[a + i]!;
        const m = left[b + i]!;
        const n = right[w + i]!;
        const o = right[x + i]!;
        const p = right[y + i]!;
        const r = right[z + i]!;
        aw += l * n;
        ax += l * o;
        ay += l * p;
        az += l * r;
        bw += m * n;
        bx += m * o;
        by += m * p;
        bz += m * r;
      }
      const at = q * TILE + d;
      found[at] = aw;
      found[at + 1] = ax;
      found[at + 2] = ay;
      found[at + 3] = az;
      found[at + TILE] = bw;
      found[at + TILE + 1] = bx;
      found[at + TILE + 2] = by;
      found[at + TILE + 3] = bz;
    }
  }
}

function tileDistances(
  left: Float64Array,
  right: Float64Array,
  down: number,
  across: number,
  width: number,
  found: Float64Array,
  squared: boolean,
): void {
  for (let q = 0; q < down; ++q) {
    for (let d = 0; d < across; ++d) {
      let sum = 0;
      for (let i = 0; i < width; ++i) {
        const difference = left[q * width + i]! - right[d * width + i]!;
        sum += squared ? difference * difference : Math.abs(difference);
      }
      found[q * TILE + d] = -(squared ? Math.sqrt(sum) : sum);
    }
  }
}
