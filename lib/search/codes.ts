import type { QuantizationRanges } from './matrix';

/** Numbers as bytes of 256 steps between ranges, and as bits: the numbers of sentence-transformers' `quantize_embeddings`. */

/** Steps of a byte. */
const STEPS = 255;

/** What a step of each dimension is; 1 where all its numbers are equal. */
export function stepsOf({ low, high }: QuantizationRanges): Float32Array<ArrayBuffer> {
  return Float32Array.from(low, (lowest, i) => {
    const step = Math.fround(Math.fround(high[i]! - lowest) / STEPS);
    return step === 0 ? 1 : step;
  });
}

/** The steps of whole vectors, each number's own; `clipped` is how many numbers lay outside the ranges. */
export function byteCodes(
  numbers: Float32Array,
  { low, high }: QuantizationRanges,
  steps: Float32Array,
  kind: 'int8' | 'uint8',
): { codes: Int8Array<ArrayBuffer> | Uint8Array<ArrayBuffer>; clipped: number } {
  const width = low.length;
  const offset = kind === 'int8' ? 128 : 0;
  const codes = kind === 'int8' ? new Int8Array(numbers.length) : new Uint8Array(numbers.length);
  let clipped = 0;
  for (let from = 0; from < numbers.length; from += width)
    for (let i = 0; i < width; ++i) {
      const number = numbers[from + i]!;
      if (number < low[i]! || number > high[i]!) ++clipped;
      const step = Math.floor(Math.fround(Math.fround(number - low[i]!) / steps[i]!));
      codes[from + i] = Math.min(STEPS, Math.max(0, step)) - offset;
    }
  return { codes, clipped };
}

/** A bit for each number above 0, eight in a byte, the first the highest; each vector begins a byte, and has `bytes` of them. */
export function bitCodes(numbers: Float32Array, width: number, bytes = Math.ceil(width / 8)): Uint8Array<ArrayBuffer> {
  const count = numbers.length / width;
  const bits = new Uint8Array(count * bytes);
  for (let i = 0; i < count; ++i)
    for (let j = 0; j < width; ++j) if (numbers[i * width + j]! > 0) bits[i * bytes + (j >> 3)]! |= 128 >> (j & 7);
  return bits;
}
