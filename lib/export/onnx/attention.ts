import type { EncoderSpec, LayerAttention } from '../../engine/model-spec';
import { nameInLayer, type TransformerPlan } from '../plans';
import { FARTHEST, relativeBucket } from '../relative-buckets';
import { sequenceLength, type Inputs } from './inputs';
import type { Graph, Value } from './graph';
import type { ModuleWeights } from './numbers';
import { turned, turnOf, type Turn } from './rotary';

/** The attention of a model's layers, which share what depends on the inputs alone. */
export class Attention {
  readonly #weights: ModuleWeights;
  readonly #graph: Graph;
  readonly #plan: TransformerPlan;
  readonly #spec: EncoderSpec;
  readonly #inputs: Inputs;
  /** Numbers of a head. */
  readonly #width: number;
  /** Heads of keys and values. */
  readonly #keyHeads: number;
  readonly #biases = new Map<string, Value>();
  readonly #turns = new Map<string, Turn>();
  #counted: Value | undefined;
  #between: Value | undefined;

  constructor(weights: ModuleWeights, plan: TransformerPlan, spec: EncoderSpec, inputs: Inputs) {
    this.#weights = weights;
    this.#graph = weights.graph;
    this.#plan = plan;
    this.#spec = spec;
    this.#inputs = inputs;
    this.#width = spec.headDim ?? spec.hiddenSize / spec.heads;
    this.#keyHeads = spec.keyValueHeads ?? spec.heads;
  }

