import { Random, Stream } from '../data/random';
import { AT_ONCE, atOnce, inTurns, type Turns } from '../system/turns';
import type { Sampler } from './losses/table';

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

/** What samplers other than 'any' look at, by row of the data set. */
export interface SampledRows {
  /** Row r names texts columns[rowOffsets[r] .. rowOffsets[r + 1]). */
  columns: Int32Array;
  rowOffsets: Int32Array;
  /** Of the texts' classes; empty where there are none. */
  labels: ArrayLike<number>;
}

/**
 * The batches of one epoch; every row is in exactly one. Shuffled: rows in random order, sorted by length
 * within windows of 16 batches, cut into batches, and those in random order, so that a batch holds rows of
 * like length and yet no two epochs have the same batches. A function of the request alone. The last batch
 * of the unshuffled order, and one batch of the shuffled, may be smaller.
 */
export function epochBatches(request: OrderRequest): Int32Array[] {
  return atOnce(epoch(request));
}

function* epoch(request: OrderRequest): Turns<Int32Array[]> {
  const { batchSize } = request;
  const random = Random.of(request.seed, Stream.Order, request.epoch);
  const order = yield* ordered(request, random);
  const batches: Int32Array[] = [];
  for (let start = 0; start < order.length; start += batchSize) {
    batches.push(order.slice(start, start + batchSize));
    if (batches.length % AT_ONCE === 0) yield;
  }
  return request.shuffle ? yield* random.shuffling(batches) : batches;
}

function* ordered({ rows, lengths, batchSize, shuffle }: OrderRequest, random: Random): Turns<Int32Array> {
  const order = rows.slice();
  if (!shuffle) return order;
  yield* random.shuffling(order);
  yield* sortWindows(order, windowBatches * batchSize, lengths);
  return order;
}

/** Brings each `span` rows into the order of their lengths; rows of equal length stay as they are. */
function* sortWindows(rows: Int32Array, span: number, lengths: Int32Array): Turns<void> {
  let since = 0;
  for (let start = 0; start < rows.length; start += span) {
    yield* sortByLength(rows.subarray(start, start + span), lengths);
    since += span;
    if (since < 4 * AT_ONCE) continue;
    since = 0;
    yield;
  }
}

/** In place, the shortest first; rows of equal length stay as they are. In linear time. */
function* sortByLength(rows: Int32Array, lengths: Int32Array): Turns<void> {
  let longest = 0;
  for (const row of rows) longest = Math.max(longest, lengths[row]!);
  // Of few rows a table of all lengths would be the larger work.
  if (longest > 64 * rows.length) {
    rows.sort((a, b) => lengths[a]! - lengths[b]!); // stable
    return;
  }
  const places = new Int32Array(longest + 2);
  for (const row of rows) ++places[lengths[row]! + 1]!;
  for (let length = 0; length <= longest; ++length) places[length + 1]! += places[length]!;
  const sorted = new Int32Array(rows.length);
  for (let i = 0; i < rows.length; ++i) {
    if (i % (16 * AT_ONCE) === 16 * AT_ONCE - 1) yield;
    sorted[places[lengths[rows[i]!]!]!++] = rows[i]!;
  }
  rows.set(sorted);
}

/** The batches of one epoch as a loss wants them; every row is in exactly one, and equal requests give equal batches. */
export function sampledBatches(request: OrderRequest, sampler: Sampler, data: SampledRows): Int32Array[] {
  return atOnce(sampling(request, sampler, data));
}

/** The same, with turns for the event loop in between; `check` throws if that is to stop. */
export function sampledInTurns(
  request: OrderRequest,
  sampler: Sampler,
  data: SampledRows,
  check: () => void,
): Promise<Int32Array[]> {
  return inTurns(sampling(request, sampler, data), check);
}

