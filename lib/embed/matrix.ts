/** Vectors one behind the other in one array. */
export interface Matrix<Numbers extends Float32Array | Int8Array | Uint8Array = Float32Array> {
  /** Number j of vector i is `data[i * shape[1] + j]`. */
  readonly data: Numbers;
  /** How many vectors, and how many numbers each has. */
  readonly shape: readonly [number, number];
}
