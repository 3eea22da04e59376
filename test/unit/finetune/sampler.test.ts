import {
  epochBatches,
  sampledBatches,
  sampledInTurns,
  type OrderRequest,
  type SampledRows,
} from '../../../lib/finetune/order';

/** Which rows stand together in a batch. */

const request = (rows: number, batchSize: number, epoch = 0, shuffle = true): OrderRequest => ({
  rows: Int32Array.from({ length: rows }, (_, i) => i),
  lengths: Int32Array.from({ length: rows }, (_, i) => 3 + ((i * 7919) % 40)),
  batchSize,
  shuffle,
  seed: 7,
  epoch,
});

/** Rows of two texts each; `texts` of a row by its number. */
function rowsOf(rows: number, texts: (row: number) => number[], labels: number[] = []): SampledRows {
  const columns: number[] = [];
  const rowOffsets = [0];
  for (let row = 0; row < rows; ++row) {
    columns.push(...texts(row));
    rowOffsets.push(columns.length);
  }
  return { columns: Int32Array.from(columns), rowOffsets: Int32Array.from(rowOffsets), labels };
}

const plain = (batches: readonly Int32Array[]) => batches.map((batch) => [...batch]);
const sorted = (batches: readonly Int32Array[]) =>
  plain(batches)
    .flat()
    .sort((a, b) => a - b);

describe('no duplicates', () => {
  // Every fifth row shares its anchor, text 0; others share a text with another column of the row ten before.
  const texts = (row: number) =>
    row % 5 === 0 ? [0, 1000 + row] : [row, row % 3 === 0 ? row - 10 + 1000 : 1000 + row];
  const data = rowsOf(300, texts);

  test.each([0, 1, 2])('no text is in two rows of a batch, and every row is there once (epoch %d)', (epoch) => {
    const batches = sampledBatches(request(300, 16, epoch), 'no-duplicates', data);
    expect(sorted(batches)).toEqual(Array.from({ length: 300 }, (_, i) => i));
    for (const batch of batches) {
      expect(batch.length).toBeLessThanOrEqual(16);
      const all = [...batch].flatMap((row) => [...new Set(texts(row))]);
      expect(new Set(all).size).toBe(all.length);
    }
    // 60 rows have text 0: there cannot be fewer batches.
    expect(batches).toHaveLength(60);
    expect(plain(sampledBatches(request(300, 16, epoch), 'no-duplicates', data))).toEqual(plain(batches));
  });

  test('a text that is twice in one row is no duplicate; of rows that share nothing the batches are the usual ones', () => {
    expect(
      plain(
        sampledBatches(
          request(8, 8, 0, false),
          'no-duplicates',
          rowsOf(8, (row) => [row, row]),
        ),
      ),
    ).toHaveLength(1);
    const own = rowsOf(100, (row) => [2 * row, 2 * row + 1]);
    expect(plain(sampledBatches(request(100, 8, 3), 'no-duplicates', own))).toEqual(
      plain(epochBatches(request(100, 8, 3))),
    );
  });

  test('rows that meet their neighbours only are in few batches, not in a chain of them', () => {
    // Of a ring each row shares a text with the one before and the one behind: of every two one can stand in a batch.
    const ring = rowsOf(64, (row) => [row, (row + 1) % 64]);
    const batches = sampledBatches(request(64, 64, 0, false), 'no-duplicates', ring);
    expect(plain(batches).map(({ length }) => length)).toEqual([32, 32]);
  });

  test('with turns for the event loop the batches are the same; it stops between two of them', async () => {
    const many = rowsOf(20_000, (row) => [row % 7000, 7000 + row]);
    const given = request(20_000, 64);
    let turns = 0;
    const found = await sampledInTurns(given, 'no-duplicates', many, () => void ++turns);
    expect(plain(found)).toEqual(plain(sampledBatches(given, 'no-duplicates', many)));
    // One before each piece: four of 4,096 rows and the rest, and one in which they were sorted.
    expect(turns).toBe(6);
    const stopped = sampledInTurns(given, 'no-duplicates', many, () => {
      throw new Error('stop');
    });
    await expect(stopped).rejects.toThrow('stop');
  });

  test('one text in all rows: batches of one row, after a number of steps that is in proportion', () => {
    const batches = sampledBatches(
      request(20_000, 64),
      'no-duplicates',
      rowsOf(20_000, (row) => [0, row + 1]),
    );
    expect(batches).toHaveLength(20_000);
  });
});

describe('by class', () => {
  const batchesOf = (labels: number[], batchSize: number, epoch = 0) =>
    sampledBatches(
      request(labels.length, batchSize, epoch),
      'by-class',
      rowsOf(labels.length, (row) => [row], labels),
    );

  test.each([0, 1, 2])('every batch has two classes or more, each row there once (epoch %d)', (epoch) => {
    const labels = Array.from({ length: 203 }, (_, i) => (i * i) % 11);
    const batches = batchesOf(labels, 16, epoch);
    expect(sorted(batches)).toEqual(Array.from({ length: 203 }, (_, i) => i));
    expect(batches).toHaveLength(Math.ceil(203 / 16));
    for (const batch of batches) {
      const counts = new Map<number, number>();
      for (const row of batch) counts.set(labels[row]!, (counts.get(labels[row]!) ?? 0) + 1);
      expect(counts.size).toBeGreaterThanOrEqual(2);
      expect(Math.max(...counts.values())).toBeGreaterThanOrEqual(2);
    }
    expect(plain(batchesOf(labels, 16, epoch))).toEqual(plain(batches));
  });

  test('rows of a batch are of like length', () => {
    const labels = Array.from({ length: 2000 }, (_, i) => i % 11);
    const { lengths } = request(2000, 32);
    const spread = (batch: Int32Array) => {
      const own = [...batch].map((row) => lengths[row]!);
      return Math.max(...own) - Math.min(...own);
    };
    // Lengths are from 3 to 42; in a batch of rows as they come nearly all of that is there.
    const spreads = batchesOf(labels, 32).map(spread);
    expect(spreads.reduce((sum, one) => sum + one, 0) / spreads.length).toBeLessThan(15);
    const rows = sorted(batchesOf(labels, 32));
    expect(rows).toEqual(Array.from({ length: 2000 }, (_, i) => i));
  });

  test('texts alone in their class, and the rest of a class with more than all others, are dropped nowhere', () => {
    const labels = [...new Array<number>(80).fill(0), ...new Array<number>(10).fill(1), 2, 3, 4];
    const batches = batchesOf(labels, 8);
    expect(sorted(batches)).toEqual(Array.from({ length: 93 }, (_, i) => i));
    const mixed = batches.filter((batch) => new Set([...batch].map((row) => labels[row])).size > 1);
    // Five pairs of class 1 and three single texts, each in a batch of its own.
    expect(mixed).toHaveLength(8);
  });
});