function* sampling(request: OrderRequest, sampler: Sampler, data: SampledRows): Turns<Int32Array[]> {
  if (sampler === 'any') return yield* epoch(request);
  const random = Random.of(request.seed, Stream.Order, request.epoch);
  const batches =
    sampler === 'no-duplicates'
      ? yield* withoutDuplicates(yield* ordered(request, random), request.batchSize, data)
      : yield* byClass(request, random, data.labels);
  return request.shuffle ? yield* random.shuffling(batches) : batches;
}

/** Batches with room that are looked at for a row before it is put behind all that have a text of it. */
const looksAt = 16;

/**
 * No text of a row is any text of another row of its batch, whatever their columns: it would be a negative of what it is.
 * Each row goes into the first batch with room that has none of its texts, of the first 16 with room, else behind the last
 * that has one: what meets its like comes later. A text that is in more rows than there are full batches makes small ones at
 * the end. In linear time, but for the inverse of Ackermann's function.
 */
function* withoutDuplicates(
  order: Int32Array,
  batchSize: number,
  { columns, rowOffsets }: SampledRows,
): Turns<Int32Array[]> {
  const batches: number[][] = [];
  // Of each batch: the next one, or itself while it has room; the way there is shortened as it is gone.
  const next: number[] = [];
  const withRoom = (from: number): number => {
    let found = from;
    while (found < next.length && next[found] !== found) found = next[found]!;
    for (let at = from; at < next.length && at !== found; ) {
      const after = next[at]!;
      next[at] = found;
      at = after;
    }
    return found;
  };
  let texts = 0;
  for (const text of columns) texts = Math.max(texts, text + 1);
  // By text, the last batch that has it; -1 for none.
  const last = new Int32Array(texts).fill(-1);
  // Texts of a batch with room, once it is asked for one that a later batch has, too.
  const known = new Map<number, Set<number>>();
  const has = (batch: number, text: number): boolean => {
    if (last[text]! <= batch) return last[text] === batch;
    let found = known.get(batch);
    if (found === undefined) {
      known.set(batch, (found = new Set()));
      for (const row of batches[batch]!)
        for (let i = rowOffsets[row]!; i < rowOffsets[row + 1]!; ++i) found.add(columns[i]!);
    }
    return found.has(text);
  };
  const meets = (row: number, batch: number): boolean => {
    for (let i = rowOffsets[row]!; i < rowOffsets[row + 1]!; ++i) if (has(batch, columns[i]!)) return true;
    return false;
  };
  for (let done = 0; done < order.length; ++done) {
    if (done % AT_ONCE === AT_ONCE - 1) yield;
    const row = order[done]!;
    let at = withRoom(0);
    for (let looked = 1; looked < looksAt && meets(row, at); ++looked) at = withRoom(at + 1);
    if (meets(row, at)) {
      for (let i = rowOffsets[row]!; i < rowOffsets[row + 1]!; ++i) at = Math.max(at, last[columns[i]!]! + 1);
      at = withRoom(at);
    }
    if (at === batches.length) {
      batches.push([]);
      next.push(at);
    }
    const batch = batches[at]!;
    batch.push(row);
    const set = known.get(at);
    for (let i = rowOffsets[row]!; i < rowOffsets[row + 1]!; ++i) {
      const text = columns[i]!;
      if (last[text]! < at) last[text] = at;
      set?.add(text);
    }
    if (batch.length === batchSize) {
      next[at] = at + 1;
      known.delete(at);
    }
  }
  return batches.map((batch) => Int32Array.from(batch));
}

/**
 * Classes in turn, two rows of each: a text has one of its class beside it, and others. The order of the classes is another
 * in every round, and two neighbouring pairs are of one class only where no other class has two rows left. A class's last
 * row, where their number is odd, stands in a pair with another class's; of one class that is left alone, rows are spread
 * over the batches as they come.
 */
