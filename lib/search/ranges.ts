import { InvalidArgumentError } from '../system/errors';
import { custom, optional, resolveTable, signal, signalNames, type OptionsOf } from '../system/option-table';
import { show } from '../system/options';
import { atLengthOne } from './length-one';
import { checkFinite, floats, isKind, type QuantizationRanges, type VectorSource, type Vectors } from './matrix';

/** An option that is ranges. */
export const ranges = custom<QuantizationRanges>('program', (path, value) => {
  const given = value as Partial<QuantizationRanges> | null;
  const isList = (list: unknown): list is Float32Array => isKind(list, 'Float32Array');
  const fits =
    isList(given?.low) &&
    isList(given.high) &&
    given.low.every(Number.isFinite) &&
    given.high.every((highest, i) => Number.isFinite(highest) && highest >= given.low![i]!);
  if (fits) return value as QuantizationRanges;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    `${path} must be { low, high }, a Float32Array each of finite numbers, the low ones not above the high ones, as quantizationRanges gives them, but is ${show(value)}.`,
  );
});

/** An option that is vectors whose ranges are taken. */
export const calibration = custom<Vectors>('program', (_, value) => value as Vectors);

/** @throws InvalidArgumentError ERR_INVALID_OPTION: both are given, of which one only could be used */
export function checkOneRange(given: { ranges: unknown; calibration: unknown }): void {
  if (given.ranges === undefined || given.calibration === undefined) return;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    'ranges and calibration were both given, which would be two ranges: leave one out.',
  );
}

/** @throws InvalidArgumentError ERR_LENGTH_MISMATCH: ranges of another width than the vectors' */
export function checkRangesWidth({ low, high }: QuantizationRanges, width: number): void {
  for (const { length } of [low, high]) {
    if (length === width) continue;
    throw new InvalidArgumentError(
      'ERR_LENGTH_MISMATCH',
      `The vectors have ${width} numbers each, but the ranges are of ${length}.`,
    );
  }
}

const rangesTable = {
  /** Stops between small pieces; the promise rejects with an AbortError. */
  signal: optional(signal, undefined, signalNames),
};

/** Options of `quantizationRanges`. */
export interface RangesOptions extends OptionsOf<typeof rangesTable> {}

/**
 * The lowest and highest number of each dimension, for `quantize`: take them of a hundred vectors or more, and use the same
 * for queries and corpus.
 *
 * @throws InvalidArgumentError: what is no vector, a number that is not finite; ERR_EMPTY_DATA: fewer than two
 */
export async function quantizationRanges(vectors: Vectors, options?: RangesOptions): Promise<QuantizationRanges> {
  const { signal } = resolveTable(rangesTable, options, { name: 'quantizationRanges', path: '' });
  return rangesOf(floats(vectors, 'The vectors'), false, signal);
}

/** @param isUnit whether the vectors are first brought to length 1 */
export async function rangesOf(
  source: VectorSource,
  isUnit: boolean,
  signal: AbortSignal | undefined,
): Promise<QuantizationRanges> {
  const { width, count } = source;
  if (count < 2) {
    throw new InvalidArgumentError(
      'ERR_EMPTY_DATA',
      `Ranges need at least 2 vectors, and are good from a hundred on, but there ${count === 1 ? 'is 1' : 'are 0'}: give more, or ranges, or calibration.`,
    );
  }
  const low = new Float32Array(width).fill(Infinity);
  const high = new Float32Array(width).fill(-Infinity);
  for await (const { first, numbers } of source.pieces(signal)) {
    checkFinite(numbers, source, first);
    const used = isUnit ? atLengthOne(numbers as Float32Array, width) : numbers;
    for (let from = 0; from < used.length; from += width)
      for (let i = 0; i < width; ++i) {
        const number = used[from + i]!;
        if (number < low[i]!) low[i] = number;
        if (number > high[i]!) high[i] = number;
      }
  }
  return { low, high };
}
