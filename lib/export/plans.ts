import type { EncoderSpec } from '../engine/model-spec';
import { STATIC } from '../model/folder/static-embedding';
import { ModelError } from '../system/errors';
import { say } from '../system/wording';
import type { FormerNames } from './former-names';

/**
 * What exporters know of an architecture by its name: how its tensors are called and what it computes otherwise than BERT.
 * The engine's own plans are in native/engine/model/architectures; one that is not here is refused by name.
 */

/** Names of tensors in the weights that are saved, without ".weight" and ".bias"; those of a layer without its prefix. */
export interface TensorNames {
  words: string;
  /** Where positions are learned. */
  positions?: string;
  /** Where there are token types; read only where the model has some. */
  types?: string;
  /** Left out: the embeddings have no norm. */
  embeddingNorm?: string;
  /** Leads from the embeddings to the layers, where the two are not of one width. */
  projection?: string;
  /** Before a layer's number, where it has one. */
  layer: string;
  /** All three, one above the other, where `key` and `value` are not named. */
  query: string;
  key?: string;
  value?: string;
  /** Of each head of queries and keys, before they are turned. */
  queryNorm?: string;
  keyNorm?: string;
  attentionOut: string;
  attentionNorm: string;
  /** Both halves, one above the other, where there is a gate and `gate` is not named. */
  up: string;
  gate?: string;
  down: string;
  outputNorm: string;
  /** Of what the parts give, where norms stand around them. */
  attentionBranchNorm?: string;
  outputBranchNorm?: string;
  /** Behind all layers. */
  finalNorm?: string;
}

/**
 * A transformer. Which products and norms have a bias, and whether the first layer has a norm before its attention, the
 * weights say; windows and thetas of the layers, which keys a query sees and how many heads share them, the model's spec.
 */
export interface TransformerPlan {
  kind: 'transformer';
  names: TensorNames;
  former?: FormerNames;
  /**
   * Row of the position table: of the n-th token n, or of the n-th that is not the padding's that behind the padding's;
   * 'rotary': no table, queries and keys are turned.
   */
  positions: 'in-order' | 'after-pad' | 'rotary';
  /** Whether the caller says to which of two texts a token belongs; else it is always the first. */
  tokenTypes: boolean;
  /** Table of biases of the scores by distance, one for all layers. */
  relativeBias?: string;
  /** Whether norms stand before a layer's parts, and not after their sums. */
  normsBefore?: boolean;
  /** Which half of what goes up passes the activation, to be multiplied by the other; a `gate` is the second. None: all. */
  gate?: 'first' | 'second';
  /**
   * Root mean square norms, which multiply by weight + shift; computed in fp32, as is the sum that the parts are added to.
   */
  rms?: { shift: 0 | 1 };
  /** Whether a word's row is multiplied by the root of its width. */
  scalesWords?: boolean;
  /** Whether all layers have the same tensors. */
  sharesLayers?: boolean;
  /** Whether what it computes goes beyond fp16's range: there its weights alone are fp16. */
  isWide?: boolean;
}

/** The name of a layer's tensor. */
export function nameInLayer({ names, sharesLayers }: TransformerPlan, layer: number, part: string): string {
  return sharesLayers === true ? `${names.layer}${part}` : `${names.layer}${layer}.${part}`;
}

/** A table of words, whose rows are what an encoder would give. */
export interface BagPlan {
  kind: 'bag';
  words: string;
}

export type EncoderPlan = TransformerPlan | BagPlan;

