/** A text without case, punctuation and doubled spaces. */
export function normalise(text) {
  return wordsOf(text).join(' ');
}

function wordsOf(text) {
  return text.toLowerCase().match(/[\p{L}\p{N}]+(?:['’][\p{L}]+)*/gu) ?? [];
}

/** Words that both sets have, as a share of the words that either has. */
export function jaccard(a, b) {
  let shared = 0;
  for (const word of a) if (b.has(word)) ++shared;
  const all = a.size + b.size - shared;
  return all === 0 ? 0 : shared / all;
}

/**
 * How near texts come to others: for each of `texts` the nearest of `others` by `similarity(i, j)`. Gives the mean and
 * the maximum of these, and the pair of texts at the maximum.
 */
export function nearestOverlap(texts, others, similarity) {
  let sum = 0;
  let most = { value: -Infinity };
  texts.forEach((text, i) => {
    let nearest = { value: -Infinity };
    others.forEach((other, j) => {
      const value = similarity(i, j);
      if (value > nearest.value) nearest = { value, text, other };
    });
    sum += nearest.value;
    if (nearest.value > most.value) most = nearest;
  });
  return { mean: sum / texts.length, max: most.value, text: most.text, other: most.other };
}

/** Overlap by words: the Jaccard similarity of the sets of words. */
export function wordOverlap(texts, others) {
  const sets = (list) => list.map((text) => new Set(wordsOf(text)));
  const [a, b] = [sets(texts), sets(others)];
  return nearestOverlap(texts, others, (i, j) => jaccard(a[i], b[j]));
}

/** Texts that also stand among the others, but for case and punctuation. */
export function duplicates(texts, others) {
  const known = new Set(others.map(normalise));
  return texts.filter((text) => known.has(normalise(text)));
}
