/**
 * Protocol buffers' wire format, as far as ONNX needs it. Of our own, since the packages there are hold a whole message in
 * memory, and a model's is its weights: here the lengths are known beforehand and the weights pass by in pieces.
 */

const VARINT = 0;
const BYTES = 2;
const FIXED32 = 5;

function varint(value: number | bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return bytes;
}

function tag(field: number, type: number): number[] {
  return varint(8 * field + type);
}

/** What stands before a field of `length` bytes that are written elsewhere. */
export function prefix(field: number, length: number): Buffer {
  return Buffer.from([...tag(field, BYTES), ...varint(length)]);
}

/** A message that is put together field by field. */
export class Message {
  readonly #parts: Uint8Array[] = [];

  integer(field: number, value: number | bigint): this {
    this.#parts.push(Uint8Array.from([...tag(field, VARINT), ...varint(value)]));
    return this;
  }

  float(field: number, value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    this.#parts.push(Uint8Array.from(tag(field, FIXED32)), bytes);
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value));
  }

  bytes(field: number, value: Uint8Array): this {
    this.#parts.push(prefix(field, value.length), value);
    return this;
  }

  message(field: number, value: Message): this {
    return this.bytes(field, value.finish());
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
