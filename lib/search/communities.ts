import { loadEngine } from '../engine/load';
import {
  callback,
  integer,
  numeric,
  optional,
  resolveTable,
  signal,
  signalNames,
  type OptionsOf,
  type ResolvedOf,
} from '../system/option-table';
import { turn, VectorSource, type Vectors } from './matrix';
import { NativeVectors } from './native-vectors';
import { stopped } from './stopped';
import { progressNames, type SearchEvent } from './vector-index';

const communityTable = {
  /** Least cosine of a member with the community's centre, -1 to 1. Default 0.75. */
  threshold: optional(
    numeric('a number from -1 to 1', (n) => n >= -1 && n <= 1),
    0.75,
  ),
  /** Fewest members of a community, the centre included. Default 10. */
  minCommunitySize: optional(integer(1), 10, { aliases: ['minSize', 'minimumSize'] }),
  /** Is told while vectors are compared. */
  onProgress: optional(callback<(event: SearchEvent) => void>(), undefined, progressNames),
  /** Stops between small pieces; the promise rejects with an AbortError. */
  signal: optional(signal, undefined, signalNames),
};

/** Options of `communityDetection`. */
export interface CommunityOptions extends OptionsOf<typeof communityTable> {}

/** Vectors that are searched with between two pauses. */
const QUERIES_AT_ONCE = 1024;
/** Members of groups that are held at the same time, of all groups: 256 MB. What goes beyond is searched again when its turn comes. */
const MOST_HELD = 1 << 26;

/**
 * Groups of vectors that lie near one of them, as sentence-transformers' `community_detection`: around each vector all whose
 * cosine with it is at least the threshold, the largest groups first, each vector in one group at most. Gives the numbers of
 * each group's vectors, the centre first, then the most similar. Memory is for the vectors and 256 MB, however near they lie.
 *
 * @throws as `VectorIndex.of`
 */
export async function communityDetection(vectors: Vectors, options?: CommunityOptions): Promise<number[][]> {
  const resolved = resolveTable(communityTable, options, { name: 'communityDetection', path: '' });
  return communitiesOf(VectorSource.of(vectors, 'The vectors'), resolved, MOST_HELD);
}

/** @param mostHeld members that are held, see MOST_HELD */
export async function communitiesOf(
  source: VectorSource,
  { threshold, minCommunitySize, onProgress, signal }: ResolvedOf<typeof communityTable>,
  mostHeld: number,
): Promise<number[][]> {
  const { count, width, type } = source;
  if (count < minCommunitySize || count === 0) return [];
  const least = Math.fround(threshold);
  const all = await NativeVectors.of(await loadEngine(), width, type, 'cosine');
  try {
    for await (const { numbers } of source.pieces()) {
      stopped(signal);
      await all.append(numbers);
    }
    /** Of each vector how many are near it, itself included; and which, of as many as are held. */
    const sizes = new Int32Array(count);
    const held = new Map<number, Int32Array>();
    let members = 0;
    for (let from = 0; from < count; from += QUERIES_AT_ONCE) {
      const end = Math.min(count, from + QUERIES_AT_ONCE);
      let open = Array.from({ length: end - from }, (_, i) => from + i);
      // As many neighbours as there may be; who has more of them than that is asked for twice as many.
      for (let k = Math.min(Math.max(2 * minCommunitySize, 50), count); open.length > 0; k = Math.min(2 * k, count)) {
        const more: number[] = [];
        for await (const hits of all.search(flatOf(source, open), k, signal)) {
          for (let q = 0; q < hits.queries; ++q) {
            const centre = open[hits.first + q]!;
            const scores = hits.similarities.subarray(q * hits.k, (q + 1) * hits.k);
            if (scores.at(-1)! >= least && hits.k < count) {
              more.push(centre);
              continue;
            }
            let size = 0;
            while (size < scores.length && scores[size]! >= least) ++size;
            if (size < minCommunitySize) continue;
            sizes[centre] = size;
            if (members + size > mostHeld) continue;
            members += size;
            held.set(centre, hits.rows.slice(q * hits.k, q * hits.k + size));
          }
        }
        open = more;
      }
      onProgress?.({ type: 'searching', done: end * count, total: count * count });
    }
    const near = async (centre: number): Promise<Int32Array> => {
      const rows = held.get(centre);
      if (rows !== undefined) return rows;
      for await (const hits of all.search(flatOf(source, [centre]), sizes[centre]!, signal)) return hits.rows;
      return new Int32Array(0); // never: there is one query
    };
    return await apart(sizes, near, minCommunitySize, signal);
  } finally {
    all.dispose();
  }
}

/** The largest groups first, each without what a group before it has; a group whose centre is taken is none. */
async function apart(
  sizes: Int32Array,
  near: (centre: number) => Promise<Int32Array>,
  minCommunitySize: number,
  signal: AbortSignal | undefined,
): Promise<number[][]> {
  const count = sizes.length;
  // By falling size, of equal ones the first centre first.
  const order = Float64Array.from(sizes, (size, centre) => size * count + (count - 1 - centre)).sort();
  const used = new Uint8Array(count);
  const communities: number[][] = [];
  for (let i = count - 1; i >= 0; --i) {
    if (i % QUERIES_AT_ONCE === 0) {
      await turn();
      stopped(signal);
    }
    const centre = count - 1 - (order[i]! % count);
    if (sizes[centre] === 0) break;
    if (used[centre] === 1) continue;
    const free = Array.from(await near(centre)).filter((member) => used[member] === 0);
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
