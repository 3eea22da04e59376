import { comparison, thresholds } from '../../../lib/cli/table';
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

test('the difference of each measure, as far as it is printed', () => {
  expect(comparison('104 pairs', metrics(0.2, 0.5, 0.25), metrics(0.3, 0.5, 0.75))).toBe(
    [
      '104 pairs                        before    after   change',
      'loss (lower is better)           0.2000   0.3000  +0.1000',
      'Pearson                          0.5000   0.5000  +0.0000',
      'Spearman                         0.2500   0.7500  +0.5000',
    ].join('\n'),
  );
  const [, loss, pearson] = comparison('x', metrics(0.20001, 0.7303, 0.5), metrics(0.2, 0.7302, 0.5)).split('\n');
  expect(loss!.slice(48).trim()).toBe('+0.0000');
  expect(pearson!.slice(48).trim()).toBe('-0.0001');
});

test('only the measure that was gone by is judged, by what chance makes', () => {
  const gain = { measure: 'spearman', before: 0.25, after: 0.75, difference: 0.5, confidence: 0.95 } as const;
  const interval = { low: 0.1, high: 0.9 };
  const judged = (verdict: 'better' | 'worse' | 'within noise' | null) =>
    comparison('x', metrics(0.3, 0.5, 0.25), metrics(0.2, 0.6, 0.75), {
      gain: { ...gain, interval: verdict === null ? null : interval, verdict },
    })
      .split('\n')
      .slice(1)
      .map((line) => line.slice(57).trim());
  expect(judged('better')).toEqual(['', '', 'better']);
  expect(judged('worse')).toEqual(['', '', 'WORSE']);
  expect(judged('within noise')).toEqual(['', '', 'within noise']);
  expect(judged(null)).toEqual(['', '', 'too few rows to tell from chance']);
});

test('of several sets each is judged by its own', () => {
  const sets = (spearman: number) => ({ ...metrics(0.1, 0.2, 0.3), sets: { a: metrics(0.1, 0.2, spearman) } });
  const own = { measure: 'spearman', before: 0.1, after: 0.2, difference: 0.1, confidence: 0.95 } as const;
  const table = comparison('x', sets(0.1), sets(0.2), {
    gain: null,
    sets: { a: { gain: { ...own, interval: { low: -0.1, high: 0.3 }, verdict: 'within noise' } } },
  });
  expect(table.split('\n').filter((line) => line.endsWith('within noise'))).toHaveLength(1);
});

test('a measure that is not defined is a dash without a difference', () => {
  const table = comparison('x', metrics(0.2, null, 0.1), metrics(0.1, 0.3, 0.2));
  expect(table).toMatch(/^Pearson +- +0\.3000$/m);
});

test('from which similarity on two texts are the same is told of labelled pairs', () => {
  const found = {
    ...metrics(0.1, 0.2, 0.3),
    f1: { value: 0.8, threshold: 0.71234 },
    accuracy: { value: 0.9, threshold: 0.75 },
  };
  expect(thresholds(found)).toBe(
    'two texts count as the same from 0.7123 on: best F1\ntwo texts count as the same from 0.7500 on: best accuracy\n',
  );
  expect(thresholds(metrics(0.1, 0.2, 0.3))).toBe('');
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
    expect(table).toMatch(new RegExp(`^${label} .*\\+0\\.1000$`, 'm'));
  }
  expect(comparison('x', metrics(0, 0, 0), metrics(0, 0, 0))).not.toContain('F1');
});
