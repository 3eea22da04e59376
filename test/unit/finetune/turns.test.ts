import { Batches } from '../../../lib/finetune/batches';
import { type multiDatasetSamplers, seedOf, takeTurns, turnsOf } from '../../../lib/finetune/sets/turns';

/** How several sets take turns, and the batches of each. */

const go = () => undefined;

/** Sets of rows of one text each. */
function batchesOf(sampler: (typeof multiDatasetSamplers)[number], rows: readonly number[], more = {}) {
  let first = 0;
  const sets = rows.map((count) => {
    const numbers = Int32Array.from({ length: count }, (_, i) => i);
    const set = {
      first,
      rows: numbers,
      lengths: numbers.map(() => 5),
      sampler: 'any' as const,
      sampled: { columns: numbers, rowOffsets: Int32Array.from({ length: count + 1 }, (_, i) => i), labels: [] },
    };
    first += count;
    return set;
  });
  return new Batches({ sets, batchSize: 2, shuffle: true, seed: 3, multiDatasetSampler: sampler, check: go, ...more });
}

const plain = (batches: readonly { set: number; rows: Int32Array }[]) => batches.map(({ set, rows }) => [set, ...rows]);

test('round-robin: as sentence-transformers 6.2.0, one batch of each set in turn until one has no more', async () => {
  // list(RoundRobinBatchSampler(ConcatDataset([range(7), range(3), range(6)]),
  //   [DefaultBatchSampler(SequentialSampler(…), batch_size=2, drop_last=False), …]))
  const batches = batchesOf('round-robin', [7, 3, 6], { shuffle: false });
  expect(plain(await batches.of(0))).toEqual([
    [0, 0, 1],
    [1, 7, 8],
    [2, 10, 11],
    [0, 2, 3],
    [1, 9],
    [2, 12, 13],
  ]);
  expect(await batches.counts(2)).toEqual([6, 6]);
});

test('proportional: every batch of every set once, in an order of its own each epoch, the same for the same seed', async () => {
  const batches = batchesOf('proportional', [70, 30, 11]);
  const epochs = [plain(await batches.of(0)), plain(await batches.of(1))] as const;
  expect(await batches.counts(2)).toEqual([35 + 15 + 6, 56]);
  for (const epoch of epochs) {
    expect(epoch).toHaveLength(56);
    expect(epoch.flatMap(([, ...rows]) => rows).sort((a, b) => a! - b!)).toEqual(
      Array.from({ length: 111 }, (_, i) => i),
    );
    for (const [set, ...rows] of epoch) for (const row of rows) expect(row! < 70 ? 0 : row! < 100 ? 1 : 2).toBe(set);
    // Neither one set after the other nor in turn.
    expect(new Set(epoch.slice(0, 20).map(([set]) => set)).size).toBeGreaterThan(1);
  }
  expect(epochs[0]).not.toEqual(epochs[1]);
  expect(plain(await batchesOf('proportional', [70, 30, 11]).of(0))).toEqual(epochs[0]);
  expect(plain(await batchesOf('proportional', [70, 30, 11], { seed: 4 }).of(0))).not.toEqual(epochs[0]);
});

test('proportional without shuffling: each set in its order, spread over the epoch', () => {
  const turns = takeTurns('proportional', [6, 2], { seed: 1, epoch: 0, shuffle: false });
  expect([...turns]).toEqual([0, 0, 1, 0, 0, 0, 1, 0]);
  expect(turnsOf('proportional', [6, 2])).toBe(8);
});

test('of one set both are its batches; further sets are drawn by seeds of their own', async () => {
  const [one, two] = [await batchesOf('proportional', [20]).of(4), await batchesOf('round-robin', [20]).of(4)];
  const rows = (batches: typeof one) => plain(batches).map(String).sort();
  expect(rows(one)).toEqual(rows(two));
  expect(one).toHaveLength(10);
  expect(seedOf(7, 0)).toBe(7);
  expect(new Set([0, 1, 2, 3].map((set) => seedOf(7, set))).size).toBe(4);
});
