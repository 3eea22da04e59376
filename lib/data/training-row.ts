import type { LabelledRow, ScoredRow } from './pair';

/** A text and one that belongs to it, with texts that do not: as many as there are, `negative_1`, `negative_2` and so on. */
export interface RankingRow {
  /** The text that others are compared with: a query, a question. */
  anchor: string;
  /** What belongs to it; of several each makes a row with all the negatives. */
  positive: string | readonly string[];
  /** What does not. */
  negative?: string | readonly string[] | null;
}

/** A text and its class. */
export interface ClassifiedRow {
  /** The text. */
  text: string;
  /** A word or a whole number. */
  label: string | number;
}

/** A text and the vector that a teacher gives it. */
export interface VectorRow {
  /** The text. */
  text: string;
  /** As many numbers in all rows. */
  vector: ArrayLike<number>;
}

/** A query and the scores that a teacher gives to candidates. */
export interface CandidatesRow {
  /** The query. */
  query: string;
  /** At least 2, as many in all rows; the best is best the first, as some losses take it for the positive. */
  candidates: readonly string[];
  /** As many as candidates. */
  scores: ArrayLike<number>;
}

/**
 * A row of any of the forms, by the members that files have as columns, as `{ question, answer }`. Members of members are
 * columns too, as `passages.text` of `{ query, passages: [{ text, is_selected }] }`.
 */
export type OtherRow = Readonly<
  Record<
    string,
    | string
    | number
    | bigint
    | boolean
    | null
    | readonly string[]
    | ArrayLike<number>
    | readonly object[]
    | Readonly<Record<string, unknown>>
  >
>;

/** One row of training data. */
export type TrainingRow = ScoredRow | LabelledRow | RankingRow | ClassifiedRow | VectorRow | CandidatesRow | OtherRow;

/** Where training data may come from, besides lists: a file's path, or rows one after another. */
export type DataSource = string | Iterable<TrainingRow> | AsyncIterable<TrainingRow>;
