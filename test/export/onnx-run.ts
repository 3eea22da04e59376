import { TYPES, type OnnxFile, type OnnxNode } from './onnx-file';

/**
 * Runs ONNX graphs by the definitions of the operators (opset 17), in double precision and without haste, for tests; what is
 * fp16 is rounded to it.
 */

export interface Value {
  shape: number[];
  data: Float64Array;
}

const size = (shape: readonly number[]) => shape.reduce((product, one) => product * one, 1);
const scalar = (value: number): Value => ({ shape: [], data: Float64Array.of(value) });

/** Index in an array of a shape of what stands at `index` of a larger shape that it is broadcast to. */
function broadcastIndex(index: number[], shape: readonly number[]): number {
  let at = 0;
  for (let axis = 0; axis < shape.length; ++axis) {
    const here = index[index.length - shape.length + axis]!;
    at = at * shape[axis]! + (shape[axis] === 1 ? 0 : here);
  }
  return at;
}

function* indices(shape: readonly number[]): Generator<number[]> {
  const index = shape.map(() => 0);
  for (let i = 0; i < size(shape); ++i) {
    yield index;
    for (let axis = shape.length - 1; axis >= 0; --axis) {
      if (++index[axis]! < shape[axis]!) break;
      index[axis] = 0;
    }
  }
}

function broadcast(work: (...values: number[]) => number, ...inputs: Value[]): Value {
  const rank = Math.max(...inputs.map(({ shape }) => shape.length));
  const shape = Array.from({ length: rank }, (_, axis) =>
    inputs.reduce((most, input) => {
      const own = input.shape[axis - rank + input.shape.length] ?? 1;
      if (own !== most && own !== 1 && most !== 1) throw new Error(`${own} and ${most} do not go together`);
      return own === 1 ? most : own;
    }, 1),
  );
  const data = new Float64Array(size(shape));
  let i = 0;
  for (const index of indices(shape))
    data[i++] = work(...inputs.map((input) => input.data[broadcastIndex(index, input.shape)]!));
  return { shape, data };
}

const each = (work: (x: number) => number, input: Value): Value => ({ shape: input.shape, data: input.data.map(work) });
const axisOf = (axis: number, rank: number) => (axis < 0 ? axis + rank : axis);

/** Runs of numbers along the last axis. */
function rows(input: Value, work: (row: Float64Array) => ArrayLike<number>): Value {
  const width = input.shape.at(-1)!;
  const data = new Float64Array(input.data.length);
  for (let at = 0; at < data.length; at += width) data.set(work(input.data.subarray(at, at + width)), at);
  return { shape: input.shape, data };
}

function reduce(
  input: Value,
  axes: number[],
  keep: boolean,
  start: number,
  work: (a: number, b: number) => number,
): Value {
  const dropped = axes.map((axis) => axisOf(axis, input.shape.length));
  const kept = input.shape.map((one, axis) => (dropped.includes(axis) ? 1 : one));
  const data = new Float64Array(size(kept)).fill(start);
  let i = 0;
  for (const index of indices(input.shape)) {
    const at = broadcastIndex(index, kept);
    data[at] = work(data[at]!, input.data[i++]!);
  }
  return { shape: keep ? kept : kept.filter((_, axis) => !dropped.includes(axis)), data };
}

function gather(input: Value, ids: Value, axis: number): Value {
  const shape = [...input.shape.slice(0, axis), ...ids.shape, ...input.shape.slice(axis + 1)];
  const inner = size(input.shape.slice(axis + 1));
  const rowsOf = input.shape[axis]!;
  const data = new Float64Array(size(shape));
  let at = 0;
  for (let outer = 0; outer < size(input.shape.slice(0, axis)); ++outer) {
    for (const id of ids.data) {
      if (id < -rowsOf || id >= rowsOf) throw new Error(`row ${id} of ${rowsOf}`);
      const from = (outer * rowsOf + (id < 0 ? id + rowsOf : id)) * inner;
      data.set(input.data.subarray(from, from + inner), at);
      at += inner;
    }
  }
  return { shape, data };
}

