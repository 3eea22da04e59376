import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  TextVectorisation,
  models as presets,
  readRows,
  type FinetuneEvent,
  type FinetuneOptions,
  type FinetuneReport,
  type ScoredRow,
} from '../../lib';
import { drawRandomPairs, driftWords, hasCollapsed } from '../../lib/finetune/random-pairs';
import { atOnce } from '../../lib/system/turns';
import { cacheRoot } from '../../lib/system/cache-root';
import { fixture, useModels } from './models';
import { scoredRows, topicOf } from './rows';
import { finish } from './runs';

/** Whether training makes all texts alike is watched on every run. */

const models = useModels();
const positives = scoredRows(120).map((row) => ({ ...row, score: 1 }));
const gentle: FinetuneOptions = { epochs: 1, learningRate: 1e-3, validationSplit: 0, precision: 'fp32' };
const much = { allowConstantScores: true, epochs: 12, learningRate: 2e-3, earlyStopping: false };

test('pairs that are all alike make all texts alike: an event, once, and the report', async () => {
  const { report, of } = await finish(models.open(fixture('bert-mean')), positives, much);
  const { before, after, pairs } = report.randomPairs!;
  expect(pairs).toBeGreaterThanOrEqual(5);
  expect(hasCollapsed(before!, after!)).toBe(true);
  const [event, ...more] = of('collapse');
  expect(more).toEqual([]);
  expect(event).toMatchObject({ type: 'collapse', before, message: expect.stringMatching(/^Texts that have nothing/) });
});

const texts = [...new Set(scoredRows(80).flatMap(({ text1, text2 }) => [text1, text2]))];
const vector = (i: number) => Array.from({ length: 32 }, (_, at) => Math.sin(3 * i + at));

test('rows of one text are watched too: of a teacher that gives all texts one vector an event, once', async () => {
  const rows = texts.map((text) => ({ text, vector: vector(1) }));
  const { report, of } = await finish(models.open(fixture('bert-mean')), rows, { ...much, folds: 1 });
  const { before, after, pairs, spearman, meanChange } = report.randomPairs!;
  expect(pairs).toBeGreaterThanOrEqual(8);
  expect(of('collapse')).toHaveLength(1);
  expect(of('collapse')[0]).toMatchObject({ before });
  expect(after).toBeGreaterThan(0.9);
  expect(spearman).toEqual(expect.any(Number));
  expect(meanChange).toBeCloseTo(after! - before!, 2);
});

test.each<[string, (tv: ReturnType<typeof models.open>) => PromiseLike<FinetuneReport>]>([
  [
    'classes',
    (tv) =>
      tv.finetune(
        texts.map((text) => ({ text, label: topicOf(text) })),
        gentle,
      ),
  ],
  [
    'texts alone with a teacher',
    (tv) => tv.finetune(texts, { ...gentle, teacher: models.open(fixture('roberta-mean')) }),
  ],
  [
    'a projection',
    (tv) =>
      tv.finetune(
        texts.map((text, i) => ({ text, vector: vector(i).slice(8) })),
        { ...gentle, loss: { name: 'mse', projection_dim: 24 } },
      ),
  ],
  [
    "a loss of one's own",
    (tv) =>
      tv.finetune(
        texts.map((text) => ({ text, label: topicOf(text) })),
        { ...gentle, loss: { compute: (all) => ({ loss: 0, gradient: Float32Array.from(all, (x) => x / 100) }) } },
      ),
  ],
])('drift is measured of %s, as far as it goes', async (_, run) => {
  const tv = models.open(fixture('bert-mean'));
  const { randomPairs, bestEpoch } = await run(tv);
  expect(randomPairs!.pairs).toBeGreaterThanOrEqual(8);
  expect(Math.abs(randomPairs!.before!)).toBeLessThan(1);
  expect(bestEpoch).toBe(1);
  expect(randomPairs!.after).not.toBe(randomPairs!.before);
  expect(randomPairs!.meanChange).toBeGreaterThan(0);
});

test('a normal run has the numbers and no event; the same seed draws the same texts, another others', async () => {
  const rows = scoredRows(60);
  const run = (seed: number) =>
    finish(models.open(fixture('bert-mean')), rows, { epochs: 2, learningRate: 2e-5, seed, earlyStopping: false });
  const [first, again, other] = [await run(1), await run(1), await run(2)];
  expect(first.of('collapse')).toEqual([]);
  expect(first.report.randomPairs).toEqual(again.report.randomPairs);
  expect(first.report.randomPairs).not.toEqual(other.report.randomPairs);
  expect(Math.abs(first.report.randomPairs!.before!)).toBeLessThan(1);
});

