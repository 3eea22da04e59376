import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as vectune from '../../lib';
import { loadEngine } from '../../lib/engine/load';
import { numbers, type Numbers } from './notebook_numbers.cjs';

const before = JSON.parse(readFileSync(join(__dirname, 'notebook-numbers.json'), 'utf8')) as Numbers;
const folder = join(__dirname, 'fixtures', 'bert-mean', 'model');

describe("recipe 'notebook' beside what the defaults did before there were recipes, with dropout", () => {
  let now: Numbers;
  beforeAll(async () => {
    const addon = await loadEngine();
    now = await numbers(vectune, addon.info(), folder, { recipe: 'notebook' });
  });

  test('the losses are the same', () => {
    const { steps, validation } = before;
    expect(now).toMatchObject({ bestEpoch: before.bestEpoch, batch: before.batch });
    expect(now.steps).toHaveLength(steps.length);
    now.steps.forEach((loss, i) => expect(Math.abs(loss - steps[i]!)).toBeLessThan(1e-5 * steps[i]!));
    // The validation loss was of vectors in single precision.
    now.validation.forEach((loss, i) => expect(Math.abs(loss - validation[i]!)).toBeLessThan(1e-5 * validation[i]!));
    expect(Math.abs(now.before - before.before)).toBeLessThan(1e-6 * before.before);
  });

  test('the weights are the same to the bit on the processor that they are from', () => {
    if (JSON.stringify(now.arithmetic) !== JSON.stringify(before.arithmetic)) {
      console.log(`skipped: the numbers are from ${JSON.stringify(before.arithmetic)}`);
      return;
    }
    expect(now.weights).toBe(before.weights);
    // The sum of a step's losses is added up in another order since.
    now.steps.forEach((loss, i) => expect(loss).toBeCloseTo(before.steps[i]!, 14));
  });
});
