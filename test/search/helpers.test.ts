import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  communityDetection,
  cosineSimilarity,
  dequantize,
  dot,
  euclidean,
  paraphraseMining,
  quantizationRanges,
  quantize,
  semanticSearch,
  truncate,
  VectorIndex,
  type Matrix,
  type QuantizedPrecision,
  type QuantizedVectors,
  type Vectors,
} from '../../lib';
import { communitiesOf } from '../../lib/search/communities';
import { VectorSource } from '../../lib/search/matrix';

/** The helpers beside sentence-transformers': test/search/generate.py. */
const fixture = JSON.parse(readFileSync(join(__dirname, 'fixtures', 'helpers.json'), 'utf8')) as {
  vectors: number[][];
  queries: number[][];
  calibration: number[][];
  quantized: Record<QuantizedPrecision, number[][]>;
  calibrated: number[][];
  communities: { threshold: number; size: number; expected: number[][] }[];
  search: { corpus_id: number; score: number }[][];
  paraphrases: [number, number, number][];
  dot: number[][];
  euclidean: number[][];
};
const { vectors, queries, calibration } = fixture;

test.each(['int8', 'uint8', 'binary', 'ubinary'] as const)('%s, as sentence-transformers', async (precision) => {
  const { data, shape, ranges } = await quantize(vectors, precision as 'int8');
  const expected = fixture.quantized[precision];
  expect(shape).toEqual([expected.length, expected[0]!.length]);
  expect(Array.from(data)).toEqual(expected.flat());
  expect(ranges === null).toBe(precision.endsWith('binary'));
});

test('ranges of other vectors, given once or as they are', async () => {
  const expected = fixture.calibrated.flat();
  expect(Array.from((await quantize(vectors, 'int8', { calibration })).data)).toEqual(expected);
  const ranges = await quantizationRanges(calibration);
  expect(Array.from((await quantize(vectors, 'int8', { ranges })).data)).toEqual(expected);
});

test('what bytes stand for is within a step of what was quantised', async () => {
  for (const precision of ['int8', 'uint8'] as const) {
    const bytes = await quantize(vectors, precision as 'int8');
    const { low, high } = bytes.ranges;
    (await dequantize(bytes)).data.forEach((x, i) => {
      const at = i % 13;
      const off = vectors[Math.floor(i / 13)]![at]! - x;
      expect(off).toBeGreaterThan(-1e-5);
      expect(off).toBeLessThan((high[at]! - low[at]!) / 255 + 1e-5);
    });
  }
  const bits: unknown = await quantize(vectors, 'binary');
  await expect(dequantize(bits as QuantizedVectors)).rejects.toThrow('Bits say only');
});

test.each(fixture.communities)('communities of $size by $threshold', async ({ threshold, size, expected }) => {
  expect(await communityDetection(vectors, { threshold, minCommunitySize: size })).toEqual(expected);
  // Whether groups are held or searched again, or some of them: the same.
  const options = { threshold, minCommunitySize: size, onProgress: undefined, signal: undefined };
  for (const held of [0, 3 * size])
    expect(await communitiesOf(VectorSource.of(vectors, 'The vectors'), options, held)).toEqual(expected);
});

test('vectors that are all near each other are one group', async () => {
  const near = Array.from({ length: 3000 }, (_, i) => [1, i / 1e6, 0]);
  const options = { threshold: 0.9, minCommunitySize: 10, onProgress: undefined, signal: undefined };
  const [all, ...others] = await communitiesOf(VectorSource.of(near, 'The vectors'), options, 4000);
  expect([all!.length, new Set(all).size, all![0], others]).toEqual([3000, 3000, 0, []]);
});

test('search and paraphrases, as sentence-transformers', async () => {
  const found = await semanticSearch(queries, vectors, { topK: 7 });
  expect(found.map((hits) => hits.map(({ index }) => index))).toEqual(
    fixture.search.map((hits) => hits.map(({ corpus_id }) => corpus_id)),
  );
  found.forEach((hits, q) =>
    hits.forEach(({ score }, i) => expect(score).toBeCloseTo(fixture.search[q]![i]!.score, 6)),
  );
  const texts = vectors.map((_, i) => String(i));
  const model = { embed: (list: readonly string[]) => Promise.resolve(list.map((text) => vectors[Number(text)]!)) };
  const pairs = await paraphraseMining(model, texts, { topK: 5, maxPairs: 120 });
  expect(pairs.map(({ first, second }) => [first, second])).toEqual(fixture.paraphrases.map(([, a, b]) => [a, b]));
  pairs.forEach(({ score }, i) => expect(score).toBeCloseTo(fixture.paraphrases[i]![0], 6));
  expect(await paraphraseMining(model, ['1'])).toEqual([]);
});

