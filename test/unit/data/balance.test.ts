import { balance } from '../../../lib/data/balance';
import type { ScoredRow } from '../../../lib/data/pair';
import { InvalidArgumentError } from '../../../lib/system/errors';

const row = (i: number, score: number): ScoredRow => ({ text1: `a${i}`, text2: `b${i}`, score });
/** 12 rows of class 0, 5 of class 1, mixed. */
const rows = Array.from({ length: 17 }, (_, i) => row(i, i % 3 === 1 && i < 15 ? 1 : 0));

function codeOf(work: () => unknown): { code: string; row: number | undefined; message: string } {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidArgumentError);
    const { code, row: at, message } = error as InvalidArgumentError;
    return { code, row: at, message };
  }
  throw new Error('nothing was thrown');
}

test('takes as many of each class as the smallest has, in the order of the rows', () => {
  const { pairs, scores } = balance(rows);
  expect(scores.filter((score) => score === 1)).toHaveLength(5);
  expect(scores.filter((score) => score === 0)).toHaveLength(5);
  expect(pairs.map(([a]) => a)).toEqual(['a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7', 'a10', 'a13']);
  pairs.forEach(([a], i) => expect(rows[Number(a.slice(1))]!.score).toBe(scores[i]));
});

test('gives rows, which it takes itself, as readRows gives them', () => {
  const chosen = balance(rows, { perClass: 2 });
  expect(chosen.length).toBe(4);
  expect(Array.isArray(chosen)).toBe(true);
  expect(chosen).toEqual([row(0, 0), row(1, 1), row(2, 0), row(4, 1)]);
  expect(Object.keys(chosen)).toEqual(['0', '1', '2', '3']);
  expect([...balance(chosen)]).toEqual([...chosen]);
});

test('counts each class by itself, unlike a loop whose counters also count the other class', () => {
  const lopsided = Array.from({ length: 100 }, (_, i) => row(i, i < 60 ? 0 : 1));
  const { scores } = balance(lopsided, { perClass: 30 });
  expect(scores.filter((score) => score === 1)).toHaveLength(30);
  expect(scores.filter((score) => score === 0)).toHaveLength(30);
});

test('with a seed the choice is random, the same for the same seed, and still in the order of the rows', () => {
  const names = (seed: number) => balance(rows, { perClass: 3, seed }).pairs.map(([a]) => Number(a.slice(1)));
  const first = names(1);
  expect(names(1)).toEqual(first);
  expect(first).toEqual([...first].sort((a, b) => a - b));
  expect(new Set([1, 2, 3, 4, 5, 6].map((seed) => names(seed).join())).size).toBeGreaterThan(3);
});

test('knows more than two classes', () => {
  const three = [row(0, 0), row(1, 0.5), row(2, 1), row(3, 0.5), row(4, 0), row(5, 1), row(6, 1)];
  expect(balance(three).scores).toEqual([0, 0.5, 1, 0.5, 0, 1]);
  expect(balance(three, { perClass: 1 }).scores).toEqual([0, 0.5, 1]);
});

test('takes any iterable', () => {
  expect(balance(new Set(rows)).scores).toHaveLength(10);
});

test.each([
  ['one class', () => balance([row(0, 1), row(1, 1)]), 'ERR_SINGLE_CLASS', undefined, /all 2 rows is 1/],
  ['no rows', () => balance([]), 'ERR_EMPTY_DATA', undefined, /no rows/],
  [
    'too few rows',
    () => balance(rows, { perClass: 6 }),
    'ERR_INVALID_OPTION',
    undefined,
    /only 5 rows have the score 1/,
  ],
  ['perClass 0', () => balance(rows, { perClass: 0 }), 'ERR_INVALID_OPTION', undefined, /perClass/],
  ['unknown option', () => balance(rows, { perclass: 2 } as object), 'ERR_UNKNOWN_OPTION', undefined, /"perClass"/],
  ['bad score', () => balance([row(0, 0), row(1, NaN)]), 'ERR_SCORE_RANGE', 1, /row 1/],
  [
    'bad text',
    () => balance([row(0, 0), { text1: 'x', text2: 3, score: 1 } as unknown as ScoredRow]),
    'ERR_TEXT_TYPE',
    1,
    /text2 of row 1/,
  ],
  ['no iterable', () => balance(5 as unknown as ScoredRow[]), 'ERR_INVALID_ARGUMENT', undefined, /list of rows/],
])('refuses %s', (_, work, code, at, message) => {
  const error = codeOf(work);
  expect(error).toMatchObject({ code, row: at });
  expect(error.message).toMatch(message);
});
