import type { OpenedModel } from '../../model/types';
import type { TensorNames, TransformerPlan } from '../plans';
import { describe, refusal, Tensors, type GgufModel } from './model';

/** A model of BERT's kind as llama.cpp has it. Source: its conversion/bert.py, gguf-py/gguf/tensor_mapping.py. */

/** A plan of BERT's kind. */
interface BertPlan extends TransformerPlan {
  names: TensorNames & Record<'positions' | 'types' | 'embeddingNorm' | 'key' | 'value', string>;
}

/** @throws ModelError ERR_EXPORT: llama.cpp does not do what the model does */
export function bert(model: OpenedModel, plan: TransformerPlan): GgufModel {
  const { encoder } = model.spec;
  if (plan.relativeBias !== undefined)
    throw refusal(model, `llama.cpp has no ${encoder.architecture}, whose scores have a bias by distance`);
  if (plan.sharesLayers === true || encoder.embeddingSize !== undefined)
    throw refusal(model, `llama.cpp has no ${encoder.architecture} whose embeddings have a width of their own`);
  if (encoder.hiddenActivation === 'relu')
    throw refusal(model, 'its activation is ReLU, and that of llama.cpp is GELU');
  const fields = describe(model, 'bert', {
    'attention.layer_norm_epsilon': { f32: encoder.layerNormEps },
    'attention.causal': { bool: false },
  });
  const { names } = plan as BertPlan;
  return {
    fields,
    tensors(modules, precision) {
      const weights = modules.get('encoder')!;
      const tensors = new Tensors(weights, precision);
      tensors.matrix('token_embd', names.words);
      // llama.cpp counts positions from 0.
      const positions = weights.tensor(`${names.positions}.weight`);
      tensors.single('position_embd.weight', positions.rowsFrom(encoder.positionOffset));
      if (encoder.typeVocabSize > 0) tensors.single('token_types.weight', weights.tensor(`${names.types}.weight`));
      tensors.norm('token_embd_norm', names.embeddingNorm);
      for (let i = 0; i < encoder.layers; ++i) {
        const from = (part: string) => `${names.layer}${i}.${part}`;
        tensors.linear(`blk.${i}.attn_q`, from(names.query));
        tensors.linear(`blk.${i}.attn_k`, from(names.key));
        tensors.linear(`blk.${i}.attn_v`, from(names.value));
        tensors.linear(`blk.${i}.attn_output`, from(names.attentionOut));
        tensors.norm(`blk.${i}.attn_output_norm`, from(names.attentionNorm));
        tensors.linear(`blk.${i}.ffn_up`, from(names.up));
        tensors.linear(`blk.${i}.ffn_down`, from(names.down));
        tensors.norm(`blk.${i}.layer_output_norm`, from(names.outputNorm));
      }
      return tensors.all;
    },
  };
}
