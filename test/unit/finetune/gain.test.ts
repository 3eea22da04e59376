import type { TrainingData } from '../../../lib/data/form';
import { gainOf } from '../../../lib/finetune/gain';

/** What training changed, and whether that is more than chance. */

const COUNT = 80;
const data: TrainingData = {
  form: 'scored-pairs',
  rows: Array.from({ length: COUNT }, (_, i) => [`a ${i}`, `b ${i}`]),
  labels: Array.from({ length: COUNT }, (_, i) => i / COUNT),
  labelWidth: 1,
};
const rows = Int32Array.from({ length: COUNT }, (_, i) => i);
const noise = (i: number) => Math.sin(13 * i) / 4;
const similarities = (part: number) => Float32Array.from(rows, (i) => data.labels[i]! + part * noise(i));
const squares = (units: Float32Array) =>
  units.reduce((sum, unit, i) => sum + (unit - data.labels[i]!) ** 2, 0) / units.length;

test('a loss of single rows has an interval, and the lower is the better', async () => {
  const [before, after] = [similarities(1), similarities(0.5)];
  const gain = (await gainOf('loss', { data, rows }, before, after, { loss: { name: 'cosine-mse' } }))!;
  expect(gain.before).toBeCloseTo(squares(before), 6);
  expect(gain.after).toBeCloseTo(squares(after), 6);
  expect(gain.difference).toBeCloseTo(squares(after) - squares(before), 6);
  expect(gain.interval!.low).toBeLessThan(gain.difference);
  expect(gain.interval!.high).toBeGreaterThan(gain.difference);
  expect(gain.interval!.high).toBeLessThan(0);
  expect(gain.verdict).toBe('better');
  const back = (await gainOf('loss', { data, rows }, after, before, { loss: { name: 'cosine-mse' } }))!;
  expect(back).toMatchObject({ verdict: 'worse', difference: -gain.difference });
});

test('a loss of labels is that of the engine', async () => {
  const labelled: TrainingData = { ...data, form: 'labelled-pairs', labels: Array.from(rows, (i) => i % 2) };
  const loss = { name: 'logistic', threshold: 0.5, scale: 10 };
  const units = similarities(1);
  const gain = (await gainOf('loss', { data: labelled, rows }, units, units, { loss }))!;
  const expected =
    Array.from(rows, (i) => {
      const p = 1 / (1 + Math.exp(-10 * (units[i]! - 0.5)));
      return -Math.log(i % 2 === 1 ? p : 1 - p);
    }).reduce((sum, one) => sum + one, 0) / COUNT;
  expect(gain.before).toBeCloseTo(expected, 6);
  expect(gain).toMatchObject({ difference: 0, verdict: 'within noise' });
});

test.each([{ name: 'cosent' }, { name: 'logistic' }, undefined])('of the loss %j there is none', async (loss) => {
  expect(await gainOf('loss', { data, rows }, similarities(1), similarities(0.5), { loss })).toBeNull();
});
