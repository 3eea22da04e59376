import type { Matrix } from '../embed/matrix';
import type { Vector } from '../embed/similarity';
import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import { stopped } from './stopped';

/** The lowest and the highest number of each dimension, between which a byte has its 256 steps. */
export interface QuantizationRanges {
  /** The lowest numbers. */
  readonly low: Float32Array;
  /** The highest. */
  readonly high: Float32Array;
}

/**
 * Vectors to search with or in: a list of them, or one array with its shape. Of int8 those of one search must be of the same
 * `ranges`, where they have any. Bits (`QuantizedBits`) are none: they are no numbers.
 */
export type Vectors =
  | readonly Vector[]
  | (Matrix<Float32Array | Int8Array> & {
      /** What int8 numbers stand between. */
      readonly ranges?: QuantizationRanges | undefined;
    });

/** What an engine searches. */
export type SearchType = 'fp32' | 'int8' | 'bits';
/** Numbers as an engine of each takes them. */
export type SearchNumbers = Float32Array | Int8Array | Uint8Array;

/** Numbers that are copied before the event loop gets its turn. */
const NUMBERS_AT_ONCE = 1 << 20;

export function turn(): Promise<void> {
  return new Promise(setImmediate);
}

/** Whether a value is an array of a kind, as 'Float32Array'; by what it does: it may come from another context of the virtual machine. */
export function isKind(value: unknown, kind: string): boolean {
  return ArrayBuffer.isView(value) && (value as Partial<Float32Array>)[Symbol.toStringTag] === kind;
}

const OF_BITS =
  "bits are searched where the floats are given with the precision 'binary', and bytes as 'int8' of quantize.";

/** Vectors, checked as far as it takes no time: how many of which width, and any run of them flat. */
export class VectorSource {
  private constructor(
    /** What they are called in messages. */
    readonly name: string,
    readonly count: number,
    /** 0 where there is no vector. */
    readonly width: number,
    readonly type: SearchType,
    readonly flat: (from: number, to: number) => SearchNumbers,
    /** Of bytes: what they stand for, where it is known. */
    readonly ranges: QuantizationRanges | undefined = undefined,
    /** Numbers of a vector that are looked at for those that `flat` gives. */
    readonly looked = width,
  ) {}

  /** The same vectors, as something else; they are of fp32 now. */
  mapped(width: number, type: SearchType, map: (numbers: Float32Array, first: number) => SearchNumbers): VectorSource {
    const made = (first: number, end: number) => map(this.flat(first, end) as Float32Array, first);
    return new VectorSource(this.name, this.count, width, type, made, undefined, Math.max(width, this.looked));
  }

  /** @throws InvalidArgumentError ERR_INVALID_ARGUMENT: not vectors; ERR_LENGTH_MISMATCH: a shape that is not the data's */
  static of(vectors: unknown, name: string): VectorSource {
    const matrix = vectors as Partial<Matrix> | null;
    if (typeof matrix === 'object' && matrix !== null && !Array.isArray(matrix) && 'shape' in matrix) {
      return VectorSource.#ofMatrix(matrix, name);
    }
    if (!Array.isArray(vectors)) {
      throw new InvalidArgumentError(
        'ERR_INVALID_ARGUMENT',
        `${name} must be a list of vectors or { data, shape }, but are ${show(vectors)}.`,
      );
    }
    const list = vectors as readonly unknown[];
    if (list.length === 0) return new VectorSource(name, 0, 0, 'fp32', () => new Float32Array(0));
    const first = list[0];
    const width = widthOf(first, name, 0);
    const type = isKind(first, 'Int8Array') ? 'int8' : 'fp32';
    const flat = (from: number, to: number): Float32Array | Int8Array => {
      const numbers = type === 'int8' ? new Int8Array((to - from) * width) : new Float32Array((to - from) * width);
      for (let i = from; i < to; ++i) {
        const vector = list[i];
        const found = widthOf(vector, name, i);
        if (found !== width) {
          throw new InvalidArgumentError(
            'ERR_LENGTH_MISMATCH',
            `${name} must be of one width, but vector 0 has ${width} numbers and vector ${i} has ${found}.`,
            { row: i },
          );
        }
        if (isKind(vector, 'Int8Array') !== (type === 'int8')) {
          throw new InvalidArgumentError(
            'ERR_INVALID_ARGUMENT',
            `${name} must be of one type, but ${type === 'int8' ? 'vector 0 is an Int8Array and' : `vector ${i} is an Int8Array and`} others are not.`,
            { row: i },
          );
        }
        numbers.set(vector as Vector, (i - from) * width);
      }
      return numbers;
    };
    return new VectorSource(name, list.length, width, type, flat);
  }

