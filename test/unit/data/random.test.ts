import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Random, Stream, type RandomState } from '../../../lib/data/random';

const reference = JSON.parse(readFileSync(join(__dirname, '../finetune/fixtures/reference.json'), 'utf8')) as {
  'xoshiro128**': { state: RandomState; values: number[]; after: number[] }[];
};

test('gives the numbers of xoshiro128** and its state after them', () => {
  for (const { state, values, after } of reference['xoshiro128**']) {
    const random = Random.fromState(state);
    expect(values.map(() => random.next())).toEqual(values);
    expect(random.state).toEqual(after);
  }
});

test('goes on from a saved state', () => {
  const random = Random.of(5, Stream.Order, 3);
  for (let i = 0; i < 10; ++i) random.next();
  const copy = Random.fromState(random.state);
  expect(Array.from({ length: 20 }, () => copy.next())).toEqual(Array.from({ length: 20 }, () => random.next()));
});

test('seeds, purposes and epochs have streams of their own', () => {
  const firsts = new Set<string>();
  for (const seed of [0, 1, 2, 2 ** 32 - 1]) {
    for (const stream of [Stream.Split, Stream.Order, Stream.Balance]) {
      for (let epoch = 0; epoch < 5; ++epoch) firsts.add(Random.of(seed, stream, epoch).state.join());
    }
  }
  expect(firsts.size).toBe(60);
});

test('below gives every value equally often', () => {
  const random = Random.of(1, Stream.Order);
  const counts = new Array<number>(7).fill(0);
  for (let i = 0; i < 70000; ++i) ++counts[random.below(7)]!;
  // Standard deviation of each count is 93.
  for (const count of counts) expect(Math.abs(count - 10000)).toBeLessThan(500);
});

test('below does not favour small values where the bound is near 2^32', () => {
  const random = Random.of(1, Stream.Order);
  const bound = 3 * 2 ** 30;
  let low = 0;
  for (let i = 0; i < 30000; ++i) if (random.below(bound) < 2 ** 30) ++low;
  // One third; with the plain remainder it would be one half.
  expect(Math.abs(low - 10000)).toBeLessThan(500);
});

test('shuffle reaches all orders equally often', () => {
  const random = Random.of(9, Stream.Split);
  const counts = new Map<string, number>();
  for (let i = 0; i < 24000; ++i) {
    const order = random.shuffle([0, 1, 2, 3]).join('');
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  expect(counts.size).toBe(24);
  for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(170);
});
