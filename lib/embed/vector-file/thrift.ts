/** Types of Thrift's compact protocol. */
const [I32, I64, BINARY, LIST, STRUCT] = [5, 6, 8, 9, 12];

/** A value of a struct's field, with its type. */
export type ThriftValue =
  | { type: 'i32' | 'i64'; value: number }
  | { type: 'text'; value: string }
  | { type: 'struct'; value: ThriftStruct }
  | { type: 'list'; of: 'i32' | 'text' | 'struct'; values: readonly ThriftValue[] };

/** Fields by their numbers, in ascending order. */
export type ThriftStruct = Readonly<Record<number, ThriftValue>>;

const TYPES = { i32: I32, i64: I64, text: BINARY, list: LIST, struct: STRUCT } as const;

export const i32 = (value: number): ThriftValue => ({ type: 'i32', value });
export const i64 = (value: number): ThriftValue => ({ type: 'i64', value });
export const text = (value: string): ThriftValue => ({ type: 'text', value });
export const struct = (value: ThriftStruct): ThriftValue => ({ type: 'struct', value });
export const list = (of: 'i32' | 'text' | 'struct', values: readonly ThriftValue[]): ThriftValue => ({
  type: 'list',
  of,
  values,
});

/** An unsigned number in groups of seven bits, the lowest first. */
export function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}

/** A struct in Thrift's compact protocol, as Parquet's headers and footer are. Numbers are not negative. */
export function thrift(fields: ThriftStruct): Buffer {
  return Buffer.concat(structParts(fields));
}

function structParts(fields: ThriftStruct): Buffer[] {
  const parts: Buffer[] = [];
  let last = 0;
  for (const [number, field] of Object.entries(fields)) {
    const id = Number(number);
    // All ids of Parquet's structs lie near each other.
    parts.push(Buffer.from([((id - last) << 4) | TYPES[field.type]]), ...valueParts(field));
    last = id;
  }
  return [...parts, Buffer.from([0])];
}

function valueParts(field: ThriftValue): Buffer[] {
  switch (field.type) {
    case 'i32':
    case 'i64':
      return [Buffer.from(varint(2 * field.value))]; // zigzag
    case 'text': {
      const bytes = Buffer.from(field.value);
      return [Buffer.from(varint(bytes.length)), bytes];
    }
    case 'struct':
      return structParts(field.value);
    case 'list': {
      const { length } = field.values;
      const head = length < 15 ? [(length << 4) | TYPES[field.of]] : [0xf0 | TYPES[field.of], ...varint(length)];
      return [Buffer.from(head), ...field.values.flatMap(valueParts)];
    }
  }
}
