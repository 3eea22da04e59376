import type { EncoderSpec, LayerAttention } from '../../engine/model-spec';
import type { ExportPrecision } from '../options';
import type { TensorNames, TransformerPlan } from '../plans';
import type { Weights } from '../weights';
import type { Field } from './file';
import { ropeFields, Tensors } from './model';

/** What llama.cpp's models with root mean square norms and shared keys and values have in common. */

interface GroupedPlan extends TransformerPlan {
  names: TensorNames & Record<'key' | 'value' | 'gate' | 'finalNorm', string>;
}

/** @param rope of the layers that see the whole text */
export function groupedFields(encoder: EncoderSpec, rope: LayerAttention): Record<string, Field> {
  const width = { u32: encoder.headDim! };
  return {
    'attention.head_count_kv': { u32: encoder.keyValueHeads! },
    'attention.key_length': width,
    'attention.value_length': width,
    'attention.layer_norm_rms_epsilon': { f32: encoder.layerNormEps },
    'attention.causal': { bool: rope.causal === true },
    'rope.dimension_count': width,
    ...ropeFields(rope),
  };
}

export function groupedTensors(
  encoder: EncoderSpec,
  plan: TransformerPlan,
  weights: Weights,
  precision: ExportPrecision,
): Tensors {
  const { names, rms } = plan as GroupedPlan;
  const tensors = new Tensors(weights, precision);
  tensors.matrix('token_embd', names.words);
  for (let i = 0; i < encoder.layers; ++i) {
    const from = (part: string) => `${names.layer}${i}.${part}`;
    const norm = (name: string, part: string | undefined, scale = 1) => {
      if (part !== undefined) tensors.rmsNorm(`blk.${i}.${name}`, from(part), { ...rms, scale });
    };
    const linear = (name: string, part: string) => tensors.linear(`blk.${i}.${name}`, from(part));
    norm('attn_norm', names.attentionNorm);
    linear('attn_q', names.query);
    linear('attn_k', names.key);
    linear('attn_v', names.value);
    norm('attn_q_norm', names.queryNorm, encoder.queryScale);
    norm('attn_k_norm', names.keyNorm);
    linear('attn_output', names.attentionOut);
    norm('post_attention_norm', names.attentionBranchNorm);
    norm('ffn_norm', names.outputNorm);
    linear('ffn_gate', names.gate);
    linear('ffn_up', names.up);
    linear('ffn_down', names.down);
    norm('post_ffw_norm', names.outputBranchNorm);
  }
  tensors.rmsNorm('output_norm', names.finalNorm, rms);
  return tensors;
}
