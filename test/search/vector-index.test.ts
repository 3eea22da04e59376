import { loadEngine } from '../../lib/engine/load';
import { semanticSearch } from '../../lib/search/semantic-search';
import { VectorIndex, type SearchEvent, type SearchHit } from '../../lib/search/vector-index';
import { cosine } from '../../lib/embed/similarity';

function randomFrom(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}
const random = randomFrom(7);
const list = (count: number, width: number): Float32Array[] =>
  Array.from({ length: count }, () => Float32Array.from({ length: width }, () => random() * 2 - 1));
const bytes = (count: number, width: number): Int8Array[] =>
  Array.from({ length: count }, () => Int8Array.from({ length: width }, () => Math.floor(random() * 256) - 128));
const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a, (x, i) => x * b[i]!).reduce((s, x) => s + x);

/** What sorting everything finds. */
function sorted<V extends ArrayLike<number>>(
  query: V,
  corpus: readonly V[],
  k: number,
  of: (a: V, b: V) => number,
): SearchHit[] {
  return corpus
    .map((vector, index) => ({ index, score: of(query, vector) }))
    .sort((a, b) => b.score - a.score || a.index - b.index)
    .slice(0, k);
}

test('a search finds what sorting everything finds, by the cosine and by the product', async () => {
  const corpus = list(700, 33);
  const queries = list(60, 33);
  for (const [similarity, of] of [['cosine', cosine] as const, ['dot', dot] as const]) {
    const found = await semanticSearch(queries, corpus, { topK: 9, similarity });
    expect(found).toHaveLength(60);
    found.forEach((hits, q) => {
      const expected = sorted(queries[q]!, corpus, 9, of);
      expect(hits.map(({ index }) => index)).toEqual(expected.map(({ index }) => index));
      hits.forEach(({ score }, i) => expect(score).toBeCloseTo(expected[i]!.score, 5));
    });
  }
});

test('products of int8 vectors are exact, those of equal score in the order in which they came', async () => {
  const corpus = bytes(500, 30);
  corpus.push(...corpus.slice(0, 100));
  const queries = bytes(20, 30);
  const found = await semanticSearch(queries, corpus, { topK: 600, similarity: 'dot' });
  found.forEach((hits, q) => expect(hits).toEqual(sorted(queries[q]!, corpus, 600, dot)));
});

test('one flat array is the same as a list; vectors may be added, and a search does not see later ones', async () => {
  const corpus = list(40, 8);
  const flat = { data: Float32Array.from(corpus.flatMap((v) => [...v])), shape: [40, 8] as const };
  const queries = list(3, 8);
  const index = await VectorIndex.of({ data: flat.data.subarray(0, 80), shape: [10, 8] });
  expect([index.size, index.dimensions]).toEqual([10, 8]);
  const early = index.search(queries, { topK: 40 });
  await index.add(corpus.slice(10));
  expect(index.size).toBe(40);
  expect(await early).toEqual(await semanticSearch(queries, corpus.slice(0, 10), { topK: 40 }));
  expect(await index.search(queries, { topK: 5 })).toEqual(await semanticSearch(queries, corpus, { topK: 5 }));
  expect(await semanticSearch(queries, flat, { topK: 5 })).toEqual(await semanticSearch(queries, corpus, { topK: 5 }));
  await index.dispose();
  await index.dispose();
  await expect(index.search(queries)).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  await expect(index.add(corpus)).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
});

test('more hits than vectors, no vectors, no queries, a threshold', async () => {
  const corpus = [
    [1, 0],
    [0, 0],
    [-1, 0],
    [1, 0],
  ];
  expect(await semanticSearch([[2, 0]], corpus)).toEqual([
    [
      { index: 0, score: 1 },
      { index: 3, score: 1 },
      { index: 1, score: 0 },
      { index: 2, score: -1 },
    ],
  ]);
  expect(await semanticSearch([[2, 0]], corpus, { scoreThreshold: 0 })).toEqual([
    [
      { index: 0, score: 1 },
      { index: 3, score: 1 },
      { index: 1, score: 0 },
    ],
  ]);
  expect(await semanticSearch([[2, 0]], [])).toEqual([[]]);
  expect(await semanticSearch([], corpus)).toEqual([]);
});

