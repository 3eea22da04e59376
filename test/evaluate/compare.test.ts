import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compare, EmbeddingsEndpoint, evaluate, type EmbeddingModel, type EvaluateEvent } from '../../lib';
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

test('the wanted text, what was put first, and the row of the data are told of queries', async () => {
  // Of the file's rows 0 and 2 have one anchor.
  const file = write('found.csv', 'query,positive\n11,9\n30,31\n11,8\n50,51\n70,71\n90,91\n');
  const found = await compare(withError(40), withError(0), file);
  const row = found.better.find(({ texts }) => texts[0] === '30')!;
  // 31 is 71 degrees with the error of 40, and 11 is 51: nearest to 30 is 9 of the others.
  expect(row).toMatchObject({ row: 1, wanted: '31', answers: { b: { place: 1, first: '31' } } });
  expect(row.answers!.a.first).not.toBe('31');
  expect(row.answers!.a.place).toBeGreaterThan(1);
  const triplets = write('t.csv', 'anchor,positive,negative\n0,1,50\n0,,\n0,3,60\n'.replace('0,,\n', '2,4,8\n'));
  const three = await compare(withError(60), withError(0), triplets);
  expect(three.better.map(({ row: at }) => at).sort()).toEqual([0, 2]);
  expect(three.better[0]).not.toHaveProperty('answers');
});

test('of lists of candidates the row is that of the data', async () => {
  const file = write(
    'lists.jsonl',
    ['{"query":"0","pos":["3"],"neg":["20","30"]}', '{"query":"40","pos":["42"],"neg":["45","80"]}']
      .map((line) => `${line}\n`)
      .join(''),
  );
  const found = await compare(withError(40), withError(0), file);
  expect(found.form).toBe('reranking');
  expect(found.better[0]).toMatchObject({
    row: 0,
    texts: ['0'],
    wanted: '3',
    answers: { a: { place: 3, first: '20' }, b: { place: 1, first: '3' } },
  });
});

test('a corpus that is read as it is searched gives the texts all the same', async () => {
  mkdirSync(join(folder, 'qrels'));
  const lines = (rows: object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  write('corpus.jsonl', lines(['11', '31', '51', '8'].map((text) => ({ _id: `d${text}`, text }))));
  write('queries.jsonl', lines(['10', '30', '50'].map((text) => ({ _id: text, text }))));
  write('qrels/test.tsv', '10\td11\t1\n30\td31\t1\n50\td51\t1\n');
  const found = await compare(withError(40), withError(0), folder);
  const row = found.better.find(({ texts }) => texts[0] === '10')!;
  expect(row).toMatchObject({ row: 0, wanted: '11', answers: { a: { first: '8' }, b: { place: 1, first: '11' } } });
});

test('too few rows are not judged', async () => {
  const few = await compare(
    withError(40),
    withError(0),
    write('f.csv', 'query,positive\n10,11\n30,31\n50,51\n70,71\n'),
  );
  expect(few.confidence).toBeNull();
  for (const { interval, verdict } of Object.values(few.measures))
    expect({ interval, verdict }).toEqual({ interval: null, verdict: null });
  expect(few.notes).toContain('There are no intervals: 4 queries are too few to tell a difference from chance.');
  const one = await evaluate(withError(0), write('g.csv', 'query,positive\n10,11\n30,31\n'));
  expect(one).toMatchObject({ intervals: null, confidence: null });
});

test('what moves with the threshold of each model is not judged', async () => {
  const rows = Array.from({ length: 40 }, (_, i) => `0,${i * 2 + (i % 2)},${i % 2}`);
  const found = await compare(withError(0), withError(50), write('l.csv', `text1,text2,label\n${rows.join('\n')}\n`));
  for (const name of ['precision', 'recall', 'f1Threshold', 'accuracyThreshold'])
    expect({ [name]: found.measures[name]!.verdict }).toEqual({ [name]: null });
  expect(found.measures['averagePrecision']!.verdict).not.toBeNull();
});

test('one similarity at a time', async () => {
  const run = compare(withError(1), withError(2), scored(), { similarity: ['cosine', 'dot'] });
  await expect(run).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message:
      'similarity must be one for a comparison, but is cosine, dot. Compare once with each; evaluate takes several.',
  });
});

test('each model may have options of its own', async () => {
  const wide: EmbeddingModel = { embed: (texts) => Promise.resolve(texts.map((text) => [...angle(text, 0), 5])) };
  const found = await compare(wide, withError(0), scored(), { a: { dimensions: 2 } });
  expect(found.costs).toMatchObject({ a: { dimensions: 2 }, b: { dimensions: 2 } });
  expect(found.measures['spearman']!.difference).toBe(0);
  await expect(compare(wide, wide, scored(), { b: { dimension: 2 } as never })).rejects.toMatchObject({
    code: 'ERR_UNKNOWN_OPTION',
  });
});

test('how far it is: texts of a list are counted, comparisons and resamples too', async () => {
  const events: EvaluateEvent[] = [];
  const onProgress = (event: unknown) => void events.push(event as EvaluateEvent);
  await evaluate(withError(0), scored(), { onProgress, intervals: { samples: 300 } });
  const of = (type: string) => events.filter((event) => event.type === type);
  expect(of('embedding').at(-1)).toEqual({ type: 'embedding', role: 'text', done: 60, total: 60 });
  expect(of('measuring')[0]).toEqual({ type: 'measuring', done: 0, total: 300 });
  expect(of('measuring').at(-1)).toEqual({ type: 'measuring', done: 300, total: 300 });
  events.length = 0;
  const pairs = write('found.csv', 'query,positive\n10,11\n30,31\n50,51\n70,71\n10,13\n');
  await evaluate(withError(0), pairs, { onProgress });
  expect(of('embedding').at(-1)).toEqual({ type: 'embedding', role: 'document', done: 5, total: 5 });
  expect(events.filter((event) => event.type === 'embedding' && event.role === 'query').at(-1)).toMatchObject({
    done: 4,
    total: 4,
  });
  expect(of('searching').at(-1)).toEqual({ type: 'searching', done: 20, total: 20 });
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
