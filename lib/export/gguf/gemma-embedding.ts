import type { HeadSpec } from '../../engine/model-spec';
import type { OpenedModel } from '../../model/types';
import type { TransformerPlan } from '../plans';
import type { Field } from './file';
import { groupedFields, groupedTensors } from './grouped-heads';
import { describe, refusal, type GgufModel } from './model';

/** The Dense that llama.cpp runs, by their order. */
const DENSE = ['dense_2', 'dense_3'];

/**
 * EmbeddingGemma as llama.cpp has it. Source: its conversion/gemma.py, src/models/gemma-embedding.cpp.
 *
 * @throws ModelError ERR_EXPORT: llama.cpp does not do what the model does
 */
export function gemmaEmbedding(model: OpenedModel, plan: TransformerPlan): GgufModel {
  const { encoder } = model.spec;
  const attention = encoder.attention!;
  if (attention.some(({ causal }) => causal === true))
    throw refusal(model, "its tokens see none behind them, and those of llama.cpp's gemma-embedding do");
  if (encoder.hiddenActivation !== 'gelu_tanh')
    throw refusal(model, `its activation is ${encoder.hiddenActivation}, and that of llama.cpp is the GELU by tanh`);
  const whole = attention.findIndex(({ window }) => window === null);
  const near = attention.find(({ window }) => window !== null);
  if (
    whole < 0 ||
    near === undefined ||
    attention.some(({ window }, i) => (window === null) !== ((i + 1) % (whole + 1) === 0))
  )
    throw refusal(
      model,
      'its layers that see the whole text do not stand at equal distances between those that see a window',
    );
  if (near.ropeDivisor !== 1)
    throw refusal(model, 'the angles of its layers that see a window are divided, and those of llama.cpp are not');
  const dense = denseOf(model);
  const fields = describe(
    model,
    'gemma-embedding',
    {
      ...groupedFields(encoder, attention[whole]!),
      // To both sides together.
      'attention.sliding_window': { u32: 2 * near.window! },
      'attention.sliding_window_pattern': { u32: whole + 1 },
      'rope.freq_base_swa': { f32: near.ropeTheta },
      ...Object.fromEntries(
        dense.flatMap(({ inFeatures, outFeatures }, i): [string, Field][] => [
          [`${DENSE[i]}_feat_in`, { u32: inFeatures }],
          [`${DENSE[i]}_feat_out`, { u32: outFeatures }],
        ]),
      ),
    },
    true,
  );
  return {
    fields,
    tensors(weights, precision) {
      const tensors = groupedTensors(encoder, plan, weights.get('encoder')!, precision);
      dense.forEach((module, i) => tensors.matrix(DENSE[i]!, 'linear', weights.get(model.spec.head.indexOf(module))!));
      return tensors.all;
    },
  };
}

type Dense = HeadSpec & { kind: 'dense' };

/** None, or both. */
function denseOf(model: OpenedModel): Dense[] {
  const { encoder, head } = model.spec;
  const dense = head.filter((module): module is Dense => module.kind === 'dense');
  const plain = dense.every((one) => !one.bias && one.activation === 'identity' && one.residual !== true);
  if (dense.length === 0) return dense;
  if (dense.length === 2 && plain && dense[1]!.outFeatures === encoder.hiddenSize) return dense;
  throw refusal(
    model,
    'behind the pooling llama.cpp runs two Dense without bias and activation that end in the width they begin with, or none',
  );
}
