import type { AtomicFile } from '../../system/atomic-file';
import { littleEndian } from './little-endian';
import type { TextVectors, VectorFile } from './vector-file';

/** Bytes before the numbers: a multiple of 64, with room for any shape. */
const HEADER_BYTES = 128;

/** A table of float32 as NumPy's `save` writes it (format 1.0), [texts × width], row after row; texts are not in it. */
export class NpyFile implements VectorFile {
  #rows = 0;
  #width = 0;

  constructor(readonly file: AtomicFile) {}

  async write({ data, width }: TextVectors): Promise<void> {
    if (this.#rows === 0) {
      this.#width = width;
      await this.file.write(this.#header()); // its place; what it says is known at the end
    }
    await this.file.write(littleEndian(data));
    this.#rows += data.length / width;
  }

  async end(): Promise<void> {
    if (this.#rows === 0) await this.file.write(this.#header());
    else await this.file.rewrite(this.#header(), 0);
  }

  #header(): Buffer {
    const header = Buffer.alloc(HEADER_BYTES, ' ');
    header.write('\x93NUMPY\x01\x00', 0, 'latin1');
    header.writeUInt16LE(HEADER_BYTES - 10, 8);
    header.write(`{'descr': '<f4', 'fortran_order': False, 'shape': (${this.#rows}, ${this.#width}), }`, 10, 'latin1');
    header.write('\n', HEADER_BYTES - 1, 'latin1');
    return header;
  }
}
