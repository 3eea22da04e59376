/** One row of a file before its values are checked. */
export interface RawRow {
  text1: unknown;
  text2: unknown;
  score: unknown;
}
