/** Texts with their vectors, [texts × width]. */
export interface TextVectors {
  texts: readonly string[];
  /** Of each text, where there are ids. */
  ids?: readonly (string | number)[] | undefined;
  data: Float32Array;
  width: number;
}

/** What stands beside the vectors. */
export interface Beside {
  texts: boolean;
  ids: boolean;
}

/** Writes vectors in one format; what it holds back is bounded. */
export interface VectorFile {
  write(vectors: TextVectors): Promise<void>;
  /** What stands behind all vectors, or before them and was not known yet. */
  end(): Promise<void>;
}
