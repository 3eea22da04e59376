import type { EncoderSpec } from '../../engine/model-spec';
import { nameInLayer, type EncoderPlan, type TransformerPlan } from '../plans';
import { activate } from './activations';
import { Attention } from './attention';
import type { Value } from './graph';
import { sequenceLength, type Inputs } from './inputs';
import type { ModuleWeights } from './numbers';

/**
 * Hidden states of fp32 [batch × sequence × hidden] of the encoder that a plan describes; of what is no token they say
 * nothing.
 */
export function encoder(weights: ModuleWeights, plan: EncoderPlan, spec: EncoderSpec, inputs: Inputs): Value {
  const { graph } = weights;
  if (plan.kind === 'bag') return graph.toSingle(weights.rows(`${plan.words}.weight`, inputs.ids));
  const { names, normsBefore = false, rms } = plan;
  // What the parts are added to is fp32 where norms are computed so, else of the parts' own kind.
  const read = rms === undefined ? (x: Value) => x : (x: Value) => graph.fromSingle(x);
  const given = rms === undefined ? (x: Value) => x : (x: Value) => graph.toSingle(x);
  const norm = (name: string, x: Value) =>
    rms === undefined ? weights.norm(name, x, spec.layerNormEps) : weights.rmsNorm(name, x, spec.layerNormEps, rms);
  const words = embeddings(weights, plan, spec, inputs);
  let x = given(names.embeddingNorm === undefined ? words : norm(names.embeddingNorm, words));
  if (plan.scalesWords === true) x = graph.op('Mul', [x, graph.number(Math.sqrt(spec.hiddenSize), 'float32')]);
  if (names.projection !== undefined && weights.weights.has(`${names.projection}.weight`))
    x = weights.linear(names.projection, x);
  const attention = new Attention(weights, plan, spec, inputs);
  for (let i = 0; i < spec.layers; ++i) {
    const name = (part: string) => nameInLayer(plan, i, part);
    /** What a part gives, with the norm behind it where there is one. */
    const branch = (product: string, x: Value, behind: string | undefined) => {
      const all = given(weights.linear(name(product), x));
      return behind === undefined ? all : norm(name(behind), all);
    };
    // A first layer without a norm of its own reads what comes out of the embeddings'.
    const isNormed = normsBefore && weights.weights.has(`${name(names.attentionNorm)}.weight`);
    const attended = attention.of(i, read(isNormed ? norm(name(names.attentionNorm), x) : x));
    x = graph.op('Add', [branch(names.attentionOut, attended, names.attentionBranchNorm), x]);
    if (!normsBefore) x = norm(name(names.attentionNorm), x);
    const wide = widened(weights, plan, spec, name, read(normsBefore ? norm(name(names.outputNorm), x) : x));
    x = graph.op('Add', [branch(names.down, wide, names.outputBranchNorm), x]);
    if (!normsBefore) x = norm(name(names.outputNorm), x);
  }
  if (names.finalNorm !== undefined) x = norm(names.finalNorm, x);
  return rms === undefined ? graph.toSingle(x) : x;
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
  const halves = () => graph.integers([spec.intermediateSize, spec.intermediateSize]);
  const [first, second] =
    names.gate === undefined
      ? graph.ops('Split', [up, halves()], 2, { axis: { int: -1 } })
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
