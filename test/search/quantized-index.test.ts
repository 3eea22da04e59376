import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { quantizationRanges, quantize, dequantize, semanticSearch, VectorIndex, type SearchHit } from '../../lib';
import { cosine } from '../../lib/embed/similarity';

/** Indexes of bytes and of bits, searched by vectors of fp32: against sorting everything, and sentence-transformers. */

interface FoundThere {
  corpus_id: number;
  score: number;
}
const fixture = JSON.parse(readFileSync(join(__dirname, 'fixtures', 'rescoring.json'), 'utf8')) as {
  topK: number;
  multiplier: number;
  corpus: number[][];
  queries: number[][];
  ranges: number[][];
  int8: FoundThere[][];
  binary: FoundThere[][];
};

function randomFrom(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}
const random = randomFrom(11);
const list = (count: number, width: number, length = 1): Float32Array[] =>
  Array.from({ length: count }, () => {
    const vector = Float32Array.from({ length: width }, (_, i) => random() * 2 - 1 + (i % 5) / 10);
    const norm = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
    return vector.map((x) => (x / norm) * length);
  });
const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a, (x, i) => x * b[i]!).reduce((s, x) => s + x, 0);

function sorted(query: Float32Array, corpus: readonly ArrayLike<number>[], k: number, of: typeof dot): SearchHit[] {
  return corpus
    .map((vector, index) => ({ index, score: of(query, vector) }))
    .sort((a, b) => b.score - a.score || a.index - b.index)
    .slice(0, k);
}

function like(found: readonly SearchHit[][], expected: readonly SearchHit[][], digits = 4): void {
  found.forEach((hits, q) => {
    expect(hits.map(({ index }) => index)).toEqual(expected[q]!.map(({ index }) => index));
    hits.forEach(({ score }, i) => expect(score).toBeCloseTo(expected[q]![i]!.score, digits));
  });
}

const share = (found: readonly SearchHit[][], best: readonly SearchHit[][]) => {
  const hits = found.flatMap((of, q) => of.map(({ index }) => best[q]!.some((one) => one.index === index)));
  return hits.filter(Boolean).length / hits.length;
};

test.each(['cosine', 'dot'] as const)(
  'bytes by the %s: what sorting all that they stand for finds',
  async (similarity) => {
    // Lengths differ: the cosine is of vectors at length 1.
    const corpus = [...list(1500, 37), ...list(500, 37, 3)];
    const queries = list(40, 37, 2);
    const index = await VectorIndex.of(corpus, { precision: 'int8', similarity });
    expect([index.size, index.dimensions, index.precision]).toEqual([2000, 37, 'int8']);
    const kept =
      similarity === 'dot' ? corpus : corpus.map((vector) => vector.map((x) => x / Math.sqrt(dot(vector, vector))));
    const ranges = await quantizationRanges(kept);
    expect(index.ranges!.low[3]!).toBeCloseTo(ranges.low[3]!, 6);
    const { data } = await dequantize(await quantize(kept, 'int8', { ranges: index.ranges! }));
    const meant = corpus.map((_, i) => data.subarray(i * 37, (i + 1) * 37));
    const best = queries.map((query) => sorted(query, meant, 10, similarity === 'dot' ? dot : cosine));
    like(await index.search(queries, { topK: 10 }), best);
    // One by one, and in pieces, the same to the bit.
    const whole = await index.search(queries);
    expect(await Promise.all(queries.map(async (query) => (await index.search([query]))[0]))).toEqual(whole);
    // Without the second comparison the query is of bytes too.
    const coarse = await index.search(queries, { rescore: false });
    expect(share(coarse, best)).toBeGreaterThan(0.9);
    coarse.forEach((hits) =>
      hits.forEach(({ index: at, score }, i) => {
        if (i > 0) expect(score).toBeLessThanOrEqual(hits[i - 1]!.score);
        expect(at).toBeLessThan(2000);
      }),
    );
    const [first] = await index.search([queries[0]!], { rescore: false, topK: 1 });
    expect(first![0]!.score).toBeCloseTo(best[0]![0]!.score, 1);
    await index.dispose();
  },
);

