import { runModule } from './run-module';

const run = (code: string) => runModule('overlap.mjs', `console.log(JSON.stringify(${code}))`);

test('words are compared as sets, without case and punctuation', () => {
  expect(run(`wordOverlap(['Where is it?'], ['where, IS IT'])`)).toMatchObject({ mean: 1, max: 1 });
  // 2 of 4 different words.
  expect(run(`wordOverlap(['a b c c'], ['b c d'])`)).toMatchObject({ max: 0.5 });
  expect(run(`wordOverlap(["don't go"], ["don’t stop"])`)).toMatchObject({ max: 0 });
});

test('each text counts with its nearest, and the nearest of all are shown', () => {
  expect(run(`wordOverlap(['a b', 'x y z'], ['a b c', 'a q', 'x'])`)).toEqual({
    mean: (2 / 3 + 1 / 3) / 2,
    max: 2 / 3,
    text: 'a b',
    other: 'a b c',
  });
});

test('another similarity can be used', () => {
  const result = run(`nearestOverlap(['p', 'q'], ['r', 's'], (i, j) => [[0.1, 0.2], [-0.5, -0.4]][i][j])`);
  expect(result).toEqual({ mean: expect.closeTo(-0.1, 12), max: 0.2, text: 'p', other: 's' });
});

test('texts without words have nothing in common', () => {
  expect(run(`wordOverlap(['?!'], ['...'])`)).toMatchObject({ max: 0 });
});

test('duplicates are found whatever their case and punctuation', () => {
  expect(run(`duplicates(['Lost my keys', 'Lost my tag'], ['lost my keys!', 'tag'])`)).toEqual(['Lost my keys']);
});
