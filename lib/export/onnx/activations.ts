import type { DenseActivation, HiddenActivation } from '../../engine/model-spec';
import type { Graph, Value } from './graph';

/** Activations in the operators of opset 17, which has no Gelu and no Mish. */

type Activation = (graph: Graph, x: Value, type: 'float32' | 'float16') => Value;

/** x · ½ · (1 + erf(x / √2)), in the order in which runtimes know it again. */
const gelu: Activation = (graph, x, type) => {
  const erf = graph.op('Erf', [graph.op('Div', [x, graph.number(Math.SQRT2, type)])]);
  const twice = graph.op('Mul', [x, graph.op('Add', [erf, graph.number(1, type)])]);
  return graph.op('Mul', [twice, graph.number(0.5, type)]);
};

/** ½ · x · (1 + tanh(√(2/π) · (x + 0.044715 · x³))). */
const geluTanh: Activation = (graph, x, type) => {
  const cube = graph.op('Mul', [graph.op('Mul', [x, x]), x]);
  const inner = graph.op('Add', [x, graph.op('Mul', [cube, graph.number(0.044715, type)])]);
  const tanh = graph.op('Tanh', [graph.op('Mul', [inner, graph.number(Math.sqrt(2 / Math.PI), type)])]);
  const half = graph.op('Mul', [x, graph.number(0.5, type)]);
  return graph.op('Mul', [half, graph.op('Add', [tanh, graph.number(1, type)])]);
};

const operator =
  (type: string): Activation =>
  (graph, x) =>
    graph.op(type, [x]);

const ACTIVATIONS: Record<HiddenActivation | DenseActivation, Activation> = {
  identity: (_, x) => x,
  gelu,
  gelu_tanh: geluTanh,
  relu: operator('Relu'),
  tanh: operator('Tanh'),
  sigmoid: operator('Sigmoid'),
  silu: (graph, x) => graph.op('Mul', [x, graph.op('Sigmoid', [x])]),
  leaky_relu: operator('LeakyRelu'),
  elu: operator('Elu'),
  selu: operator('Selu'),
  softplus: operator('Softplus'),
  mish: (graph, x) => graph.op('Mul', [x, graph.op('Tanh', [graph.op('Softplus', [x])])]),
};

export function activate(
  graph: Graph,
  x: Value,
  kind: HiddenActivation | DenseActivation,
  type: 'float32' | 'float16' = graph.float,
): Value {
  return ACTIVATIONS[kind](graph, x, type);
}
