/** Numbers that come one row after another: as they are where a row has one, in single precision where it has many. */
export class Numbers {
  #single: number[] = [];
  #many = new Float32Array(0);
  #length = 0;
  #wide = false;

  get length(): number {
    return this.#wide ? this.#length : this.#single.length;
  }

  push(values: ArrayLike<number>): void {
    if (values.length === 1 && !this.#wide) {
      this.#single.push(values[0]!);
      return;
    }
    if (values.length === 0) return;
    this.#wide = true;
    if (this.#length + values.length > this.#many.length) {
      const more = new Float32Array(Math.max(4096, 2 * (this.#length + values.length)));
      more.set(this.#many.subarray(0, this.#length));
      this.#many = more;
    }
    this.#many.set(values, this.#length);
    this.#length += values.length;
  }

  all(): ArrayLike<number> {
    return this.#wide ? this.#many.subarray(0, this.#length) : this.#single;
  }
}
