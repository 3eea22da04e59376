import { cosine, type Vector } from '../embed/similarity';
import { loadEngine } from '../engine/load';
import { throwIfAborted } from '../evaluate/work';
import { CodedVectors } from '../search/coded-vectors';
import { VectorSource, type SearchNumbers } from '../search/matrix';
import { NativeVectors, type FlatHits } from '../search/native-vectors';
import { Quantizer } from '../search/quantizer';
import { rescored } from '../search/rescore';

/** Of int8: how many times as many candidates are compared again by the query's own numbers. */
const CANDIDATES = 2;
/** Numbers that are read back at once. */
const NUMBERS_AT_ONCE = 1 << 20;

/** The vectors of the texts that are searched: in the engine's memory alone, to which each block goes as it is embedded. */
export class CorpusVectors {
  #vectors: NativeVectors | undefined;
  /** Of int8: the same, and what makes codes of vectors. */
  #coded: CodedVectors | undefined;

  constructor(
    readonly precision: 'fp32' | 'int8',
    readonly signal: AbortSignal | undefined,
  ) {}

  /** Of int8 the first block gives the ranges. */
  async append(block: readonly Vector[]): Promise<void> {
    const { signal, precision } = this;
    const source = VectorSource.of(block, 'The vectors');
    if (this.#vectors === undefined) {
      const addon = await loadEngine();
      if (precision === 'fp32') this.#vectors = await NativeVectors.of(addon, source.width, 'fp32', 'cosine');
      else {
        const quantizer = await Quantizer.of(precision, source.width, 'cosine', undefined, source, signal);
        this.#coded = await CodedVectors.of(addon, quantizer);
        this.#vectors = this.#coded.vectors;
      }
    }
    if (this.#coded !== undefined) {
      await this.#coded.append(source, () => throwIfAborted(signal));
      return;
    }
    for await (const { numbers } of source.pieces()) {
      throwIfAborted(signal);
      await this.#vectors.append(numbers);
    }
  }

  /** Each query's k nearest texts, by batches of queries. */
  async *search(
    queries: readonly Vector[],
    k: number,
    onDone: (comparisons: number) => void,
  ): AsyncGenerator<FlatHits, void, undefined> {
    const source = VectorSource.of(queries, 'The vectors');
    const [vectors, kept] = [this.#vectors!, this.#coded];
    if (kept === undefined) {
      yield* vectors.search(source, k, this.signal, onDone);
      return;
    }
    const coded = kept.quantizer.queries(source).source;
    for await (const hits of vectors.search(coded, CANDIDATES * k, this.signal, onDone)) {
      yield await rescored(kept, source, hits, k, this.signal);
    }
  }

  /** Similarities of each query with the texts of these numbers, in float32. */
  async *similarities(
    queries: readonly Vector[],
    texts: readonly (readonly number[])[],
  ): AsyncGenerator<number[], void, undefined> {
    const vectors = this.#vectors!;
    const most = Math.max(1, Math.floor(NUMBERS_AT_ONCE / vectors.width));
    for (let first = 0; first < queries.length; ) {
      let [last, count] = [first, 0];
      do count += texts[last++]!.length;
      while (last < queries.length && count + texts[last]!.length <= most);
      const numbers = await vectors.read(Int32Array.from(texts.slice(first, last).flat()));
      throwIfAborted(this.signal);
      let at = 0;
      for (; first < last; ++first) {
        const from = at;
        at += texts[first]!.length * vectors.width;
        const zeros = this.#coded?.zeros;
        yield Array.from(texts[first]!, (text, i) =>
          zeros?.has(text) === true ? 0 : this.#similarity(queries[first]!, numbers, from + i * vectors.width),
        );
      }
    }
  }

  #similarity(query: Vector, numbers: SearchNumbers, at: number): number {
    const quantizer = this.#coded?.quantizer;
    const similarity =
      quantizer === undefined
        ? cosine(query, numbers.subarray(at, at + query.length))
        : quantizer.rescored(Float32Array.from(query), numbers, at);
    return Math.fround(similarity);
  }

  dispose(): void {
    this.#vectors?.dispose();
  }
}
