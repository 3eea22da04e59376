/** Two texts that are compared. */
export type TextPair = readonly [string, string];

/** One row of training data: two texts and how similar they are, from 0 (unrelated) to 1 (the same). */
export interface ScoredRow {
  /** The first text. */
  text1: string;
  /** The second text; which is first makes no difference. */
  text2: string;
  /** How similar they are, from 0 to 1. */
  score: number;
}

/** Training data as two lists of equal length; `scores[i]` belongs to `pairs[i]`. */
export interface PairData {
  /** The texts. */
  pairs: TextPair[];
  /** Scores from 0 to 1. */
  scores: number[];
}
