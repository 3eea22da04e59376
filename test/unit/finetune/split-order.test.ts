import { Random, Stream } from '../../../lib/data/random';
import { InvalidArgumentError } from '../../../lib/system/errors';
import { epochBatches, longestRows, type OrderRequest } from '../../../lib/finetune/order';
import { splitRows } from '../../../lib/finetune/split';

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

describe('splitRows', () => {
  test.each([
    [1000, 0.15, 150],
    [500, 0.15, 75],
    [2, 0.15, 1],
    [3, 0.9, 2],
    [100, 0.29, 29],
    [10, 0.999, 9],
  ])('%i rows, share %f', (rows, share, count) => {
    const { train, validation } = splitRows(rows, share, 1);
    expect(validation).toHaveLength(count);
    expect([...train, ...validation].sort((a, b) => a - b)).toEqual(upTo(rows));
  });

  test('the same seed gives the same rows, another seed others', () => {
    expect(splitRows(100, 0.2, 3)).toEqual(splitRows(100, 0.2, 3));
    expect(splitRows(100, 0.2, 3)).not.toEqual(splitRows(100, 0.2, 4));
  });

  test('every row validates equally often', () => {
    const counts = new Array<number>(20).fill(0);
    for (let seed = 0; seed < 4000; ++seed) for (const row of splitRows(20, 0.25, seed).validation) ++counts[row]!;
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  test('share 0 trains on all; one row cannot be split', () => {
    expect(splitRows(1, 0, 1)).toEqual({ train: Int32Array.of(0), validation: new Int32Array(0) });
    expect(() => splitRows(1, 0.15, 1)).toThrow(InvalidArgumentError);
    expect(() => splitRows(1, 0.15, 1)).toThrow(/validationSplit: 0/);
  });
});

describe('epochBatches', () => {
  const random = Random.of(1, Stream.Order, 99);
  const lengths = Int32Array.from({ length: 1000 }, () => 6 + random.below(120));
  const request: OrderRequest = {
    rows: Int32Array.from(upTo(1000).filter((row) => row % 7 !== 0)),
    lengths,
    batchSize: 32,
    shuffle: true,
    seed: 5,
    epoch: 0,
  };

  test('every row is in exactly one batch, and all batches but one are full', () => {
    const batches = epochBatches(request);
    expect(batches.flatMap((batch) => [...batch]).sort((a, b) => a - b)).toEqual([...request.rows]);
    expect(batches.filter((batch) => batch.length !== 32)).toHaveLength(1);
  });

  test('the order is a function of seed and epoch', () => {
    expect(epochBatches(request)).toEqual(epochBatches(request));
    expect(epochBatches({ ...request, epoch: 1 })).not.toEqual(epochBatches(request));
    expect(epochBatches({ ...request, seed: 6 })).not.toEqual(epochBatches(request));
  });

  test('it does not change between versions: resuming a run depends on it', () => {
    const small = {
      ...request,
      rows: Int32Array.from(upTo(7)),
      lengths: Int32Array.of(9, 5, 7, 5, 9, 6, 8),
      batchSize: 2,
    };
    expect(epochBatches(small).map((batch) => [...batch])).toEqual([[1, 3], [0], [5, 2], [6, 4]]);
  });

  test('lengths within a batch are close, much closer than in a plain shuffle', () => {
    const spread = (batches: Int32Array[]) =>
      batches.reduce((sum, batch) => {
        const of = [...batch].map((row) => lengths[row]!);
        return sum + Math.max(...of) - Math.min(...of);
      }, 0) / batches.length;
    const plain = random.shuffle(request.rows.slice());
    const plainBatches = upTo(27).map((i) => plain.slice(32 * i, 32 * i + 32));
    expect(spread(epochBatches(request))).toBeLessThan(spread(plainBatches) / 5);
  });

  test('short and long batches come mixed', () => {
    const means = epochBatches(request).map(
      (batch) => batch.reduce((sum, row) => sum + lengths[row]!, 0) / batch.length,
    );
    const rising = means.slice(1).filter((mean, i) => mean > means[i]!).length;
    expect(rising).toBeGreaterThan(means.length / 4);
    expect(rising).toBeLessThan((means.length * 3) / 4);
  });

  test("without shuffling the data's order stays, in every epoch", () => {
    const batches = epochBatches({ ...request, shuffle: false, epoch: 4 });
    expect(batches.flatMap((batch) => [...batch])).toEqual([...request.rows]);
    expect(
      batches
        .map((batch) => batch.length)
        .slice(0, -1)
        .every((size) => size === 32),
    ).toBe(true);
  });
});

test('longestRows: most tokens first, of equals the first', () => {
  expect([...longestRows(Int32Array.of(0, 1, 3, 4), Int32Array.of(5, 9, 99, 9, 7), 3)]).toEqual([1, 3, 4]);
});
