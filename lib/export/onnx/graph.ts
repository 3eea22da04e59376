import { bytesOf, toHalf, type Pieces } from '../convert';

/** A computation as ONNX has it: operators that give named values, and constants that are written in pieces. */

/** Types of numbers by TensorProto's codes. */
export const TYPES = { float32: 1, uint8: 2, int8: 3, int64: 7, bool: 9, float16: 10 } as const;
export type ElementType = keyof typeof TYPES;
const BYTES: Record<ElementType, number> = { float32: 4, uint8: 1, int8: 1, int64: 8, bool: 1, float16: 2 };

/** A value's name. */
export type Value = string;
export type Attribute = { float: number } | { int: number } | { ints: readonly number[] } | { text: string };

export interface Node {
  type: string;
  inputs: readonly Value[];
  outputs: readonly Value[];
  attributes: Readonly<Record<string, Attribute>>;
}

export interface Initializer {
  name: string;
  type: ElementType;
  shape: readonly number[];
  bytes: number;
  /** Its numbers, in row-major order. */
  pieces: () => Pieces;
}

/** An input or output; a size that is a text differs from call to call. */
export interface Port {
  name: string;
  type: ElementType;
  shape: readonly (number | string)[];
}

export class Graph {
  readonly nodes: Node[] = [];
  readonly initializers: Initializer[] = [];
  readonly inputs: Port[] = [];
  readonly outputs: Port[] = [];
  readonly #constants = new Map<string, Value>();
  readonly #names = new Set<string>();
  #next = 0;

  /** @param float what the encoder computes in */
  constructor(readonly float: 'float32' | 'float16') {}

  input(name: string, type: ElementType, shape: Port['shape']): Value {
    this.inputs.push({ name, type, shape });
    return name;
  }

  output(name: string, type: ElementType, shape: Port['shape'], value: Value): void {
    this.outputs.push({ name, type, shape });
    this.nodes.push({ type: 'Identity', inputs: [value], outputs: [name], attributes: {} });
  }

  /** The value that an operator with one output gives. */
  op(type: string, inputs: readonly Value[], attributes: Node['attributes'] = {}): Value {
    return this.ops(type, inputs, 1, attributes)[0]!;
  }

  ops(type: string, inputs: readonly Value[], outputs: number, attributes: Node['attributes'] = {}): Value[] {
    const names = Array.from({ length: outputs }, () => `${type}_${this.#next++}`);
    this.nodes.push({ type, inputs, outputs: names, attributes });
    return names;
  }

  cast(value: Value, type: ElementType): Value {
    return this.op('Cast', [value], { to: { int: TYPES[type] } });
  }

  /** What is fp32, in what the encoder computes in. */
  fromSingle(value: Value): Value {
    return this.float === 'float32' ? value : this.cast(value, this.float);
  }

  /** What is of the kind that the encoder computes in, in fp32. */
  toSingle(value: Value): Value {
    return this.float === 'float32' ? value : this.cast(value, 'float32');
  }

  /** A constant that is written when its turn comes; of a name that is there already, that one. */
  initializer(name: string, type: ElementType, shape: readonly number[], pieces: () => Pieces): Value {
    if (this.#names.has(name)) return name;
    this.#names.add(name);
    const elements = shape.reduce((product, size) => product * size, 1);
    this.initializers.push({ name, type, shape, bytes: elements * BYTES[type], pieces });
    return name;
  }

  /** int64: shapes, indices, axes. A list is a vector, a number a scalar. */
  integers(values: number | readonly number[]): Value {
    const list = typeof values === 'number' ? [values] : values;
    const shape = typeof values === 'number' ? [] : [list.length];
    return this.#constant(`int64 ${JSON.stringify(values)}`, 'int64', shape, () =>
      bytesOf(BigInt64Array.from(list, BigInt)),
    );
  }

  /** One number of the type. */
  number(value: number, type: 'float32' | 'float16' = this.float): Value {
    return this.#constant(`${type} ${value}`, type, [], () => {
      const single = Float32Array.of(value);
      return bytesOf(type === 'float16' ? toHalf(single) : single);
    });
  }

  /** A vector of fp32. */
  numbers(values: readonly number[]): Value {
    return this.#constant(`float32 ${JSON.stringify(values)}`, 'float32', [values.length], () =>
      bytesOf(Float32Array.from(values)),
    );
  }

  zeroPoint(value: number): Value {
    return this.#constant(`uint8 ${value}`, 'uint8', [], () => Uint8Array.of(value));
  }

  #constant(key: string, type: ElementType, shape: number[], bytes: () => Uint8Array): Value {
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const name = this.initializer(`constant_${this.#constants.size}`, type, shape, async function* () {
      yield bytes();
    });
    this.#constants.set(key, name);
    return name;
  }
}
