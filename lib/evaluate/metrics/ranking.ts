// Measures of ranked lists. Relevance is binary. Cut-offs, sums and denominators are sentence-transformers 6.2.0's.

/** Places in a ranking at which retrieval is measured; each a list of integers from 1. */
export interface Cutoffs {
  /** Of accuracy@k. */
  accuracy: readonly number[];
  /** Of precision@k. */
  precision: readonly number[];
  /** Of recall@k. */
  recall: readonly number[];
  /** Of mrr@k. */
  mrr: readonly number[];
  /** Of ndcg@k; the largest is the primary measure. */
  ndcg: readonly number[];
  /** Of map@k. */
  map: readonly number[];
}

export const defaultCutoffs: Cutoffs = {
  accuracy: [1, 3, 5, 10, 100],
  precision: [1, 3, 5, 10, 100],
  recall: [1, 3, 5, 10, 100],
  mrr: [10],
  ndcg: [10],
  map: [100],
};

/**
 * Measures of retrieval by name: accuracy@k, whether one of the first k is relevant; precision@k and recall@k, the share
 * of the first k that is relevant and of the relevant that is among the first k; mrr@k, 1 / the first relevant place;
 * ndcg@k, Σ 1 / log2(place + 1) over the relevant places divided by that of the best order; map@k, the mean of
 * precision@place over the relevant places, divided by min(k, relevant). Each from 0 to 1, the mean over queries.
 */
export type RetrievalMetrics = Record<
  `${'accuracy' | 'precision' | 'recall' | 'mrr' | 'ndcg' | 'map'}@${number}`,
  number
>;

/** The measures of one ranking: `hits[i]` says whether place i, from 0, is relevant; `relevant` how many there are. */
export function rankingMetrics(hits: readonly boolean[], relevant: number, cutoffs: Cutoffs): RetrievalMetrics {
  const metrics: RetrievalMetrics = {};
  const found = (k: number): number => hits.slice(0, k).filter(Boolean).length;
  for (const k of cutoffs.accuracy) metrics[`accuracy@${k}`] = found(k) > 0 ? 1 : 0;
  for (const k of cutoffs.precision) metrics[`precision@${k}`] = found(k) / k;
  for (const k of cutoffs.recall) metrics[`recall@${k}`] = found(k) / relevant;
  for (const k of cutoffs.mrr) metrics[`mrr@${k}`] = reciprocalRank(hits, k);
  for (const k of cutoffs.ndcg) {
    let gain = 0;
    let best = 0;
    for (let i = 0; i < Math.min(k, hits.length); ++i) if (hits[i]) gain += 1 / Math.log2(i + 2);
    for (let i = 0; i < Math.min(k, relevant); ++i) best += 1 / Math.log2(i + 2);
    metrics[`ndcg@${k}`] = gain / best;
  }
  for (const k of cutoffs.map) {
    let right = 0;
    let sum = 0;
    for (let i = 0; i < Math.min(k, hits.length); ++i) if (hits[i]) sum += ++right / (i + 1);
    metrics[`map@${k}`] = sum / Math.min(k, relevant);
  }
  return metrics;
}

/** 1 / the first relevant place among the first k, or 0. */
export function reciprocalRank(hits: readonly boolean[], k: number): number {
  const first = hits.indexOf(true);
  return first >= 0 && first < k ? 1 / (first + 1) : 0;
}

/**
 * Normalised discounted cumulative gain at k of scores, where equal scores share the mean gain of their places
 * (McSherry and Najork 2008; scikit-learn's `ndcg_score`).
 */
export function tieAveragedNdcg(scores: ArrayLike<number>, relevant: readonly boolean[], k: number): number {
  const order = Array.from(scores, (_, i) => i).sort((a, b) => scores[b]! - scores[a]!);
  let gain = 0;
  for (let start = 0; start < order.length; ) {
    let end = start;
    let right = 0;
    let discounts = 0;
    for (; end < order.length && scores[order[end]!] === scores[order[start]!]; ++end) {
      if (relevant[order[end]!]) ++right;
      if (end < k) discounts += 1 / Math.log2(end + 2);
    }
    gain += (right / (end - start)) * discounts;
    start = end;
  }
  const all = relevant.filter(Boolean).length;
  let best = 0;
  for (let i = 0; i < Math.min(k, all); ++i) best += 1 / Math.log2(i + 2);
  return best === 0 ? 0 : gain / best;
}

/**
 * Order of two ids by code point, as Python's strings: the document that comes first at equal similarity.
 * (`<` goes by UTF-16's units, which puts U+1F600 before U+FF41.)
 */
export function compareIds(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; ++i) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    // At the first difference; behind equal units, halves of a pair stand against halves, or against whole characters.
    return codePointOrder(x) - codePointOrder(y);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above all others. */
function codePointOrder(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
