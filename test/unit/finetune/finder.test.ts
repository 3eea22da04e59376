import { NativeError, OutOfMemoryError } from '../../../lib/system/errors';
import type { FinderEvent } from '../../../lib/finetune/events/begin';
import { effectiveBatch, findBatchSize, finderLimit, searchBudget } from '../../../lib/finetune/finder';

/** A machine that fits batches up to `capacity`. */
async function search(capacity: number, limit: number) {
  const probed: number[] = [];
  const events: Omit<FinderEvent, 'kind'>[] = [];
  const probe = async (size: number) => {
    probed.push(size);
    await Promise.resolve();
    if (size > capacity) throw new OutOfMemoryError('ERR_OUT_OF_MEMORY', `no room for ${size}`);
  };
  const outcome = await findBatchSize({ limit, probe, onEvent: (event) => events.push(event) }).then(
    (size) => ({ size, error: undefined }),
    (error: unknown) => ({ size: NaN, error }),
  );
  return { ...outcome, probed, events, messages: events.map(({ message }) => message) };
}

test('says what the notebook says, word for word', async () => {
  const { messages } = await search(200, 850);
  expect(messages).toEqual([
    'Batch size 2 succeeded, trying batch size 4',
    'Batch size 4 succeeded, trying batch size 8',
    'Batch size 8 succeeded, trying batch size 16',
    'Batch size 16 succeeded, trying batch size 32',
    'Batch size 32 succeeded, trying batch size 64',
    'Batch size 64 succeeded, trying batch size 128',
    'Batch size 128 succeeded, trying batch size 256',
    'Batch size 256 failed, trying batch size 128',
    'Finished batch size finder, will continue with full run using batch size 128',
  ]);
});

test('events carry the numbers of their sentences', async () => {
  const { events } = await search(5, 32);
  expect(events).toMatchObject([
    { type: 'finder', outcome: 'succeeded', batchSize: 2, next: 4 },
    { type: 'finder', outcome: 'succeeded', batchSize: 4, next: 8 },
    { type: 'finder', outcome: 'failed', batchSize: 8, next: 4 },
    { type: 'finder', outcome: 'finished', batchSize: 4, next: null },
  ]);
});

test.each([
  [32, [2, 4, 8, 16, 32]],
  [100, [2, 4, 8, 16, 32, 64, 100]],
  [3, [2, 3]],
  [2, [2]],
  [1, [1]],
])('with room for all it ends at the limit %i, which it has run', async (limit, sizes) => {
  const { size, probed, messages } = await search(Infinity, limit);
  expect(size).toBe(limit);
  expect(probed).toEqual(sizes);
  expect(messages.at(-1)).toBe(`Finished batch size finder, will continue with full run using batch size ${limit}`);
  expect(messages.filter((message) => message.includes('failed'))).toEqual([]);
});

test('only a size that was run and fitted is proposed, for every capacity and limit', async () => {
  for (let limit = 1; limit <= 70; ++limit) {
    for (let capacity = 1; capacity <= 70; ++capacity) {
      const { size, probed } = await search(capacity, limit);
      expect(probed).toContain(size);
      expect(size).toBeLessThanOrEqual(Math.min(capacity, limit));
      expect(new Set(probed).size).toBe(probed.length);
      expect(Math.max(...probed)).toBeLessThanOrEqual(limit);
    }
  }
});

test('goes down to 1 where 2 does not fit', async () => {
  const { size, probed, messages } = await search(1, 32);
  expect({ size, probed }).toEqual({ size: 1, probed: [2, 1] });
  expect(messages[0]).toBe('Batch size 2 failed, trying batch size 1');
});

test('where not even one row fits there is a typed error with its cause', async () => {
  for (const limit of [1, 32]) {
    const result = await search(0, limit);
    expect(result.error).toBeInstanceOf(OutOfMemoryError);
    expect(result.error).toMatchObject({
      code: 'ERR_OUT_OF_MEMORY',
      cause: expect.objectContaining({ message: 'no room for 1' }),
    });
  }
});

