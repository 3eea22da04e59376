import { Random, Stream } from '../data/random';
import { InvalidArgumentError } from '../system/errors';
import { option, say } from '../system/wording';

export interface Split {
  /** Rows to train on and rows to validate with, each in the data's order. */
  train: Int32Array;
  validation: Int32Array;
}

/**
 * Draws validation rows at random by the seed: `share` of the rows, rounded, but at least one on each side;
 * share 0 keeps all rows for training. Throws ERR_EMPTY_DATA where there are too few rows for that.
 */
export function splitRows(rows: number, share: number, seed: number): Split {
  const order = Int32Array.from({ length: rows }, (_, i) => i);
  if (share === 0) return { train: order, validation: new Int32Array(0) };
  if (rows < 2) {
    throw new InvalidArgumentError(
      'ERR_EMPTY_DATA',
      `There must be at least 2 rows, one to train on and one to validate with, but there is ${rows}.`,
      { remedy: say`Add rows, or pass ${option('validationSplit', 0)} to train without validation.` },
    );
  }
  const count = Math.min(rows - 1, Math.max(1, Math.round(rows * share)));
  Random.of(seed, Stream.Split).shuffle(order);
  return { train: order.slice(count).sort(), validation: order.slice(0, count).sort() };
}
