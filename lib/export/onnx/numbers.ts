import type { ExportPrecision } from '../options';
import {
  asHalf,
  asSingle,
  bytesOf,
  COLUMN_ZERO,
  quantisedColumns,
  quantisedRows,
  rowScales,
  transposed,
} from '../convert';
import type { Tensor, Weights } from '../weights';
import type { Graph, Value } from './graph';

/** A product's input as uint8, with its step and zero. */
type Quantised = readonly [numbers: Value, scale: Value, zero: Value];

/**
 * The weights of a module as constants of a graph, and what multiplies by them, in one precision. In fp16 they are used as what
 * the graph computes in.
 */
export class ModuleWeights {
  readonly #quantised = new Map<Value, Quantised>();
  readonly #float: 'float32' | 'float16';
  /** Whether fp16 numbers are made fp32 where they are used. */
  readonly #widens: boolean;

  /** @param place before the names of the module's tensors in the graph */
  constructor(
    readonly graph: Graph,
    readonly weights: Weights,
    readonly precision: ExportPrecision,
    readonly place = '',
  ) {
    this.#float = precision === 'fp16' ? 'float16' : 'float32';
    this.#widens = precision === 'fp16' && graph.float === 'float32';
  }

  /** A vector, or a matrix as it is. */
  tensor(name: string): Value {
    return this.#used(this.#constant(this.weights.tensor(name), name));
  }

  /** One row of a matrix. */
  row(name: string, row: number): Value {
    const tensor = this.weights.tensor(name);
    const width = tensor.shape[1]!;
    return this.numbers(`${name}.${row}`, [width], () => tensor.read(row * width, width));
  }

  /** Numbers that are computed when their turn comes. */
  numbers(name: string, shape: readonly number[], make: () => Promise<Float32Array<ArrayBuffer>>): Value {
    return this.#used(
      this.#pieces(name, shape, async function* () {
        yield await make();
      }),
    );
  }

  /** Rows of a table by their numbers; quantised by row in int8. */
  rows(name: string, ids: Value): Value {
    const { graph } = this;
    const tensor = this.weights.tensor(name);
    if (this.precision !== 'int8') return this.#used(graph.op('Gather', [this.#constant(tensor, name), ids]));
    const table = graph.initializer(`${this.place}${name}_quantized`, 'int8', tensor.shape, () =>
      quantisedRows(tensor),
    );
    const scales = graph.initializer(
      `${this.place}${name}_scale`,
      'float32',
      [tensor.shape[0]!, 1],
      async function* () {
        yield bytesOf(await rowScales(tensor));
      },
    );
    const numbers = graph.cast(graph.op('Gather', [table, ids]), 'float32');
    return graph.op('Mul', [numbers, graph.op('Gather', [scales, ids])]);
  }

  /** x · Wᵀ + b, where there is a bias. */
  linear(name: string, x: Value): Value {
    const { graph } = this;
    const product = this.precision === 'int8' ? this.#integerProduct(name, x) : this.#product(name, x);
    const bias = `${name}.bias`;
    return this.weights.has(bias) ? graph.op('Add', [product, this.tensor(bias)]) : product;
  }

  norm(name: string, x: Value, epsilon: number): Value {
    const bias = `${name}.bias`;
    const inputs = [x, this.tensor(`${name}.weight`), ...(this.weights.has(bias) ? [this.tensor(bias)] : [])];
    return this.graph.op('LayerNormalization', inputs, { axis: { int: -1 }, epsilon: { float: epsilon } });
  }

  /**
   * x · (weight + shift) · scale over the root of x's mean square (Zhang & Sennrich 2019), along the last axis; all in fp32, in
   * the operators in which runtimes know it again.
   */
  rmsNorm(name: string, x: Value, epsilon: number, { shift = 0, scale = 1 } = {}): Value {
    const { graph } = this;
    const tensor = this.weights.tensor(`${name}.weight`);
    const factors = graph.initializer(`${this.place}${name}.factors`, 'float32', tensor.shape, async function* () {
      yield bytesOf((await tensor.whole()).map((one) => (one + shift) * scale));
    });
    const square = graph.op('Pow', [x, graph.number(2, 'float32')]);
    const mean = graph.op('ReduceMean', [square], { axes: { ints: [-1] }, keepdims: { int: 1 } });
    const root = graph.op('Sqrt', [graph.op('Add', [mean, graph.number(epsilon, 'float32')])]);
    return graph.op('Mul', [graph.op('Div', [x, root]), factors]);
  }

  #product(name: string, x: Value): Value {
    const tensor = this.weights.tensor(`${name}.weight`);
    const [out, into] = tensor.shape as [number, number];
    const weight = this.#pieces(`${name}.weight_transposed`, [into, out], () => transposed(tensor));
    return this.graph.op('MatMul', [x, this.#used(weight)]);
  }

  /** Numbers of the weights' precision as what is computed with. */
  #used(value: Value): Value {
    return this.#widens ? this.graph.cast(value, 'float32') : value;
  }

  /**
   * The product in integers, exact; x by the range of its numbers, each output's weights by their own. Weights are uint8:
   * products of uint8 and int8 overflow in the 16 bits in which processors without VNNI add two of them.
   */
  #integerProduct(name: string, x: Value): Value {
    const { graph } = this;
    const tensor = this.weights.tensor(`${name}.weight`);
    const [out, into] = tensor.shape as [number, number];
    let input = this.#quantised.get(x);
    if (input === undefined) {
      input = graph.ops('DynamicQuantizeLinear', [x], 3) as unknown as Quantised;
      this.#quantised.set(x, input);
    }
    const [numbers, scale, zero] = input;
    const columns = `${this.place}${name}.weight_quantized`;
    const weight = graph.initializer(columns, 'uint8', [into, out], () => quantisedColumns(tensor));
    const scales = graph.initializer(`${this.place}${name}.weight_scale`, 'float32', [out], async function* () {
      yield bytesOf(await rowScales(tensor));
    });
    const product = graph.op('MatMulInteger', [numbers, weight, zero, graph.zeroPoint(COLUMN_ZERO)]);
    return graph.op('Mul', [graph.cast(product, 'float32'), graph.op('Mul', [scale, scales])]);
  }

  #constant(tensor: Tensor, name: string): Value {
    return this.graph.initializer(`${this.place}${name}`, this.#float, tensor.shape, () =>
      this.#float === 'float16' ? asHalf(tensor.pieces()) : asSingle(tensor),
    );
  }

  #pieces(name: string, shape: readonly number[], make: () => AsyncIterable<Float32Array>): Value {
    const float = this.#float;
    return this.graph.initializer(`${this.place}${name}`, float, shape, async function* () {
      if (float === 'float16') yield* asHalf(make());
      else for await (const piece of make()) yield bytesOf(piece);
    });
  }
}
