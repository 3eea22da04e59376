/** What a model computes, as the engine is told it. */

/** Feed-forward activation of the encoder (Hugging Face's `hidden_act` / `activation`). */
export type HiddenActivation = 'gelu' | 'relu' | 'gelu_tanh' | 'silu';
export type PoolingMode = 'cls' | 'max' | 'mean' | 'mean_sqrt_len' | 'weightedmean' | 'lasttoken';
export type DenseActivation =
  | 'tanh'
  | 'identity'
  | 'relu'
  | 'gelu'
  | 'sigmoid'
  | 'silu'
  | 'leaky_relu'
  | 'elu'
  | 'selu'
  | 'softplus'
  | 'mish';

export interface EncoderSpec {
  /** A name that the engine knows: native/engine/model. */
  architecture: string;
  vocabSize: number;
  hiddenSize: number;
  layers: number;
  heads: number;
  intermediateSize: number;
  /** Rows of the position table; where there is none, the most tokens of a text. */
  positions: number;
  /** Rows of the token-type table; 0 where the architecture has none (DistilBERT). */
  typeVocabSize: number;
  /** Position of a text's first token: 0, or pad id + 1 for RoBERTa. */
  positionOffset: number;
  /**
   * The padding token of the configuration: what it takes from the tables gets no gradient, and in RoBERTa it has the
   * position `positionOffset` - 1 and is not counted. null, or left out: none.
   */
  padTokenId?: number | null;
  layerNormEps: number;
  hiddenActivation: HiddenActivation;
  /** Dropout probabilities of the model's config, used in training only. */
  hiddenDropout: number;
  attentionDropout: number;
  /** Of each layer, where positions are rotary. */
  attention?: LayerAttention[];
  /** Numbers of a row of the embedding tables, where a matrix leads from there to the layers; left out: hiddenSize. */
  embeddingSize?: number;
  /** Numbers of a head; left out: hiddenSize / heads. */
  headDim?: number;
  /** Heads of keys and values, each for as many neighbouring heads of queries; left out: as many as `heads`. */
  keyValueHeads?: number;
  /** What queries are multiplied by, beside 1/√(numbers of a head); left out: 1. */
  queryScale?: number;
}

/** What the attention of a layer has of its own. */
export interface LayerAttention {
  /** Keys that a query sees on each side of its own; null: all. */
  window: number | null;
  /** Whether a query sees no key behind its own. Left out: it does. */
  causal?: boolean;
  /** Pair i of a head of d numbers is turned by position · ropeTheta^(−2i/d) / ropeDivisor. */
  ropeTheta: number;
  ropeDivisor: number;
}

/** What follows the encoder, in order. The first is always pooling. */
export type HeadSpec =
  /** Several modes are concatenated in the order cls, max, mean, mean_sqrt_len, weightedmean, lasttoken. */
  | { kind: 'pooling'; modes: PoolingMode[] }
  | {
      kind: 'dense';
      inFeatures: number;
      outFeatures: number;
      bias: boolean;
      activation: DenseActivation;
      /** Adds what comes in, through a matrix `residual.weight` where the widths differ. */
      residual?: boolean;
    }
  /** Of vectors that are `dimension` wide, with a weight and a bias (torch.nn.LayerNorm, eps 1e-5). */
  | { kind: 'layer_norm'; dimension: number }
  | { kind: 'normalize' };

export interface NativeModelSpec {
  encoder: EncoderSpec;
  head: HeadSpec[];
}
