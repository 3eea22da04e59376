import type { OpenedModel } from '../../model/types';
import type { TensorNames, TransformerPlan } from '../plans';
import { describe, refusal, Tensors, type GgufModel } from './model';

/** Qwen3 as llama.cpp has it. Source: its conversion/qwen.py, src/models/qwen3.cpp. */

interface Qwen3Plan extends TransformerPlan {
  names: TensorNames & Record<'key' | 'value' | 'queryNorm' | 'keyNorm' | 'gate' | 'finalNorm', string>;
}

/** @throws ModelError ERR_EXPORT: llama.cpp does not do what the model does */
export function qwen3(model: OpenedModel, plan: TransformerPlan): GgufModel {
  const { encoder } = model.spec;
  const attention = encoder.attention!;
  if (attention.some(({ window }) => window !== null))
    throw refusal(model, 'some of its layers see a window of the text, and those of llama.cpp all of it');
  if (encoder.hiddenActivation !== 'silu')
    throw refusal(model, `its activation is ${encoder.hiddenActivation}, and that of llama.cpp is SiLU`);
  const { causal = false, ropeTheta, ropeDivisor } = attention[0]!;
  const width = { u32: encoder.headDim! };
  const fields = describe(model, 'qwen3', {
    'attention.head_count_kv': { u32: encoder.keyValueHeads! },
    'attention.key_length': width,
    'attention.value_length': width,
    'attention.layer_norm_rms_epsilon': { f32: encoder.layerNormEps },
    'attention.causal': { bool: causal },
    'rope.dimension_count': width,
    'rope.freq_base': { f32: ropeTheta },
    ...(ropeDivisor === 1
      ? {}
      : { 'rope.scaling.type': { text: 'linear' }, 'rope.scaling.factor': { f32: ropeDivisor } }),
  });
  const { names } = plan as Qwen3Plan;
  return {
    fields,
    tensors(weights, precision) {
      const tensors = new Tensors(weights, precision);
      tensors.matrix('token_embd', names.words);
      for (let i = 0; i < encoder.layers; ++i) {
        const from = (part: string) => `${names.layer}${i}.${part}`;
        tensors.norm(`blk.${i}.attn_norm`, from(names.attentionNorm));
        tensors.linear(`blk.${i}.attn_q`, from(names.query));
        tensors.linear(`blk.${i}.attn_k`, from(names.key));
        tensors.linear(`blk.${i}.attn_v`, from(names.value));
        tensors.norm(`blk.${i}.attn_q_norm`, from(names.queryNorm));
        tensors.norm(`blk.${i}.attn_k_norm`, from(names.keyNorm));
        tensors.linear(`blk.${i}.attn_output`, from(names.attentionOut));
        tensors.norm(`blk.${i}.ffn_norm`, from(names.outputNorm));
        tensors.linear(`blk.${i}.ffn_gate`, from(names.gate));
        tensors.linear(`blk.${i}.ffn_up`, from(names.up));
        tensors.linear(`blk.${i}.ffn_down`, from(names.down));
      }
      tensors.norm('output_norm', names.finalNorm);
      return tensors.all;
    },
  };
}
