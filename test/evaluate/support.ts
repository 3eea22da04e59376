import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EmbeddingModel } from '../../lib/evaluate/embedding';
import type { Observed } from '../../lib/evaluate/evaluation';
import { atOnce } from '../../lib/evaluate/work';

export function readFixture<T>(name: string): T {
  return JSON.parse(readFileSync(join(__dirname, 'fixtures', `${name}.json`), 'utf8')) as T;
}

export type Vectors = Record<string, number[]>;

/** A model that knows its texts by heart; notes what it is asked. */
export class Table implements EmbeddingModel {
  readonly asked: string[] = [];
  readonly calls: number[] = [];
  constructor(readonly vectors: Vectors) {}

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    this.asked.push(...texts);
    this.calls.push(texts.length);
    await new Promise(setImmediate);
    return texts.map((text) => Float32Array.from(this.vectors[text]!));
  }
}

/** Expects numbers of our names to be the reference's: to 6 decimals, of thresholds above 1 to 7 digits. */
export function expectNumbers(found: object, expected: Record<string, number>): void {
  for (const [name, value] of Object.entries(expected)) {
    const scale = Math.max(1, Math.abs(value));
    const ours = (found as Record<string, number>)[name]! / scale;
    expect({ [name]: ours }).toEqual({ [name]: expect.closeTo(value / scale, 6) as number });
  }
}

/** What was observed, measured. */
export function measured<M>(observed: Observed<M>, counts?: Uint32Array): M | null {
  return atOnce(observed.measure(counts));
}

/** Row i `counts[i]` times. */
export function expanded<T>(rows: ArrayLike<T>, counts: Uint32Array): T[] {
  return Array.from(counts).flatMap((count, i) => Array.from({ length: count }, () => rows[i]!));
}
