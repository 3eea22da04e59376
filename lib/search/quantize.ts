import { InvalidArgumentError } from '../system/errors';
import { checkChoice } from '../system/options';
import { optional, resolveTable, signal, signalNames, type OptionsOf } from '../system/option-table';
import type { Matrix } from '../embed/matrix';
import { bitCodes, byteCodes, stepsOf } from './codes';
import { checkFinite, floats, isKind, turn, type QuantizationRanges, type Vectors } from './matrix';
import { calibration, checkOneRange, checkRangesWidth, ranges, rangesOf } from './ranges';

/** What vectors are quantised to: a byte for each number, or a bit. */
export type QuantizedPrecision = 'int8' | 'uint8' | 'binary' | 'ubinary';

const quantizeTable = {
  /** Of 'int8' and 'uint8': as `quantizationRanges` gives them. Default: those of `calibration`. */
  ranges: optional(ranges, undefined),
  /** Of 'int8' and 'uint8': vectors whose ranges are taken; a hundred or more. Default: the vectors themselves. */
  calibration: optional(calibration, undefined, { aliases: ['calibrationEmbeddings'] }),
  /** Stops between small pieces; the promise rejects with an AbortError. */
  signal: optional(signal, undefined, signalNames),
};

/** Options of `quantize`. */
export interface QuantizeOptions extends OptionsOf<typeof quantizeTable> {}

/** Vectors in bytes, and the ranges that say what these stand for. */
export interface QuantizedVectors<Numbers extends Int8Array | Uint8Array = Int8Array | Uint8Array>
  extends Matrix<Numbers> {
  /** As they were used. */
  readonly ranges: QuantizationRanges;
}

/** Vectors in bits, eight in a byte: for a store that compares how many differ. They are no numbers, and nothing here searches them as such. */
export interface QuantizedBits<Numbers extends Int8Array | Uint8Array = Int8Array | Uint8Array>
  extends Matrix<Numbers> {
  /** Bits have none. */
  readonly ranges: null;
}

/**
 * Vectors in a quarter or a thirty-second of their memory, with the numbers of sentence-transformers'
 * `quantize_embeddings`. 'int8' and 'uint8' have 256 steps between the ranges of each dimension; 'ubinary' has a bit for
 * each number above 0, eight in a byte, the first the highest, and 'binary' the same less 128. `VectorIndex` and
 * `semanticSearch` take 'int8', and make bits themselves, of floats, where their `precision` is 'binary'.
 *
 * @throws InvalidArgumentError: what is no vector, a number that is not finite, an option, ranges or calibration for bits;
 *   ERR_LENGTH_MISMATCH: ranges of another width; ERR_EMPTY_DATA: fewer than two vectors, and no ranges
 */
export async function quantize(
  vectors: Vectors,
  precision: 'int8',
  options?: QuantizeOptions,
): Promise<QuantizedVectors<Int8Array>>;
export async function quantize(
  vectors: Vectors,
  precision: 'uint8',
  options?: QuantizeOptions,
): Promise<QuantizedVectors<Uint8Array>>;
export async function quantize(
  vectors: Vectors,
  precision: 'binary',
  options?: QuantizeOptions,
): Promise<QuantizedBits<Int8Array>>;
export async function quantize(
  vectors: Vectors,
  precision: 'ubinary',
  options?: QuantizeOptions,
): Promise<QuantizedBits<Uint8Array>>;
export async function quantize(
  vectors: Vectors,
  precision: QuantizedPrecision,
  options?: QuantizeOptions,
): Promise<QuantizedVectors | QuantizedBits> {
  checkChoice('precision', precision, ['int8', 'uint8', 'binary', 'ubinary']);
  const given = resolveTable(quantizeTable, options, { name: 'quantize', path: '' });
  const { signal } = given;
  const source = floats(vectors, 'The vectors');
  const { count, width } = source;
  if (precision === 'binary' || precision === 'ubinary') {
    if ((given.ranges ?? given.calibration) !== undefined) {
      throw new InvalidArgumentError(
        'ERR_INVALID_OPTION',
        `ranges and calibration are for 'int8' and 'uint8', but the precision is '${precision}', whose bits say what is above 0.`,
      );
    }
    const bytes = Math.ceil(width / 8);
    const data = precision === 'binary' ? new Int8Array(count * bytes) : new Uint8Array(count * bytes);
    for await (const { first, numbers } of source.pieces(signal)) {
      checkFinite(numbers, source, first);
      const bits = bitCodes(numbers as Float32Array, width);
      data.set(precision === 'binary' ? Int8Array.from(bits, (byte) => byte - 128) : bits, first * bytes);
    }
    return { data, shape: [count, bytes], ranges: null };
  }
  checkOneRange(given);
  const like = given.calibration === undefined ? source : floats(given.calibration, 'The calibration');
  const used = given.ranges ?? (await rangesOf(like, false, signal));
  if (count > 0) checkRangesWidth(used, width);
  const steps = stepsOf(used);
  const data = precision === 'int8' ? new Int8Array(count * width) : new Uint8Array(count * width);
  for await (const { first, numbers } of source.pieces(signal)) {
    checkFinite(numbers, source, first);
    data.set(byteCodes(numbers as Float32Array, used, steps, precision).codes, first * width);
  }
  return { data, shape: [count, width], ranges: used };
}

/** Numbers that are computed before the event loop gets its turn. */
const AT_ONCE = 1 << 20;

/**
 * The float32 numbers that bytes of 'int8' or 'uint8' stand for.
 *
 * @throws InvalidArgumentError ERR_INVALID_ARGUMENT: bits, which stand for no numbers; ERR_LENGTH_MISMATCH: ranges of
 *   another width
 */
export async function dequantize({ data, shape, ranges: used }: QuantizedVectors): Promise<Matrix> {
  if ((used as QuantizationRanges | null) === null) {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      'Bits say only which numbers are above 0; nothing more can be had of them.',
    );
  }
  const [count, width] = shape;
  if (count > 0) checkRangesWidth(used, width);
  const offset = isKind(data, 'Int8Array') ? 128 : 0;
  const steps = stepsOf(used);
  const numbers = new Float32Array(data.length);
  for (let i = 0; i < data.length; ++i) {
    const at = i % width;
    numbers[i] = (data[i]! + offset) * steps[at]! + used.low[at]!;
    if (i % AT_ONCE === AT_ONCE - 1) await turn();
  }
  return { data: numbers, shape };
}
