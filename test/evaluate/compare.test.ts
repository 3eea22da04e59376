import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compare, EmbeddingsEndpoint, evaluate, type EmbeddingModel } from '../../lib';
import { EmbeddingsServer } from './embeddings-server';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vectune-compare-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
function write(name: string, content: string): string {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
}

/** Texts are angles in degrees, with so much added to the odd ones. */
const angle = (text: string, error: number): number[] => {
  const degrees = Number(text) + (Number(text) % 2 === 1 ? error : 0);
  return Number.isNaN(degrees) ? [1, 0] : [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
};
const withError = (error: number): EmbeddingModel & { asked: string[][] } => {
  const asked: string[][] = [];
  return {
    asked,
    embed: (texts) => {
      asked.push([...texts]);
      return Promise.resolve(texts.map((text) => angle(text, error)));
    },
  };
};

/** Scores fall with the angle between the two. */
const scored = () =>
  write(
    'pairs.csv',
    `text1,text2,score\n${Array.from({ length: 60 }, (_, i) => `0,${i},${(1 - i / 100).toFixed(2)}`).join('\n')}\n`,
  );

test('the better of two models, row by row', async () => {
  const [a, b] = [withError(25), withError(0)];
  const found = await compare(a, b, scored());
  expect(found).toMatchObject({ form: 'similarity', unit: 'pairs', count: 60, primary: 'spearman' });
  const { spearman } = found.measures;
  expect(spearman!.b).toBeCloseTo(1, 12);
  expect(spearman!.difference).toBeCloseTo(1 - spearman!.a!, 12);
  expect(spearman!.verdict).toBe('better');
  expect(spearman!.interval!.low).toBeGreaterThan(0);
  expect(spearman!.interval!.high).toBeLessThanOrEqual(1);
  expect(spearman!.a).toBe((await evaluate(withError(25), scored(), { intervals: false })).metrics['spearman']);
  // What moved by 25 degrees got better by being put right; none got worse.
  expect(found.better).toHaveLength(10);
  expect(found.worse).toEqual([]);
  for (const { row, texts, wanted, change } of found.better) {
    expect(texts).toEqual(['0', String(row)]);
    expect(wanted).toBeCloseTo(1 - row / 100, 12);
    expect(change).toBeGreaterThan(0);
  }
  expect(found.costs.a).toMatchObject({ texts: 60, dimensions: 2 });
  // The first call, whose time is not taken, loads the model.
  expect(a.asked[0]).toEqual(['warm-up']);
});

test('the same model twice differs by nothing; a little is within noise', async () => {
  const same = await compare(withError(3), withError(3), scored());
  expect(same.measures['spearman']).toMatchObject({
    difference: 0,
    interval: { low: 0, high: 0 },
    verdict: 'within noise',
  });
  expect([...same.better, ...same.worse]).toEqual([]);
  const rows = Array.from({ length: 12 }, (_, i) => `0,${i * 7},${i % 3 === 0 ? 1 : 0}`);
  const few = await compare(withError(0), withError(9), write('few.csv', `text1,text2,score\n${rows.join('\n')}\n`));
  expect(few.measures['averagePrecision']!.verdict).toBe('within noise');
  // A threshold is a model's own.
  expect(few.measures['f1Threshold']).toMatchObject({ verdict: null, interval: null });
});

test('retrieval is compared query by query, and the queries are named', async () => {
  const pairs = write('found.csv', 'query,positive\n10,11\n30,31\n50,51\n70,71\n');
  const found = await compare(withError(40), withError(0), pairs);
  expect(found).toMatchObject({ form: 'retrieval', unit: 'queries', count: 4, primary: 'ndcg@10' });
  expect(found.measures['accuracy@1']).toMatchObject({ b: 1 });
  expect(found.measures['accuracy@1']!.a).toBeLessThan(1);
  for (const { row, texts } of found.better) expect(texts).toEqual([String(10 + 20 * row)]);
  expect(found.better.length).toBeGreaterThan(0);
});

test('a model behind an address', async () => {
  const server = new EmbeddingsServer((text) => angle(text, 25));
  try {
    const peer = new EmbeddingsEndpoint(await server.start(), { environment: {} });
    const found = await compare(peer, withError(0), scored());
    const direct = await compare(withError(25), withError(0), scored());
    expect(found.measures['spearman']!.a).toBeCloseTo(direct.measures['spearman']!.a!, 6);
    expect(found.measures['spearman']!.verdict).toBe('better');
  } finally {
    await server.stop();
  }
});

test('abort ends it, and intervals may be left out', async () => {
  const stop = new AbortController();
  const run = compare(withError(1), withError(2), scored(), { signal: stop.signal, onProgress: () => stop.abort() });
  await expect(run).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  const plain = await compare(withError(1), withError(2), scored(), { intervals: false });
  expect(plain.measures['spearman']).toMatchObject({ interval: null, verdict: null });
});
