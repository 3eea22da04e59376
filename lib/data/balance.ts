import { integer, optional, resolveTable, type OptionsOf } from '../system/option-table';
import { InvalidArgumentError } from '../system/errors';
import type { ScoredRow, TextPair } from './pair';
import { Random, Stream } from './random';
import { checkRow, emptyData } from './validate';

const balanceTable = {
  /** Rows to take of each class, from 1. Default: as many as the smallest class has. */
  perClass: optional(integer(1), null, { aliases: ['nPerClass', 'samplesPerClass', 'count', 'limit', 'n'] }),
  /** Chooses the rows of each class at random, by this 32-bit seed. Default: the first rows of each class. */
  seed: optional(integer(0, 2 ** 32 - 1), null, { aliases: ['randomState', 'randomSeed'] }),
};

/** Options of `balance`. */
export interface BalanceOptions extends OptionsOf<typeof balanceTable> {}

/** Rows as `readRows` gives them and `finetune` takes them. */
export interface BalancedRows extends Array<ScoredRow> {
  /** @deprecated The rows' texts as pairs; the rows themselves say the same. Goes with the next version. */
  readonly pairs: TextPair[];
  /** @deprecated The rows' scores; the rows themselves say the same. Goes with the next version. */
  readonly scores: number[];
}

/** Not enumerable: the rows are a list as any other. */
function balanced(rows: ScoredRow[]): BalancedRows {
  return Object.defineProperties(rows, {
    pairs: { value: rows.map(({ text1, text2 }): TextPair => [text1, text2]) },
    scores: { value: rows.map(({ score }) => score) },
  }) as BalancedRows;
}

/**
 * Takes equally many rows of each class. A class is one value of the score: 0 and 1 for duplicates and
 * non-duplicates, but there may be more. The chosen rows stay in the order in which they came, so the
 * result is the same for the same rows and seed; `finetune` shuffles them itself.
 *
 * Throws ERR_SINGLE_CLASS where all scores are equal, ERR_EMPTY_DATA for no rows, ERR_INVALID_OPTION where
 * a class has fewer than `perClass` rows, and the error of the first row that is not valid.
 */
export function balance(rows: Iterable<ScoredRow>, options: BalanceOptions = {}): BalancedRows {
  const given = resolveTable(balanceTable, options, { name: 'balance', path: '' });
  if (typeof (rows as Partial<Iterable<ScoredRow>> | null | undefined)?.[Symbol.iterator] !== 'function') {
    throw new InvalidArgumentError('ERR_INVALID_ARGUMENT', 'balance needs a list of rows { text1, text2, score }.');
  }
  const checked: ScoredRow[] = [];
  const classes = new Map<number, number[]>();
  for (const value of rows) {
    const row = checkRow(value, { row: checked.length });
    const members = classes.get(row.score);
    if (members === undefined) classes.set(row.score, [checked.length]);
    else members.push(checked.length);
    checked.push(row);
  }
  if (checked.length === 0) throw emptyData('balance was given no rows');
  if (classes.size === 1) {
    throw new InvalidArgumentError(
      'ERR_SINGLE_CLASS',
      `balance needs rows of two classes or more, but the score of ` +
        `all ${checked.length} rows is ${checked[0]!.score}. Add rows with another score.`,
    );
  }

  const [smallestScore, smallest] = [...classes].reduce((least, entry) =>
    entry[1].length < least[1].length ? entry : least,
  );
  const perClass = given.perClass ?? smallest.length;
  if (perClass > smallest.length) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      `perClass is ${perClass}, but only ${smallest.length} rows have ` +
        `the score ${smallestScore}. Ask for ${smallest.length} or fewer, or leave perClass out to take ` +
        `${smallest.length} of each class.`,
    );
  }

  const random = given.seed === null ? undefined : Random.of(given.seed, Stream.Balance);
  const chosen: number[] = [];
  // By score, so that the draw does not depend on which class happens to come first.
  for (const [, members] of [...classes].sort((a, b) => a[0] - b[0])) {
    random?.shuffle(members);
    for (let i = 0; i < perClass; ++i) chosen.push(members[i]!);
  }
  chosen.sort((a, b) => a - b);
  return balanced(chosen.map((i) => checked[i]!));
}