test.each([13, 64, 100])('bits of width %i: candidates by how many differ, then by the query', async (width) => {
  const corpus = list(600, width);
  const queries = list(20, width);
  const signs = corpus.map((vector) => vector.map((x) => (x > 0 ? 1 : -1)));
  const bits = corpus.map((vector) => vector.map((x) => (x > 0 ? 1 : 0)));
  const index = await VectorIndex.of(corpus, { precision: 'binary' });
  expect([index.dimensions, index.ranges]).toEqual([width, null]);
  const byBits = queries.map((query) =>
    sorted(
      query.map((x) => (x > 0 ? 1 : -1)),
      signs,
      600,
      cosine,
    ),
  );
  like(
    await index.search(queries, { topK: 20, rescore: false }),
    byBits.map((hits) => hits.slice(0, 20)),
    5,
  );
  for (const rescoreMultiplier of [2, 4]) {
    const expected = queries.map((query, q) => {
      const candidates = byBits[q]!.slice(0, 5 * rescoreMultiplier)
        .map(({ index: at }) => at)
        .sort((a, b) => a - b);
      const hits = sorted(
        query,
        candidates.map((at) => signs[at]!),
        5,
        cosine,
      );
      return hits.map(({ index: at, score }) => ({ index: candidates[at]!, score }));
    });
    like(await index.search(queries, { topK: 5, rescoreMultiplier }), expected);
  }
  await index.dispose();
  // By the product: the sum of the query's numbers where there are bits.
  const all = await semanticSearch(queries, corpus, { precision: 'binary', similarity: 'dot', topK: 600 });
  like(
    all,
    queries.map((query) => sorted(query, bits, 600, dot)),
  );
});

// Of bytes it needs many candidates for that (generate_rescoring.py).
test("sentence-transformers' semantic_search_faiss and semantic_search_usearch, with rescoring: the same hits", async () => {
  const ranges = { low: Float32Array.from(fixture.ranges[0]!), high: Float32Array.from(fixture.ranges[1]!) };
  for (const [precision, expected] of [['int8', fixture.int8] as const, ['binary', fixture.binary] as const]) {
    const found = await semanticSearch(fixture.queries, fixture.corpus, {
      precision,
      ...(precision === 'int8' && { ranges }),
      similarity: 'dot',
      topK: fixture.topK,
      rescoreMultiplier: fixture.multiplier,
    });
    like(
      found,
      expected.map((hits) => hits.map(({ corpus_id, score }) => ({ index: corpus_id, score }))),
    );
  }
});

test('vectors that are added later, ranges and calibration of the caller, a threshold, fewer vectors than hits', async () => {
  const corpus = list(300, 16);
  const queries = list(5, 16);
  const ranges = await quantizationRanges(corpus);
  const whole = await VectorIndex.of(corpus, { precision: 'int8', ranges });
  const parts = await VectorIndex.of([], { precision: 'int8', ranges });
  expect(await parts.search(queries)).toEqual([[], [], [], [], []]);
  await parts.add(corpus.slice(0, 100));
  await parts.add(corpus.slice(100));
  const expected = await whole.search(queries, { topK: 7 });
  expect(await parts.search(queries, { topK: 7 })).toEqual(expected);
  const calibrated = await VectorIndex.of(corpus.slice(0, 100), { precision: 'int8', calibration: corpus });
  await calibrated.add({ data: Float32Array.from(corpus.slice(100).flatMap((v) => [...v])), shape: [200, 16] });
  expect(await calibrated.search(queries, { topK: 7 })).toEqual(expected);
  const least = expected[0]![3]!.score;
  const [above] = await whole.search(queries.slice(0, 1), { topK: 7, scoreThreshold: least });
  expect(above).toEqual(expected[0]!.slice(0, 4));
  expect((await whole.search(queries, { topK: 1000 }))[0]).toHaveLength(300);
  for (const index of [whole, parts, calibrated]) await index.dispose();
});

test('of equal scores the first goes first', async () => {
  // The query is nearer to the later ones by its bytes alone: all stand for the same product.
  const corpus = Array.from({ length: 40 }, (_, i) => [1, 0, i % 3, 0]);
  for (const precision of ['int8', 'binary'] as const) {
    const [hits] = await semanticSearch([[1, 0, 0, 0]], corpus, {
      precision,
      similarity: 'dot',
      topK: 5,
      rescoreMultiplier: 8,
    });
    expect(hits!.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4]);
  }
});

