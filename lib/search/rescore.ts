import type { VectorSource } from './matrix';
import type { CodedVectors } from './coded-vectors';
import type { FlatHits } from './native-vectors';
import { isZero, type CodedQueries } from './quantizer';
import { stopped } from './stopped';

/** Numbers of candidates that are compared again before the event loop gets its turn. */
const RESCORED_AT_ONCE = 1 << 20;

/** What the engine's numbers stand for; a vector of zeros has 0. */
export function meant({ zeros }: CodedVectors, batch: FlatHits, coded: CodedQueries, source: VectorSource): FlatHits {
  const { first, queries, k, rows } = batch;
  const similarities = batch.similarities.map((one, i) => coded.meant(first + Math.floor(i / k), one));
  const result: FlatHits = { ...batch, rows: rows.slice(), similarities };
  for (let q = 0; q < queries; ++q) {
    if (isZero(source.flat(first + q, first + q + 1), 0, source.width)) {
      // All are equal: the first ones.
      for (let i = 0; i < k; ++i) [result.rows[q * k + i], similarities[q * k + i]] = [i, 0];
      continue;
    }
    const at = q * k;
    if (zeros.size === 0 || !rows.subarray(at, at + k).some((row) => zeros.has(row))) continue;
    const scores = similarities.slice(at, at + k).map((score, i) => (zeros.has(rows[at + i]!) ? 0 : score));
    for (const [i, from] of bestFirst(scores, (i) => rows[at + i]!).entries()) {
      result.rows[at + i] = rows[at + from]!;
      similarities[at + i] = scores[from]!;
    }
  }
  return result;
}

/** Places by falling score; of equal ones the lower row first. */
function bestFirst(scores: Float32Array, row: (place: number) => number): number[] {
  return Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || row(a) - row(b));
}

/** The `topK` best of a batch's candidates by the queries' own numbers; a vector of zeros has 0. */
export async function rescored(
  { vectors, quantizer, zeros }: CodedVectors,
  source: VectorSource,
  { first, queries, k, rows }: FlatHits,
  topK: number,
  signal: AbortSignal | undefined,
): Promise<FlatHits> {
  const kept = Math.min(topK, k);
  const found = { first, queries, k: kept, rows: new Int32Array(queries * kept) };
  const similarities = new Float32Array(queries * kept);
  const some = Math.max(1, Math.floor(RESCORED_AT_ONCE / (k * quantizer.dimensions)));
  for (let from = 0; from < queries; from += some) {
    stopped(signal);
    const to = Math.min(queries, from + some);
    const codes = await vectors.read(rows.subarray(from * k, to * k));
    const numbers = source.flat(first + from, first + to) as Float32Array;
    for (let q = from; q < to; ++q) {
      const query = numbers.subarray((q - from) * source.width, (q - from + 1) * source.width);
      if (isZero(query, 0, source.width)) {
        // All are equal: the first ones.
        for (let i = 0; i < kept; ++i) found.rows[q * kept + i] = i;
        continue;
      }
      const row = (i: number) => rows[q * k + i]!;
      const scores = Float32Array.from({ length: k }, (_, i) =>
        zeros.has(row(i)) ? 0 : quantizer.rescored(query, codes, ((q - from) * k + i) * quantizer.width),
      );
      const order = bestFirst(scores, row);
      for (let i = 0; i < kept; ++i) {
        found.rows[q * kept + i] = row(order[i]!);
        similarities[q * kept + i] = scores[order[i]!]!;
      }
    }
  }
  return { ...found, similarities };
}
