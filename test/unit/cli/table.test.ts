import { comparison } from '../../../lib/cli/table';
import type { ValidationMetrics } from '../../../lib/finetune/metrics';

const metrics = (loss: number, pearson: number | null, spearman: number | null): ValidationMetrics => ({
  loss,
  pearson,
  spearman,
  averagePrecision: null,
  f1: null,
  accuracy: null,
  mcc: null,
});

test("says better, worse and the same of each measure, in the measure's own direction", () => {
  expect(comparison('104 pairs', metrics(0.2, 0.5, 0.25), metrics(0.3, 0.5, 0.75))).toBe(
    [
      '104 pairs                        before    after',
      'loss (lower is better)           0.2000   0.3000  WORSE',
      'Pearson                          0.5000   0.5000  the same',
      'Spearman                         0.2500   0.7500  better',
    ].join('\n'),
  );
  const verdicts = comparison('x', metrics(0.3, 0.6, 0.5), metrics(0.2, 0.5, 0.5))
    .split('\n')
    .slice(1)
    .map((line) => line.slice(50));
  expect(verdicts).toEqual(['better', 'WORSE', 'the same']);
});

test('a difference in digits that are not printed is none', () => {
  const [, loss, pearson] = comparison('x', metrics(0.20001, 0.7303, 0.5), metrics(0.2, 0.7302, 0.5)).split('\n');
  expect(loss!.slice(50)).toBe('the same');
  expect(pearson!.slice(50)).toBe('WORSE');
});

test('a measure that is not defined is a dash without a verdict', () => {
  const table = comparison('x', metrics(0.2, null, 0.1), metrics(0.1, 0.3, 0.2));
  expect(table).toMatch(/^Pearson +- +0\.3000$/m);
});

test('measures of two-valued scores are shown where there are any', () => {
  const two = (value: number): ValidationMetrics => ({
    ...metrics(0.1, 0.2, 0.3),
    averagePrecision: value,
    f1: { value, threshold: 0.5 },
    accuracy: { value, threshold: 0.5 },
  });
  const table = comparison('x', two(0.6), two(0.7));
  for (const label of ['average precision', 'best F1', 'best accuracy']) {
    expect(table).toMatch(new RegExp(`^${label}.*better$`, 'm'));
  }
  expect(comparison('x', metrics(0, 0, 0), metrics(0, 0, 0))).not.toContain('F1');
});
