import type { EncoderSpec } from '../engine/addon';
import { ModelError } from '../system/errors';
import { say } from '../system/wording';

/**
 * What exporters know of an architecture by its name: how its tensors are called and what it computes otherwise than BERT.
 * The engine's own plans are in native/engine/model/architectures; one that is not here is refused by name.
 */

/** Names of tensors in the weights that are saved, without ".weight" and ".bias"; those of a layer without its prefix. */
export interface TensorNames {
  words: string;
  positions: string;
  /** Read only where the model has token types. */
  types: string;
  embeddingNorm: string;
  /** Before a layer's number. */
  layer: string;
  query: string;
  key: string;
  value: string;
  attentionOut: string;
  attentionNorm: string;
  up: string;
  down: string;
  outputNorm: string;
}

/** Learned positions, full attention within a text, a norm after each residual sum, a bias on every product, no gate. */
export interface EncoderPlan {
  names: TensorNames;
  /** Row of the position table: of the n-th token n, or of the n-th that is not the padding's that behind the padding's. */
  positions: 'in-order' | 'after-pad';
  /** Whether the caller says to which of two texts a token belongs; else it is always the first. */
  tokenTypes: boolean;
  /** Table of biases of the scores by distance, one for all layers. */
  relativeBias?: string;
}

const BERT_NAMES: TensorNames = {
  words: 'embeddings.word_embeddings',
  positions: 'embeddings.position_embeddings',
  types: 'embeddings.token_type_embeddings',
  embeddingNorm: 'embeddings.LayerNorm',
  layer: 'encoder.layer.',
  query: 'attention.self.query',
  key: 'attention.self.key',
  value: 'attention.self.value',
  attentionOut: 'attention.output.dense',
  attentionNorm: 'attention.output.LayerNorm',
  up: 'intermediate.dense',
  down: 'output.dense',
  outputNorm: 'output.LayerNorm',
};

const BERT: EncoderPlan = { names: BERT_NAMES, positions: 'in-order', tokenTypes: true };
const ROBERTA: EncoderPlan = { names: BERT_NAMES, positions: 'after-pad', tokenTypes: false };

const PLANS: Readonly<Record<string, EncoderPlan>> = {
  bert: BERT,
  electra: BERT,
  roberta: ROBERTA,
  'xlm-roberta': ROBERTA,
  camembert: ROBERTA,
  distilbert: {
    names: {
      ...BERT_NAMES,
      layer: 'transformer.layer.',
      query: 'attention.q_lin',
      key: 'attention.k_lin',
      value: 'attention.v_lin',
      attentionOut: 'attention.out_lin',
      attentionNorm: 'sa_layer_norm',
      up: 'ffn.lin1',
      down: 'ffn.lin2',
      outputNorm: 'output_layer_norm',
    },
    positions: 'in-order',
    tokenTypes: false,
  },
  mpnet: {
    names: {
      ...BERT_NAMES,
      query: 'attention.attn.q',
      key: 'attention.attn.k',
      value: 'attention.attn.v',
      attentionOut: 'attention.attn.o',
      attentionNorm: 'attention.LayerNorm',
    },
    positions: 'after-pad',
    tokenTypes: false,
    relativeBias: 'encoder.relative_attention_bias',
  },
};

/** Architectures that can be exported. */
export const EXPORTED_ARCHITECTURES: readonly string[] = Object.keys(PLANS);

/** @throws ModelError ERR_EXPORT: there is none of that name */
export function planOf({ architecture }: EncoderSpec, format: string): EncoderPlan {
  const plan = Object.hasOwn(PLANS, architecture) ? PLANS[architecture] : undefined;
  if (plan !== undefined) return plan;
  throw new ModelError(
    'ERR_EXPORT',
    `The architecture "${architecture}" cannot be exported as ${format}; ${EXPORTED_ARCHITECTURES.join(', ')} can.`,
    { remedy: say`Save the model: sentence-transformers reads the folder, and exports of its own can be made there.` },
  );
}
