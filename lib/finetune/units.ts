/** Numbers as text that a checkpoint's JSON can hold, to the bit. */
export function toText(numbers: Float32Array): string {
  return Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength).toString('base64');
}

/** Of several, in their order. */
export function toTexts(several: readonly Float32Array[]): string {
  return several.map(toText).join(' ');
}

export function fromTexts(texts: string): Float32Array[] {
  return texts.split(' ').map(fromText);
}

export function fromText(text: string): Float32Array {
  const bytes = Buffer.from(text, 'base64');
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}
