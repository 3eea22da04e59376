import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { learningRateAt, warmupSteps, type ScheduleKind } from '../../../lib/finetune/schedule';

const reference = JSON.parse(readFileSync(join(__dirname, 'fixtures/reference.json'), 'utf8')) as {
  schedules: { kind: ScheduleKind; warmup: number; total: number; rates: number[] }[];
};

test.each(reference.schedules)(
  '$kind with $warmup of $total steps warm-up as transformers',
  ({ kind, warmup, total, rates }) => {
    rates.forEach((rate, step) => expect(learningRateAt(kind, 2e-5, step, warmup, total)).toBeCloseTo(rate, 15));
  },
);

test('a share of the steps is rounded up', () => {
  expect(warmupSteps({ steps: 7 }, 100)).toBe(7);
  expect(warmupSteps({ ratio: 0.1 }, 101)).toBe(11);
  expect(warmupSteps({ ratio: 0 }, 101)).toBe(0);
});
