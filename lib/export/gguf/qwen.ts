import type { OpenedModel } from '../../model/types';
import type { TransformerPlan } from '../plans';
import { groupedFields, groupedTensors } from './grouped-heads';
import { describe, refusal, type GgufModel } from './model';

/**
 * Qwen2 and Qwen3, as llama.cpp calls them too. Source: its conversion/qwen.py, src/models/qwen2.cpp, qwen3.cpp.
 *
 * @throws ModelError ERR_EXPORT: llama.cpp does not do what the model does
 */
export function qwen(model: OpenedModel, plan: TransformerPlan): GgufModel {
  const { encoder } = model.spec;
  const attention = encoder.attention!;
  if (attention.some(({ window }) => window !== null))
    throw refusal(model, 'some of its layers see a window of the text, and those of llama.cpp all of it');
  if (encoder.hiddenActivation !== 'silu')
    throw refusal(model, `its activation is ${encoder.hiddenActivation}, and that of llama.cpp is SiLU`);
  return {
    fields: describe(model, encoder.architecture, groupedFields(encoder, attention[0]!)),
    tensors: (weights, precision) => groupedTensors(encoder, plan, weights.get('encoder')!, precision).all,
  };
}
