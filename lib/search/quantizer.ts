import type { SearchSimilarity } from '../engine/addon';
import { bitCodes, byteCodes, stepsOf } from './codes';
import { atLengthOne } from './length-one';
import { checkFinite, type QuantizationRanges, type SearchType, type VectorSource } from './matrix';
import { checkRangesWidth, rangesOf } from './ranges';

/** What an index keeps of vectors of fp32. */
export type IndexPrecision = 'fp32' | 'int8' | 'binary';

/** Bytes of a word, of which an index holds whole ones. */
const WORD = 8;

/** What a query is searched with, and what a similarity of codes stands for. */
export interface CodedQueries {
  source: VectorSource;
  /** The similarity that the engine's number for query `q` stands for. */
  meant(q: number, similarity: number): number;
}

/** What became of a piece of vectors beside its codes. */
export interface Lost {
  /** Vectors of zeros, by their numbers in the piece. */
  zeros: number[];
  /** Numbers that lay outside the ranges. */
  clipped: number;
}

/**
 * Vectors of fp32 as bytes or bits of an index, and the comparison of a query of fp32 with those.
 *
 * Bytes have 256 steps between the ranges of each dimension, as sentence-transformers' `quantize_embeddings` makes them. A
 * query is not quantised by those ranges, though: a product with what bytes stand for is Σ query·step·byte and a number that
 * is the query's alone, so that its own query·step are brought to bytes, and the bytes' offsets fall out. Bits are compared
 * by how many differ.
 */
export class Quantizer {
  readonly type: SearchType;
  /** Elements of a vector in the engine. */
  readonly width: number;
  readonly #byteSteps: Float32Array;
  readonly #steps: Float64Array;
  readonly #lows: Float64Array;

  private constructor(
    readonly precision: Exclude<IndexPrecision, 'fp32'>,
    readonly dimensions: number,
    readonly similarity: SearchSimilarity,
    /** Of bytes. */
    readonly ranges: QuantizationRanges | null,
  ) {
    this.type = precision === 'int8' ? 'int8' : 'bits';
    this.width = precision === 'int8' ? dimensions : WORD * Math.ceil(dimensions / (8 * WORD));
    this.#byteSteps = ranges === null ? new Float32Array(0) : stepsOf(ranges);
    this.#steps = Float64Array.from(this.#byteSteps);
    // Of byte 0, which is the 128th.
    this.#lows = Float64Array.from(ranges?.low ?? [], (low, i) => low + 128 * this.#steps[i]!);
  }

  /**
   * @param like vectors whose ranges are taken where none are given
   * @throws InvalidArgumentError: ranges of another width; ERR_EMPTY_DATA: too few vectors to take them of
   */
  static async of(
    precision: Exclude<IndexPrecision, 'fp32'>,
    dimensions: number,
    similarity: SearchSimilarity,
    ranges: QuantizationRanges | undefined,
    like: VectorSource,
    signal: AbortSignal | undefined,
  ): Promise<Quantizer> {
    if (precision === 'binary') return new Quantizer(precision, dimensions, similarity, null);
    const used = ranges ?? (await rangesOf(like, similarity === 'cosine', signal));
    checkRangesWidth(used, dimensions);
    return new Quantizer(precision, dimensions, similarity, used);
  }

  /** Vectors as the index keeps them; `lost` is told of each piece as it is made. */
  vectors(source: VectorSource, lost: (piece: Lost) => void): VectorSource {
    return source.mapped(this.width, this.type, (numbers, first) => {
      checkFinite(numbers, source, first);
      const zeros: number[] = [];
      for (let i = 0; i < numbers.length / source.width; ++i) if (isZero(numbers, i, source.width)) zeros.push(i);
      const { codes, clipped } = this.#codes(
        this.similarity === 'cosine' ? atLengthOne(numbers, source.width) : numbers,
      );
      lost({ zeros, clipped });
      return codes;
    });
  }

  /** Queries as the engine compares them with those. */
  queries(source: VectorSource): CodedQueries {
    const { dimensions, similarity } = this;
    if (this.precision === 'binary') {
      const coded = source.mapped(this.width, this.type, (numbers, first) => {
        checkFinite(numbers, source, first);
        return this.#codes(numbers).codes;
      });
      return { source: coded, meant: (_, differ) => 1 + (2 * differ) / dimensions };
    }
    const scales = new Float64Array(source.count);
    const alone = new Float64Array(source.count);
    const coded = source.mapped(this.width, this.type, (given, first) => {
      checkFinite(given, source, first);
      const numbers = similarity === 'cosine' ? atLengthOne(given, dimensions) : given;
      const codes = new Int8Array(numbers.length);
      const weights = new Float64Array(dimensions);
      for (let from = 0; from < numbers.length; from += dimensions) {
        const q = first + from / dimensions;
        let most = 0;
        for (let i = 0; i < dimensions; ++i) {
          weights[i] = numbers[from + i]! * this.#steps[i]!;
          most = Math.max(most, Math.abs(weights[i]!));
          alone[q]! += numbers[from + i]! * this.#lows[i]!;
        }
        scales[q] = most / 127;
        if (most === 0) continue;
        for (let i = 0; i < dimensions; ++i) codes[from + i] = Math.round((weights[i]! / most) * 127);
      }
      return codes;
    });
    return { source: coded, meant: (q, sum) => sum * scales[q]! + alone[q]! };
  }

  /**
   * How similar a query of fp32 is to what codes stand for: bytes to the numbers in the middle of nothing but their step's
   * beginning, and bits to 0 and 1 by the product, as sentence-transformers' rescoring has it, and to −1 and 1 by the
   * cosine, which gives the same order.
   */
  rescored(query: Float32Array, codes: ArrayLike<number>, at: number): number {
    const { dimensions, similarity } = this;
    let [product, length] = [0, 0];
    if (this.precision === 'int8') {
      for (let i = 0; i < dimensions; ++i) {
        const number = codes[at + i]! * this.#steps[i]! + this.#lows[i]!;
        product += query[i]! * number;
        length += number * number;
      }
    } else {
      let set = 0;
      let sum = 0;
      for (let i = 0; i < dimensions; ++i) {
        sum += query[i]!;
        if ((codes[at + (i >> 3)]! & (128 >> (i & 7))) !== 0) set += query[i]!;
      }
      product = similarity === 'cosine' ? 2 * set - sum : set;
      length = dimensions;
    }
    if (similarity === 'dot') return product;
    let squares = 0;
    for (let i = 0; i < dimensions; ++i) squares += query[i]! * query[i]!;
    return squares === 0 || length === 0 ? 0 : product / Math.sqrt(squares * length);
  }

  #codes(numbers: Float32Array): { codes: Int8Array | Uint8Array; clipped: number } {
    if (this.precision === 'int8') return byteCodes(numbers, this.ranges!, this.#byteSteps, 'int8');
    return { codes: bitCodes(numbers, this.dimensions, this.width), clipped: 0 };
  }
}

/** Whether vector `i` of those is all zeros. */
export function isZero(numbers: ArrayLike<number>, i: number, width: number): boolean {
  for (let at = i * width; at < (i + 1) * width; ++at) if (numbers[at] !== 0) return false;
  return true;
}