const BERT_NAMES = {
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

const BERT: TransformerPlan = { kind: 'transformer', names: BERT_NAMES, positions: 'in-order', tokenTypes: true };
const ROBERTA: EncoderPlan = { kind: 'transformer', names: BERT_NAMES, positions: 'after-pad', tokenTypes: false };

/** transformers' names of NomicBERT's and GTE's tensors. */
const GATED_NAMES: TensorNames = {
  words: BERT_NAMES.words,
  types: BERT_NAMES.types,
  embeddingNorm: BERT_NAMES.embeddingNorm,
  layer: 'layers.',
  query: 'self_attn.q_proj',
  key: 'self_attn.k_proj',
  value: 'self_attn.v_proj',
  attentionOut: 'self_attn.o_proj',
  attentionNorm: 'post_attention_layernorm',
  up: 'mlp.up_proj',
  gate: 'mlp.gate_proj',
  down: 'mlp.down_proj',
  outputNorm: 'post_mlp_layernorm',
};

const QWEN3: TransformerPlan = {
  kind: 'transformer',
  names: {
    words: 'embed_tokens',
    layer: 'layers.',
    query: 'self_attn.q_proj',
    key: 'self_attn.k_proj',
    value: 'self_attn.v_proj',
    queryNorm: 'self_attn.q_norm',
    keyNorm: 'self_attn.k_norm',
    attentionOut: 'self_attn.o_proj',
    attentionNorm: 'input_layernorm',
    up: 'mlp.up_proj',
    gate: 'mlp.gate_proj',
    down: 'mlp.down_proj',
    outputNorm: 'post_attention_layernorm',
    finalNorm: 'norm',
  },
  positions: 'rotary',
  tokenTypes: false,
  normsBefore: true,
  gate: 'second',
  rms: { shift: 0 },
};

const { queryNorm: _queryNorm, keyNorm: _keyNorm, ...QWEN2_NAMES } = QWEN3.names;

const PLANS: Readonly<Record<string, EncoderPlan>> = {
  bert: BERT,
  albert: {
    ...BERT,
    names: {
      ...BERT_NAMES,
      projection: 'encoder.embedding_hidden_mapping_in',
      layer: 'encoder.albert_layer_groups.0.albert_layers.0.',
      query: 'attention.query',
      key: 'attention.key',
      value: 'attention.value',
      attentionOut: 'attention.dense',
      attentionNorm: 'attention.LayerNorm',
      up: 'ffn',
      down: 'ffn_output',
      outputNorm: 'full_layer_layer_norm',
    },
    sharesLayers: true,
  },
  electra: { ...BERT, names: { ...BERT_NAMES, projection: 'embeddings_project' } },
  roberta: ROBERTA,
  'xlm-roberta': ROBERTA,
  camembert: ROBERTA,
  distilbert: {
    kind: 'transformer',
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
    kind: 'transformer',
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
  modernbert: {
    kind: 'transformer',
    names: {
      words: 'embeddings.tok_embeddings',
      embeddingNorm: 'embeddings.norm',
      layer: 'layers.',
      query: 'attn.Wqkv',
      attentionOut: 'attn.Wo',
      attentionNorm: 'attn_norm',
      up: 'mlp.Wi',
      down: 'mlp.Wo',
      outputNorm: 'mlp_norm',
      finalNorm: 'final_norm',
    },
    positions: 'rotary',
    tokenTypes: false,
    normsBefore: true,
    gate: 'first',
  },
  nomic_bert: {
    kind: 'transformer',
    names: GATED_NAMES,
    former: {
      replace: [
        ['encoder.layers.', 'layers.'],
        ['emb_ln.', 'embeddings.LayerNorm.'],
        ['attn.out_proj.', 'self_attn.o_proj.'],
        ['mlp.fc11.', 'mlp.up_proj.'],
        ['mlp.fc12.', 'mlp.gate_proj.'],
        ['mlp.fc2.', 'mlp.down_proj.'],
        ['norm1.', 'post_attention_layernorm.'],
        ['norm2.', 'post_mlp_layernorm.'],
      ],
      joined: [['.attn.Wqkv.', ['.self_attn.q_proj.', '.self_attn.k_proj.', '.self_attn.v_proj.']]],
    },
    positions: 'rotary',
    tokenTypes: true,
    gate: 'second',
  },
  gte: {
    kind: 'transformer',
    names: GATED_NAMES,
    former: {
      replace: [
        ['encoder.layer.', 'layers.'],
        ['attention.o_proj.', 'self_attn.o_proj.'],
        ['attn_ln.', 'post_attention_layernorm.'],
        ['mlp_ln.', 'post_mlp_layernorm.'],
      ],
      joined: [
        ['.attention.qkv_proj.', ['.self_attn.q_proj.', '.self_attn.k_proj.', '.self_attn.v_proj.']],
        ['.mlp.up_gate_proj.', ['.mlp.up_proj.', '.mlp.gate_proj.']],
      ],
    },
    positions: 'rotary',
    tokenTypes: false,
    gate: 'second',
  },
  qwen2: { ...QWEN3, names: QWEN2_NAMES },
  qwen3: QWEN3,
  gemma3_text: {
    ...QWEN3,
    names: {
      ...QWEN3.names,
      attentionBranchNorm: 'post_attention_layernorm',
      outputNorm: 'pre_feedforward_layernorm',
      outputBranchNorm: 'post_feedforward_layernorm',
    },
    rms: { shift: 1 },
    scalesWords: true,
    isWide: true, // "EmbeddingGemma activations do not support float16", its model card says
  },
  [STATIC]: { kind: 'bag', words: 'embedding' },
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
