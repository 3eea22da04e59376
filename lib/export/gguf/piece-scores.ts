import { AT_ONCE, type Turns } from '../../system/turns';

/**
 * What SentencePiece, which joins two pieces wherever the vocabulary has both together, and of several the one of the best
 * score, must have as scores to do as byte-pair encoding does with its merges; undefined where it cannot, as merges there are
 * not all that the vocabulary allows.
 */
export function* pieceScores(
  vocabulary: ReadonlyMap<string, number>,
  merges: readonly (string | readonly [string, string])[],
): Turns<ReadonlyMap<string, number> | undefined> {
  const scores = new Map<string, number>();
  for (const [rank, merge] of merges.entries()) {
    const piece = typeof merge === 'string' ? merge.replace(' ', '') : merge[0] + merge[1];
    if (!scores.has(piece)) scores.set(piece, -rank);
    if (rank % AT_ONCE === 0) yield;
  }
  let [joins, read] = [0, 0];
  for (const piece of vocabulary.keys()) {
    const characters = [...piece];
    for (let i = 1, at = 0; i < characters.length; ++i) {
      at += characters[i - 1]!.length;
      if (vocabulary.has(piece.slice(0, at)) && vocabulary.has(piece.slice(at))) ++joins;
    }
    if (++read % AT_ONCE === 0) yield;
  }
  return joins === merges.length ? scores : undefined;
}
