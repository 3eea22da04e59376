import { readFileSync, writeFileSync } from 'node:fs';

/** A tensor as its bytes, of any dtype. */
export interface RawTensor {
  dtype: string;
  shape: number[];
  bytes: Buffer;
}

export type RawTensors = Map<string, RawTensor>;

interface HeaderEntry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}
export type Header = Record<string, HeaderEntry>;

/** Header and data of a safetensors file that is whole. */
export function readParts(path: string): { header: Header; metadata: unknown; data: Buffer } {
  const file = readFileSync(path);
  const end = 8 + Number(file.readBigUInt64LE(0));
  const { __metadata__: metadata, ...header } = JSON.parse(file.toString('utf8', 8, end)) as Header;
  return { header, metadata, data: file.subarray(end) };
}

/** Writes what is given, true or not; `claimedLength` stands for the header's own length. */
export function writeParts(path: string, header: unknown, data: Buffer, claimedLength?: bigint): void {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(claimedLength ?? BigInt(text.length));
  writeFileSync(path, Buffer.concat([length, text, data]));
}

export function readRaw(path: string): RawTensors {
  const { header, data } = readParts(path);
  return new Map(
    Object.entries(header).map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [begin, end],
        },
      ]) => [name, { dtype, shape, bytes: data.subarray(begin, end) }],
    ),
  );
}

export function writeRaw(path: string, tensors: RawTensors, metadata: unknown = { format: 'pt' }): void {
  const header: Json = { __metadata__: metadata };
  let at = 0;
  for (const [name, { dtype, shape, bytes }] of tensors) {
    header[name] = { dtype, shape, data_offsets: [at, at + bytes.length] };
    at += bytes.length;
  }
  writeParts(path, header, Buffer.concat([...tensors.values()].map(({ bytes }) => bytes)));
}

type Json = Record<string, unknown>;

/** Changes the tensors of a file that is whole. */
export function changeRaw(path: string, change: (tensors: RawTensors) => void): void {
  const tensors = readRaw(path);
  change(tensors);
  writeRaw(path, tensors);
}

/** Gives each tensor another name, its bytes and place kept. */
export function renameTensors(path: string, rename: (name: string) => string): void {
  writeRaw(path, new Map([...readRaw(path)].map(([name, tensor]) => [rename(name), tensor])));
}

/** Tensors in a form that two files have alike exactly where names, dtypes, shapes and bits are alike. */
export function comparable(tensors: RawTensors): Record<string, string> {
  return Object.fromEntries(
    [...tensors].map(([name, { dtype, shape, bytes }]) => [name, `${dtype} [${shape}] ${bytes.toString('base64')}`]),
  );
}
