import { AbortError, OutOfMemoryError, type FinetuneOptions, type TextVectorisation } from '../../lib';
import type { EngineAddon } from '../../lib/engine/addon';
import { loadEngine } from '../../lib/engine/load';
import { freed } from '../parity/cases';
import { bits, fixture, liveObjects, PROBE_TEXTS, relativeDistance, useModels } from './models';
import { scoredRows } from './rows';
import { finish, rejection, start } from './runs';

/** The batch-size finder and running out of memory, by the engine's own limit. */

const models = useModels();
const rows = scoredRows();
/** 51 rows are trained on; their order is the same whatever the batch. */
const options: FinetuneOptions = { epochs: 2, learningRate: 1e-4, earlyStopping: false, precision: 'fp32' };
let addon: EngineAddon;
beforeAll(async () => {
  addon = await loadEngine();
});

describe('the sentences of the finder', () => {
  test.each<[string, number, FinetuneOptions, number[]]>([
    ['up to a step of 32', 60, {}, [2, 4, 8, 16, 32]],
    ["up to a step of one's own", 60, { effectiveBatchSize: 12 }, [2, 4, 8, 12]],
    ['up to the rows there are', 60, { effectiveBatchSize: 1000 }, [2, 4, 8, 16, 32, 51]],
    ['two rows', 2, { validationSplit: 0 }, [2]],
    ['one row', 1, { validationSplit: 0 }, [1]],
  ])('%s', async (_, count, more, sizes) => {
    const { of, report } = await finish(models.open(fixture('bert-mean')), scoredRows(count), {
      ...options,
      epochs: 40,
      ...more,
    });
    const last = sizes.at(-1)!;
    expect(of('finder').map(({ message }) => message)).toEqual([
      ...sizes.slice(1).map((next, i) => `Batch size ${sizes[i]} succeeded, trying batch size ${next}`),
      `Finished batch size finder, will continue with full run using batch size ${last}`,
    ]);
    expect(of('finder').map(({ outcome, batchSize, next }) => [outcome, batchSize, next])).toEqual([
      ...sizes.slice(1).map((next, i) => ['succeeded', sizes[i], next]),
      ['finished', last, null],
    ]);
    expect(report.batchSize).toBe(last);
  });

  test('none where the batch size is given; and the finder changes nothing of the run', async () => {
    const given = await finish(models.open(fixture('bert-dense')), rows, { ...options, batchSize: 32 });
    const found = await finish(models.open(fixture('bert-dense')), rows, options);
    expect(given.of('finder')).toEqual([]);
    expect(found.of('finder')).toHaveLength(4);
    expect(found.of('step').map(({ loss }) => loss)).toEqual(given.of('step').map(({ loss }) => loss));
    expect(found.report.after).toEqual(given.report.after);
  });
});

/** The size that the finder proposes under a limit, or 0 where not even one row fits; the run is not begun. */
async function proposed(model: TextVectorisation, memoryLimit: number): Promise<number> {
  const observed = start(model, rows, {
    ...options,
    memoryLimit,
    onProgress: (event) => {
      if (event.type === 'finder' && event.outcome === 'finished') observed.run.abort();
    },
  });
  const error = await rejection(observed.run);
  if (error instanceof AbortError) return observed.of('finder').at(-1)!.batchSize;
  expect(error).toBeInstanceOf(OutOfMemoryError);
  return 0;
}

/** The least limit, to a kilobyte, under which the finder proposes `size` or more. */
async function leastLimit(model: TextVectorisation, size: number): Promise<number> {
  let [tooLow, enough] = [0, 64e6];
  expect(await proposed(model, enough)).toBeGreaterThanOrEqual(size);
  while (enough - tooLow > 1000) {
    const middle = Math.floor((tooLow + enough) / 2);
    if ((await proposed(model, middle)) >= size) enough = middle;
    else tooLow = middle;
  }
  return enough;
}

/** Well inside what the finder answers with 8. */
async function limitForEight(model: TextVectorisation): Promise<number> {
  const [eight, sixteen] = [await leastLimit(model, 8), await leastLimit(model, 16)];
  return Math.floor(eight + 0.75 * (sixteen - eight));
}