  static #ofMatrix(matrix: Partial<Matrix<Float32Array | Int8Array>>, name: string): VectorSource {
    const { data, shape } = matrix;
    const { ranges } = matrix as { ranges?: QuantizationRanges | null };
    if (ranges === null) {
      throw new InvalidArgumentError(
        'ERR_INVALID_ARGUMENT',
        `${name} are bits, eight in a byte, which are no numbers: ${OF_BITS}`,
      );
    }
    const int8 = isKind(data, 'Int8Array');
    if (!int8 && !isKind(data, 'Float32Array')) {
      throw new InvalidArgumentError(
        'ERR_INVALID_ARGUMENT',
        `The data of ${name} must be a Float32Array or an Int8Array, but is ${show(data)}.${isKind(data, 'Uint8Array') ? ` ${capital(OF_BITS)}` : ''}`,
      );
    }
    const numbers = data as Float32Array | Int8Array;
    const [count, width] = Array.isArray(shape) ? (shape as [unknown, unknown]) : [];
    const fits =
      Number.isSafeInteger(count) &&
      Number.isSafeInteger(width) &&
      (count as number) >= 0 &&
      (width as number) >= 1 &&
      (count as number) * (width as number) === numbers.length;
    if (!fits) {
      throw new InvalidArgumentError(
        'ERR_LENGTH_MISMATCH',
        `The shape of ${name} must be [vectors, numbers of each], their product the ${numbers.length} numbers that there are, but is ${show(shape)}.`,
      );
    }
    const flat = (from: number, to: number) => numbers.subarray(from * (width as number), to * (width as number));
    return new VectorSource(name, count as number, width as number, int8 ? 'int8' : 'fp32', flat, ranges);
  }

  /** All vectors, in flat pieces, and the number of each piece's first; between two the event loop has its turn. */
  async *pieces(signal?: AbortSignal): AsyncGenerator<{ first: number; numbers: SearchNumbers }, void> {
    const some = Math.max(1, Math.floor(NUMBERS_AT_ONCE / Math.max(1, this.looked)));
    for (let first = 0; first < this.count; first += some) {
      if (first > 0) await turn();
      stopped(signal, 'The work on vectors');
      yield { first, numbers: this.flat(first, Math.min(this.count, first + some)) };
    }
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function widthOf(vector: unknown, name: string, number: number): number {
  const { length } = (vector ?? {}) as Partial<Vector>;
  if (isKind(vector, 'Uint8Array') || isKind(vector, 'Uint8ClampedArray')) {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `${name} must be vectors of floats or Int8Arrays, but number ${number} (counted from 0) is a Uint8Array: ${OF_BITS}`,
      { row: number },
    );
  }
  const isBig = isKind(vector, 'BigInt64Array') || isKind(vector, 'BigUint64Array');
  const isList = typeof vector === 'object' && vector !== null && !isBig;
  if (isList && Number.isSafeInteger(length) && length! > 0) return length!;
  throw new InvalidArgumentError(
    'ERR_INVALID_ARGUMENT',
    `${name} must be vectors, lists of at least one number, but number ${number} (counted from 0) is ${show(vector)}.`,
    { row: number },
  );
}

/** @throws InvalidArgumentError ERR_INVALID_ARGUMENT: no vectors, or quantised ones */
export function floats(vectors: unknown, name: string): VectorSource {
  const source = VectorSource.of(vectors, name);
  if (source.type === 'fp32') return source;
  throw new InvalidArgumentError('ERR_INVALID_ARGUMENT', `${name} must be of floats, but are int8 already.`);
}

/** @throws InvalidArgumentError ERR_INVALID_ARGUMENT: bytes that stand for other numbers than those that they are compared with */
export function checkSameRanges(source: VectorSource, ranges: QuantizationRanges | undefined): void {
  if (source.ranges === undefined || ranges === undefined || source.ranges === ranges) return;
  const isSame = (['low', 'high'] as const).every((end) => {
    const [a, b] = [source.ranges![end], ranges[end]];
    return a.length === b.length && a.every((x, i) => x === b[i]);
  });
  if (isSame) return;
  throw new InvalidArgumentError(
    'ERR_INVALID_ARGUMENT',
    `${source.name} were quantised by other ranges than the vectors of the index, so that their bytes stand for other numbers: give quantize the same ranges for both.`,
  );
}

/** Refuses what is not finite, by the vector's number among all. `first` is the number of the first of these. */
export function checkFinite(numbers: SearchNumbers, { name, width }: VectorSource, first: number): void {
  if (numbers.BYTES_PER_ELEMENT === 1) return;
  const odd = numbers.findIndex((x: number) => !Number.isFinite(x));
  if (odd === -1) return;
  const row = first + Math.floor(odd / width);
  throw new InvalidArgumentError(
    'ERR_INVALID_ARGUMENT',
    `${name} must have finite numbers, but vector ${row} (counted from 0) has ${numbers[odd]} at place ${odd % width}.`,
    { row },
  );
}

/** The largest sum of squares at which no product goes beyond fp32. */
const MOST_SQUARES = (2 - 2 ** -23) * 2 ** 127;

/** Refuses a vector whose products would not be finite, as the engine does. `first` is the number of the first of these. */
export function checkLengths(numbers: SearchNumbers, { name, width }: VectorSource, first: number): void {
  for (let from = 0; from < numbers.length; from += width) {
    let squares = 0;
    for (let i = from; i < from + width; ++i) squares += numbers[i]! ** 2;
    if (squares <= MOST_SQUARES) continue;
    const row = first + from / width;
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `${name} must have finite products, but vector ${row} (counted from 0) is longer than 1.8e19.`,
      { row },
    );
  }
}
