import { rowFamilies } from '../data/families';
import { counted, isPairs, type DataForm } from '../data/form';
import type { Groups } from '../data/groups';
import { Random, Stream } from '../data/random';
import { InvalidArgumentError } from '../system/errors';
import { AT_ONCE, atOnce, inTurns, type Turns } from '../system/turns';
import { option, say } from '../system/wording';

export interface Split {
  /** Rows to train on and rows to validate with, each in the data's order. */
  train: Int32Array;
  validation: Int32Array;
}

/**
 * Draws validation rows at random by the seed: `share` of the rows, rounded, but at least one on each side;
 * share 0 keeps all rows for training. Throws ERR_EMPTY_DATA where there are too few rows for that.
 *
 * @param families of each row; those of one family stay on one side, and a family for which there is no room left trains, so
 *   that validation may come out smaller, even empty
 */
export function splitRows(rows: number, share: number, seed: number, families?: Int32Array): Split {
  return atOnce(splitting(rows, share, seed, families));
}

function* splitting(rows: number, share: number, seed: number, families?: Int32Array): Turns<Split> {
  const order = new Int32Array(rows);
  for (let row = 0; row < rows; ++row) order[row] = row;
  if (share === 0) return { train: order, validation: new Int32Array(0) };
  if (rows < 2) {
    throw new InvalidArgumentError(
      'ERR_EMPTY_DATA',
      `There must be at least 2 rows, one to train on and one to validate with, but there is ${rows}.`,
      { remedy: say`Add rows, or pass ${option('validationSplit', 0)} to train without validation.` },
    );
  }
  const count = Math.min(rows - 1, Math.max(1, Math.round(rows * share)));
  yield* Random.of(seed, Stream.Split).shuffling(order);
  const validates = new Uint8Array(rows); // by row, or by family
  if (families === undefined) for (let i = 0; i < count; ++i) validates[order[i]!] = 1;
  else {
    const sizes = new Int32Array(rows);
    for (const family of families) ++sizes[family]!;
    let room = count;
    for (const [i, row] of order.entries()) {
      if (i % (16 * AT_ONCE) === 0) yield;
      const family = families[row]!;
      if (validates[family] === 1 || sizes[family]! > room) continue;
      validates[family] = 1;
      room -= sizes[family]!;
      if (room === 0) break;
    }
  }
  yield;
  const sides = [new Int32Array(rows), new Int32Array(rows)] as const;
  const counts = [0, 0];
  for (let row = 0; row < rows; ++row) {
    const side = validates[families === undefined ? row : families[row]!]!;
    sides[side as 0 | 1][counts[side]!++] = row;
  }
  return { train: sides[0].slice(0, counts[0]), validation: sides[1].slice(0, counts[1]) };
}

/** What a split came to. */
export interface GroupedSplit extends Split {
  /** Whether texts that rows share made it another than that of the rows alone. */
  grouped: boolean;
  /** Validation rows that share a text with a row that is trained on. */
  shared: number;
  /** What is worth telling, a sentence each. */
  notes: string[];
}

/** Of the rows that were asked for, the share that must come together, or the texts do not keep rows together. */
const enough = 0.5;

/**
 * The split of rows by their texts. Grouped: rows that share a text stay on one side, else what is validated with is known
 * from training. Where that leaves too few rows to validate with, as where all rows name one text, only what rows begin
 * with counts (anchor and positive, or the query: negatives are drawn from the others' texts), then none.
 *
 * @throws InvalidArgumentError as `splitRows`
 */
export function splitData(
  groups: Pick<Groups, 'columns' | 'offsets'>,
  form: DataForm,
  how: { share: number; seed: number; grouped: boolean },
  check: () => void,
): Promise<GroupedSplit> {
  return inTurns(splittingData(groups, form, how), check);
}

function* splittingData(
  groups: Pick<Groups, 'columns' | 'offsets'>,
  form: DataForm,
  { share, seed, grouped }: { share: number; seed: number; grouped: boolean },
): Turns<GroupedSplit> {
  const rows = groups.offsets.length - 1;
  const plain = yield* splitting(rows, share, seed);
  const told = function* (split: Split, notes: string[] = []): Turns<GroupedSplit> {
    return {
      ...split,
      grouped:
        split.validation.length !== plain.validation.length ||
        split.validation.some((row, i) => row !== plain.validation[i]),
      shared: yield* sharing(groups, split),
      notes,
    };
  };
  if (share === 0 || !grouped) return yield* told(plain);
  const own = form === 'candidates' ? 1 : 2;
  const widths = isPairs(form) || form === 'classes' || form === 'vectors' ? [Infinity] : [Infinity, own];
  for (const width of widths) {
    const split = yield* splitting(rows, share, seed, yield* rowFamilies(groups, width));
    if (split.validation.length < enough * plain.validation.length) continue;
    const fewer = plain.validation.length - split.validation.length;
    return yield* told(
      split,
      fewer === 0 ? [] : [`${counted(fewer, 'row')} fewer to validate with: rows that share a text stay together.`],
    );
  }
  const split = yield* told(plain);
  if (split.shared > 0) {
    split.notes.push(
      `${counted(split.shared, 'row')} to validate with ${split.shared === 1 ? 'shares a text' : 'share texts'} with rows that are trained on: rows hang together by texts that they share, in groups too large to stay on one side.`,
    );
  }
  return split;
}

/** How many validation rows share a text with a row that is trained on. */
function* sharing(
  { columns, offsets }: Pick<Groups, 'columns' | 'offsets'>,
  { train, validation }: Split,
): Turns<number> {
  let texts = 0;
  for (const text of columns) texts = Math.max(texts, text + 1);
  const trained = new Uint8Array(texts);
  let count = 0;
  for (const rows of validation.length === 0 ? [] : [train, validation]) {
    for (let i = 0; i < rows.length; ++i) {
      if (i % (4 * AT_ONCE) === 0) yield;
      const row = rows[i]!;
      let known = 0;
      for (let at = offsets[row]!; at < offsets[row + 1]!; ++at) {
        known |= trained[columns[at]!]!;
        if (rows === train) trained[columns[at]!] = 1;
      }
      if (rows === validation) count += known;
    }
  }
  return count;
}