describe.each(['bert-mean', 'distilbert-dense', 'roberta-dense'] as const)('a memoryLimit (%s)', (name) => {
  test('under which not one row fits: refused with what to do, and the model is as it was', async () => {
    const model = models.open(fixture(name));
    const before = bits(await model.embed(PROBE_TEXTS));
    const live = await liveObjects();
    const oneRow = await leastLimit(model, 1);
    for (const memoryLimit of [1, Math.floor(oneRow / 2), Math.floor(0.9 * oneRow)]) {
      const { run, of, events } = start(model, rows, { ...options, memoryLimit });
      const error = (await rejection(run)) as OutOfMemoryError;
      expect(error).toBeInstanceOf(OutOfMemoryError);
      expect(error).toMatchObject({ name: 'OutOfMemoryError', code: 'ERR_OUT_OF_MEMORY' });
      expect(error.message).toMatch(/smaller model/);
      expect(of('finder').filter(({ outcome }) => outcome !== 'failed')).toEqual([]);
      expect(events.filter(({ type }) => !['data', 'device', 'summary', 'finder'].includes(type))).toEqual([]);
      expect(await liveObjects()).toEqual(live);
    }
    expect(bits(await model.embed(PROBE_TEXTS)) === before).toBe(true);
  });

  test('under which a middling batch fails: half of it, within the limit, and the same is learnt', async () => {
    const model = models.open(fixture(name));
    const limit = await limitForEight(model);
    await freed(addon);
    addon.resetPeak();
    const tight = await finish(model, rows, { ...options, memoryLimit: limit });
    expect(addon.memory().peak).toBeLessThanOrEqual(limit);
    expect(tight.of('finder').map(({ message }) => message)).toEqual([
      'Batch size 2 succeeded, trying batch size 4',
      'Batch size 4 succeeded, trying batch size 8',
      'Batch size 8 succeeded, trying batch size 16',
      'Batch size 16 failed, trying batch size 8',
      'Finished batch size finder, will continue with full run using batch size 8',
    ]);
    expect(tight.of('finder').at(-2)).toMatchObject({ outcome: 'failed', batchSize: 16, next: 8 });
    expect(tight.report).toMatchObject({ batchSize: 8, effectiveBatchSize: 32 });
    expect(tight.of('out-of-memory')).toEqual([]);
    expect(tight.of('summary')).toMatchObject([{ memoryLimit: limit }]);

    const roomy = await finish(models.open(fixture(name)), rows, options);
    expect(roomy.report.batchSize).toBe(32);
    const expected = roomy.of('step').map(({ loss }) => loss);
    tight.of('step').forEach(({ loss }, i) => expect(Math.abs(loss / expected[i]! - 1)).toBeLessThanOrEqual(1e-5));
    expect(tight.of('step')).toHaveLength(expected.length);
  });

  test('under which the batch that was asked for fails in training: the same rows in smaller parts', async () => {
    const model = models.open(fixture(name));
    const limit = await limitForEight(model);
    const tight = await finish(model, rows, { ...options, batchSize: 32, memoryLimit: limit });
    const roomy = await finish(models.open(fixture(name)), rows, { ...options, batchSize: 32 });
    const events = tight.of('out-of-memory').filter(({ during }) => during === 'step');
    expect(events[0]).toMatchObject({ epoch: 1, batchSize: 32, next: 16 });
    expect(events[0]!.message).toBe(
      'Out of memory with batch size 32, the same rows are computed again with batch size 16',
    );
    expect(tight.report.batchSize).toBeLessThan(32);
    expect(tight.report).toMatchObject({
      effectiveBatchSize: 32,
      steps: roomy.report.steps,
      tokens: roomy.report.tokens,
    });
    const expected = roomy.of('step').map(({ loss }) => loss);
    tight.of('step').forEach(({ loss }, i) => expect(Math.abs(loss / expected[i]! - 1)).toBeLessThanOrEqual(1e-5));
  });

  test("is the run's own: the next run and embed have it no more", async () => {
    const model = models.open(fixture(name));
    const { limit } = addon.memory();
    await rejection(start(model, rows, { ...options, memoryLimit: 1 }).run);
    expect(addon.memory().limit).toBe(limit);
    expect((await finish(model, rows, options)).report.batchSize).toBe(32);
  });
});

describe('embed under a limit of the whole process', () => {
  // One call of the engine without a limit; no half of them is like the other.
  const texts = Array.from({ length: 150 }, (_, i) => 'the mill '.repeat(1 + (i % 7)));

  async function under<T>(spare: number, work: () => Promise<T>): Promise<T> {
    await freed(addon);
    const before = addon.memory();
    addon.setMemoryLimit(before.inUse + spare);
    try {
      return await work();
    } finally {
      addon.setMemoryLimit(before.limit);
    }
  }

  test('texts that do not fit at once are done in parts', async () => {
    const model = models.open(fixture('bert-mean'));
    const embed = jest.spyOn(addon, 'embed');
    try {
      const expected = await model.embed(texts);
      expect(embed.mock.calls).toHaveLength(1);
      // The spare memory is halved until the engine is asked more than once.
      for (let spare = 1 << 20; embed.mock.calls.length <= 1; spare /= 2) {
        embed.mockClear();
        const found = await under(Math.floor(spare), () => model.embed(texts));
        expect(found).toHaveLength(texts.length);
        found.forEach((vector, i) => expect(relativeDistance(vector, expected[i]!)).toBeLessThanOrEqual(1e-6));
      }
    } finally {
      embed.mockRestore();
    }
  });

  test('a text that does not fit alone is an OutOfMemoryError, and afterwards all is well', async () => {
    const model = models.open(fixture('bert-mean'));
    const expected = bits(await model.embed(PROBE_TEXTS));
    const error = await under(1, () => rejection(model.embed(texts)));
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect(error).toMatchObject({ name: 'OutOfMemoryError', code: 'ERR_OUT_OF_MEMORY' });
    expect(bits(await model.embed(PROBE_TEXTS)) === expected).toBe(true);
  });
});

test('a run whose batch the finder proposed completes, however little the limit leaves beside its steps', async () => {
  const model = models.open(fixture('bert-mean'));
  const least = await leastLimit(model, 1);
  const failed: string[] = [];
  for (let memoryLimit = least; memoryLimit < 2 * least; memoryLimit += Math.ceil(least / 24)) {
    const { run, of } = start(model, rows, { ...options, memoryLimit });
    const found = await run.then(
      () => 'completed',
      (error: unknown) => (error as Error).message,
    );
    if (found !== 'completed') failed.push(`${memoryLimit}: ${of('finder').at(-1)!.message}, then ${found}`);
  }
  expect(failed).toEqual([]);
});
