import type { EncoderSpec, LayerAttention } from '../../engine/model-spec';
import type { ExportPrecision } from '../options';
import type { TensorNames, TransformerPlan } from '../plans';
import type { Weights } from '../weights';
import type { Field } from './file';
import { Tensors } from './model';

/** What llama.cpp's models with root mean square norms and shared keys and values have in common. */

interface GroupedPlan extends TransformerPlan {
  names: TensorNames & Record<'key' | 'value' | 'queryNorm' | 'keyNorm' | 'gate' | 'finalNorm', string>;
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
    'rope.freq_base': { f32: rope.ropeTheta },
    ...(rope.ropeDivisor === 1
      ? {}
      : { 'rope.scaling.type': { text: 'linear' }, 'rope.scaling.factor': { f32: rope.ropeDivisor } }),
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
    const norm = (name: string, part: string | undefined) => {
      if (part !== undefined) tensors.rmsNorm(`blk.${i}.${name}`, from(part), rms);
    };
    const matrix = (name: string, part: string) => tensors.matrix(`blk.${i}.${name}`, from(part));
    norm('attn_norm', names.attentionNorm);
    matrix('attn_q', names.query);
    matrix('attn_k', names.key);
    matrix('attn_v', names.value);
    tensors.rmsNorm(`blk.${i}.attn_q_norm`, from(names.queryNorm), { ...rms, scale: encoder.queryScale ?? 1 });
    norm('attn_k_norm', names.keyNorm);
    matrix('attn_output', names.attentionOut);
    norm('post_attention_norm', names.attentionBranchNorm);
    norm('ffn_norm', names.outputNorm);
    matrix('ffn_gate', names.gate);
    matrix('ffn_up', names.up);
    matrix('ffn_down', names.down);
    norm('post_ffw_norm', names.outputBranchNorm);
  }
  tensors.rmsNorm('output_norm', names.finalNorm, rms);
  return tensors;
}
