/** Weights and where they lie, as the engine reads and writes them. */

/**
 * A file to read for one module, which may have several; a safetensors file unless it says where its tensors are. `module` is 'encoder' or the index into `head` of a
 * Dense or LayerNorm. Names may carry the prefix of a model with a head (`bert.`, `roberta.`, …) and old `gamma`/`beta`.
 */
export interface WeightFile {
  path: string;
  module: 'encoder' | number;
  /** Where the tensors lie, in a file of another format than safetensors. */
  tensors?: TensorPlace[];
  /** What its tensors do to the parameters that other files have; left out: it has parameters itself. */
  adapter?: { updates: LowRankUpdate[]; replaced: { target: string; tensor: string }[] };
}

/** W + scale·B·A, of tensors A [rank × in] and B [out × rank]; `transposed`: W + scale·(B·A)ᵀ, of a table's. */
export interface LowRankUpdate {
  /** The name of W, as a file of weights has it. */
  target: string;
  a: string;
  b: string;
  scale: number;
  transposed: boolean;
}

/** A tensor's bytes in a file, dense and in row-major order. */
export interface TensorPlace {
  name: string;
  /** As safetensors names them: 'F32', 'BF16', … */
  dtype: string;
  shape: number[];
  /** The first byte. */
  begin: number;
}

export interface ParameterInfo {
  /** Hugging Face's name without prefix; a Dense's are `head.{index}.linear.weight` and `.bias`, a LayerNorm's `head.{index}.norm.weight` and `.bias`. */
  name: string;
  shape: number[];
}

/** One file that `saveModel` writes (and flushes to disk); the caller renames it into place. */
export interface SaveFile {
  path: string;
  module: 'encoder' | number;
}
