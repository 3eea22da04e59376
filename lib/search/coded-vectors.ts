import type { EngineAddon } from '../engine/addon';
import type { VectorSource } from './matrix';
import { NativeVectors } from './native-vectors';
import type { Lost, Quantizer } from './quantizer';
import { RowSet } from './row-set';

/** Vectors of fp32 that the engine keeps as codes, and which of them were zeros, of which codes say nothing. */
export class CodedVectors {
  readonly zeros = new RowSet();

  private constructor(
    readonly vectors: NativeVectors,
    readonly quantizer: Quantizer,
  ) {}

  static async of(addon: EngineAddon, quantizer: Quantizer): Promise<CodedVectors> {
    return new CodedVectors(await NativeVectors.of(addon, quantizer.width, quantizer.type, 'dot'), quantizer);
  }

  /**
   * Adds vectors behind those that are there, in pieces.
   *
   * @param check throws where it is to stop
   * @returns how many of their numbers lay outside the ranges
   */
  async append(source: VectorSource, check: () => void): Promise<number> {
    let lost: Lost = { zeros: [], clipped: 0 };
    let clipped = 0;
    for await (const { numbers } of this.quantizer.vectors(source, (piece) => (lost = piece)).pieces()) {
      check();
      const before = this.vectors.count;
      await this.vectors.append(numbers);
      for (const row of lost.zeros) this.zeros.add(before + row);
      clipped += lost.clipped;
    }
    return clipped;
  }
}
