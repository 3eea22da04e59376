import type { HeadSpec, PoolingMode } from '../../engine/model-spec';
import { activate } from './activations';
import type { Graph, Value } from './graph';
import type { ModuleWeights } from './numbers';

/** Pooling, Dense and Normalize (a LayerNorm is ModuleWeights.norm), in fp32 whatever the encoder's precision: they cost nothing. */

/** The order in which vectors of several poolings stand side by side. */
const MODES: readonly PoolingMode[] = ['cls', 'max', 'mean', 'mean_sqrt_len', 'weightedmean', 'lasttoken'];

/** Below any hidden state. */
const LOWEST = -3.4028234663852886e38;

/** Pooled vectors of hidden states [batch × sequence × hidden] of fp32; `mask` is int64 [batch × sequence]. */
export function pooling(graph: Graph, modes: readonly PoolingMode[], hidden: Value, mask: Value): Value {
  const single = (value: number) => graph.number(value, 'float32');
  const keys = graph.op('Unsqueeze', [mask, graph.integers([2])]);
  const ones = () => graph.cast(keys, 'float32');
  const total = (value: Value) => graph.op('ReduceSum', [value, graph.integers([1])], { keepdims: { int: 0 } });
  const mean = (weights: Value, root: boolean) => {
    const count = graph.op('Max', [total(weights), single(1e-9)]);
    return graph.op('Div', [total(graph.op('Mul', [hidden, weights])), root ? graph.op('Sqrt', [count]) : count]);
  };
  // The n-th token is numbered n, what is no token 0: texts may be filled up on either side.
  const numbers = () => graph.op('Mul', [graph.op('CumSum', [keys, graph.integers(1)]), keys]);
  const where = (counted: Value, number: Value) =>
    total(graph.op('Mul', [hidden, graph.cast(graph.op('Equal', [counted, number]), 'float32')]));
  const pool: Record<PoolingMode, () => Value> = {
    cls: () => where(numbers(), graph.integers(1)),
    max: () => {
      const tokens = graph.op('Where', [graph.cast(keys, 'bool'), hidden, single(LOWEST)]);
      return graph.op('ReduceMax', [tokens], { axes: { ints: [1] }, keepdims: { int: 0 } });
    },
    mean: () => mean(ones(), false),
    mean_sqrt_len: () => mean(ones(), true),
    weightedmean: () => mean(graph.cast(numbers(), 'float32'), false),
    lasttoken: () => {
      const counted = numbers();
      const last = graph.op('ReduceMax', [counted], { axes: { ints: [1] }, keepdims: { int: 1 } });
      return where(counted, last);
    },
  };
  const vectors = MODES.filter((mode) => modes.includes(mode)).map((mode) => pool[mode]());
  return vectors.length === 1 ? vectors[0]! : graph.op('Concat', vectors, { axis: { int: -1 } });
}

export function dense(weights: ModuleWeights, module: HeadSpec & { kind: 'dense' }, x: Value): Value {
  const { graph } = weights;
  const out = activate(graph, weights.linear('linear', x), module.activation, 'float32');
  if (module.residual !== true) return out;
  return graph.op('Add', [out, weights.weights.has('residual.weight') ? weights.linear('residual', x) : x]);
}

export function normalise(graph: Graph, x: Value): Value {
  const length = graph.op('ReduceL2', [x], { axes: { ints: [-1] }, keepdims: { int: 1 } });
  return graph.op('Div', [x, graph.op('Max', [length, graph.number(1e-12, 'float32')])]);
}
