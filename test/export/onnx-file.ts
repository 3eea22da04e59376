import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Reads ONNX files by the schema (onnx.proto3), for tests: what vectune wrote is read by other code than wrote it. */

type Fields = Map<number, (Buffer | bigint | number)[]>;

function fieldsOf(bytes: Buffer): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error('a number breaks off');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const [field, kind] = [tag >> 3, tag & 7];
    let value: Buffer | bigint | number;
    if (kind === 0) value = varint();
    else if (kind === 5) {
      value = bytes.readFloatLE(at);
      at += 4;
    } else if (kind === 2) {
      const length = Number(varint());
      value = bytes.subarray(at, at + length);
      if (value.length !== length) throw new Error('a field breaks off');
      at += length;
    } else throw new Error(`wire type ${kind}`);
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

const messages = (fields: Fields, field: number) => (fields.get(field) ?? []).map((value) => fieldsOf(value as Buffer));
const texts = (fields: Fields, field: number) => (fields.get(field) ?? []).map(String);
const text = (fields: Fields, field: number) => texts(fields, field)[0] ?? '';
const integers = (fields: Fields, field: number) =>
  (fields.get(field) ?? []).map((value) => Number(BigInt.asIntN(64, value as bigint)));

export const TYPES: Record<number, string> = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  6: 'int32',
  7: 'int64',
  9: 'bool',
  10: 'float16',
};

export interface Constant {
  type: string;
  shape: number[];
  /** As numbers; halves are widened. */
  data: Float64Array;
  external: boolean;
}

export interface OnnxNode {
  type: string;
  inputs: string[];
  outputs: string[];
  attributes: Record<string, number | number[]>;
}

export interface OnnxFile {
  irVersion: number;
  opset: number;
  nodes: OnnxNode[];
  constants: Map<string, Constant>;
  inputs: Record<string, { type: string; shape: (number | string)[] }>;
  outputs: Record<string, { type: string; shape: (number | string)[] }>;
}

function widened(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

function numbers(type: string, raw: Buffer): Float64Array {
  const bytes = Uint8Array.from(raw);
  if (type === 'float32') return Float64Array.from(new Float32Array(bytes.buffer));
  if (type === 'float16') return Float64Array.from(new Uint16Array(bytes.buffer), widened);
  if (type === 'int8') return Float64Array.from(new Int8Array(bytes.buffer));
  if (type === 'int64') return Float64Array.from(new BigInt64Array(bytes.buffer), Number);
  return Float64Array.from(bytes);
}

export function readOnnx(path: string): OnnxFile {
  const model = fieldsOf(readFileSync(path));
  const graph = messages(model, 7)[0]!;
  const constants = new Map<string, Constant>();
  for (const tensor of messages(graph, 5)) {
    const type = TYPES[integers(tensor, 2)[0]!]!;
    const external = integers(tensor, 14)[0] === 1;
    let raw: Buffer;
    if (external) {
      const told = Object.fromEntries(messages(tensor, 13).map((entry) => [text(entry, 1), text(entry, 2)]));
      const [offset, length] = [Number(told['offset']), Number(told['length'])];
      raw = readFileSync(join(dirname(path), told['location']!)).subarray(offset, offset + length);
      if (raw.length !== length) throw new Error(`${text(tensor, 8)} is not in ${told['location']}`);
    } else raw = tensor.get(9)![0] as Buffer;
    const shape = integers(tensor, 1);
    const data = numbers(type, raw);
    if (data.length !== shape.reduce((product, size) => product * size, 1))
      throw new Error(`${text(tensor, 8)}: length`);
    if (constants.has(text(tensor, 8))) throw new Error(`${text(tensor, 8)} is there twice`);
    constants.set(text(tensor, 8), { type, shape, data, external });
  }
  const ports = (field: number) =>
    Object.fromEntries(
      messages(graph, field).map((port) => {
        const tensor = messages(messages(port, 2)[0]!, 1)[0]!;
        const shape = messages(messages(tensor, 2)[0]!, 1).map((size) => integers(size, 1)[0] ?? text(size, 2));
        return [text(port, 1), { type: TYPES[integers(tensor, 1)[0]!]!, shape }];
      }),
    );
  const nodes = messages(graph, 1).map((node) => ({
    type: text(node, 4),
    inputs: texts(node, 1),
    outputs: texts(node, 2),
    attributes: Object.fromEntries(
      messages(node, 5).map((attribute) => {
        const kind = integers(attribute, 20)[0];
        const value =
          kind === 1
            ? (attribute.get(2)![0] as number)
            : kind === 2
              ? integers(attribute, 3)[0]!
              : integers(attribute, 8);
        return [text(attribute, 1), value];
      }),
    ),
  }));
  return {
    irVersion: integers(model, 1)[0]!,
    opset: integers(messages(model, 8)[0]!, 2)[0]!,
    nodes,
    constants,
    inputs: ports(11),
    outputs: ports(12),
  };
}
