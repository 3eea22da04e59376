import { Random, Stream } from '../data/random';

/** Batches whose rows are sorted by length together: enough that lengths within a batch are close. */
const windowBatches = 16;

export interface OrderRequest {
  /** Rows to train on, in the data's order. */
  rows: Int32Array;
  /** Tokens of each row of the data set, all its texts together, by row. */
  lengths: Int32Array;
  batchSize: number;
  shuffle: boolean;
  seed: number;
  /** Counts from 0; each epoch has an order of its own. */
  epoch: number;
}

/**
 * The batches of one epoch; every row is in exactly one. Shuffled: rows in random order, sorted by length
 * within windows of 16 batches, cut into batches, and those in random order, so that a batch holds rows of
 * like length and yet no two epochs have the same batches. A function of the request alone. The last batch
 * of the unshuffled order, and one batch of the shuffled, may be smaller.
 */
export function epochBatches(request: OrderRequest): Int32Array[] {
  const { lengths, batchSize } = request;
  const order = request.rows.slice();
  const random = Random.of(request.seed, Stream.Order, request.epoch);
  if (request.shuffle) {
    random.shuffle(order);
    const span = windowBatches * batchSize;
    for (let start = 0; start < order.length; start += span) {
      // sort with a comparison is stable: rows of equal length stay in random order.
      order.subarray(start, start + span).sort((a, b) => lengths[a]! - lengths[b]!);
    }
  }
  const batches: Int32Array[] = [];
  for (let start = 0; start < order.length; start += batchSize) batches.push(order.slice(start, start + batchSize));
  return request.shuffle ? random.shuffle(batches) : batches;
}

/** The `count` rows with most tokens, longest first; of equals, those that come first in the data. */
export function longestRows(rows: Int32Array, lengths: Int32Array, count: number): Int32Array {
  return rows
    .slice()
    .sort((a, b) => lengths[b]! - lengths[a]! || a - b)
    .slice(0, count);
}
