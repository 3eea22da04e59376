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

/** Two texts and how similar they are, as data has it before it is read: what `finetune` takes. */
export interface LabelledRow {
  /** The first text. */
  text1: string;
  /** The second text. */
  text2: string;
  /** A number from 0 to 1, or of `file.scoreRange`; true or false; or one of two words, as 'duplicate' and 'not duplicate'. */
  score: number | bigint | boolean | string;
}

/** Training data as two lists of equal length; `scores[i]` belongs to `pairs[i]`. */
export interface PairData {
  /** The texts. */
  pairs: TextPair[];
  /** Scores from 0 to 1. */
  scores: number[];
}
