import type { OpenedModel } from '../../model/types';
import type { TensorNames, TransformerPlan } from '../plans';
import { describe, refusal, ropeFields, Tensors, type GgufModel } from './model';

interface GatedPlan extends TransformerPlan {
  names: TensorNames & Record<'types' | 'embeddingNorm' | 'key' | 'value' | 'gate', string>;
}

/**
 * NomicBERT as llama.cpp has it. Source: its conversion/bert.py, src/models/nomic-bert.cpp, bert.cpp.
 *
 * @throws ModelError ERR_EXPORT: llama.cpp does not do what the model does
 */
export function nomicBert(model: OpenedModel, plan: TransformerPlan): GgufModel {
  const { encoder } = model.spec;
  if (encoder.hiddenActivation !== 'silu')
    throw refusal(model, `its activation is ${encoder.hiddenActivation}, and that of llama.cpp is SiLU`);
  const fields = describe(model, 'nomic-bert', {
    'attention.layer_norm_epsilon': { f32: encoder.layerNormEps },
    'attention.causal': { bool: false },
    ...ropeFields(encoder.attention![0]!),
  });
  const { names } = plan as GatedPlan;
  return {
    fields,
    tensors(modules, precision) {
      const weights = modules.get('encoder')!;
      const tensors = new Tensors(weights, precision);
      tensors.matrix('token_embd', names.words);
      if (encoder.typeVocabSize > 0) tensors.single('token_types.weight', weights.tensor(`${names.types}.weight`));
      tensors.norm('token_embd_norm', names.embeddingNorm);
      for (let i = 0; i < encoder.layers; ++i) {
        const from = (part: string) => `${names.layer}${i}.${part}`;
        // Older releases of llama.cpp want a bias of each of the three where they are not one.
        tensors.matrix(`blk.${i}.attn_qkv`, [names.query, names.key, names.value].map(from));
        tensors.matrix(`blk.${i}.attn_output`, from(names.attentionOut));
        tensors.norm(`blk.${i}.attn_output_norm`, from(names.attentionNorm));
        tensors.matrix(`blk.${i}.ffn_up`, from(names.up));
        tensors.matrix(`blk.${i}.ffn_gate`, from(names.gate));
        tensors.matrix(`blk.${i}.ffn_down`, from(names.down));
        tensors.norm(`blk.${i}.layer_output_norm`, from(names.outputNorm));
      }
      return tensors.all;
    },
  };
}