test('paraphrases among vectors that are there already; what is compared is told; a threshold', async () => {
  const texts = vectors.map((_, i) => String(i));
  const model = { embed: (list: readonly string[]) => Promise.resolve(list.map((text) => vectors[Number(text)]!)) };
  const events: { type: string; done: number }[] = [];
  const options = { topK: 5, maxPairs: 120, onProgress: (event: { type: string; done: number }) => events.push(event) };
  const expected = await paraphraseMining(model, texts, options);
  expect(new Set(events.map(({ type }) => type))).toEqual(new Set(['embedding', 'searching']));
  expect(events.at(-1)).toEqual({ type: 'searching', done: vectors.length ** 2, total: vectors.length ** 2 });
  const flat = { data: Float32Array.from(vectors.flat()), shape: [vectors.length, vectors[0]!.length] as const };
  for (const given of [vectors, flat]) {
    expect(await paraphraseMining(given, { topK: 5, maxPairs: 120 })).toEqual(expected);
    const scoreThreshold = expected[40]!.score;
    const above = await paraphraseMining(given, { topK: 5, maxPairs: 120, scoreThreshold });
    expect(above).toEqual(expected.filter(({ score }) => score >= scoreThreshold));
  }
  expect(await paraphraseMining([])).toEqual([]);
  await expect(paraphraseMining(vectors, { maxInputLength: 8 })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
});

test('dot and euclidean, as sentence-transformers', () => {
  const three = vectors.slice(0, 3);
  for (const [q, query] of queries.entries()) {
    dot(query, three).forEach((x, i) => expect(x).toBeCloseTo(fixture.dot[q]![i]!, 4));
    euclidean(query, three).forEach((x, i) => expect(x).toBeCloseTo(fixture.euclidean[q]![i]!, 4));
  }
  expect([dot([1, 2], [3, 4]), euclidean([0, 0], [3, 4])]).toEqual([11, -5]);
  expect(() => dot([1, 2], [3])).toThrow(expect.objectContaining({ code: 'ERR_LENGTH_MISMATCH' }) as Error);
});

test('the first numbers of vectors', async () => {
  expect(await truncate([[3, 4, 5]], 2)).toEqual([Float32Array.of(3, 4)]);
  expect(await truncate([[3, 4, 5]], 2, { normalize: true })).toEqual([Float32Array.of(0.6, 0.8)]);
  const flat = { data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3] as const };
  expect(await truncate(flat, 2)).toEqual({ data: Float32Array.of(1, 2, 4, 5), shape: [2, 2] });
  await expect(truncate([[1, 2]], 3)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
});

test('int8 finds nearly what fp32 finds; what cannot be quantised is refused', async () => {
  const ranges = await quantizationRanges(vectors);
  const [asked, among] = [await quantize(queries, 'int8', { ranges }), await quantize(vectors, 'int8', { ranges })];
  const found = await semanticSearch(asked, among, { topK: 5 });
  found.forEach((hits, q) => {
    const best = cosineSimilarity(queries[q]!, vectors[hits[0]!.index]!);
    expect(Math.max(...cosineSimilarity(queries[q]!, vectors)) - best).toBeLessThan(0.3);
  });
  const code = (run: Promise<unknown>, expected: string) => expect(run).rejects.toMatchObject({ code: expected });
  await code(quantize([[1, 2]], 'int8'), 'ERR_EMPTY_DATA');
  await code(quantize(vectors, 'int4' as 'int8'), 'ERR_INVALID_OPTION');
  await code(quantize([[1, 2]], 'int8', { ranges }), 'ERR_LENGTH_MISMATCH');
  await code(quantize([Int8Array.of(1)], 'int8'), 'ERR_INVALID_ARGUMENT');
  await code(quantize(vectors, 'int8', { ranges: { low: [1] } } as object), 'ERR_INVALID_OPTION');
  await code(quantize(vectors, 'int8', { ranges, calibration }), 'ERR_INVALID_OPTION');
  for (const options of [{ ranges }, { calibration }])
    await code(quantize(vectors, 'ubinary', options), 'ERR_INVALID_OPTION');
  const odd = { low: Float32Array.of(NaN), high: Float32Array.of(1) };
  await code(quantize([[1]], 'int8', { ranges: odd }), 'ERR_INVALID_OPTION');
  await code(quantize(vectors, 'int8', { signal: AbortSignal.abort() }), 'ERR_ABORTED');
});

test.each(['int8', 'uint8', 'binary', 'ubinary'] as const)(
  '%s of what is not finite is refused, by its vector',
  async (to) => {
    const wrong = vectors.map((vector) => [...vector]);
    wrong[7]![2] = NaN;
    const refusal = { code: 'ERR_INVALID_ARGUMENT', row: 7 };
    await expect(quantize(wrong, to as 'int8')).rejects.toMatchObject(refusal);
    if (to === 'int8') await expect(quantizationRanges(wrong)).rejects.toMatchObject(refusal);
    if (to.endsWith('int8'))
      await expect(quantize(vectors, to as 'int8', { calibration: wrong })).rejects.toMatchObject(refusal);
  },
);

test('bits are no numbers: they are not searched as such, nor are bytes by other ranges', async () => {
  const refusal = { code: 'ERR_INVALID_ARGUMENT' };
  const rows = ({ data, shape: [count, width] }: Matrix<Uint8Array>) =>
    Array.from({ length: count }, (_, i) => data.subarray(i * width, (i + 1) * width));
  const unsigned = await quantize(vectors, 'ubinary');
  for (const bits of [
    await quantize(vectors, 'binary'),
    unsigned,
    rows(unsigned),
    rows(unsigned).map((row) => Buffer.from(row)),
  ]) {
    const given = bits as unknown as Vectors;
    await expect(semanticSearch(given, given)).rejects.toMatchObject(refusal);
    await expect(communityDetection(given)).rejects.toMatchObject(refusal);
    await expect(paraphraseMining(given)).rejects.toMatchObject(refusal);
    await expect(quantize(given, 'int8')).rejects.toMatchObject(refusal);
  }
  await expect(semanticSearch(rows(unsigned), rows(unsigned))).rejects.toThrow("the precision 'binary'");
  // @ts-expect-error: nor do the types let them through
  await expect(semanticSearch(await quantize(queries, 'binary'), vectors)).rejects.toMatchObject(refusal);
  const [one, other] = [await quantize(queries, 'int8', { calibration }), await quantize(vectors, 'int8')];
  await expect(semanticSearch(one, other)).rejects.toThrow('were quantised by other ranges');
  const index = await VectorIndex.of(other);
  await expect(index.add(one)).rejects.toThrow('were quantised by other ranges');
  // The same numbers are the same ranges, whoever made them.
  await index.add(await quantize(queries, 'int8', { ranges: structuredClone(other.ranges) }));
  expect(index.size).toBe(vectors.length + queries.length);
  await index.dispose();
});

test('a million numbers and more are quantised and cut in turns', async () => {
  const many = { data: new Float32Array(3_000_000).fill(0.5), shape: [10_000, 300] as const };
  many.data[0] = -1;
  const turnsOf = async (work: () => Promise<unknown>) => {
    let turns = 0;
    const count = () => {
      ++turns;
      waiting = setImmediate(count);
    };
    let waiting = setImmediate(count);
    await work();
    clearImmediate(waiting);
    return turns;
  };
  expect(await turnsOf(() => quantize(many, 'int8'))).toBeGreaterThanOrEqual(4);
  expect(await turnsOf(() => quantize(many, 'ubinary'))).toBeGreaterThanOrEqual(2);
  expect(await turnsOf(() => truncate(many, 2))).toBeGreaterThanOrEqual(2);
  const bytes = await quantize(many, 'uint8');
  expect(await turnsOf(() => dequantize(bytes))).toBeGreaterThanOrEqual(2);
});