test('one text in all rows and its partner leave little to compare, and no error', async () => {
  const rows = Array.from({ length: 6 }, (_, i) => ({
    text1: 'the mill',
    text2: i % 2 ? 'rain' : 'boats',
    score: i % 2,
  }));
  const { report } = await finish(models.open(fixture('bert-mean')), rows, { epochs: 1, validationSplit: 0 });
  // Only the partners stand in no row together; of one pair there is nothing to say.
  expect(report.randomPairs).toMatchObject({ pairs: 1, spearman: null });
  expect(driftWords(report.randomPairs!)).not.toContain('order');
  const alone = rows.map((row) => ({ ...row, text2: 'rain', score: Number(row.score) }));
  const one = await finish(models.open(fixture('bert-mean')), alone, {
    epochs: 1,
    validationSplit: 0,
    allowConstantScores: true,
  });
  expect(one.report.randomPairs).toBeNull();
});

test('of a small set there are enough pairs to speak of, of all columns, none of them of one row', () => {
  const rows = 40;
  const columns = Int32Array.from({ length: 3 * rows }, (_, i) => i);
  const tokens = { columns, rowOffsets: Int32Array.from({ length: rows + 1 }, (_, i) => 3 * i) };
  const training = Int32Array.from({ length: rows }, (_, i) => i);
  const draw = (seed: number) => atOnce(drawRandomPairs(tokens, training, seed));
  const texts = draw(1);
  expect(texts).toEqual(draw(1));
  expect(texts).not.toEqual(draw(2));
  const pairs = Array.from({ length: texts.length / 2 }, (_, i) => [texts[2 * i]!, texts[2 * i + 1]!] as const);
  expect(pairs).toHaveLength(64);
  expect(new Set(pairs.map((pair) => [...pair].sort((a, b) => a - b).join())).size).toBe(64);
  for (const [a, b] of pairs) expect(Math.floor(a / 3)).not.toBe(Math.floor(b / 3));
  expect(new Set([...texts].map((text) => text % 3))).toEqual(new Set([0, 1, 2]));
  // Of many rows more, of no more texts than are worth embedding.
  const many = {
    columns: Int32Array.from({ length: 9000 }, (_, i) => i),
    rowOffsets: Int32Array.from({ length: 9001 }, (_, i) => i),
  };
  const drawn = atOnce(drawRandomPairs(many, many.columns, 1));
  expect(drawn).toHaveLength(2 * 512);
  expect(new Set(drawn).size).toBe(256);
});

test.each([
  [0.06, 0.7, true],
  [0.06, 0.3, true],
  [0.1, 0.235, false],
  [0.05, 0.04, false],
  [0.9, 0.93, true],
  [0.9, 0.91, false],
])('from %d to %d: %p', (before, after, collapsed) => expect(hasCollapsed(before, after)).toBe(collapsed));

const quora = join(__dirname, '../../../shared/data/quora/quora_head_9998.tsv');
const model = join(cacheRoot(), 'models');
const there = existsSync(quora) && existsSync(model);
if (!there)
  console.warn(`the test of 400 Quora duplicates is skipped: ${existsSync(quora) ? model : quora} is not there`);
(there ? test : test.skip)(
  'all-MiniLM-L6-v2 on 400 Quora duplicates collapses in one epoch',
  async () => {
    const rows: ScoredRow[] = (await readRows(quora)).filter(({ score }) => score === 1).slice(0, 400);
    const tv = new TextVectorisation(presets.AllMiniLML6V2, { offline: true });
    const events: FinetuneEvent[] = [];
    const options = {
      recipe: 'notebook' as const,
      maxInputLength: 64,
      epochs: 1,
      allowConstantScores: true,
      onProgress: (e: FinetuneEvent) => void events.push(e),
    };
    const { randomPairs } = await tv.finetune(rows, options);
    await tv.dispose();
    expect(randomPairs!.before).toBeLessThan(0.1);
    expect(randomPairs!.after).toBeGreaterThan(0.5);
    expect(events.filter(({ type }) => type === 'collapse')).toHaveLength(1);
  },
  300_000,
);