test('what is added and not finite is refused by its number in the call, whatever the index holds', async () => {
  const index = await VectorIndex.of([
    [1, 2],
    [3, 4],
  ]);
  for (const [wrong, message] of [
    [NaN, 'vector 1 (counted from 0) has NaN at place 0'],
    [3e30, 'vector 1 (counted from 0) is longer than 1.8e19'],
  ] as const) {
    const adding = index.add([
      [5, 6],
      [wrong, 1],
    ]);
    await expect(adding).rejects.toThrow(message);
    await expect(adding).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', row: 1 });
  }
  await index.dispose();
});

test('what is no vector, not finite, of another width or type is refused by its number', async () => {
  const good = [[1, 2]];
  const refused = async (queries: unknown, corpus: unknown, code: string, message: string | RegExp) => {
    const search = semanticSearch(queries as number[][], corpus as number[][]);
    await expect(search).rejects.toMatchObject({ name: 'InvalidArgumentError', code });
    await expect(search).rejects.toThrow(message);
  };
  const invalid = 'ERR_INVALID_ARGUMENT';
  await refused(good, [[1, 2], 'x'], invalid, 'number 1 (counted from 0)');
  await refused(good, [[1, 2], [1]], 'ERR_LENGTH_MISMATCH', 'vector 0 has 2 numbers and vector 1 has 1');
  await refused([[1, 2, 3]], good, 'ERR_LENGTH_MISMATCH', 'have 3 numbers each');
  await refused(
    good,
    [
      [1, 2],
      [NaN, 1],
    ],
    invalid,
    'vector 1 (counted from 0) has NaN at place 0',
  );
  await refused(
    good,
    [
      [1, 2],
      [1, -Infinity],
    ],
    invalid,
    'vector 1 (counted from 0) has -Infinity at place 1',
  );
  await refused(
    good,
    [
      [1, 2],
      [3e30, 1],
    ],
    invalid,
    'vector 1 (counted from 0) is longer than 1.8e19',
  );
  await refused(
    [
      [1, 2],
      [NaN, 1],
    ],
    good,
    invalid,
    'vector 1 (counted from 0) has NaN at place 0',
  );
  await refused([Int8Array.of(1, 2)], good, invalid, 'are fp32');
  await refused(good, [Int8Array.of(1, 2), [1, 2]], invalid, 'of one type');
  await refused(good, 'corpus', invalid, 'a list of vectors');
  await refused(good, { data: new Float32Array(4), shape: [3, 2] }, 'ERR_LENGTH_MISMATCH', 'The shape of');
  await refused(good, { data: [1, 2], shape: [1, 2] }, invalid, 'must be a Float32Array or an Int8Array');
  await refused(good, [new Float32Array(70_000)], invalid, 'width must be an integer from 1 to 65536');
  await expect(semanticSearch(good, good, { topK: 0 })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  await expect(semanticSearch(good, good, { top: 3 } as object)).rejects.toMatchObject({ code: 'ERR_UNKNOWN_OPTION' });
});

test('a search tells how far it is, gives the event loop its turn, and stops', async () => {
  const width = 256;
  const corpus = {
    data: Float32Array.from({ length: 30_000 * width }, () => random() - 0.5),
    shape: [30_000, width] as const,
  };
  const queries = { data: corpus.data.subarray(0, 6000 * width), shape: [6000, width] as const };
  const index = await VectorIndex.of(corpus);
  const { searches, vectors } = (await loadEngine()).liveObjects();
  const stop = new AbortController();
  const told: SearchEvent[] = [];
  const search = index.search(queries, {
    topK: 3,
    signal: stop.signal,
    onProgress: (event) => {
      told.push(event);
      if (told.length === 3) stop.abort(new Error('enough'));
    },
  });
  await expect(search).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: new Error('enough') });
  expect(told).toHaveLength(3);
  expect(told[0]!.total).toBe(6000 * 30_000);
  expect(told[2]!.done).toBeGreaterThan(told[1]!.done);
  expect(told[2]!.done).toBeLessThan(told[2]!.total);
  await index.dispose();
  // The objects are freed on the engine's thread.
  const engine = await loadEngine();
  await engine.setThreads(engine.info().threads); // after all that is queued
  expect(engine.liveObjects()).toMatchObject({ searches, vectors: vectors - 1 });
  await expect(VectorIndex.of(corpus, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
});
