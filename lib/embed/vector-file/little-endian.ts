import { endianness } from 'node:os';

/** The numbers' own bytes, as files have them. They are not copied where the machine has them so too. */
export function littleEndian(numbers: Float32Array): Buffer {
  const bytes = Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  return endianness() === 'LE' ? bytes : Buffer.from(bytes).swap32();
}
