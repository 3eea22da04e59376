import type { EncoderSpec } from '../../engine/addon';
import type { EncoderPlan, TransformerPlan } from '../plans';
import { activate } from './activations';
import { Attention } from './attention';
import type { Value } from './graph';
import { sequenceLength, type Inputs } from './inputs';
import type { ModuleWeights } from './numbers';

/** Hidden states [batch × sequence × hidden] of the encoder that a plan describes; of what is no token they say nothing. */
export function encoder(weights: ModuleWeights, plan: EncoderPlan, spec: EncoderSpec, inputs: Inputs): Value {
  if (plan.kind === 'bag') return weights.rows(`${plan.words}.weight`, inputs.ids);
  const { graph } = weights;
  const { names, normsBefore = false } = plan;
  const norm = (name: string, value: Value) => weights.norm(name, value, spec.layerNormEps);
  let x = norm(names.embeddingNorm, embeddings(weights, plan, spec, inputs));
  const attention = new Attention(weights, plan, spec, inputs);
  for (let i = 0; i < spec.layers; ++i) {
    const name = (part: string) => `${names.layer}${i}.${part}`;
    // A first layer without a norm of its own reads what comes out of the embeddings'.
    const isNormed = normsBefore && weights.weights.has(`${name(names.attentionNorm)}.weight`);
    const read = isNormed ? norm(name(names.attentionNorm), x) : x;
    const attended = weights.linear(name(names.attentionOut), attention.of(i, read));
    x = graph.op('Add', [attended, x]);
    if (!normsBefore) x = norm(name(names.attentionNorm), x);
    const wide = widened(weights, plan, spec, name, normsBefore ? norm(name(names.outputNorm), x) : x);
    x = graph.op('Add', [weights.linear(name(names.down), wide), x]);
    if (!normsBefore) x = norm(name(names.outputNorm), x);
  }
  return names.finalNorm === undefined ? x : norm(names.finalNorm, x);
}

/** What goes up, activated; with a gate, one half activated times the other. */
function widened(
  weights: ModuleWeights,
  { names, gate }: TransformerPlan,
  spec: EncoderSpec,
  name: (part: string) => string,
  x: Value,
): Value {
  const { graph } = weights;
  const up = weights.linear(name(names.up), x);
  if (gate === undefined) return activate(graph, up, spec.hiddenActivation);
  const sizes = graph.integers([spec.intermediateSize, spec.intermediateSize]);
  const [first, second] =
    names.gate === undefined
      ? graph.ops('Split', [up, sizes], 2, { axis: { int: -1 } })
      : [up, weights.linear(name(names.gate), x)];
  const [through, beside] = gate === 'first' ? [first!, second!] : [second!, first!];
  return graph.op('Mul', [activate(graph, through, spec.hiddenActivation), beside]);
}

function embeddings(weights: ModuleWeights, plan: TransformerPlan, spec: EncoderSpec, inputs: Inputs): Value {
  const { graph } = weights;
  const { words, types } = plan.names;
  const sum = positioned(weights, plan, spec, inputs, weights.rows(`${words}.weight`, inputs.ids));
  if (types === undefined || spec.typeVocabSize === 0) return sum;
  const type = `${types}.weight`;
  const rows =
    inputs.types === undefined ? weights.row(type, 0) : graph.op('Gather', [weights.tensor(type), inputs.types]);
  return graph.op('Add', [sum, rows]);
}

/** `x` with the rows of the position table, where there is one. */
function positioned(
  weights: ModuleWeights,
  { names, positions }: TransformerPlan,
  { positionOffset: first, padTokenId }: EncoderSpec,
  { ids }: Inputs,
  x: Value,
): Value {
  const { graph } = weights;
  if (positions === 'rotary') return x;
  const table = weights.tensor(`${names.positions}.weight`);
  if (positions === 'in-order') {
    const end = graph.op('Add', [sequenceLength(graph, ids), graph.integers([first])]);
    return graph.op('Add', [x, graph.op('Slice', [table, graph.integers([first]), end, graph.integers([0])])]);
  }
  const pad = graph.integers(padTokenId ?? first - 1);
  const counted = graph.cast(graph.op('Not', [graph.op('Equal', [ids, pad])]), 'int64');
  const numbers = graph.op('Mul', [graph.op('CumSum', [counted, graph.integers(1)]), counted]);
  return graph.op('Add', [x, graph.op('Gather', [table, graph.op('Add', [numbers, pad])])]);
}
