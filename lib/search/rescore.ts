import type { VectorSource } from './matrix';
import { stopped, type FlatHits, type NativeVectors } from './native-vectors';
import type { Quantizer } from './quantizer';

/** Numbers of candidates that are compared again before the event loop gets its turn. */
const RESCORED_AT_ONCE = 1 << 20;

/** The `topK` best of a batch's candidates by the queries' own numbers, of vectors that are kept as codes. */
export async function rescored(
  vectors: NativeVectors,
  quantizer: Quantizer,
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
      const scores = Float32Array.from({ length: k }, (_, i) =>
        quantizer.rescored(query, codes, ((q - from) * k + i) * quantizer.width),
      );
      const row = (i: number) => rows[q * k + i]!;
      const order = Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || row(a) - row(b));
      for (let i = 0; i < kept; ++i) {
        found.rows[q * kept + i] = row(order[i]!);
        similarities[q * kept + i] = scores[order[i]!]!;
      }
    }
  }
  return { ...found, similarities };
}
