import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readRows } from '../../../lib/data/read';
import { Random, Stream } from '../../../lib/data/random';
import { InvalidArgumentError } from '../../../lib/system/errors';
import { epochBatches, longestRows, type OrderRequest } from '../../../lib/finetune/order';
import type { DataForm } from '../../../lib/data/form';
import { groupTexts } from '../../../lib/data/groups';
import { splitData, splitRows } from '../../../lib/finetune/split';

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

describe('splitData', () => {
  const go = () => undefined;
  const split = async (rows: readonly (readonly string[])[], form: DataForm, share = 0.2, grouped = true) =>
    splitData(await groupTexts(rows, go), form, { share, seed: 3, grouped }, go);
  const textsOf = (rows: readonly (readonly string[])[], of: Int32Array) =>
    new Set([...of].flatMap((row) => rows[row]!));

  // Rows 0-4 hang together by 'a', rows 5-7 in a chain; the others are alone.
  const linked = upTo(100).map((row) =>
    row < 5 ? ['a', `b${row}`] : row < 8 ? [`chain${row}`, `chain${row + 1}`] : [`x${row}`, `y${row}`],
  );

  test('rows that share a text, at once or through others, are on one side, whatever the seed', async () => {
    let together = 0;
    for (let seed = 0; seed < 50; ++seed) {
      const groups = await groupTexts(linked, go);
      const { train, validation, shared } = await splitData(
        groups,
        'scored-pairs',
        { share: 0.2, seed, grouped: true },
        go,
      );
      expect([...train, ...validation].sort((a, b) => a - b)).toEqual(upTo(100));
      expect(validation).toHaveLength(20);
      expect(shared).toBe(0);
      const trained = textsOf(linked, train);
      expect([...textsOf(linked, validation)].filter((text) => trained.has(text))).toEqual([]);
      together += Number(validation.includes(0));
    }
    // A family is drawn as others are, and not always left to training.
    expect(together).toBeGreaterThan(0);
  });

  test('where nothing is shared it is the split by rows; so it is where that was asked for, which tells what is shared', async () => {
    const alone = linked.slice(8);
    expect(await split(alone, 'scored-pairs')).toMatchObject({ ...splitRows(alone.length, 0.2, 3), grouped: false });
    expect(await split(linked, 'scored-pairs')).toMatchObject({ grouped: true });
    const drawn = await split(linked, 'scored-pairs', 0.2, false);
    expect(drawn).toMatchObject(splitRows(100, 0.2, 3));
    const trained = textsOf(linked, drawn.train);
    const shared = [...drawn.validation].filter((row) => linked[row]!.some((text) => trained.has(text)));
    expect(shared.length).toBeGreaterThan(0);
    expect(drawn.shared).toBe(shared.length);
  });

  test('a family that is too large trains, and it is told how many rows fewer validate', async () => {
    const most = upTo(100).map((row) => (row < 88 ? ['a', `b${row}`] : [`x${row}`, `y${row}`]));
    const { validation, notes, shared } = await split(most, 'scored-pairs');
    expect([...validation]).toEqual(upTo(100).slice(88));
    expect(notes).toEqual(['8 rows fewer to validate with: rows that share a text stay together.']);
    expect(shared).toBe(0);
  });

  test('where all rows name one text they are drawn singly, and that is told', async () => {
    const one = upTo(50).map((row) => ['a', `b${row}`]);
    const drawn = await split(one, 'labelled-pairs');
    expect(drawn).toMatchObject(splitRows(50, 0.2, 3));
    expect(drawn.shared).toBe(10);
    expect(drawn.notes).toEqual([
      expect.stringMatching(/^10 rows to validate with share texts with rows that are trained/),
    ]);
  });

  test('negatives drawn from the other rows do not keep all rows together; anchors and positives do', async () => {
    const mined = upTo(60).map((row) => [`q${row >> 1}`, `p${row}`, `p${(row + 7) % 60}`]);
    const { train, validation } = await split(mined, 'triplets');
    expect(validation).toHaveLength(12);
    const queries = new Set([...train].map((row) => mined[row]![0]));
    expect([...validation].some((row) => queries.has(mined[row]![0]!))).toBe(false);
  });
});

const quora = join(__dirname, '../../../../shared/data/quora/quora_pairs.tsv');
if (!existsSync(quora)) console.warn(`The split of Quora's pairs is not tested: ${quora} is not here.`);
(existsSync(quora) ? test : test.skip)(
  "Quora's questions repeat: none that is validated with is trained on",
  async () => {
    const rows = (await readRows(quora)).map(({ text1, text2 }) => [text1, text2]);
    const groups = await groupTexts(rows, () => undefined);
    const of = (grouped: boolean) =>
      splitData(groups, 'labelled-pairs', { share: 0.15, seed: 1, grouped }, () => undefined);
    const [alone, together] = [await of(false), await of(true)];
    expect(alone.shared).toBeGreaterThan(alone.validation.length / 20);
    expect(together.shared).toBe(0);
    expect(together.validation.length).toBe(alone.validation.length);
  },
);

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
