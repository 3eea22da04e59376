import { bootstrap, verdictOf } from '../../lib/evaluate/bootstrap';
import type { ResolvedIntervals } from '../../lib/evaluate/options';
import { Means } from '../../lib/evaluate/evaluation';
import { atOnce } from '../../lib/evaluate/work';

const options: ResolvedIntervals = { samples: 2000, confidence: 0.95, seed: 1 };
const means = (values: Float64Array) => new Means<{ value: number }>('triplet', 'triplets', 'value', { value: values });
const intervalOf = (values: Float64Array, given = options) => {
  const observed = means(values);
  return atOnce(bootstrap(values.length, (counts) => observed.measure(counts), given))['value']!;
};
const share = (ones: number, rows: number) => Float64Array.from({ length: rows }, (_, i) => (i < ones ? 1 : 0));

test('the interval of a share is the binomial one', () => {
  // A resample of 400 rows, 120 of them ones, is binomial: its 2.5 % and 97.5 % quantiles are 102 and 138.
  const { low, high } = intervalOf(share(120, 400));
  expect(Math.abs(low * 400 - 102)).toBeLessThanOrEqual(2);
  expect(Math.abs(high * 400 - 138)).toBeLessThanOrEqual(2);
});

test('less confidence is a narrower interval, and the seed decides the draws', () => {
  const values = share(120, 400);
  const wide = intervalOf(values);
  const narrow = intervalOf(values, { ...options, confidence: 0.6 });
  expect(narrow.low).toBeGreaterThan(wide.low);
  expect(narrow.high).toBeLessThan(wide.high);
  expect(intervalOf(values)).toEqual(wide);
  const seeds = [1, 2, 3].map((seed) => intervalOf(share(7, 31), { samples: 100, confidence: 0.9, seed }));
  expect(new Set(seeds.map(({ low, high }) => `${low} ${high}`)).size).toBeGreaterThan(1);
});

test('pairing takes away what two models have in common', () => {
  const rows = 300;
  const base = Float64Array.from({ length: rows }, (_, i) => (i * 37) % 100);
  const better = base.map((value, i) => value + (i % 3 === 0 ? 1 : 0.5));
  const difference = function* (counts: Uint32Array) {
    const a = yield* means(base).measure(counts);
    const b = yield* means(better).measure(counts);
    return { value: b.value - a.value };
  };
  const paired = atOnce(bootstrap(rows, difference, options))['value']!;
  expect(verdictOf(paired)).toBe('better');
  // Each alone is far less sure than their difference.
  const alone = intervalOf(base);
  expect(alone.high - alone.low).toBeGreaterThan(20 * (paired.high - paired.low));
});

test('what is not defined on most draws has no interval', () => {
  const measure = function* (counts: Uint32Array) {
    yield;
    return { rare: counts[0] === 4 ? 1 : null, value: 1 };
  };
  const found = atOnce(bootstrap(50, measure, { ...options, samples: 200 }));
  expect(found).toEqual({ rare: null, value: { low: 1, high: 1 } });
});

test('the verdict', () => {
  expect(verdictOf({ low: 0.01, high: 0.2 })).toBe('better');
  expect(verdictOf({ low: -0.2, high: -0.01 })).toBe('worse');
  expect(verdictOf({ low: -0.2, high: -0.01 }, true)).toBe('better');
  expect(verdictOf({ low: -0.1, high: 0.1 })).toBe('within noise');
  expect(verdictOf({ low: 0, high: 0.1 })).toBe('within noise');
});
