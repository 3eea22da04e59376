/** Texts with their vectors, [texts × width]. */
export interface TextVectors {
  texts: readonly string[];
  data: Float32Array;
  width: number;
}

/** Writes vectors in one format; what it holds back is bounded. */
export interface VectorFile {
  write(vectors: TextVectors): Promise<void>;
  /** What stands behind all vectors, or before them and was not known yet. */
  end(): Promise<void>;
}
