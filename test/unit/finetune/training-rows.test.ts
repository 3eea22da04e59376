import type { PairData } from '../../../lib/data/pair';
import { splitRows } from '../../../lib/finetune/split';
import { checkTrainingRows } from '../../../lib/finetune/training-rows';

const data = (scores: number[], text = (i: number) => `text ${i}`): PairData => ({
  scores,
  pairs: scores.map((_, i) => [text(i), `${text(i)}?`]),
});
const all = (rows: number) => splitRows(rows, 0, 1);
const repeated = (score: number, rows: number) => Array<number>(rows).fill(score);

function refusal(work: () => unknown): unknown {
  try {
    return { given: work() };
  } catch (error) {
    return error;
  }
}

test.each<[string, number[], RegExp]>([
  ['all 1', repeated(1, 40), /^All 40 training rows have the score 1\. From rows of one score/],
  ['all 0', repeated(0, 40), /have the score 0\./],
  ['all 0.5', repeated(0.5, 40), /have the score 0\.5\./],
  ['within a hundredth', [0.9, 0.91, 0.905, 0.9], /^All 4 training rows have scores from 0\.9 to 0\.91\./],
  ['within a hundredth of 0', [0, 0.01, 0.005], /have scores from 0 to 0\.01\./],
])('%s: refused, with the reason and the way out', (_, scores, message) => {
  expect(refusal(() => checkTrainingRows(data(scores), all(scores.length), false))).toMatchObject({
    name: 'InvalidArgumentError',
    code: 'ERR_CONSTANT_SCORES',
    message: expect.stringMatching(message),
  });
  expect(refusal(() => checkTrainingRows(data(scores), all(scores.length), false))).toMatchObject({
    message: expect.stringMatching(
      /Add rows with other scores .* pass \{ allowConstantScores: true \} if it is meant\.$/,
    ),
  });
  expect(checkTrainingRows(data(scores), all(scores.length), true)).toEqual([]);
});

test('one row is trained on, as of two rows one is; two rows of one score are not', () => {
  expect(checkTrainingRows(data([0.7]), all(1), false)).toEqual([]);
  const split = splitRows(2, 0.15, 1);
  expect(split.train).toHaveLength(1);
  expect(checkTrainingRows(data([0, 1]), split, false)).toMatchObject([]);
  expect(refusal(() => checkTrainingRows(data([1, 1]), split, false))).toMatchObject({
    code: 'ERR_CONSTANT_SCORES',
    message: expect.stringMatching(/^The training row and those to validate with have the score 1\./),
  });
});

test('scores more than a hundredth apart are taken', () => {
  expect(checkTrainingRows(data([0.9, 0.912]), all(2), false)).toEqual([]);
});

test('where validation took the only rows with another score, that is said', () => {
  const scores = repeated(1, 20);
  const split = splitRows(20, 0.15, 1);
  for (const row of split.validation) scores[row] = 0;
  expect(refusal(() => checkTrainingRows(data(scores), split, false))).toMatchObject({
    code: 'ERR_CONSTANT_SCORES',
    message: expect.stringMatching(/\(the rows with others were drawn for validation\).*or take another seed/),
  });
});

test.each<[string, (i: number) => [string, string]]>([
  ['each row has one text twice', (i) => [`text ${i}`, `text ${i}`]],
  ['all texts are one', () => ['same', 'same']],
  ['all texts are empty', () => ['', '']],
])('%s: refused', (_, pair) => {
  const scores = [0, 1, 0, 1];
  const given = { scores, pairs: scores.map((_score, i) => pair(i)) };
  expect(refusal(() => checkTrainingRows(given, all(4), false))).toMatchObject({
    code: 'ERR_CONSTANT_TEXTS',
    message: expect.stringMatching(/^All 4 training rows have the same text twice.*columns/),
  });
});

test('what is doubtful is told', () => {
  const mostly = repeated(1, 100);
  mostly[3] = 0;
  mostly[40] = 0;
  expect(checkTrainingRows(data(mostly), all(100), false)).toMatchObject([
    {
      type: 'data-warning',
      reason: 'mostly-one-score',
      message: expect.stringMatching(/^All but 2 of 100 training rows/),
    },
  ]);

  const split = splitRows(40, 0.2, 1);
  const scores = Array.from({ length: 40 }, (_, i) => i % 2);
  for (const row of split.validation) scores[row] = 1;
  expect(checkTrainingRows(data(scores), split, false)).toMatchObject([
    { reason: 'constant-validation', message: expect.stringMatching(/^All 8 validation rows have the score 1:/) },
  ]);

  const half = Array.from({ length: 40 }, (_, i) => i % 2);
  const one = { scores: half, pairs: half.map((_, i): [string, string] => [`text ${i}`, 'always this']) };
  expect(checkTrainingRows(one, all(40), false)).toMatchObject([
    { reason: 'constant-text', message: 'text2 of all 40 training rows is the same text' },
  ]);
  expect(checkTrainingRows(data(half), all(40), false)).toEqual([]);
});