function* byClass(
  { rows, lengths, batchSize, shuffle }: OrderRequest,
  random: Random,
  labels: ArrayLike<number>,
): Turns<Int32Array[]> {
  const classes = new Map<number, number[]>();
  for (let i = 0; i < rows.length; ++i) {
    if (i % (4 * AT_ONCE) === 4 * AT_ONCE - 1) yield;
    const members = classes.get(labels[rows[i]!]!);
    if (members === undefined) classes.set(labels[rows[i]!]!, [rows[i]!]);
    else members.push(rows[i]!);
  }
  // By number, so that the draw does not depend on which class comes first.
  const numbered = [...classes].sort((a, b) => a[0] - b[0]);
  let left = numbered.map(([, members]) => ({ members: Int32Array.from(members), at: 0 }));
  yield;
  if (shuffle) {
    // As `ordered` does it: a class's rows of like length are neighbours, and so are those of all classes in a round.
    const span = 2 * Math.max(1, Math.ceil((windowBatches * batchSize) / (2 * left.length)));
    let since = 0;
    for (const { members } of left) {
      yield* random.shuffling(members);
      yield* sortWindows(members, span, lengths);
      since += members.length;
      if (since < 4 * AT_ONCE) continue;
      since = 0;
      yield;
    }
  }
  const pairs: number[][] = [];
  const singles: number[] = [];
  let lastClass: object | undefined;
  const more = ({ members, at }: { members: Int32Array; at: number }): boolean => members.length - at >= 2;
  const tails: (typeof left)[number][] = left.filter((one) => !more(one));
  left = left.filter(more);
  let told = 0;
  while (left.length >= 2) {
    if (pairs.length - told >= AT_ONCE) {
      told = pairs.length;
      yield;
    }
    if (shuffle) yield* random.shuffling(left);
    if (left[0] === lastClass) [left[0], left[1]] = [left[1]!, left[0]!];
    for (const one of left) {
      pairs.push([one.members[one.at]!, one.members[one.at + 1]!]);
      one.at += 2;
    }
    lastClass = left.at(-1);
    tails.push(...left.filter((one) => !more(one)));
    left = left.filter(more);
  }
  for (const { members, at } of tails) singles.push(...members.slice(at));
  // What is left: single rows, and the rest of the one class that has more than all others.
  const rest = left.flatMap(({ members, at }) => Array.from(members.subarray(at)));
  yield;
  const count = Math.ceil(rows.length / batchSize);
  const batches: number[][] = Array.from({ length: count }, () => []);
  const sizes = Array.from({ length: count }, (_, i) => Math.min(batchSize, rows.length - i * batchSize));
  const others = rest.length + singles.length;
  // Of pairs every batch has its share, so that the rest never stands alone: of few pairs in turn, else of neighbours.
  const spread = others > 2 * pairs.length;
  let to = 0;
  const place = (unit: readonly number[]): void => {
    for (const row of unit) {
      while (batches[to]!.length >= sizes[to]!) to = (to + 1) % count;
      batches[to]!.push(row);
    }
    if (spread) to = (to + 1) % count;
  };
  for (const [i, pair] of pairs.entries()) {
    if (i % (2 * AT_ONCE) === 2 * AT_ONCE - 1) yield;
    if (!spread && others > 0) to = Math.floor((i * count) / pairs.length);
    place(pair);
  }
  for (const list of [singles, rest]) {
    for (const [i, row] of list.entries()) {
      if (i % (4 * AT_ONCE) === 4 * AT_ONCE - 1) yield;
      place([row]);
    }
  }
  yield;
  return batches.map((batch) => Int32Array.from(batch));
}

/** The `count` rows with most tokens, longest first; of equals, those that come first in `rows`. In linear time. */
export function longestRows(rows: Int32Array, lengths: Int32Array, count: number): Int32Array {
  // As the shortest first, of rows from the last to the first, and back.
  const sorted = rows.slice().reverse();
  atOnce(sortByLength(sorted, lengths));
  return sorted.reverse().slice(0, count);
}
