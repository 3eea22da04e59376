/** Two texts that are compared. */
export type TextPair = readonly [string, string];

/** One row of training data: two texts and how similar they are, from 0 (unrelated) to 1 (the same). */
export interface ScoredRow {
  text1: string;
  text2: string;
  score: number;
}

/** Training data as two lists of equal length; `scores[i]` belongs to `pairs[i]`. */
export interface PairData {
  pairs: TextPair[];
  scores: number[];
}
