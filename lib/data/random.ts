import { atOnce, type Turns } from '../system/turns';

/**
 * Seeded random numbers for everything that TypeScript decides: which rows validate, the order of rows,
 * what `balance` takes. Generator: xoshiro128** 1.1 (Blackman and Vigna, 2018), 128 bits of state, period
 * 2^128 - 1. The state is four integers, so that it can be written into a checkpoint.
 */

/** Elements that are shuffled in one turn. */
const SHUFFLED_AT_ONCE = 65_536;

export type RandomState = readonly [number, number, number, number];

/** What a stream of random numbers is for. Streams of one seed are independent of each other. */
export enum Stream {
  Split = 1,
  Order = 2,
  Balance = 3,
  RandomPairs = 4,
  Mining = 5,
  Keep = 6,
  Sets = 7,
  Turns = 8,
  Folds = 9,
  Search = 10,
  Searched = 11,
  Bootstrap = 100,
}

function rotateLeft(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k));
}

/** A bijection of 32-bit integers in which every input bit moves every output bit. */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return (x ^ (x >>> 15)) >>> 0;
}

export class Random {
  #s0: number;
  #s1: number;
  #s2: number;
  #s3: number;

  private constructor(state: RandomState) {
    [this.#s0, this.#s1, this.#s2, this.#s3] = state;
  }

  /** The stream of `seed` (32-bit) for one purpose and, where there are several, one index (an epoch). */
  static of(seed: number, stream: Stream, index = 0): Random {
    let word = mix(seed ^ mix(stream + mix(index + 0x9e3779b9)));
    const next = () => mix((word = (word + 0x9e3779b9) | 0));
    return new Random([next(), next(), next(), next() | 1]);
  }

  /** Goes on from a saved state. At least one of the four words must not be zero. */
  static fromState(state: RandomState): Random {
    return new Random(state);
  }

  get state(): RandomState {
    return [this.#s0 >>> 0, this.#s1 >>> 0, this.#s2 >>> 0, this.#s3 >>> 0];
  }

  /** An integer from 0 to 2^32 - 1. */
  next(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#s1, 5), 7), 9) >>> 0;
    const t = this.#s1 << 9;
    this.#s2 ^= this.#s0;
    this.#s3 ^= this.#s1;
    this.#s1 ^= this.#s2;
    this.#s0 ^= this.#s3;
    this.#s2 ^= t;
    this.#s3 = rotateLeft(this.#s3, 11);
    return result;
  }

  /** An integer from 0 to `bound` - 1, each equally likely; `bound` from 1 to 2^32. */
  below(bound: number): number {
    // Values beyond the last whole multiple of bound would favour small results.
    const usable = 2 ** 32 - (2 ** 32 % bound);
    let value = this.next();
    while (value >= usable) value = this.next();
    return value % bound;
  }

  /** Brings the elements into a random order in place (Fisher and Yates). */
  shuffle<T extends { [index: number]: unknown; readonly length: number }>(list: T): T {
    return atOnce(this.shuffling(list));
  }

  /** The same, yielding after some thousand elements. Nothing else may be drawn meanwhile. */
  *shuffling<T extends { [index: number]: unknown; readonly length: number }>(list: T): Turns<T> {
    for (let i = list.length - 1; i > 0; --i) {
      const j = this.below(i + 1);
      const element = list[i];
      list[i] = list[j];
      list[j] = element;
      if (i % SHUFFLED_AT_ONCE === 0) yield;
    }
    return list;
  }
}