function matmul(a: Value, b: Value): Value {
  const [rowsOf, inner, columns] = [a.shape.at(-2)!, a.shape.at(-1)!, b.shape.at(-1)!];
  if (b.shape.at(-2) !== inner) throw new Error(`a product of ${a.shape} and ${b.shape}`);
  const [outerA, outerB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const outer = outerA.length >= outerB.length ? outerA : outerB;
  const shape = [...outer, rowsOf, columns];
  const data = new Float64Array(size(shape));
  let at = 0;
  for (const index of indices(outer)) {
    const fromA = broadcastIndex(index, outerA) * rowsOf * inner;
    const fromB = broadcastIndex(index, outerB) * inner * columns;
    for (let row = 0; row < rowsOf; ++row) {
      for (let column = 0; column < columns; ++column) {
        let sum = 0;
        for (let i = 0; i < inner; ++i) sum += a.data[fromA + row * inner + i]! * b.data[fromB + i * columns + column]!;
        data[at++] = sum;
      }
    }
  }
  return { shape, data };
}

function transpose(input: Value, perm: number[]): Value {
  const shape = perm.map((axis) => input.shape[axis]!);
  const data = new Float64Array(input.data.length);
  let at = 0;
  for (const index of indices(shape)) {
    const from: number[] = [];
    perm.forEach((axis, i) => {
      from[axis] = index[i]!;
    });
    data[at++] = input.data[broadcastIndex(from, input.shape)]!;
  }
  return { shape, data };
}

/** 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1)), whose terms are all of one sign. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let [term, sum] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); ++n) sum += term *= (2 * x * x) / (2 * n + 1);
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** Half to even. */
function rounded(x: number): number {
  const near = Math.round(x);
  return Math.abs(x - Math.trunc(x)) === 0.5 && near % 2 !== 0 ? near - 1 : near;
}

const clamp = (x: number) => Math.min(255, Math.max(0, x));

type Operator = (inputs: Value[], attributes: OnnxNode['attributes']) => Value | Value[];

const OPERATORS: Record<string, Operator> = {
  Identity: ([x]) => x!,
  Add: ([a, b]) => broadcast((x, y) => x + y, a!, b!),
  And: ([a, b]) => broadcast((x, y) => Number(x !== 0 && y !== 0), a!, b!),
  Pow: ([a, b]) => broadcast(Math.pow, a!, b!),
  Neg: ([x]) => each((one) => -one, x!),
  Abs: ([x]) => each(Math.abs, x!),
  Cos: ([x]) => each(Math.cos, x!),
  Sin: ([x]) => each(Math.sin, x!),
  LessOrEqual: ([a, b]) => broadcast((x, y) => Number(x <= y), a!, b!),
  Sub: ([a, b]) => broadcast((x, y) => x - y, a!, b!),
  Mul: ([a, b]) => broadcast((x, y) => x * y, a!, b!),
  Div: ([a, b]) => broadcast((x, y) => x / y, a!, b!),
  Max: ([a, b]) => broadcast(Math.max, a!, b!),
  Min: ([a, b]) => broadcast(Math.min, a!, b!),
  Equal: ([a, b]) => broadcast((x, y) => Number(x === y), a!, b!),
  Where: ([a, b, c]) => broadcast((x, y, z) => (x !== 0 ? y : z), a!, b!, c!),
  Not: ([x]) => each((one) => Number(one === 0), x!),
  Erf: ([x]) => each(erf, x!),
  Tanh: ([x]) => each(Math.tanh, x!),
  Sqrt: ([x]) => each(Math.sqrt, x!),
  Relu: ([x]) => each((one) => Math.max(0, one), x!),
  Sigmoid: ([x]) => each((one) => 1 / (1 + Math.exp(-one)), x!),
  Softplus: ([x]) => each((one) => Math.log1p(Math.exp(one)), x!),
  Elu: ([x]) => each((one) => (one > 0 ? one : Math.expm1(one)), x!),
  Selu: ([x]) => each((one) => 1.0507009873554805 * (one > 0 ? one : 1.6732632423543772 * Math.expm1(one)), x!),
  LeakyRelu: ([x]) => each((one) => (one > 0 ? one : 0.01 * one), x!),
  Cast: ([x], { to }) => each((one) => (to === 7 ? Math.trunc(one) : to === 9 ? Number(one !== 0) : one), x!),
  Gather: ([x, ids], { axis }) => gather(x!, ids!, (axis as number | undefined) ?? 0),
  MatMul: ([a, b]) => matmul(a!, b!),
  MatMulInteger: ([a, b, zeroA, zeroB]) =>
    matmul(
      broadcast((x, zero) => x - zero, a!, zeroA!),
      broadcast((x, zero) => x - zero, b!, zeroB!),
    ),
  DynamicQuantizeLinear: ([x]) => {
    const [low, high] = [Math.min(0, ...x!.data), Math.max(0, ...x!.data)];
    const scale = (high - low) / 255;
    const zero = clamp(rounded(-low / scale));
    return [each((one) => clamp(rounded(one / scale) + zero), x!), scalar(scale), scalar(zero)];
  },
  Shape: ([x]) => ({ shape: [x!.shape.length], data: Float64Array.from(x!.shape) }),
  Reshape: ([x, shape]) => ({
    shape: [...shape!.data].map((one, axis) => (one === 0 ? x!.shape[axis]! : one)),
    data: x!.data,
  }),
  Unsqueeze: ([x, axes]) => {
    const shape = [...x!.shape];
    for (const axis of [...axes!.data].sort((a, b) => a - b)) shape.splice(axis, 0, 1);
    return { shape, data: x!.data };
  },
  Expand: ([x, shape]) =>
    broadcast((one) => one, x!, {
      shape: [...shape!.data],
      data: new Float64Array(size([...shape!.data])),
    }),
  Squeeze: ([x, axes]) => ({ shape: x!.shape.filter((_, axis) => !axes!.data.includes(axis)), data: x!.data }),
  Transpose: ([x], { perm }) => transpose(x!, perm as number[]),
  Range: ([from, to, step]) => {
    const count = Math.max(0, Math.ceil((to!.data[0]! - from!.data[0]!) / step!.data[0]!));
    return {
      shape: [count],
      data: Float64Array.from({ length: count }, (_, i) => from!.data[0]! + i * step!.data[0]!),
    };
  },
  Slice: ([x, from, to, axes]) => {
    const axis = axes!.data[0]!;
    const [first, end] = [from!.data[0]!, Math.min(to!.data[0]!, x!.shape[axis]!)];
    const ids = Float64Array.from({ length: end - first }, (_, i) => first + i);
    return gather(x!, { shape: [ids.length], data: ids }, axis);
  },
  Split: ([x, sizes], { axis }) => {
    const along = axisOf(axis as number, x!.shape.length);
    let from = 0;
    return [...sizes!.data].map((count) => {
      const ids = Float64Array.from({ length: count }, (_, i) => from + i);
      from += count;
      return gather(x!, { shape: [count], data: ids }, along);
    });
  },
  Concat: (inputs, { axis }) => {
    const along = axisOf(axis as number, inputs[0]!.shape.length);
    if (along !== inputs[0]!.shape.length - 1) throw new Error('Concat along another axis than the last');
    const widths = inputs.map(({ shape }) => shape.at(-1)!);
    const data: number[] = [];
    for (let row = 0; row < inputs[0]!.data.length / widths[0]!; ++row)
      inputs.forEach((input, i) => data.push(...input.data.subarray(row * widths[i]!, (row + 1) * widths[i]!)));
    return { shape: [...inputs[0]!.shape.slice(0, -1), widths.reduce((a, b) => a + b)], data: Float64Array.from(data) };
  },
  CumSum: ([x, axis]) => {
    if (axis!.data[0] !== 1) throw new Error('CumSum along another axis than the second');
    const inner = size(x!.shape.slice(2));
    const data = Float64Array.from(x!.data);
    for (let i = 0; i < data.length; ++i) if (Math.floor(i / inner) % x!.shape[1]! !== 0) data[i]! += data[i - inner]!;
    return { shape: x!.shape, data };
  },
  Softmax: ([x]) =>
    rows(x!, (row) => {
      const most = Math.max(...row);
      const powers = row.map((one) => Math.exp(one - most));
      const sum = powers.reduce((a, b) => a + b);
      return powers.map((one) => one / sum);
    }),
  LayerNormalization: ([x, weight, bias], { epsilon }) =>
    rows(x!, (row) => {
      const mean = row.reduce((a, b) => a + b) / row.length;
      const variance = row.reduce((sum, one) => sum + (one - mean) ** 2, 0) / row.length;
      return row.map(
        (one, i) =>
          ((one - mean) / Math.sqrt(variance + (epsilon as number))) * weight!.data[i]! + (bias?.data[i] ?? 0),
      );
    }),
  ReduceSum: ([x, axes], { keepdims }) => reduce(x!, [...axes!.data], keepdims !== 0, 0, (a, b) => a + b),
  ReduceMean: ([x], { axes, keepdims }) => {
    const total = reduce(x!, axes as number[], keepdims !== 0, 0, (a, b) => a + b);
    return each((one) => (one * total.data.length) / x!.data.length, total);
  },
  ReduceMax: ([x], { axes, keepdims }) => reduce(x!, axes as number[], keepdims !== 0, -Infinity, Math.max),
  ReduceL2: ([x], { axes, keepdims }) =>
    each(
      Math.sqrt,
      reduce(x!, axes as number[], keepdims !== 0, 0, (sum, one) => sum + one * one),
    ),
};

/** Operators all of whose inputs are of one type, and those that give another type than their first input's. */
const ALIKE = new Set(
  'Add Sub Mul Div Pow Max Min Equal LessOrEqual And MatMul Concat LayerNormalization ReduceMean'.split(' '),
);
const GIVEN: Record<string, (types: string[], attributes: OnnxNode['attributes']) => string[]> = {
  Cast: (_, { to }) => [TYPES[to as number]!],
  Shape: () => ['int64'],
  Equal: () => ['bool'],
  LessOrEqual: () => ['bool'],
  Where: (types) => [types[1]!],
  DynamicQuantizeLinear: () => ['uint8', 'float32', 'uint8'],
  MatMulInteger: () => ['int32'],
};

/** The types of what an operator gives. */
function typesOf({ type, outputs, attributes }: OnnxNode, types: string[]): string[] {
  const alike = type === 'Where' ? types.slice(1) : ALIKE.has(type) ? types : [];
  if (new Set(alike).size > 1) throw new Error(`${type} of ${types}`);
  return GIVEN[type]?.(types, attributes) ?? outputs.map(() => types[0]!);
}

function toHalf(x: number): number {
  if (x === 0 || !Number.isFinite(x)) return x;
  const step = 2 ** (Math.max(Math.floor(Math.log2(Math.abs(x))), -14) - 10);
  const half = rounded(x / step) * step;
  return Math.abs(half) > 65504 ? Math.sign(half) * Infinity : half;
}

/** The graph's outputs, by name. Checks that every value is made once and before it is used, that constants are, and types. */
export function runOnnx(file: OnnxFile, feeds: Record<string, Value>): Record<string, Value> {
  const values = new Map<string, Value>(file.constants);
  const types = new Map([...file.constants, ...Object.entries(file.inputs)].map(([name, { type }]) => [name, type]));
  for (const name of Object.keys(file.inputs)) {
    if (feeds[name] === undefined) throw new Error(`the input ${name} is not given`);
    values.set(name, feeds[name]);
  }
  for (const node of file.nodes) {
    const { type, inputs, outputs, attributes } = node;
    const given = inputs.map((name) => {
      const value = values.get(name);
      if (value === undefined) throw new Error(`${name} is used before it is made`);
      return value;
    });
    const operator = OPERATORS[type];
    if (operator === undefined) throw new Error(`there is no operator ${type}`);
    const results = [operator(given, attributes)].flat();
    const made = typesOf(
      node,
      inputs.map((name) => types.get(name)!),
    );
    outputs.forEach((name, i) => {
      if (values.has(name)) throw new Error(`${name} is made twice`);
      types.set(name, made[i]!);
      values.set(name, made[i] === 'float16' ? each(toHalf, results[i]!) : results[i]!);
    });
  }
  const used = new Set(file.nodes.flatMap(({ inputs }) => inputs));
  for (const name of file.constants.keys()) if (!used.has(name)) throw new Error(`nothing uses ${name}`);
  for (const [name, { type }] of Object.entries(file.outputs))
    if (types.get(name) !== type) throw new Error(`${name} is ${types.get(name)}, and not ${type}`);
  return Object.fromEntries(Object.keys(file.outputs).map((name) => [name, values.get(name)!]));
}
