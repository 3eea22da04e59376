import { nextPoint } from '../../../lib/finetune/settings-search';
import type { SettingsPoint } from '../../../lib/finetune/settings-trials';

const own: SettingsPoint = { learningRate: 16, effectiveBatchSize: 16 };
const both = { learningRate: true, effectiveBatchSize: true };

/** Everything that is tried where each point costs what `cost` says. */
function path(cost: (point: SettingsPoint) => number, free = both, from = own): string[] {
  const tried: (SettingsPoint & { cost: number })[] = [];
  for (;;) {
    const point = nextPoint(from, free, tried);
    if (point === null)
      return tried.map(({ learningRate, effectiveBatchSize }) => `${learningRate}/${effectiveBatchSize}`);
    expect(tried).not.toContainEqual(expect.objectContaining(point));
    tried.push({ ...point, cost: cost(point) });
    expect(tried.length).toBeLessThan(20);
  }
}

test('the own settings first, rates to both sides, on where it gets better, then batches at the best rate', () => {
  const best = ({ learningRate, effectiveBatchSize }: SettingsPoint) =>
    Math.abs(Math.log2(learningRate / 64)) + Math.abs(Math.log2(effectiveBatchSize! / 8));
  expect(path(best)).toEqual(['16/16', '8/16', '32/16', '64/16', '128/16', '64/8', '64/32', '64/4']);
});

test('not further than eight times, nor below two rows', () => {
  expect(path(({ learningRate }) => -learningRate, { ...both, effectiveBatchSize: false })).toEqual([
    '16/16',
    '8/16',
    '32/16',
    '64/16',
    '128/16',
  ]);
  const four = { learningRate: 16, effectiveBatchSize: 4 };
  const smaller = ({ effectiveBatchSize }: SettingsPoint) => effectiveBatchSize!;
  expect(path(smaller, { ...both, learningRate: false }, four)).toEqual(['16/4', '16/2', '16/8']);
});

test('what is given is not searched for, nor a batch that the finder chooses', () => {
  expect(path(() => 0, { learningRate: false, effectiveBatchSize: false })).toEqual(['16/16']);
  const left = { learningRate: 16, effectiveBatchSize: null };
  expect(path(() => 0, both, left)).toEqual(['16/null', '8/null', '32/null']);
});

test('of equal ones the first is the best; without a number it is the own', () => {
  expect(path(() => 0)).toEqual(['16/16', '8/16', '32/16', '16/8', '16/32']);
  expect(path(() => Infinity)).toEqual(['16/16', '8/16', '32/16', '16/8', '16/32']);
});
