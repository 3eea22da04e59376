/**
 * Numbered items by a hash, in the order in which they are added; of one hash the last first. Of a fixed number of items, in
 * typed arrays: a Map of half a million entries stands still for a tenth of a second when it grows.
 */
export class HashChains {
  readonly #heads: Int32Array;
  readonly #next: Int32Array;
  readonly #mask: number;

  /** For items 0 … items - 1. */
  constructor(items: number) {
    let size = 16;
    while (size < 2 * items) size *= 2;
    this.#heads = new Int32Array(size).fill(-1);
    this.#next = new Int32Array(items);
    this.#mask = size - 1;
  }

  add(hash: number, item: number): void {
    const slot = this.#slot(hash);
    this.#next[item] = this.#heads[slot]!;
    this.#heads[slot] = item;
  }

  /** The last item of the hash, or of another one that fell into the same place, for which `is` holds; -1 for none. */
  find(hash: number, is: (item: number) => boolean): number {
    let item = this.#heads[this.#slot(hash)]!;
    while (item >= 0 && !is(item)) item = this.#next[item]!;
    return item;
  }

  #slot(hash: number): number {
    // Low bits of a product know nothing of the high ones.
    return (Math.imul(hash ^ (hash >>> 15), 0x9e3779b1) >>> 7) & this.#mask;
  }
}
