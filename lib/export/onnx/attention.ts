import type { EncoderSpec, LayerAttention } from '../../engine/addon';
import type { TransformerPlan } from '../plans';
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
  readonly #width: number;
  readonly #biases = new Map<number | null, Value>();
  readonly #turns = new Map<string, Turn>();
  #counted: Value | undefined;
  #between: Value | undefined;

  constructor(weights: ModuleWeights, plan: TransformerPlan, spec: EncoderSpec, inputs: Inputs) {
    this.#weights = weights;
    this.#graph = weights.graph;
    this.#plan = plan;
    this.#spec = spec;
    this.#inputs = inputs;
    this.#width = spec.hiddenSize / spec.heads;
  }

  /** softmax(q·kᵀ / √d + bias) · v of a layer, the heads side by side. */
  of(layer: number, x: Value): Value {
    const graph = this.#graph;
    const { hiddenSize, heads } = this.#spec;
    const own = this.#spec.attention?.[layer];
    const [query, key, value] = this.#projected(layer, x).map((all) =>
      graph.op('Reshape', [all, graph.integers([0, 0, heads, this.#width])]),
    );
    const turn = this.#plan.positions === 'rotary' ? this.#turn(own!) : undefined;
    const place = (heads: Value, perm: number[]) => graph.op('Transpose', [heads], { perm: { ints: perm } });
    const at = (x: Value) => (turn === undefined ? x : turned(graph, x, this.#width, turn));
    const [queries, keys] = [place(at(query!), [0, 2, 1, 3]), place(at(key!), [0, 2, 3, 1])];
    const products = graph.op('MatMul', [queries, keys]);
    const scores = graph.op('Div', [products, graph.number(Math.sqrt(this.#width))]);
    const biased = graph.op('Add', [scores, this.#bias(own?.window ?? null)]);
    const shares = graph.op('Softmax', [biased], { axis: { int: -1 } });
    const mixed = place(graph.op('MatMul', [shares, place(value!, [0, 2, 1, 3])]), [0, 2, 1, 3]);
    return graph.op('Reshape', [mixed, graph.integers([0, 0, hiddenSize])]);
  }

  /** Queries, keys and values, each [batch × sequence × hidden]. */
  #projected(layer: number, x: Value): Value[] {
    const { names } = this.#plan;
    const { hiddenSize } = this.#spec;
    const product = (part: string) => this.#weights.linear(`${names.layer}${layer}.${part}`, x);
    if (names.key !== undefined && names.value !== undefined) return [names.query, names.key, names.value].map(product);
    const sizes = this.#graph.integers([hiddenSize, hiddenSize, hiddenSize]);
    return this.#graph.ops('Split', [product(names.query), sizes], 3, { axis: { int: -1 } });
  }

  #turn(rope: LayerAttention): Turn {
    const key = `${rope.ropeTheta} ${rope.ropeDivisor}`;
    const made = this.#turns.get(key) ?? turnOf(this.#graph, rope, this.#width, this.#places());
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
   * Added to the scores [batch × heads × queries × keys], and broadcast to them: what is no token, and what lies outside of
   * a query's window, is as good as left out.
   */
  #bias(window: number | null): Value {
    const known = this.#biases.get(window);
    if (known !== undefined) return known;
    const made = window === null ? this.#wholeBias() : this.#windowBias(window);
    this.#biases.set(window, made);
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

  #windowBias(window: number): Value {
    const graph = this.#graph;
    const near = graph.op('LessOrEqual', [graph.op('Abs', [this.#distances()]), graph.integers(window)]);
    return graph.op('Where', [near, this.#bias(null), graph.number(lowest(graph))]);
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
