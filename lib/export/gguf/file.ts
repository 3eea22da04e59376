import { setImmediate as turn } from 'node:timers/promises';
import { writingFile } from '../file-writer';
import type { Pieces } from '../convert';

/** GGUF 3 (ggml-org/ggml, docs/gguf.md), written with the tensors in pieces. */
const VERSION = 3;
const ALIGNMENT = 32;

const TYPES = { u32: 4, i32: 5, f32: 6, bool: 7, text: 8, list: 9, u8: 0 } as const;

/** A value of the file's description. */
export type Field =
  | { u32: number }
  | { f32: number }
  | { bool: boolean }
  | { text: string }
  | { texts: readonly string[] }
  | { i32s: readonly number[] }
  | { f32s: readonly number[] }
  | { u8s: Uint8Array };

/** ggml's types of tensors. */
const TENSOR_TYPES = { F32: 0, F16: 1, Q8_0: 8 } as const;
export type TensorType = keyof typeof TENSOR_TYPES;

export interface GgufTensor {
  name: string;
  /** Row-major; the file has it the other way round. */
  shape: readonly number[];
  type: TensorType;
  bytes: number;
  pieces: () => Pieces;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}

function numbers(list: Int32Array | Float32Array): Buffer {
  return Buffer.from(list.buffer, list.byteOffset, list.byteLength);
}

function list(type: number, length: number, items: Buffer): Buffer {
  return Buffer.concat([u32(TYPES.list), u32(type), u64(length), items]);
}

/** A value of any kind but texts, which may be many. */
function field(value: Exclude<Field, { texts: unknown }>): Buffer {
  if ('u32' in value) return Buffer.concat([u32(TYPES.u32), u32(value.u32)]);
  if ('f32' in value) return Buffer.concat([u32(TYPES.f32), numbers(Float32Array.of(value.f32))]);
  if ('bool' in value) return Buffer.concat([u32(TYPES.bool), Buffer.of(Number(value.bool))]);
  if ('text' in value) return Buffer.concat([u32(TYPES.text), text(value.text)]);
  if ('i32s' in value) return list(TYPES.i32, value.i32s.length, numbers(Int32Array.from(value.i32s)));
  if ('f32s' in value) return list(TYPES.f32, value.f32s.length, numbers(Float32Array.from(value.f32s)));
  return list(TYPES.u8, value.u8s.length, Buffer.from(value.u8s));
}

/** Texts that become bytes before the event loop gets its turn. */
const TEXTS_AT_ONCE = 1 << 13;

async function textList(texts: readonly string[]): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let from = 0; from < texts.length; from += TEXTS_AT_ONCE) {
    parts.push(Buffer.concat(texts.slice(from, from + TEXTS_AT_ONCE).map(text)));
    await turn();
  }
  return list(TYPES.text, texts.length, Buffer.concat(parts));
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** @param onBytes is told how far the file is; what it throws ends the writing */
export async function writeGguf(
  path: string,
  fields: ReadonlyMap<string, Field>,
  tensors: readonly GgufTensor[],
  onBytes: (written: number, total: number) => void,
): Promise<void> {
  const parts = [Buffer.from('GGUF'), u32(VERSION), u64(tensors.length), u64(fields.size)];
  for (const [name, value] of fields) {
    parts.push(text(name), 'texts' in value ? await textList(value.texts) : field(value));
  }
  let offset = 0;
  for (const { name, shape, type, bytes } of tensors) {
    parts.push(text(name), u32(shape.length), ...shape.toReversed().map(u64), u32(TENSOR_TYPES[type]), u64(offset));
    offset += aligned(bytes);
  }
  const head = Buffer.concat(parts);
  const total = aligned(head.length) + offset;
  await writingFile(
    path,
    (written) => onBytes(written, total),
    async (file) => {
      await file.write(head);
      await file.align(ALIGNMENT);
      for (const { pieces } of tensors) {
        for await (const piece of pieces()) await file.write(piece);
        await file.align(ALIGNMENT);
      }
    },
  );
}