test('what cannot be meant', async () => {
  const corpus = list(20, 8);
  const of = (vectors: unknown, options: object) => VectorIndex.of(vectors as Float32Array[], options);
  await expect(of([], { precision: 'int4' })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  await expect(of(corpus, { precision: 'binary', calibration: corpus })).rejects.toThrow(
    /are for the precision 'int8'/,
  );
  await expect(of(corpus, { ranges: await quantizationRanges(corpus) })).rejects.toThrow(/but it is 'fp32'/);
  await expect(of(corpus, { precision: 'int8', ranges: await quantizationRanges(list(3, 9)) })).rejects.toMatchObject({
    code: 'ERR_LENGTH_MISMATCH',
  });
  await expect(of(corpus.slice(0, 1), { precision: 'int8' })).rejects.toMatchObject({ code: 'ERR_EMPTY_DATA' });
  await expect(of([Int8Array.of(1, 2)], { precision: 'binary' })).rejects.toThrow(
    /must be of floats for the precision/,
  );
  await expect(of([...corpus, Float32Array.from({ length: 8 }, () => NaN)], { precision: 'binary' })).rejects.toThrow(
    'vector 20 (counted from 0) has NaN at place 0',
  );
  const index = await of(corpus, { precision: 'int8' });
  await expect(index.search([Int8Array.from({ length: 8 })])).rejects.toThrow(/must be of floats too/);
  await expect(index.search(list(1, 9))).rejects.toMatchObject({ code: 'ERR_LENGTH_MISMATCH' });
  await expect(index.search([Float32Array.from({ length: 8 }, () => Infinity)])).rejects.toThrow(
    'has Infinity at place 0',
  );
  await expect(index.search(corpus, { rescoreMultiplier: 0 })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  await index.dispose();
});

test.each([
  ['int8', 'cosine'],
  ['int8', 'dot'],
  ['binary', 'cosine'],
  ['binary', 'dot'],
] as const)('in an index of %s by the %s a vector of zeros has 0 with every other', async (precision, similarity) => {
  const corpus = list(200, 24);
  const zero = new Float32Array(24);
  corpus[3] = zero;
  const index = await VectorIndex.of(corpus, { precision, similarity });
  await index.add([zero, corpus[0]!, zero]);
  const zeros = [3, 200, 202];
  const queries = [...list(4, 24), zero];
  for (const rescore of [true, false]) {
    const found = await index.search(queries, { topK: 203, rescore });
    for (const hits of found.slice(0, 4)) {
      expect(hits.filter(({ index: row }) => zeros.includes(row)).map(({ score }) => score)).toEqual([0, 0, 0]);
      hits.slice(1).forEach(({ score, index: row }, i) => {
        expect(score < hits[i]!.score || (score === hits[i]!.score && row > hits[i]!.index)).toBe(true);
      });
    }
    // Of equal scores the first goes first.
    const [none] = await index.search([zero], { topK: 5, rescore });
    expect(none).toEqual([0, 1, 2, 3, 4].map((row) => ({ index: row, score: 0 })));
    expect(found[4]!.every(({ score, index: row }, i) => score === 0 && row === i)).toBe(true);
  }
  await index.dispose();
});

test('numbers outside the ranges are counted, and told where they are many', async () => {
  const events: unknown[] = [];
  const onProgress = (event: unknown) => events.push(event);
  const index = await VectorIndex.of(
    [
      [-1, -1],
      [1, 1],
    ],
    { precision: 'int8', similarity: 'dot', onProgress },
  );
  await index.add(
    [
      [0.5, -0.5],
      [1, -1],
    ],
    { onProgress },
  );
  expect([index.clipped, events]).toEqual([0, []]);
  await index.add(
    [
      [3, 0],
      [0, -2],
      [0, 0],
      [-1.5, 9],
    ],
    { onProgress },
  );
  expect(index.clipped).toBe(4);
  expect(events).toEqual([{ type: 'clipped', clipped: 4, numbers: 8 }]);
  await index.dispose();
  const ranges = { low: Float32Array.of(-1, -1), high: Float32Array.of(1, 1) };
  await semanticSearch([[1, 0]], [[5, 5]], { precision: 'int8', similarity: 'dot', ranges, onProgress });
  expect(events).toContainEqual({ type: 'clipped', clipped: 2, numbers: 2 });
});
