/** Numbers of vectors, a bit for each up to the highest. */
export class RowSet {
  #bits = new Uint8Array(0);
  #size = 0;

  /** How many there are. */
  get size(): number {
    return this.#size;
  }

  add(row: number): void {
    if (this.has(row)) return;
    const byte = row >> 3;
    if (byte >= this.#bits.length) {
      const larger = new Uint8Array(Math.max(64, 2 * this.#bits.length, byte + 1));
      larger.set(this.#bits);
      this.#bits = larger;
    }
    this.#bits[byte]! |= 1 << (row & 7);
    ++this.#size;
  }

  has(row: number): boolean {
    return ((this.#bits[row >> 3] ?? 0) & (1 << (row & 7))) !== 0;
  }
}
