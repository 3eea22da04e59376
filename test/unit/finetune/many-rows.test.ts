import { groupTexts } from '../../../lib/data/groups';
import { countRepeats } from '../../../lib/data/repeats';
import { Batches } from '../../../lib/finetune/batches';
import type { Sampler } from '../../../lib/finetune/losses/table';
import { epochBatches, longestRows, sampledBatches, sampledInTurns } from '../../../lib/finetune/order';
import { splitData, splitRows } from '../../../lib/finetune/split';

/**
 * What a run does with rows before it trains, with 100,000 of them: in pieces of some thousand rows, between which the event
 * loop has its turn (`check` is asked before each). How long the longest takes, `npm run bench -- --only blocks` measures.
 */

const ROWS = 100_000;
/** Rows whose work is done in one turn, at most. */
const PIECE = 16 * 4096;

let pieces = 0;
const check = () => void ++pieces;
beforeEach(() => {
  pieces = 0;
});

/** Turns that the event loop itself has while something goes on. */
async function turnsDuring<T>(work: Promise<T>): Promise<{ turns: number; value: T }> {
  let turns = 0;
  let on = true;
  const count = () => {
    ++turns;
    if (on) setImmediate(count);
  };
  setImmediate(count);
  const value = await work;
  on = false;
  return { turns, value };
}

/** Deep equality of so many numbers takes jest a minute. */
const bytes = (numbers: readonly Int32Array[]) =>
  Buffer.concat(numbers.map((one) => Buffer.from(one.buffer, one.byteOffset, one.byteLength)));
const sizes = (batches: readonly Int32Array[]) => Int32Array.from(batches, ({ length }) => length);
const same = (a: readonly Int32Array[], b: readonly Int32Array[]) =>
  bytes([...a, sizes(a)]).equals(bytes([...b, sizes(b)]));

const rows = Array.from({ length: ROWS }, (_, i) => [`question ${i % 75_000}`, `answer ${i}`]);
const groups = groupTexts(rows, () => undefined);
const lengths = Int32Array.from({ length: ROWS }, (_, i) => 6 + ((i * 7919) % 90));
const all = Int32Array.from({ length: ROWS }, (_, i) => i);

test('distinct texts, repeats and the split by texts', async () => {
  const found = await turnsDuring(groupTexts(rows, check));
  expect(found.value.texts).toHaveLength(75_000 + ROWS);
  expect(found.value.columns.slice(-2)).toEqual(
    Int32Array.of(found.value.columns.at(-2)!, found.value.texts.length - 1),
  );
  expect(pieces).toBeGreaterThan(ROWS / 4096);
  expect(found.turns).toBeGreaterThan(ROWS / 4096);

  pieces = 0;
  const data = { form: 'labelled-pairs', labels: new Float32Array(ROWS), labelWidth: 1 } as const;
  await turnsDuring(countRepeats(found.value, data, check));
  expect(pieces).toBeGreaterThan(ROWS / 4096);

  pieces = 0;
  const how = { share: 0.15, seed: 3, grouped: true };
  const split = await turnsDuring(splitData(found.value, 'positive-pairs', how, check));
  expect(split.value.shared).toBe(0);
  expect(split.value.train.length + split.value.validation.length).toBe(ROWS);
  expect(split.turns).toBeGreaterThan((2 * ROWS) / PIECE + ROWS / 4096);
  const plain = await splitData(found.value, 'positive-pairs', { ...how, grouped: false }, check);
  const byRows = splitRows(ROWS, 0.15, 3);
  expect(same([plain.train, plain.validation], [byRows.train, byRows.validation])).toBe(true);
});

test.each<Sampler>(['any', 'no-duplicates', 'by-class'])('batches of an epoch: %s', async (sampler) => {
  const { columns, offsets: rowOffsets } = await groups;
  const data = { columns, rowOffsets, labels: all.map((row) => row % 37) };
  const request = { rows: all, lengths, batchSize: 32, shuffle: true, seed: 5, epoch: 1 };
  const { turns, value } = await turnsDuring(sampledInTurns(request, sampler, data, check));
  expect(pieces).toBeGreaterThan((2 * ROWS) / PIECE);
  expect(turns).toBeGreaterThan((2 * ROWS) / PIECE);
  expect(same(value, sampledBatches(request, sampler, data))).toBe(true);
  expect(value.reduce((sum, batch) => sum + batch.length, 0)).toBe(ROWS);
  if (sampler === 'any') expect(same(value, epochBatches(request))).toBe(true);
});

test('one class that has nearly all rows does not stand still either', async () => {
  const labels = all.map((row) => (row % 1000 === 0 ? 1 : 0));
  const request = { rows: all, lengths, batchSize: 32, shuffle: true, seed: 5, epoch: 0 };
  const data = { columns: all, rowOffsets: Int32Array.from({ length: ROWS + 1 }, (_, i) => i), labels };
  await sampledInTurns(request, 'by-class', data, check);
  expect(pieces).toBeGreaterThan((3 * ROWS) / PIECE);
});

test('several sets, and the longest rows', async () => {
  const set = { rows: all.subarray(0, ROWS / 2), lengths, sampler: 'any' as const };
  const sampled = { columns: all, rowOffsets: all, labels: [] };
  const sets = [0, ROWS / 2].map((first) => ({ ...set, first, sampled }));
  const batches = new Batches({
    sets,
    batchSize: 16,
    shuffle: true,
    seed: 1,
    multiDatasetSampler: 'proportional',
    check,
  });
  expect(await batches.of(0)).toHaveLength(ROWS / 16);
  expect(pieces).toBeGreaterThan((2 * ROWS) / PIECE);
  const longest = longestRows(all, lengths, 1000);
  const wanted = [...all].sort((a, b) => lengths[b]! - lengths[a]! || a - b).slice(0, 1000);
  expect([...longest]).toEqual(wanted);
});
