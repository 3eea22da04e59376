import { resolveOptions } from '../../../lib/finetune/resolved-options';
import { applyRecipe } from '../../../lib/finetune/recipes/apply';
import type { FinetuneOptions } from '../../../lib';

const data = {
  form: 'scored-pairs',
  rows: [['a', 'b']],
  labels: [0.5],
  labelWidth: 1,
} as const;
const mergeOf = (options: FinetuneOptions, rows: number, validates = true) =>
  applyRecipe(resolveOptions(options), data, rows, validates).merge;
const keep = [{ text1: 'a', text2: 'b', score: 1 }];

test('of thousands of scores all of the weights are taken, unless there is something to keep', () => {
  expect(mergeOf({}, 4000)).toEqual([1]);
  expect(mergeOf({ keep }, 4000)).toEqual([1, 0.85, 0.7, 0.5]);
  expect(mergeOf({ keep, merge: 0.3 }, 4000)).toEqual([0.3]);
  // Without validation rows the largest is taken that keeps them.
  expect(mergeOf({}, 4000, false)).toEqual([1]);
  expect(mergeOf({ keep }, 4000, false)).toEqual([1, 0.85, 0.7, 0.5]);
  expect(mergeOf({ keep, recipe: 'labels' }, 4000, false)).toEqual([0.7, 0.5]);
});

test('of hundreds a smaller share, with and without', () => {
  expect(mergeOf({}, 400)).toEqual([0.5, 0.35]);
  expect(mergeOf({ keep }, 400)).toEqual([0.5, 0.35, 0.2]);
});

test.each(['notebook', 'teacher', 'pair-classes'] as const)(
  '%s takes all, and a share where there is something to keep',
  (recipe) => {
    expect(mergeOf({ recipe }, 4000)).toEqual([1]);
    expect(mergeOf({ recipe, keep }, 4000)).toEqual([1, 0.85, 0.7, 0.5]);
  },
);

test('0, the untrained weights, may stand among the shares, and is among them always', () => {
  expect(mergeOf({ merge: [0, 0.5, 1] }, 4000)).toEqual([1, 0.5]);
  expect(() => mergeOf({ merge: 0 }, 4000)).toThrow(
    /merge must be a number above 0 to 1, or a list of them, which may have 0 too/,
  );
});
