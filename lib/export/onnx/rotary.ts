import type { LayerAttention } from '../../engine/model-spec';
import type { Graph, Value } from './graph';

/** Cosines and sines of the angles of a text's tokens, [sequence × 1 × head size]. */
export interface Turn {
  cosines: Value;
  sines: Value;
}

export type Rope = Pick<LayerAttention, 'ropeTheta' | 'ropeDivisor'>;

/**
 * Of rotary positions (Su et al. 2021): pair i of a head of d numbers, i and i + d/2, is turned by
 * position · theta^(−2i/d) / divisor. Angles are computed in fp32, as transformers and the engine have them.
 *
 * @param places int64 [sequence]: a token's number in its text
 * @param type of the heads that are turned
 */
export function turnOf(
  graph: Graph,
  { ropeTheta, ropeDivisor }: Rope,
  width: number,
  places: Value,
  type: 'float32' | 'float16',
): Turn {
  const single = Math.fround;
  const frequencies = Array.from({ length: width / 2 }, (_, i) => {
    const power = single(Math.pow(ropeTheta, single((2 * i) / width)));
    return single(single(1 / power) / ropeDivisor);
  });
  const rows = graph.cast(graph.op('Unsqueeze', [places, graph.integers([1])]), 'float32');
  const angles = graph.op('Mul', [rows, graph.numbers(frequencies)]);
  const [cosines, sines] = ['Cos', 'Sin'].map((name) => graph.op(name, [angles]));
  const wide = (halves: Value[]) => {
    const whole = graph.op('Concat', halves, { axis: { int: -1 } });
    const typed = type === 'float32' ? whole : graph.cast(whole, type);
    return graph.op('Unsqueeze', [typed, graph.integers([1])]);
  };
  return {
    cosines: wide([cosines!, cosines!]),
    // The first half is turned by minus the second's part.
    sines: wide([graph.op('Neg', [sines!]), sines!]),
  };
}

/** Heads [batch × sequence × heads × width] turned. */
export function turned(graph: Graph, heads: Value, width: number, { cosines, sines }: Turn): Value {
  const halves = graph.ops('Split', [heads, graph.integers([width / 2, width / 2])], 2, { axis: { int: -1 } });
  const swapped = graph.op('Concat', halves.toReversed(), { axis: { int: -1 } });
  return graph.op('Add', [graph.op('Mul', [heads, cosines]), graph.op('Mul', [swapped, sines])]);
}
