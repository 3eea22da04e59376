import { readFileSync } from 'node:fs';

/** Reads GGUF files by ggml's docs/gguf.md, for tests: what vectune wrote is read by other code than wrote it. */

export interface GgufFile {
  fields: Map<string, unknown>;
  /** Shapes as ggml has them, the width of a row first. */
  tensors: Map<string, { shape: number[]; type: string; data: Buffer }>;
}

const TENSORS: Record<number, { name: string; bytes: (elements: number) => number }> = {
  0: { name: 'F32', bytes: (elements) => 4 * elements },
  1: { name: 'F16', bytes: (elements) => 2 * elements },
  8: { name: 'Q8_0', bytes: (elements) => (elements / 32) * 34 },
};

export function readGguf(path: string): GgufFile {
  const file = readFileSync(path);
  let at = 0;
  const take = (bytes: number) => {
    const part = file.subarray(at, at + bytes);
    if (part.length !== bytes) throw new Error(`the file ends at ${at}`);
    at += bytes;
    return part;
  };
  const u32 = () => take(4).readUInt32LE();
  const u64 = () => Number(take(8).readBigUInt64LE());
  const text = () => take(u64()).toString('utf8');
  const value = (type: number): unknown => {
    if (type === 0) return take(1)[0];
    if (type === 4) return u32();
    if (type === 5) return take(4).readInt32LE();
    if (type === 6) return take(4).readFloatLE();
    if (type === 7) return take(1)[0] === 1;
    if (type === 8) return text();
    if (type !== 9) throw new Error(`a value of type ${type}`);
    const [of, length] = [u32(), u64()];
    return Array.from({ length }, () => value(of));
  };
  if (take(4).toString() !== 'GGUF' || u32() !== 3) throw new Error('no GGUF 3');
  const [tensorCount, fieldCount] = [u64(), u64()];
  const fields = new Map<string, unknown>();
  for (let i = 0; i < fieldCount; ++i) fields.set(text(), value(u32()));
  const places = Array.from({ length: tensorCount }, () => {
    const name = text();
    const shape = Array.from({ length: u32() }, u64);
    return { name, shape, type: TENSORS[u32()]!, offset: u64() };
  });
  const start = Math.ceil(at / 32) * 32;
  const tensors = new Map<string, { shape: number[]; type: string; data: Buffer }>();
  for (const { name, shape, type, offset } of places) {
    if (offset % 32 !== 0) throw new Error(`${name} is not aligned`);
    const bytes = type.bytes(shape.reduce((product, size) => product * size, 1));
    const data = file.subarray(start + offset, start + offset + bytes);
    if (data.length !== bytes) throw new Error(`${name} breaks off`);
    tensors.set(name, { shape, type: type.name, data });
  }
  return { fields, tensors };
}