  /** softmax(q·kᵀ / √d + bias) · v of a layer, the heads side by side. */
  of(layer: number, x: Value): Value {
    const graph = this.#graph;
    const { names } = this.#plan;
    const { heads, queryScale = 1 } = this.#spec;
    const own = this.#spec.attention?.[layer];
    const turn = this.#plan.positions === 'rotary' ? this.#turn(own!) : undefined;
    const counts = [heads, this.#keyHeads, this.#keyHeads];
    const [query, key, value] = this.#projected(layer, x).map((all, i) =>
      graph.op('Reshape', [all, graph.integers([0, 0, counts[i]!, this.#width])]),
    );
    const place = (heads: Value, perm: number[]) => graph.op('Transpose', [heads], { perm: { ints: perm } });
    const root = Math.sqrt(this.#width);
    const queries = place(this.#ready(layer, query!, names.queryNorm, turn, queryScale / root), [0, 2, 1, 3]);
    const keys = place(this.#shared(this.#ready(layer, key!, names.keyNorm, turn)), [0, 2, 3, 1]);
    const products = graph.op('MatMul', [queries, keys]);
    // A norm of queries has the scale already.
    const scores = names.queryNorm === undefined ? graph.op('Div', [products, graph.number(root)]) : products;
    const biased = graph.op('Add', [scores, this.#bias(own?.window ?? null, own?.causal === true)]);
    const shares = graph.op('Softmax', [biased], { axis: { int: -1 } });
    const mixed = graph.op('MatMul', [shares, place(this.#shared(value!), [0, 2, 1, 3])]);
    return graph.op('Reshape', [place(mixed, [0, 2, 1, 3]), graph.integers([0, 0, heads * this.#width])]);
  }

  /** Queries, keys and values, each [batch × sequence × width of its heads]. */
  #projected(layer: number, x: Value): Value[] {
    const { names } = this.#plan;
    const product = (part: string) => this.#weights.linear(nameInLayer(this.#plan, layer, part), x);
    if (names.key !== undefined && names.value !== undefined) return [names.query, names.key, names.value].map(product);
    const widths = [this.#spec.heads, this.#keyHeads, this.#keyHeads].map((heads) => heads * this.#width);
    return this.#graph.ops('Split', [product(names.query), this.#graph.integers(widths)], 3, { axis: { int: -1 } });
  }

  /** Heads as they are multiplied: normed, in fp32 and by `scale`, where they have a norm, and turned. */
  #ready(layer: number, heads: Value, norm: string | undefined, turn: Turn | undefined, scale = 1): Value {
    const graph = this.#graph;
    const at = (x: Value) => (turn === undefined ? x : turned(graph, x, this.#width, turn));
    if (norm === undefined) return at(heads);
    const name = nameInLayer(this.#plan, layer, norm);
    const normed = this.#weights.rmsNorm(name, graph.toSingle(heads), this.#spec.layerNormEps, {
      ...this.#plan.rms,
      scale,
    });
    return graph.fromSingle(at(normed));
  }

  /** Heads of keys or values, each as often as there are neighbouring heads of queries to it. */
  #shared(heads: Value): Value {
    const graph = this.#graph;
    const each = this.#spec.heads / this.#keyHeads;
    if (each === 1) return heads;
    const apart = graph.op('Unsqueeze', [heads, graph.integers([3])]);
    const repeated = graph.op('Expand', [apart, graph.integers([1, 1, 1, each, 1])]);
    return graph.op('Reshape', [repeated, graph.integers([0, 0, this.#spec.heads, this.#width])]);
  }

  #turn(rope: LayerAttention): Turn {
    const key = `${rope.ropeTheta} ${rope.ropeDivisor}`;
    const type = this.#plan.names.queryNorm === undefined ? this.#graph.float : 'float32';
    const made = this.#turns.get(key) ?? turnOf(this.#graph, rope, this.#width, this.#places(), type);
    this.#turns.set(key, made);
    return made;
  }

  /** A token's number in its text: [sequence]. */
  #places(): Value {
    const graph = this.#graph;
    if (this.#counted !== undefined) return this.#counted;
    const length = graph.op('Squeeze', [sequenceLength(graph, this.#inputs.ids), graph.integers([0])]);
    this.#counted = graph.op('Range', [graph.integers(0), length, graph.integers(1)]);
    return this.#counted;
  }

  /** Key's place less query's: [sequence × sequence]. */
  #distances(): Value {
    const graph = this.#graph;
    if (this.#between !== undefined) return this.#between;
    const [across, along] = [0, 1].map((axis) => graph.op('Unsqueeze', [this.#places(), graph.integers([axis])]));
    this.#between = graph.op('Sub', [across!, along!]);
    return this.#between;
  }

  /**
   * Added to the scores [batch × heads × queries × keys], and broadcast to them: what is no token, what lies outside of a
   * query's window, and behind a query that sees no key there, is as good as left out.
   */
  #bias(window: number | null, causal: boolean): Value {
    const key = `${window} ${causal}`;
    const made =
      this.#biases.get(key) ?? (window === null && !causal ? this.#wholeBias() : this.#reach(window, causal));
    this.#biases.set(key, made);
    return made;
  }

  #wholeBias(): Value {
    const graph = this.#graph;
    const keys = graph.op('Unsqueeze', [graph.cast(this.#inputs.mask, graph.float), graph.integers([1, 2])]);
    const masked = graph.op('Mul', [graph.op('Sub', [graph.number(1), keys]), graph.number(lowest(graph))]);
    return this.#plan.relativeBias === undefined
      ? masked
      : graph.op('Add', [masked, this.#distanceBias(this.#plan.relativeBias)]);
  }

  #reach(window: number | null, causal: boolean): Value {
    const graph = this.#graph;
    const between = this.#distances();
    const atMost = (x: Value, y: Value) => graph.op('LessOrEqual', [x, y]);
    const seen = causal ? [atMost(between, graph.integers(0))] : [];
    if (window !== null && causal) seen.push(atMost(graph.integers(-window), between));
    else if (window !== null) seen.push(atMost(graph.op('Abs', [between]), graph.integers(window)));
    const near = seen.length === 1 ? seen[0]! : graph.op('And', seen);
    return graph.op('Where', [near, this.#bias(null, false), graph.number(lowest(graph))]);
  }

  /** MPNet's, [1 × heads × queries × keys]. */
  #distanceBias(name: string): Value {
    const graph = this.#graph;
    const { heads } = this.#spec;
    const table = this.#weights.weights.tensor(`${name}.weight`);
    const byDistance = this.#weights.numbers(`${name}.by_distance`, [2 * FARTHEST + 1, heads], async () => {
      const buckets = await table.whole();
      const rows = new Float32Array((2 * FARTHEST + 1) * heads);
      for (let distance = -FARTHEST; distance <= FARTHEST; ++distance) {
        const from = relativeBucket(distance) * heads;
        rows.set(buckets.subarray(from, from + heads), (distance + FARTHEST) * heads);
      }
      return rows;
    });
    const near = graph.op('Max', [this.#distances(), graph.integers(-FARTHEST)]);
    const distance = graph.op('Min', [near, graph.integers(FARTHEST)]);
    const biases = graph.op('Gather', [byDistance, graph.op('Add', [distance, graph.integers(FARTHEST)])]);
    const byHead = graph.op('Transpose', [biases], { perm: { ints: [2, 0, 1] } });
    return graph.op('Unsqueeze', [byHead, graph.integers([0])]);
  }
}

/**
 * A score that has no share beside any other. In fp16 half of the largest number: a sum with it stays finite, where what
 * fills a text up sees nothing within its window.
 */
function lowest(graph: Graph): number {
  return graph.float === 'float16' ? -32752 : -3.4028234663852886e38;
}
