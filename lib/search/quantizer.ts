import type { SearchSimilarity } from '../engine/addon';
import { InvalidArgumentError } from '../system/errors';
import { checkFinite, type SearchType, type VectorSource } from './matrix';
import { quantize, type QuantizationRanges } from './quantize';

/** What an index keeps of vectors of fp32. */
export type IndexPrecision = 'fp32' | 'int8' | 'binary';

/** Steps of a byte. */
const STEPS = 255;
/** Bytes of a word, of which an index holds whole ones. */
const WORD = 8;

/** What a query is searched with, and what a similarity of codes stands for. */
export interface CodedQueries {
  source: VectorSource;
  /** The similarity that the engine's number for query `q` stands for. */
  meant(q: number, similarity: number): number;
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
    this.#steps = Float64Array.from(ranges?.low ?? [], (low, i) => {
      const step = Math.fround(Math.fround(ranges!.high[i]! - low) / STEPS);
      return step === 0 ? 1 : step;
    });
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
    const used = ranges ?? (await rangesOf(like, similarity, signal));
    for (const { length } of [used.low, used.high]) {
      if (length === dimensions) continue;
      throw new InvalidArgumentError(
        'ERR_LENGTH_MISMATCH',
        `The vectors have ${dimensions} numbers each, but the ranges are of ${length}.`,
      );
    }
    return new Quantizer(precision, dimensions, similarity, used);
  }

  /** Vectors as the index keeps them. */
  vectors(source: VectorSource): VectorSource {
    return source.mapped(this.width, this.type, (numbers, first) => {
      checkFinite(numbers, source, first);
      return this.#codes(this.similarity === 'cosine' ? atLengthOne(numbers, source.width) : numbers);
    });
  }

  /** Queries as the engine compares them with those. */
  queries(source: VectorSource): CodedQueries {
    const { dimensions, similarity } = this;
    if (this.precision === 'binary') {
      const coded = source.mapped(this.width, this.type, (numbers, first) => {
        checkFinite(numbers, source, first);
        return this.#codes(numbers);
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

  #codes(numbers: Float32Array): Int8Array | Uint8Array {
    const matrix = { data: numbers, shape: [numbers.length / this.dimensions, this.dimensions] as const };
    if (this.precision === 'int8') return quantize(matrix, 'int8', { ranges: this.ranges! }).data;
    const { data, shape } = quantize(matrix, 'ubinary');
    const [count, bytes] = shape;
    if (bytes === this.width) return data;
    const whole = new Uint8Array(count * this.width);
    for (let i = 0; i < count; ++i) whole.set(data.subarray(i * bytes, (i + 1) * bytes), i * this.width);
    return whole;
  }
}

/** As `quantizationRanges`, with turns for the event loop, and for the cosine of vectors at length 1. */
async function rangesOf(
  source: VectorSource,
  similarity: SearchSimilarity,
  signal: AbortSignal | undefined,
): Promise<QuantizationRanges> {
  const { width, count } = source;
  if (count < 2) {
    throw new InvalidArgumentError(
      'ERR_EMPTY_DATA',
      `An index of int8 needs the ranges of its numbers: give it vectors (a hundred or more) to begin with, ranges, or calibration.`,
    );
  }
  const low = new Float32Array(width).fill(Infinity);
  const high = new Float32Array(width).fill(-Infinity);
  for await (const { first, numbers } of source.pieces(signal)) {
    checkFinite(numbers, source, first);
    const used = similarity === 'cosine' ? atLengthOne(numbers as Float32Array, width) : (numbers as Float32Array);
    for (let from = 0; from < used.length; from += width)
      for (let i = 0; i < width; ++i) {
        const number = used[from + i]!;
        if (number < low[i]!) low[i] = number;
        if (number > high[i]!) high[i] = number;
      }
  }
  return { low, high };
}

function atLengthOne(numbers: Float32Array, width: number): Float32Array {
  const result = new Float32Array(numbers.length);
  for (let from = 0; from < numbers.length; from += width) {
    let squares = 0;
    for (let i = 0; i < width; ++i) squares += numbers[from + i]! ** 2;
    const length = squares === 0 ? 1 : Math.sqrt(squares);
    for (let i = 0; i < width; ++i) result[from + i] = numbers[from + i]! / length;
  }
  return result;
}