test('any other error of a probe ends the search', async () => {
  const failure = new NativeError('ERR_NATIVE', 'broken');
  const probe = (size: number) => (size === 8 ? Promise.reject(failure) : Promise.resolve());
  await expect(findBatchSize({ limit: 32, probe, onEvent: () => undefined })).rejects.toBe(failure);
});

describe('what is searched and what becomes of it', () => {
  const cpu = { device: 'cpu' as const, trainingRows: 850, effectiveBatchSize: null };
  const cuda = { device: 'cuda' as const, trainingRows: 850, effectiveBatchSize: null };

  test('on a processor not beyond the effective batch, nor beyond the rows', () => {
    expect(finderLimit(cpu)).toBe(32);
    expect(finderLimit({ ...cpu, effectiveBatchSize: 256 })).toBe(256);
    expect(finderLimit({ ...cpu, trainingRows: 20 })).toBe(20);
    expect(effectiveBatch(cpu, 8)).toBe(32);
    expect(effectiveBatch({ ...cpu, effectiveBatchSize: 256 }, 8)).toBe(256);
  });

  test('on a GPU as far as there is memory; the effective batch is the size found, at most 128', () => {
    expect(finderLimit(cuda)).toBe(850);
    expect(effectiveBatch(cuda, 64)).toBe(64);
    expect(effectiveBatch(cuda, 512)).toBe(128);
    expect(finderLimit({ ...cuda, effectiveBatchSize: 48 })).toBe(48);
    expect(effectiveBatch({ ...cuda, effectiveBatchSize: 48 }, 16)).toBe(48);
  });
});

describe('a search that would take over a tenth of the run', () => {
  /** 54 training rows of two texts of 256 tokens, one epoch. */
  const tokens = searchBudget(54 * 512, 1, null);

  async function budgeted(limit: number, capacity: number, perRow: number, budget = tokens) {
    const probed: number[] = [];
    const events: Omit<FinderEvent, 'kind'>[] = [];
    const probe = async (size: number) => {
      probed.push(size);
      if (size > capacity) throw new OutOfMemoryError('ERR_OUT_OF_MEMORY', `no room for ${size}`);
    };
    const cost = (size: number) => size * perRow;
    const size = await findBatchSize({
      limit,
      probe,
      onEvent: (e) => events.push(e),
      budget: { tokens: budget, cost },
    });
    return {
      size,
      probed,
      messages: events.map(({ message }) => message),
      spent: probed.reduce((a, b) => a + cost(b), 0),
    };
  }

  test('ends before that, and goes on with the limit', async () => {
    const { size, probed, messages, spent } = await budgeted(32, Infinity, 512);
    expect(probed).toEqual([2]);
    expect(spent).toBeLessThanOrEqual(0.1 * 54 * 512);
    expect(size).toBe(32);
    expect(messages).toEqual([expect.stringMatching(/^Finished batch size finder, as more trials .* batch size 32,/)]);
  });

  test('is not begun where not even one trial may be', async () => {
    expect(await budgeted(6, Infinity, 1500)).toMatchObject({ size: 6, probed: [] });
  });

  test('takes what was tried where that is more than is taken untried', async () => {
    expect(await budgeted(100_000, Infinity, 10, 8000)).toMatchObject({
      size: 256,
      probed: [2, 4, 8, 16, 32, 64, 128, 256],
    });
    expect(await budgeted(100_000, Infinity, 10, 2048)).toMatchObject({ size: 128, probed: [2, 4, 8, 16, 32, 64] });
  });

  test('still finds what does not fit, and tries one row whatever it costs', async () => {
    expect(await budgeted(32, 4, 100)).toMatchObject({ size: 4, probed: [2, 4, 8] });
    expect(await budgeted(32, 1, 1300)).toMatchObject({ size: 1, probed: [2, 1] });
  });

  test('counts the epochs that a run trains at the least', () => {
    expect(searchBudget(1e6, 20, 1)).toBe(2e5);
    expect(searchBudget(1e6, 1, 1)).toBe(1e5);
    expect(searchBudget(1e6, 20, null)).toBe(2e6);
    expect(searchBudget(100, 1, null)).toBe(2048);
  });
});
