import type { TrainingData } from '../../../lib/data/form';
import { Validator } from '../../../lib/finetune/validator';

const rows = Int32Array.from({ length: 1200 }, (_, i) => i);
const scores = Array.from(rows, (row) => (row % 5) / 4);

const data: TrainingData = {
  form: 'scored-pairs',
  rows: Array.from(rows, (row) => [`a ${row}`, `b ${row}`]),
  labels: scores,
  labelWidth: 1,
};

/** A validator whose engine is right about every row and has the loss 0.5; `ready` is asked before each part and at the end. */
function validator(ready: () => Promise<void>) {
  const parts: number[] = [];
  const evaluate = async (part: Int32Array) => {
    parts.push(part.length);
    return { loss: 0.5, similarities: Float32Array.from(part, (row) => scores[row]!) };
  };
  const made = new Validator(
    {
      rows,
      among: null,
      batch: 64,
      data,
      groups: { columns: new Int32Array(0), rowOffsets: new Int32Array(0) },
      evaluate,
      embed: () => Promise.reject(new Error('pairs need no vectors')),
      ready,
      onProgress: () => undefined,
      onSplit: () => undefined,
    },
    32,
  );
  return { made, parts };
}

test('a validation of many rows waits between its parts while the run is paused', async () => {
  let resume: () => void = () => undefined;
  let asked = 0;
  const { made, parts } = validator(() =>
    ++asked === 2
      ? new Promise((resolve) => {
          resume = resolve;
        })
      : Promise.resolve(),
  );
  const measured = made.measure(1);
  for (let turn = 0; turn < 20; ++turn) await new Promise(setImmediate);
  expect(parts).toEqual([512]);
  resume();
  const { metrics, units } = await measured;
  expect([...units]).toEqual(scores.map(Math.fround));
  expect(metrics.loss).toBeCloseTo(0.5, 10);
  expect(metrics.pearson).toBeCloseTo(1, 10);
  expect(parts).toEqual([512, 512, 176]);
});

test('its parts are whole batches', async () => {
  const sizes = async (batch: number) => {
    const parts: number[] = [];
    const evaluate = async (part: Int32Array) => {
      parts.push(part.length);
      return { loss: 0.5, similarities: new Float32Array(part.length) };
    };
    const ready = async () => undefined;
    await new Validator(
      {
        rows,
        among: null,
        batch,
        data,
        groups: { columns: new Int32Array(0), rowOffsets: new Int32Array(0) },
        evaluate,
        embed: () => Promise.reject(new Error('pairs need no vectors')),
        ready,
        onProgress: () => undefined,
        onSplit: () => undefined,
      },
      32,
    ).measure(1);
    return parts;
  };
  expect(await sizes(100)).toEqual([500, 500, 200]);
  expect(await sizes(1000)).toEqual([1000, 200]);
});

test('and ends between them where the run is to stop', async () => {
  let asked = 0;
  const { made, parts } = validator(async () => {
    if (++asked === 3) throw new RangeError('stop');
  });
  await expect(made.measure(1)).rejects.toThrow('stop');
  expect(parts).toEqual([512, 512]);
});
