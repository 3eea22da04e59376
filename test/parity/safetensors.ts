import { readFileSync } from 'node:fs';

export interface Tensor {
  shape: number[];
  data: Float32Array;
}

/** All tensors of a safetensors file whose names begin with `prefix`, which must be F32. For files that tests and their generator wrote. */
export function readTensors(path: string, prefix = ''): Map<string, Tensor> {
  const file = readFileSync(path);
  const headerBytes = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + headerBytes)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const {
      dtype,
      shape,
      data_offsets: [begin, end],
    } = entry;
    if (!name.startsWith(prefix)) continue;
    if (dtype !== 'F32') throw new Error(`${path}: ${name} is ${dtype}, not F32`);
    const bytes = file.subarray(8 + headerBytes + begin, 8 + headerBytes + end);
    tensors.set(name, { shape, data: new Float32Array(Uint8Array.from(bytes).buffer) });
  }
  return tensors;
}
