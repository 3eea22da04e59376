import { setImmediate as turn } from 'node:timers/promises';
import { PIECE, type Rows, type Tensor } from './weights';

/** Numbers of fp32 in the forms that exported files have them in, piece by piece. */
export type Pieces = AsyncIterable<Uint8Array>;

const LARGEST_HALF = 65504;

/** fp32 to fp16, to the nearest and of two the even; what is too large becomes the largest. */
export function toHalf(numbers: Float32Array): Uint16Array {
  const halves = new Uint16Array(numbers.length);
  const word = new Float32Array(1);
  const bits = new Uint32Array(word.buffer);
  for (let i = 0; i < numbers.length; ++i) {
    const number = numbers[i]!;
    word[0] = number > LARGEST_HALF ? LARGEST_HALF : number < -LARGEST_HALF ? -LARGEST_HALF : number;
    const all = bits[0]!;
    const sign = (all >>> 16) & 0x8000;
    const rest = all & 0x7fffffff;
    if (rest >= 0x7f800000) {
      halves[i] = sign | 0x7e00; // not a number
    } else if (rest >= 0x38800000) {
      halves[i] = sign | ((rest - 0x38000000 + 0xfff + ((rest >>> 13) & 1)) >>> 13);
    } else {
      // Below the smallest normal number a half counts steps of 2^-24; the sum rounds as fp32 does.
      word[0] = Math.abs(word[0]!) + 0.5;
      halves[i] = sign | (bits[0]! - 0x3f000000);
    }
  }
  return halves;
}

export function bytesOf(numbers: Float32Array | Uint16Array | Int8Array | Uint8Array | BigInt64Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

export async function* asSingle(tensor: Pick<Rows, 'pieces'>): Pieces {
  for await (const piece of tensor.pieces()) yield bytesOf(piece);
}

export async function* asHalf(pieces: AsyncIterable<Float32Array>): Pieces {
  for await (const piece of pieces) {
    yield bytesOf(toHalf(piece));
    await turn();
  }
}

/** A matrix [rows × columns] as [columns × rows]. */
export async function* transposed(tensor: Tensor): AsyncGenerator<Float32Array<ArrayBuffer>, void, undefined> {
  const [rows, columns] = tensor.shape as [number, number];
  const from = await tensor.whole();
  const atOnce = Math.max(1, Math.floor(PIECE / rows));
  for (let first = 0; first < columns; first += atOnce) {
    const count = Math.min(atOnce, columns - first);
    const piece = new Float32Array(count * rows);
    for (let row = 0; row < rows; ++row) {
      for (let i = 0; i < count; ++i) piece[i * rows + row] = from[row * columns + first + i]!;
    }
    yield piece;
    await turn();
  }
}

/** Of each row of a matrix the largest size of a number, by the largest of int8: what a step of the quantised row is. */
export async function rowScales(tensor: Tensor): Promise<Float32Array<ArrayBuffer>> {
  const [rows, columns] = tensor.shape as [number, number];
  const scales = new Float32Array(rows);
  let row = 0;
  for await (const piece of tensor.pieces(columns)) {
    for (let at = 0; at < piece.length; at += columns, ++row) {
      let largest = 0;
      for (let i = at; i < at + columns; ++i) largest = Math.max(largest, Math.abs(piece[i]!));
      scales[row] = largest === 0 ? 1 : largest / 127;
    }
    await turn();
  }
  return scales;
}

/** Rows as int8, each by its own scale. */
export async function* quantisedRows(tensor: Tensor): Pieces {
  const columns = tensor.shape[1]!;
  const scales = await rowScales(tensor);
  let row = 0;
  for await (const piece of tensor.pieces(columns)) {
    const bytes = new Int8Array(piece.length);
    for (let at = 0; at < piece.length; at += columns, ++row) {
      const scale = scales[row]!;
      for (let i = at; i < at + columns; ++i) bytes[i] = Math.round(piece[i]! / scale);
    }
    yield bytesOf(bytes);
    await turn();
  }
}

/** The zero of quantised columns. */
export const COLUMN_ZERO = 128;

/** A matrix [out × in] as [in × out] of uint8 around COLUMN_ZERO, each output by its own scale (`rowScales`). */
export async function* quantisedColumns(tensor: Tensor): Pieces {
  const rows = tensor.shape[0]!;
  const scales = await rowScales(tensor);
  for await (const piece of transposed(tensor)) {
    const bytes = new Uint8Array(piece.length);
    for (let at = 0; at < piece.length; at += rows) {
      for (let i = 0; i < rows; ++i) bytes[at + i] = COLUMN_ZERO + Math.round(piece[at + i]! / scales[i]!);
    }
    yield bytesOf(bytes);
  }
}

/** Numbers of a block of Q8_0, and its bytes: an fp16 step and an int8 for each. */
export const BLOCK = 32;
export const BLOCK_BYTES = 34;

/** ggml's Q8_0: blocks of BLOCK numbers of a row, each with a step of its own. */
export async function* inBlocks(pieces: AsyncIterable<Float32Array>): Pieces {
  for await (const piece of pieces) {
    const count = piece.length / BLOCK;
    const steps = new Float32Array(count);
    for (let block = 0; block < count; ++block) {
      let largest = 0;
      for (let i = block * BLOCK; i < (block + 1) * BLOCK; ++i) largest = Math.max(largest, Math.abs(piece[i]!));
      steps[block] = largest / 127;
    }
    const halves = bytesOf(toHalf(steps));
    const bytes = new Uint8Array(count * BLOCK_BYTES);
    for (let block = 0; block < count; ++block) {
      const at = block * BLOCK_BYTES;
      bytes[at] = halves[2 * block]!;
      bytes[at + 1] = halves[2 * block + 1]!;
      const step = steps[block]!;
      for (let i = 0; i < BLOCK; ++i) bytes[at + 2 + i] = step === 0 ? 0 : Math.round(piece[block * BLOCK + i]! / step);
    }
    yield bytes;
    await turn();
  }
}
