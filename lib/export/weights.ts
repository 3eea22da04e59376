import { open, type FileHandle } from 'node:fs/promises';
import { isObject, parseJson } from '../system/json';
import { NativeError } from '../system/errors';
import { presentNames, type FormerNames } from './former-names';

/** Numbers that are read, converted and written before the event loop gets its turn: a few milliseconds of work. */
export const PIECE = 1 << 17;

interface Place {
  shape: number[];
  begin: number;
}

/** A matrix or vector of a safetensors file, read in pieces. */
export class Tensor {
  readonly #file: FileHandle;
  readonly #begin: number;

  constructor(
    readonly name: string,
    readonly shape: readonly number[],
    file: FileHandle,
    begin: number,
  ) {
    this.#file = file;
    this.#begin = begin;
  }

  get elements(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }

  /** Numbers from the first on; `width` at once or a multiple of it. Each piece is the reader's to change. */
  async *pieces(width = 1): AsyncGenerator<Float32Array<ArrayBuffer>, void, undefined> {
    const step = Math.max(width, Math.floor(PIECE / width) * width);
    for (let at = 0; at < this.elements; at += step) yield await this.read(at, Math.min(step, this.elements - at));
  }

  /** The same without its first rows. */
  rowsFrom(row: number): Tensor {
    const [rows, ...rest] = this.shape as [number, ...number[]];
    const width = rest.reduce((product, size) => product * size, 1);
    return new Tensor(this.name, [rows - row, ...rest], this.#file, this.#begin + 4 * row * width);
  }

  /** All of it. */
  whole(): Promise<Float32Array<ArrayBuffer>> {
    return this.read(0, this.elements);
  }

  async read(from: number, count: number): Promise<Float32Array<ArrayBuffer>> {
    const numbers = new Float32Array(count);
    const bytes = new Uint8Array(numbers.buffer);
    for (let done = 0; done < bytes.length; ) {
      const { bytesRead } = await this.#file.read(bytes, done, bytes.length - done, this.#begin + 4 * from + done);
      if (bytesRead === 0)
        throw new NativeError('ERR_NATIVE', `The weights that were written end within ${this.name}.`);
      done += bytesRead;
    }
    return numbers;
  }
}

/** Numbers that are read row by row. */
export type Rows = Pick<Tensor, 'shape' | 'elements' | 'pieces'>;

/** Matrices of one width, one above the other. */
export function stacked(matrices: readonly Tensor[]): Rows {
  const [first, ...more] = matrices as [Tensor, ...Tensor[]];
  if (more.length === 0) return first;
  const sum = (of: (matrix: Tensor) => number) => matrices.reduce((all, matrix) => all + of(matrix), 0);
  return {
    shape: [sum(({ shape }) => shape[0]!), ...first.shape.slice(1)],
    elements: sum(({ elements }) => elements),
    async *pieces(width) {
      for (const matrix of matrices) yield* matrix.pieces(width);
    },
  };
}

/** A safetensors file as the engine writes it: tensors by name, those of fp32. */
export class Weights {
  readonly #file: FileHandle;
  readonly #places: ReadonlyMap<string, Place>;

  private constructor(file: FileHandle, places: ReadonlyMap<string, Place>) {
    this.#file = file;
    this.#places = places;
  }

  /** @param former names that the tensors may have in place of those that are asked for */
  static async open(path: string, former: FormerNames = { replace: [], joined: [] }): Promise<Weights> {
    const file = await open(path, 'r');
    try {
      const head = Buffer.alloc(8);
      await file.read(head, 0, 8, 0);
      const bytes = Number(head.readBigUInt64LE(0));
      const header = Buffer.alloc(bytes);
      await file.read(header, 0, bytes, 8);
      const places = new Map<string, Place>();
      for (const [name, entry] of Object.entries(parseJson(header.toString('utf8')) as object)) {
        if (!isObject(entry) || entry['dtype'] !== 'F32') continue;
        const { shape, data_offsets: offsets } = entry as { shape: number[]; data_offsets: [number, number] };
        const begin = 8 + bytes + offsets[0];
        const names = presentNames(name, former);
        const [rows, ...rest] = shape as [number, ...number[]];
        const size = (offsets[1] - offsets[0]) / names.length;
        for (const [i, part] of names.entries())
          places.set(part, {
            shape: names.length === 1 ? shape : [rows / names.length, ...rest],
            begin: begin + i * size,
          });
      }
      return new Weights(file, places);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  has(name: string): boolean {
    return this.#places.has(name);
  }

  /** The engine has written every tensor that it computes with. */
  tensor(name: string): Tensor {
    const place = this.#places.get(name);
    if (place === undefined)
      throw new NativeError('ERR_NATIVE', `The weights that were written have no tensor "${name}".`);
    return new Tensor(name, place.shape, this.#file, place.begin);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
