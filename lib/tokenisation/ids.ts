/** Token ids that grow as pieces come in. */
export class Ids {
  #buffer = new Int32Array(1 << 12);
  length = 0;

  append(part: ArrayLike<number>, from: number, to: number): void {
    const needed = this.length + to - from;
    if (needed > this.#buffer.length) {
      const grown = new Int32Array(Math.max(needed, 2 * this.#buffer.length));
      grown.set(this.#buffer.subarray(0, this.length));
      this.#buffer = grown;
    }
    for (let i = from; i < to; ++i) this.#buffer[this.length++] = part[i]!;
  }

  finish(): Int32Array {
    return this.#buffer.slice(0, this.length);
  }
}
