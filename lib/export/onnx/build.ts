import type { OpenedModel } from '../../model/types';
import type { ExportPrecision } from '../options';
import type { EncoderPlan } from '../plans';
import type { WeightsOf } from '../format';
import { encoder } from './encoder';
import { Graph } from './graph';
import { dense, normalise, pooling } from './head';
import { encoderInputs } from './inputs';
import { ModuleWeights } from './numbers';

/** torch.nn.LayerNorm's. */
const LAYER_NORM_EPSILON = 1e-5;

/**
 * The whole model as one graph. Inputs `input_ids`, `attention_mask` and, where the model has them, `token_type_ids`, int64
 * [batch × sequence]; outputs `last_hidden_state` [batch × sequence × hidden] and `sentence_embedding` [batch × dimension],
 * fp32 in every precision.
 */
export function buildGraph(
  model: OpenedModel,
  plan: EncoderPlan,
  weights: WeightsOf,
  precision: ExportPrecision,
): Graph {
  const { spec } = model;
  const wide = precision !== 'fp16' || (plan.kind === 'transformer' && plan.isWide === true);
  const graph = new Graph(wide ? 'float32' : 'float16');
  const inputs = encoderInputs(graph, plan, spec.encoder);
  const hidden = encoder(new ModuleWeights(graph, weights.get('encoder')!, precision), plan, spec.encoder, inputs);

  let x = hidden;
  spec.head.forEach((module, i) => {
    if (module.kind === 'pooling') x = pooling(graph, module.modes, hidden, inputs.mask);
    else if (module.kind === 'normalize') x = normalise(graph, x);
    else {
      const own = new ModuleWeights(graph, weights.get(i)!, 'fp32', `head.${i}.`);
      x = module.kind === 'dense' ? dense(own, module, x) : own.norm('norm', x, LAYER_NORM_EPSILON);
    }
  });
  if (model.dimension < model.width) {
    const [from, to, axis] = [[0], [model.dimension], [1]].map((values) => graph.integers(values));
    x = graph.op('Slice', [x, from!, to!, axis!]);
    if (model.normalised) x = normalise(graph, x);
  }
  const [batch, sequence] = ['batch_size', 'sequence_length'];
  graph.output('last_hidden_state', 'float32', [batch, sequence, spec.encoder.hiddenSize], hidden);
  graph.output('sentence_embedding', 'float32', [batch, model.dimension], x);
  return graph;
}
