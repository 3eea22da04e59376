import type { HiddenActivation, LayerAttention } from '../../engine/model-spec';
import type { OpenedModel } from '../../model/types';
import type { TensorNames, TransformerPlan } from '../plans';
import type { Field } from './file';
import { describe, refusal, ropeFields, Tensors, type GgufModel } from './model';

interface NormsBeforePlan extends TransformerPlan {
  names: TensorNames & Record<'embeddingNorm' | 'finalNorm', string>;
}

/** llama.cpp's names of its gates; its GELU is that by tanh. */
const ACTIVATIONS: Partial<Record<HiddenActivation, string>> = { gelu: 'gelu', gelu_tanh: 'gelu', silu: 'silu' };

/**
 * ModernBERT as llama.cpp has it. Source: its conversion/bert.py, src/models/modern-bert.cpp.
 *
 * @throws ModelError ERR_EXPORT: llama.cpp does not do what the model does
 */
export function modernBert(model: OpenedModel, plan: TransformerPlan): GgufModel {
  const { encoder } = model.spec;
  const activation = ACTIVATIONS[encoder.hiddenActivation];
  if (activation === undefined)
    throw refusal(model, `its activation is ${encoder.hiddenActivation}, and those of llama.cpp are GELU and SiLU`);
  const fields = describe(model, 'modern-bert', {
    vocab_size: { u32: encoder.vocabSize },
    hidden_activation: { text: activation },
    'attention.layer_norm_epsilon': { f32: encoder.layerNormEps },
    'attention.causal': { bool: false },
    ...attentionFields(model),
  });
  const { names } = plan as NormsBeforePlan;
  return {
    fields,
    tensors(modules, precision) {
      const weights = modules.get('encoder')!;
      const tensors = new Tensors(weights, precision);
      tensors.matrix('token_embd', names.words);
      tensors.norm('token_embd_norm', names.embeddingNorm);
      for (let i = 0; i < encoder.layers; ++i) {
        const from = (part: string) => `${names.layer}${i}.${part}`;
        // The first layer has none.
        if (weights.has(`${from(names.attentionNorm)}.weight`))
          tensors.norm(`blk.${i}.attn_norm`, from(names.attentionNorm));
        tensors.matrix(`blk.${i}.attn_qkv`, from(names.query));
        tensors.matrix(`blk.${i}.attn_output`, from(names.attentionOut));
        tensors.norm(`blk.${i}.ffn_norm`, from(names.outputNorm));
        tensors.matrix(`blk.${i}.ffn_up`, from(names.up));
        tensors.matrix(`blk.${i}.ffn_down`, from(names.down));
      }
      tensors.norm('output_norm', names.finalNorm);
      return tensors.all;
    },
  };
}

/** Windows, and how the layers of each kind are turned. */
function attentionFields(model: OpenedModel): Record<string, Field> {
  const attention = model.spec.encoder.attention!;
  const near = attention.find(({ window }) => window !== null);
  const whole = attention.find(({ window }) => window === null);
  if (near === undefined) return turned(whole!);
  // Distance from one layer that sees the whole text to the next; the first is one.
  const next = attention.findIndex(({ window }, i) => i > 0 && window === null);
  const every = next < 0 ? attention.length : next;
  if (whole === undefined || attention.some(({ window }, i) => (window === null) !== (i % every === 0)))
    throw refusal(
      model,
      'its layers that see the whole text are not the first and those at equal distances behind it, as those of llama.cpp are',
    );
  if (near.ropeDivisor !== 1)
    throw refusal(model, 'the angles of its layers that see a window are divided, and those of llama.cpp are not');
  return {
    // To both sides together.
    'attention.sliding_window': { u32: 2 * near.window! },
    'attention.sliding_window_pattern': { u32: every },
    ...turned(whole),
    'rope.freq_base_swa': { f32: near.ropeTheta },
  };
}

function turned(rope: LayerAttention): Record<string, Field> {
  return { 'rope.scaling.type': { text: 'none' }, ...ropeFields(rope) };
}
