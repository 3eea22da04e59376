/** From this distance on every one is in the last bucket. */
export const FARTHEST = 91;

/** Where 8 + ⌊ln(d / 8) / ln 16 · 8⌋ rises, as in native/engine/model/relative_buckets.cpp. */
const EDGES = [8, 12, 16, 23, 32, 46, 64, FARTHEST];

/** Of `distance` = key − query: 0 to 15 for keys at or before the query, 16 to 31 for those after it. */
export function relativeBucket(distance: number): number {
  const d = Math.abs(distance);
  const bucket = d < 8 ? d : 7 + EDGES.filter((edge) => d >= edge).length;
  return distance > 0 ? 16 + bucket : bucket;
}
