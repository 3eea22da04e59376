import type { Vector } from '../embed/similarity';
import { InvalidArgumentError } from '../system/errors';
import { checkChoice, checkInteger, show } from '../system/options';
import { custom, flag, optional, resolveTable, type OptionsOf } from '../system/option-table';
import type { Matrix } from '../embed/matrix';
import { VectorSource, type Vectors } from './matrix';

/** What vectors are quantised to: a byte for each number, or a bit. */
export type QuantizedPrecision = 'int8' | 'uint8' | 'binary' | 'ubinary';

/** The lowest and the highest number of each dimension, between which a byte has its 256 steps. */
export interface QuantizationRanges {
  /** The lowest numbers. */
  readonly low: Float32Array;
  /** The highest. */
  readonly high: Float32Array;
}

export const ranges = custom<QuantizationRanges>('program', (path, value) => {
  const given = value as Partial<QuantizationRanges> | null;
  const lists = [given?.low, given?.high];
  if (
    lists.every(
      (list) => ArrayBuffer.isView(list) && (list as Partial<Float32Array>)[Symbol.toStringTag] === 'Float32Array',
    )
  )
    return value as QuantizationRanges;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    `${path} must be { low, high }, a Float32Array each, as quantizationRanges gives them, but is ${show(value)}.`,
  );
});

export const quantizeTable = {
  /** Of 'int8' and 'uint8': as `quantizationRanges` gives them. Default: those of `calibration`. */
  ranges: optional(ranges, undefined),
  /** Of 'int8' and 'uint8': vectors whose ranges are taken; a hundred or more. Default: the vectors themselves. */
  calibration: optional(
    custom<Vectors>('program', (_, value) => value as Vectors),
    undefined,
    { aliases: ['calibrationEmbeddings'] },
  ),
};

/** Options of `quantize`. */
export interface QuantizeOptions extends OptionsOf<typeof quantizeTable> {}

/** Vectors quantised, and the ranges that say what the bytes stand for; null for bits. */
export interface QuantizedVectors<Numbers extends Int8Array | Uint8Array = Int8Array | Uint8Array>
  extends Matrix<Numbers> {
  /** As they were used. */
  readonly ranges: QuantizationRanges | null;
}

function fp32(vectors: Vectors, name: string): { source: VectorSource; numbers: Float32Array } {
  const source = VectorSource.of(vectors, name);
  if (source.type === 'fp32') return { source, numbers: source.flat(0, source.count) as Float32Array };
  throw new InvalidArgumentError('ERR_INVALID_ARGUMENT', `${name} must be of floats, but are int8 already.`);
}

/**
 * The lowest and highest number of each dimension, for `quantize`: take them of a hundred vectors or more, and use the same
 * for queries and corpus.
 *
 * @throws InvalidArgumentError: what is no vector; ERR_EMPTY_DATA: fewer than two
 */
export function quantizationRanges(vectors: Vectors): QuantizationRanges {
  const { source, numbers } = fp32(vectors, 'The vectors');
  if (source.count < 2) {
    throw new InvalidArgumentError(
      'ERR_EMPTY_DATA',
      `Ranges need at least 2 vectors, and are good from a hundred on, but there ${source.count === 1 ? 'is 1' : 'are 0'}.`,
    );
  }
  const low = new Float32Array(source.width).fill(Infinity);
  const high = new Float32Array(source.width).fill(-Infinity);
  for (let i = 0; i < numbers.length; ++i) {
    const at = i % source.width;
    low[at] = Math.min(low[at]!, numbers[i]!);
    high[at] = Math.max(high[at]!, numbers[i]!);
  }
  return { low, high };
}

/**
 * Vectors in a quarter or a thirty-second of their memory, with the numbers of sentence-transformers'
 * `quantize_embeddings`. 'int8' and 'uint8' have 256 steps between the ranges of each dimension; 'ubinary' has a bit for
 * each number above 0, eight in a byte, the first the highest, and 'binary' the same less 128. `VectorIndex` and
 * `semanticSearch` take 'int8'.
 *
 * @throws InvalidArgumentError: what is no vector, an option; ERR_LENGTH_MISMATCH: ranges of another width; ERR_EMPTY_DATA:
 *   fewer than two vectors, and no ranges
 */
