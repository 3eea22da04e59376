/** What the notebook's job comes to; see notebook_numbers.cjs. */
export interface Numbers {
  arithmetic: Record<string, unknown>;
  /** Losses of the steps. */
  steps: number[];
  /** Validation losses of the epochs. */
  validation: number[];
  before: number;
  bestEpoch: number;
  /** Rows computed at once, and rows of a step. */
  batch: [number, number];
  /** SHA-256 of the saved weights. */
  weights: string;
}
export function numbers(
  library: object,
  info: object,
  folder: string,
  options: Record<string, unknown>,
): Promise<Numbers>;
