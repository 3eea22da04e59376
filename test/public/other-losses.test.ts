import type { FinetuneOptions, LossChoice, TrainingRow } from '../../lib';
import type { EngineAddon } from '../../lib/engine/addon';
import { loadEngine } from '../../lib/engine/load';
import { freed } from '../parity/cases';
import { bits, fixture, liveObjects, PROBE_TEXTS, useModels } from './models';
import { scoredRows, topicOf } from './rows';
import { finish, rejection, start, withoutTimes } from './runs';

/**
 * What holds of a run on scored pairs holds where a whole batch is looked at: a ranking loss, whose rows are put together
 * without duplicates, and a loss of classes. (Resuming: test/checkpoint/resume.test.ts.)
 */

const models = useModels();
/** No text is there twice, so that no batch of rows without duplicates is of one row. */
const texts = [...new Set(scoredRows(400).flatMap(({ text1, text2 }) => [text1, text2]))];
const data: Record<string, { rows: readonly TrainingRow[]; loss: LossChoice }> = {
  ranking: {
    rows: Array.from({ length: 48 }, (_, i) => ({
      anchor: texts[3 * i]!,
      positive: texts[3 * i + 1]!,
      // Some rows have a negative, some have none.
      negative: i % 3 === 0 ? [] : [texts[3 * i + 2]!],
    })),
    loss: 'multiple-negatives-ranking',
  },
  classes: {
    rows: texts.slice(0, 60).map((text) => ({ text, label: topicOf(text) })),
    loss: { name: 'batch-hard-triplet', distance_metric: 'cosine', margin: 0.5 },
  },
};
const options: FinetuneOptions = {
  epochs: 2,
  learningRate: 1e-3,
  batchSize: 16,
  effectiveBatchSize: 16,
  earlyStopping: false,
  precision: 'fp32',
  seed: 2,
};
const open = () => models.open(fixture('bert-mean'));
let addon: EngineAddon;
beforeAll(async () => {
  addon = await loadEngine();
});
test('there are enough texts', () => expect(texts.length).toBeGreaterThan(3 * 48));
afterEach(() => addon.failAllocation(0));

describe.each(Object.entries(data))('%s', (_, { rows, loss }) => {
  const given = { ...options, loss };
  const stepLosses = ({ of }: Pick<Awaited<ReturnType<typeof finish>>, 'of'>) => of('step').map(({ loss }) => loss);

  test('aborted in the second epoch it has the weights of the first, and can be trained on', async () => {
    const one = open();
    const { report } = await finish(one, rows, { ...given, epochs: 1 });
    const untrained = bits(await open().embed(PROBE_TEXTS));
    const expected = report.bestEpoch === 1 ? bits(await one.embed(PROBE_TEXTS)) : untrained;
    const model = open();
    await model.load();
    const live = await liveObjects();
    const observed = start(model, rows, {
      ...given,
      onProgress: (event) => {
        if (event.type === 'step' && event.epoch === 2) observed.run.abort();
      },
    });
    expect(await rejection(observed.run)).toMatchObject({ code: 'ERR_ABORTED' });
    expect(await liveObjects()).toEqual(live);
    expect(bits(await model.embed(PROBE_TEXTS)) === expected).toBe(true);
    expect((await finish(model, rows, { ...given, epochs: 1 })).report.epochs).toHaveLength(1);
  });

  test('paused and resumed it is the run that it would have been', async () => {
    const whole = await finish(open(), rows, given);
    let pauses = 0;
    const paused = start(open(), rows, {
      ...given,
      onProgress: (event) => {
        if (event.type === 'step' && event.step === 2) paused.run.pause();
        if (event.type === 'paused') {
          ++pauses;
          setImmediate(() => paused.run.resume());
        }
      },
    });
    expect(withoutTimes(await paused.run)).toEqual(withoutTimes(whole.report));
    expect(pauses).toBe(2);
    expect(stepLosses(paused)).toEqual(stepLosses(whole));
  });

  test('out of memory, wherever in a step: the same rows in smaller parts, and the same is learnt', async () => {
    const whole = await finish(open(), rows, given);
    const expected = stepLosses(whole);
    expect(whole.of('out-of-memory')).toEqual([]);
    const during = new Set<string>();
    // Of a step whose rows are computed in parts there are vectors first, then the loss, then the way back.
    for (const batchSize of [16, 4]) {
      for (const nth of [1, 2, 3, 5, 8, 13, 21, 34]) {
        const observed = start(open(), rows, {
          ...given,
          batchSize,
          onProgress: (event) => {
            if (event.type === 'step' && event.totalSteps === 1) addon.failAllocation(nth);
          },
        });
        const report = await observed.run;
        addon.failAllocation(0);
        for (const event of observed.of('out-of-memory')) during.add(event.during);
        expect(report).toMatchObject({
          steps: whole.report.steps,
          tokens: whole.report.tokens,
          effectiveBatchSize: 16,
        });
        stepLosses(observed).forEach((loss, i) => {
          expect(Math.abs(loss - expected[i]!)).toBeLessThanOrEqual(2e-4 * Math.max(1, expected[i]!));
        });
      }
    }
    expect([...during]).toContain('step');
  });

  test('under a memoryLimit that its batch does not fit into it goes on in smaller parts, within the limit', async () => {
    const roomy = await finish(open(), rows, given);
    await freed(addon);
    addon.resetPeak();
    await finish(open(), rows, { ...given, batchSize: 2 });
    const { peak } = addon.memory();
    const limit = Math.ceil(1.05 * peak);
    addon.resetPeak();
    const tight = await finish(open(), rows, { ...given, memoryLimit: limit });
    expect(addon.memory().peak).toBeLessThanOrEqual(limit);
    expect(tight.of('out-of-memory').length).toBeGreaterThan(0);
    expect(tight.report.batchSize).toBeLessThan(16);
    const expected = stepLosses(roomy);
    stepLosses(tight).forEach((loss, i) => {
      expect(Math.abs(loss - expected[i]!)).toBeLessThanOrEqual(2e-4 * Math.max(1, expected[i]!));
    });
  });
});
