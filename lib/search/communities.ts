import { loadEngine } from '../engine/load';
import { callback, integer, numeric, optional, resolveTable, signal, type OptionsOf } from '../system/option-table';
import { VectorSource, type Vectors } from './matrix';
import { NativeVectors, stopped } from './native-vectors';
import type { SearchEvent } from './vector-index';

const communityTable = {
  /** Least cosine of a member with the community's centre, -1 to 1. Default 0.75. */
  threshold: optional(
    numeric('a number from -1 to 1', (n) => n >= -1 && n <= 1),
    0.75,
  ),
  /** Fewest members of a community, the centre included. Default 10. */
  minCommunitySize: optional(integer(1), 10, { aliases: ['minSize', 'minimumSize'] }),
  /** Is told while vectors are compared. */
  onProgress: optional(callback<(event: SearchEvent) => void>(), undefined),
  /** Stops between small pieces; the promise rejects with an AbortError. */
  signal: optional(signal, undefined),
};

/** Options of `communityDetection`. */
export interface CommunityOptions extends OptionsOf<typeof communityTable> {}

/** Vectors that are searched with between two pauses. */
const QUERIES_AT_ONCE = 1024;

/**
 * Groups of vectors that lie near one of them, as sentence-transformers' `community_detection`: around each vector all whose
 * cosine with it is at least the threshold, the largest groups first, each vector in one group at most. Gives the numbers of
 * each group's vectors, the centre first, then the most similar.
 *
 * @throws as `VectorIndex.of`
 */
export async function communityDetection(vectors: Vectors, options?: CommunityOptions): Promise<number[][]> {
  const { threshold, minCommunitySize, onProgress, signal } = resolveTable(communityTable, options, {
    name: 'communityDetection',
    path: '',
  });
  const source = VectorSource.of(vectors, 'The vectors');
  if (source.count < minCommunitySize || source.count === 0) return [];
  const least = Math.fround(threshold);
  const all = await NativeVectors.of(await loadEngine(), source.width, source.type, 'cosine');
  const found: { centre: number; members: Int32Array }[] = [];
  try {
    for await (const { numbers } of source.pieces()) {
      stopped(signal);
      await all.append(numbers);
    }
    const total = source.count * source.count;
    for (let from = 0; from < source.count; from += QUERIES_AT_ONCE) {
      const end = Math.min(source.count, from + QUERIES_AT_ONCE);
      let open = Array.from({ length: end - from }, (_, i) => from + i);
      // As many neighbours as there may be; who has more of them than that is asked for twice as many.
      for (
        let k = Math.min(Math.max(2 * minCommunitySize, 50), source.count);
        open.length > 0;
        k = Math.min(2 * k, source.count)
      ) {
        const flat = flatOf(source, open);
        const more: number[] = [];
        for await (const hits of all.search(flat, k, signal)) {
          for (let q = 0; q < hits.queries; ++q) {
            const centre = open[hits.first + q]!;
            const scores = hits.similarities.subarray(q * hits.k, (q + 1) * hits.k);
            if (scores.at(-1)! >= least && hits.k < source.count) {
              more.push(centre);
              continue;
            }
            let size = 0;
            while (size < scores.length && scores[size]! >= least) ++size;
            if (size >= minCommunitySize)
              found.push({ centre, members: hits.rows.slice(q * hits.k, q * hits.k + size) });
          }
        }
        open = more;
      }
      onProgress?.({ type: 'searching', done: end * source.count, total });
    }
  } finally {
    all.dispose();
  }
  found.sort((a, b) => b.members.length - a.members.length || a.centre - b.centre);
  const used = new Uint8Array(source.count);
  const communities: number[][] = [];
  for (const [i, { centre, members }] of found.entries()) {
    if (i % QUERIES_AT_ONCE === QUERIES_AT_ONCE - 1) {
      await new Promise(setImmediate);
      stopped(signal);
    }
    if (used[centre] === 1) continue;
    const free = Array.from(members).filter((member) => used[member] === 0);
    if (free.length < minCommunitySize) continue;
    const community = [centre, ...free.filter((member) => member !== centre)];
    for (const member of community) used[member] = 1;
    communities.push(community);
  }
  return communities.sort((a, b) => b.length - a.length);
}

function flatOf(source: VectorSource, rows: readonly number[]): VectorSource {
  const { width } = source;
  const data = source.type === 'int8' ? new Int8Array(rows.length * width) : new Float32Array(rows.length * width);
  rows.forEach((row, i) => data.set(source.flat(row, row + 1), i * width));
  return VectorSource.of({ data, shape: [rows.length, width] }, source.name);
}