export function quantize(
  vectors: Vectors,
  precision: 'int8' | 'binary',
  options?: QuantizeOptions,
): QuantizedVectors<Int8Array>;
export function quantize(
  vectors: Vectors,
  precision: 'uint8' | 'ubinary',
  options?: QuantizeOptions,
): QuantizedVectors<Uint8Array>;
export function quantize(vectors: Vectors, precision: QuantizedPrecision, options?: QuantizeOptions): QuantizedVectors {
  checkChoice('precision', precision, ['int8', 'uint8', 'binary', 'ubinary']);
  const resolved = resolveTable(quantizeTable, options, { name: 'quantize', path: '' });
  const { source, numbers } = fp32(vectors, 'The vectors');
  const { count, width } = source;
  if (precision === 'binary' || precision === 'ubinary') {
    const bytes = Math.ceil(width / 8);
    const bits = new Uint8Array(count * bytes);
    for (let i = 0; i < count; ++i)
      for (let j = 0; j < width; ++j) if (numbers[i * width + j]! > 0) bits[i * bytes + (j >> 3)]! |= 128 >> (j & 7);
    const shape = [count, bytes] as const;
    return precision === 'ubinary'
      ? { data: bits, shape, ranges: null }
      : { data: Int8Array.from(bits, (byte) => byte - 128), shape, ranges: null };
  }
  const used = resolved.ranges ?? quantizationRanges(resolved.calibration ?? vectors);
  if (count > 0 && (used.low.length !== width || used.high.length !== width)) {
    throw new InvalidArgumentError(
      'ERR_LENGTH_MISMATCH',
      `The vectors have ${width} numbers each, but the ranges are of ${used.low.length} and ${used.high.length}.`,
    );
  }
  const steps = used.low.map((low, j) => {
    const step = Math.fround(Math.fround(used.high[j]! - low) / 255);
    return step === 0 ? 1 : step;
  });
  const offset = precision === 'int8' ? 128 : 0;
  const data = precision === 'int8' ? new Int8Array(numbers.length) : new Uint8Array(numbers.length);
  for (let i = 0; i < numbers.length; ++i) {
    const at = i % width;
    const step = Math.floor(Math.fround(Math.fround(numbers[i]! - used.low[at]!) / steps[at]!));
    data[i] = Math.min(255, Math.max(0, step)) - offset;
  }
  return { data, shape: [count, width], ranges: used };
}

/**
 * The float32 numbers that bytes of 'int8' or 'uint8' stand for.
 *
 * @throws InvalidArgumentError ERR_INVALID_ARGUMENT: bits, which stand for no numbers
 */
export function dequantize({ data, shape, ranges: used }: QuantizedVectors): Matrix {
  if (used === null) {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      'Bits say only which numbers are above 0; nothing more can be had of them.',
    );
  }
  const offset = (data as Partial<Int8Array>)[Symbol.toStringTag] === 'Int8Array' ? 128 : 0;
  const numbers = new Float32Array(data.length);
  for (let i = 0; i < data.length; ++i) {
    const at = i % shape[1];
    const step = Math.fround(Math.fround(used.high[at]! - used.low[at]!) / 255);
    numbers[i] = (data[i]! + offset) * (step === 0 ? 1 : step) + used.low[at]!;
  }
  return { data: numbers, shape };
}

const truncateTable = {
  /** Whether what is left is brought to length 1. Default false, as in sentence-transformers. */
  normalize: optional(flag, false, { aliases: ['normalizeEmbeddings', 'normalise'] }),
};

/** Options of `truncate`. */
export interface TruncateOptions extends OptionsOf<typeof truncateTable> {}

/**
 * The first numbers of each vector, of a model that was trained for that (Matryoshka).
 *
 * @throws InvalidArgumentError: what is no vector; ERR_INVALID_OPTION: more dimensions than there are
 */
export function truncate(vectors: readonly Vector[], dimensions: number, options?: TruncateOptions): Float32Array[];
export function truncate(vectors: Matrix, dimensions: number, options?: TruncateOptions): Matrix;
export function truncate(
  vectors: readonly Vector[] | Matrix,
  dimensions: number,
  options?: TruncateOptions,
): Float32Array[] | Matrix {
  const { normalize } = resolveTable(truncateTable, options, { name: 'truncate', path: '' });
  const { source, numbers } = fp32(vectors, 'The vectors');
  checkInteger('dimensions', dimensions, 1, source.count === 0 ? Number.MAX_SAFE_INTEGER : source.width);
  const data = new Float32Array(source.count * dimensions);
  for (let i = 0; i < source.count; ++i) {
    const first = numbers.subarray(i * source.width, i * source.width + dimensions);
    const length = Math.sqrt(first.reduce((sum, x) => sum + x * x, 0));
    const scale = normalize && length > 0 ? length : 1;
    for (let j = 0; j < dimensions; ++j) data[i * dimensions + j] = first[j]! / scale;
  }
  if (!Array.isArray(vectors)) return { data, shape: [source.count, dimensions] };
  return Array.from({ length: source.count }, (_, i) => data.slice(i * dimensions, (i + 1) * dimensions));
}
