import type { EncoderSpec } from '../../engine/addon';
import type { EncoderPlan } from '../plans';
import { FARTHEST, relativeBucket } from '../relative-buckets';
import { activate } from './activations';
import type { Graph, Value } from './graph';
import type { ModuleWeights } from './numbers';

/** What a text is given as: [batch × sequence], int64. */
export interface Inputs {
  ids: Value;
  /** 1 for a token, 0 for what fills a shorter text up. */
  mask: Value;
  /** Undefined where the model has none. */
  types: Value | undefined;
}

export function encoderInputs(graph: Graph, plan: EncoderPlan, spec: EncoderSpec): Inputs {
  const shape = ['batch_size', 'sequence_length'];
  const ids = graph.input('input_ids', 'int64', shape);
  const mask = graph.input('attention_mask', 'int64', shape);
  const types = plan.tokenTypes && spec.typeVocabSize > 0 ? graph.input('token_type_ids', 'int64', shape) : undefined;
  return { ids, mask, types };
}

/** Hidden states [batch × sequence × hidden] of the encoder that a plan describes; of what is no token they say nothing. */
export function encoder(weights: ModuleWeights, plan: EncoderPlan, spec: EncoderSpec, inputs: Inputs): Value {
  const { graph } = weights;
  const { names } = plan;
  let x = weights.norm(names.embeddingNorm, embeddings(weights, plan, spec, inputs), spec.layerNormEps);
  const bias = scoreBias(weights, plan, spec, inputs);
  for (let i = 0; i < spec.layers; ++i) {
    const name = (part: string) => `${names.layer}${i}.${part}`;
    const attended = weights.linear(name(names.attentionOut), attention(weights, plan, spec, i, x, bias));
    x = weights.norm(name(names.attentionNorm), graph.op('Add', [attended, x]), spec.layerNormEps);
    const wide = activate(graph, weights.linear(name(names.up), x), spec.hiddenActivation);
    const down = weights.linear(name(names.down), wide);
    x = weights.norm(name(names.outputNorm), graph.op('Add', [down, x]), spec.layerNormEps);
  }
  return x;
}

function embeddings(weights: ModuleWeights, plan: EncoderPlan, spec: EncoderSpec, inputs: Inputs): Value {
  const { graph } = weights;
  const { words, positions, types } = plan.names;
  let sum = weights.rows(`${words}.weight`, inputs.ids);
  const table = weights.tensor(`${positions}.weight`);
  const { positionOffset: first, padTokenId } = spec;
  if (plan.positions === 'in-order') {
    const end = graph.op('Add', [sequence(graph, inputs.ids), graph.integers([first])]);
    const rows = graph.op('Slice', [table, graph.integers([first]), end, graph.integers([0])]);
    sum = graph.op('Add', [sum, rows]);
  } else {
    const pad = graph.integers(padTokenId ?? first - 1);
    const counted = graph.cast(graph.op('Not', [graph.op('Equal', [inputs.ids, pad])]), 'int64');
    const numbers = graph.op('Mul', [graph.op('CumSum', [counted, graph.integers(1)]), counted]);
    sum = graph.op('Add', [sum, graph.op('Gather', [table, graph.op('Add', [numbers, pad])])]);
  }
  if (spec.typeVocabSize === 0) return sum;
  const type = `${types}.weight`;
  const rows =
    inputs.types === undefined ? weights.row(type, 0) : graph.op('Gather', [weights.tensor(type), inputs.types]);
  return graph.op('Add', [sum, rows]);
}

/** The sequence's length, as a list of one. */
function sequence(graph: Graph, ids: Value): Value {
  const [from, to, axis] = [[1], [2], [0]].map((values) => graph.integers(values));
  return graph.op('Slice', [graph.op('Shape', [ids]), from!, to!, axis!]);
}

/** Added to the scores [batch × heads × queries × keys], and broadcast to them: what is no token is as good as left out. */
function scoreBias(weights: ModuleWeights, plan: EncoderPlan, spec: EncoderSpec, { ids, mask }: Inputs): Value {
  const { graph } = weights;
  const lowest = graph.float === 'float16' ? -65504 : -3.4028234663852886e38;
  const keys = graph.op('Unsqueeze', [graph.cast(mask, graph.float), graph.integers([1, 2])]);
  const masked = graph.op('Mul', [graph.op('Sub', [graph.number(1), keys]), graph.number(lowest)]);
  if (plan.relativeBias === undefined) return masked;

  const table = weights.weights.tensor(`${plan.relativeBias}.weight`);
  const byDistance = weights.numbers(`${plan.relativeBias}.by_distance`, [2 * FARTHEST + 1, spec.heads], async () => {
    const buckets = await table.whole();
    const rows = new Float32Array((2 * FARTHEST + 1) * spec.heads);
    for (let distance = -FARTHEST; distance <= FARTHEST; ++distance) {
      const from = relativeBucket(distance) * spec.heads;
      rows.set(buckets.subarray(from, from + spec.heads), (distance + FARTHEST) * spec.heads);
    }
    return rows;
  });
  const length = graph.op('Squeeze', [sequence(graph, ids), graph.integers([0])]);
  const places = graph.op('Range', [graph.integers(0), length, graph.integers(1)]);
  const [across, along] = [0, 1].map((axis) => graph.op('Unsqueeze', [places, graph.integers([axis])]));
  const near = graph.op('Max', [graph.op('Sub', [across!, along!]), graph.integers(-FARTHEST)]);
  const distance = graph.op('Min', [near, graph.integers(FARTHEST)]);
  const biases = graph.op('Gather', [byDistance, graph.op('Add', [distance, graph.integers(FARTHEST)])]);
  const heads = graph.op('Transpose', [biases], { perm: { ints: [2, 0, 1] } });
  return graph.op('Add', [masked, graph.op('Unsqueeze', [heads, graph.integers([0])])]);
}

/** softmax(q·kᵀ / √d + bias) · v, the heads side by side. */
function attention(
  weights: ModuleWeights,
  { names }: EncoderPlan,
  spec: EncoderSpec,
  layer: number,
  x: Value,
  bias: Value,
): Value {
  const { graph } = weights;
  const width = spec.hiddenSize / spec.heads;
  const heads = (part: string, perm: number[]) => {
    const all = weights.linear(`${names.layer}${layer}.${part}`, x);
    const split = graph.op('Reshape', [all, graph.integers([0, 0, spec.heads, width])]);
    return graph.op('Transpose', [split], { perm: { ints: perm } });
  };
  const query = heads(names.query, [0, 2, 1, 3]);
  const key = heads(names.key, [0, 2, 3, 1]);
  const value = heads(names.value, [0, 2, 1, 3]);
  const scores = graph.op('Div', [graph.op('MatMul', [query, key]), graph.number(Math.sqrt(width))]);
  const shares = graph.op('Softmax', [graph.op('Add', [scores, bias])], { axis: { int: -1 } });
  const mixed = graph.op('Transpose', [graph.op('MatMul', [shares, value])], { perm: { ints: [0, 2, 1, 3] } });
  return graph.op('Reshape', [mixed, graph.integers([0, 0, spec.hiddenSize])]);
}
