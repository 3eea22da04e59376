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
  type QuantizedPrecision,
} from '../../lib';

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

test.each(['int8', 'uint8', 'binary', 'ubinary'] as const)('%s, as sentence-transformers', (precision) => {
  const { data, shape, ranges } = quantize(vectors, precision as 'int8');
  const expected = fixture.quantized[precision];
  expect(shape).toEqual([expected.length, expected[0]!.length]);
  expect(Array.from(data)).toEqual(expected.flat());
  expect(ranges === null).toBe(precision.endsWith('binary'));
});

test('ranges of other vectors, given once or as they are', () => {
  const expected = fixture.calibrated.flat();
  expect(Array.from(quantize(vectors, 'int8', { calibration }).data)).toEqual(expected);
  expect(Array.from(quantize(vectors, 'int8', { ranges: quantizationRanges(calibration) }).data)).toEqual(expected);
});

test('what bytes stand for is within a step of what was quantised', () => {
  for (const precision of ['int8', 'uint8'] as const) {
    const bytes = quantize(vectors, precision as 'int8');
    const { low, high } = bytes.ranges!;
    dequantize(bytes).data.forEach((x, i) => {
      const at = i % 13;
      const off = vectors[Math.floor(i / 13)]![at]! - x;
      expect(off).toBeGreaterThan(-1e-5);
      expect(off).toBeLessThan((high[at]! - low[at]!) / 255 + 1e-5);
    });
  }
  expect(() => dequantize(quantize(vectors, 'binary'))).toThrow('Bits say only');
});

test.each(fixture.communities)('communities of $size by $threshold', async ({ threshold, size, expected }) => {
  expect(await communityDetection(vectors, { threshold, minCommunitySize: size })).toEqual(expected);
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

test('dot and euclidean, as sentence-transformers', () => {
  const three = vectors.slice(0, 3);
  for (const [q, query] of queries.entries()) {
    dot(query, three).forEach((x, i) => expect(x).toBeCloseTo(fixture.dot[q]![i]!, 4));
    euclidean(query, three).forEach((x, i) => expect(x).toBeCloseTo(fixture.euclidean[q]![i]!, 4));
  }
  expect([dot([1, 2], [3, 4]), euclidean([0, 0], [3, 4])]).toEqual([11, -5]);
  expect(() => dot([1, 2], [3])).toThrow(expect.objectContaining({ code: 'ERR_LENGTH_MISMATCH' }) as Error);
});

test('the first numbers of vectors', () => {
  expect(truncate([[3, 4, 5]], 2)).toEqual([Float32Array.of(3, 4)]);
  expect(truncate([[3, 4, 5]], 2, { normalize: true })).toEqual([Float32Array.of(0.6, 0.8)]);
  const flat = { data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3] as const };
  expect(truncate(flat, 2)).toEqual({ data: Float32Array.of(1, 2, 4, 5), shape: [2, 2] });
  expect(() => truncate([[1, 2]], 3)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }) as Error);
});

test('int8 finds nearly what fp32 finds; what cannot be quantised is refused', async () => {
  const ranges = quantizationRanges(vectors);
  const found = await semanticSearch(quantize(queries, 'int8', { ranges }), quantize(vectors, 'int8', { ranges }), {
    topK: 5,
  });
  found.forEach((hits, q) => {
    const best = cosineSimilarity(queries[q]!, vectors[hits[0]!.index]!);
    expect(Math.max(...cosineSimilarity(queries[q]!, vectors)) - best).toBeLessThan(0.3);
  });
  const code = (run: () => unknown, expected: string) =>
    expect(run).toThrow(expect.objectContaining({ code: expected }) as Error);
  code(() => quantize([[1, 2]], 'int8'), 'ERR_EMPTY_DATA');
  code(() => quantize(vectors, 'int4' as 'int8'), 'ERR_INVALID_OPTION');
  code(() => quantize([[1, 2]], 'int8', { ranges }), 'ERR_LENGTH_MISMATCH');
  code(() => quantize([Int8Array.of(1)], 'int8'), 'ERR_INVALID_ARGUMENT');
  code(() => quantize(vectors, 'int8', { ranges: { low: [1] } } as object), 'ERR_INVALID_OPTION');
});
