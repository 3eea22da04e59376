import type { RawTensors } from './raw-safetensors';

/** F16 and BF16 as their bits, and what they are worth, computed apart from the engine. */

export type Narrow = 'F16' | 'BF16';

/** The exact value of 16 bits. */
export function worth(dtype: Narrow, bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const [fractionBits, bias] = dtype === 'F16' ? [10, 15] : [7, 127];
  const exponent = (bits & 0x7fff) >> fractionBits;
  const fraction = (bits & ((1 << fractionBits) - 1)) / 2 ** fractionBits;
  if (exponent === 2 * bias + 1) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
}

/** The bits of a value near `value`: what does not fit is cut off, what is too small becomes zero. */
export function cutToBits(dtype: Narrow, value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  if (dtype === 'BF16') return bits >>> 16;
  const exponent = ((bits >>> 23) & 0xff) - 127 + 15;
  const sign = (bits >>> 16) & 0x8000;
  return exponent <= 0 ? sign : sign | (exponent << 10) | ((bits >>> 13) & 0x3ff);
}

/** Smallest and largest values, subnormals, both zeros. */
export const EDGES: Record<Narrow, number[]> = {
  F16: [0x0000, 0x8000, 0x0001, 0x8001, 0x03ff, 0x0400, 0x7bff, 0xfbff, 0x3c00, 0x3c01, 0xb555],
  BF16: [0x0000, 0x8000, 0x0001, 0x8001, 0x007f, 0x0080, 0x7f7f, 0xff7f, 0x3f80, 0x3f81, 0xbeab],
};

/** Makes F32 tensors narrow, with `EDGES` at the begin of `row` of the tensor named; gives what each is worth. */
export function narrowTensors(
  tensors: RawTensors,
  dtype: Narrow,
  edges?: { tensor: string; row: number },
): Map<string, Float32Array> {
  const worths = new Map<string, Float32Array>();
  for (const [name, { shape, bytes }] of tensors) {
    const bits = Uint16Array.from({ length: bytes.length / 4 }, (_, i) => cutToBits(dtype, bytes.readFloatLE(4 * i)));
    if (edges?.tensor === name) bits.set(EDGES[dtype], edges.row * shape[1]!);
    worths.set(
      name,
      Float32Array.from(bits, (value) => worth(dtype, value)),
    );
    tensors.set(name, { dtype, shape, bytes: Buffer.from(bits.buffer) });
  }
  return worths;
}
