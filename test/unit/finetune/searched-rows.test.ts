import { searchedRows } from '../../../lib/finetune/searched-rows';

const numbers = (count: number, of: (i: number) => number) => Int32Array.from({ length: count }, (_, i) => of(i));
const split = (rows: number) => ({
  train: numbers(rows - rows / 10, (i) => i + Math.floor(i / 9) + 1),
  validation: numbers(rows / 10, (i) => 10 * i),
});

test('of few rows all are searched among', () => {
  expect(searchedRows('positive-pairs', split(1000), 1)).toEqual(numbers(1000, (i) => i));
  expect(searchedRows('triplets', split(2000), 1)).toEqual(numbers(2000, (i) => i));
  expect(searchedRows('classes', split(500), 1)).toEqual(numbers(500, (i) => i));
});

test('of many rows those that validate and a draw of the others by the seed', () => {
  const { validation, train } = split(4000);
  const found = searchedRows('positive-pairs', { train, validation }, 1)!;
  expect(found).toHaveLength(2000);
  expect(new Set(found).size).toBe(2000);
  expect(found).toEqual(found.slice().sort());
  const drawn = new Set(found);
  expect([...validation].every((row) => drawn.has(row))).toBe(true);
  expect(searchedRows('positive-pairs', { train, validation }, 1)).toEqual(found);
  expect(searchedRows('positive-pairs', { train, validation }, 2)).not.toEqual(found);
  // More rows than that to validate with: they alone.
  expect(searchedRows('positive-pairs', { train: validation, validation: train }, 1)).toEqual(train);
});

test.each(['scored-pairs', 'labelled-pairs', 'vectors'] as const)('%s search among nothing', (form) => {
  expect(searchedRows(form, split(100), 1)).toBeNull();
});
