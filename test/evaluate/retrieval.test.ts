import { loadEngine } from '../../lib/engine/load';
import { blockSearch } from '../../lib/evaluate/block-search';
import { evaluateRetrieval, retrievalMetrics } from '../../lib/evaluate/retrieval';
import { compareIds } from '../../lib/evaluate/metrics/ranking';
import type { SimilarityName } from '../../lib/evaluate/similarities';
import { TopK } from '../../lib/evaluate/top-k';
import { atOnce } from '../../lib/evaluate/work';
import { expectNumbers, readFixture, Table, type Vectors } from './support';

interface Case {
  similarity: SimilarityName;
  vectors: Vectors;
  corpus: Record<string, string>;
  queries: Record<string, string>;
  relevant: Record<string, string[]>;
  expected: Record<string, number>;
}
const cases = readFixture<Case[]>('retrieval');
const texts = (record: Record<string, string>) => Object.entries(record).map(([id, text]) => ({ id, text }));

test.each(cases.map((c, i) => [i, c.similarity, Object.keys(c.corpus).length, c] as const))(
  'case %i: %s over %i documents, as sentence-transformers',
  async (_, name, documents, c) => {
    const data = { queries: texts(c.queries), corpus: texts(c.corpus), relevant: c.relevant };
    const found = await evaluateRetrieval(new Table(c.vectors), data, { similarity: name, intervals: false });
    const prefix = `${name}_`;
    const expected = Object.fromEntries(
      Object.entries(c.expected).map(([key, value]) => [key.replace(prefix, ''), value]),
    );
    expect(Object.keys(found.metrics).sort()).toEqual(Object.keys(expected).sort());
    expectNumbers(found.metrics, expected);
    const empty = Object.values(c.relevant).filter((ids) => ids.length === 0).length;
    expect(found).toMatchObject({
      form: 'retrieval',
      unit: 'queries',
      primary: 'ndcg@10',
      documents,
      withoutRelevant: empty + 1,
      missingDocuments: 1,
      count: 25 - empty - 1,
    });
  },
);

test('the corpus may be any async iterable, read once; the order makes no difference', async () => {
  const c = cases.at(-1)!;
  let read = 0;
  async function* corpus() {
    for (const document of texts(c.corpus).reverse()) {
      ++read;
      yield document;
    }
  }
  const relevant = new Map(Object.entries(c.relevant));
  const model = new Table(c.vectors);
  const backwards = await evaluateRetrieval(model, { queries: texts(c.queries), corpus: corpus(), relevant });
  const forwards = await evaluateRetrieval(model, { queries: texts(c.queries), corpus: texts(c.corpus), relevant });
  expect(read).toBe(Object.keys(c.corpus).length);
  expect(backwards.metrics).toEqual(forwards.metrics);
  expect(backwards.intervals).toEqual(forwards.intervals);
});

test('a search in blocks finds what sorting everything finds', () => {
  let state = 1;
  const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
  const vectors = (count: number) =>
    Array.from({ length: count }, () => Array.from({ length: 5 }, () => Math.round(random() * 4) - 2));
  const queries = vectors(70);
  const documents = vectors(300);
  const search = atOnce(TopK.of(queries, 7, 'dot', (a, b) => b - a));
  atOnce(search.add(documents.slice(0, 130), 0));
  atOnce(search.add(documents.slice(130), 130));
  queries.forEach((query, q) => {
    const all = documents
      .map((document, d) => ({ document: d, similarity: query.reduce((sum, x, i) => sum + x * document[i]!, 0) }))
      .sort((a, b) => b.similarity - a.similarity || b.document - a.document);
    expect(search.hits(q)).toEqual(all.slice(0, 7));
  });
});

test("a document with the query's own id is left out where that is wanted", async () => {
  const data = {
    queries: [{ id: 'a', text: 'x' }],
    corpus: [
      { id: 'a', text: 'x' },
      { id: 'b', text: 'y' },
    ],
    relevant: { a: ['b'] },
  };
  const model = new Table({ x: [1, 0], y: [1, 1] });
  expect((await evaluateRetrieval(model, data)).metrics['accuracy@1']).toBe(0);
  expect((await evaluateRetrieval(model, data, { ignoreSameId: true })).metrics['accuracy@1']).toBe(1);
});

test('places that the caller names', () => {
  const found = retrievalMetrics([['a', 'b', 'c'], ['d'], ['e']], [['b', 'x'], ['d'], []], {
    accuracy: [1, 2],
    precision: [2],
    recall: [2],
    mrr: [2],
    ndcg: [2],
    map: [2],
  });
  expect(found).toEqual({
    'accuracy@1': 0.5,
    'accuracy@2': 1,
    'precision@2': 0.5,
    'recall@2': 0.75,
    'mrr@2': 0.75,
    'ndcg@2': expect.closeTo((1 / Math.log2(3) / (1 + 1 / Math.log2(3)) + 1) / 2, 12) as number,
    'map@2': 0.625,
  });
});

test('ids are in the order of code points', () => {
  const ids = ['d9', 'd10', 'd', 'ｆ', '😀', '', '😁', 'é'];
  expect([...ids].sort(compareIds)).toEqual(['', 'd', 'd10', 'd9', 'é', 'ｆ', '😀', '😁']);
});

test('data that cannot be measured is refused', async () => {
  const model = new Table({ x: [1, 0] });
  const run = (data: object) =>
    evaluateRetrieval(model, {
      queries: [{ id: 'q', text: 'x' }],
      corpus: [{ id: 'd', text: 'x' }],
      relevant: { q: ['d'] },
      ...data,
    });
  await expect(run({ relevant: {} })).rejects.toMatchObject({ code: 'ERR_EMPTY_DATA' });
  await expect(
    run({ relevant: { constructor: ['d'] }, queries: [{ id: 'toString', text: 'x' }] }),
  ).rejects.toMatchObject({
    code: 'ERR_EMPTY_DATA',
  });
  await expect(run({ corpus: [] })).rejects.toMatchObject({ code: 'ERR_EMPTY_DATA' });
  const twice = [
    { id: 'd', text: 'x' },
    { id: 'd', text: 'x' },
  ];
  await expect(run({ corpus: twice })).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', row: 1 });
  await expect(run({ corpus: [{ id: 7, text: 'x' }] })).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', row: 0 });
  await expect(run({ corpus: [{ id: 'd' }] })).rejects.toMatchObject({ code: 'ERR_TEXT_TYPE', row: 0 });
});

test('the same measures by the engine, where it is loaded', async () => {
  await loadEngine();
  for (const c of cases) {
    const data = { queries: texts(c.queries), corpus: texts(c.corpus), relevant: c.relevant };
    const found = await evaluateRetrieval(new Table(c.vectors), data, { similarity: c.similarity, intervals: false });
    const expected = Object.fromEntries(
      Object.entries(c.expected).map(([key, value]) => [key.replace(`${c.similarity}_`, ''), value]),
    );
    expectNumbers(found.metrics, expected);
  }
});

test('a search in blocks by the engine finds what TopK finds: ties by the id, a document left out', async () => {
  await loadEngine();
  const width = 6;
  let state = 5;
  const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
  const vectors = (count: number) =>
    Array.from({ length: count }, () => Float32Array.from({ length: width }, () => Math.round(random() * 2) - 1));
  const queries = vectors(300);
  const documents = vectors(9000);
  const tie = (a: number, b: number) => compareIds(`d${a}`, `d${b}`);
  const skip = (query: number, document: number) => document === query * 3;
  const here = atOnce(TopK.of(queries, 20, 'dot', tie, skip));
  atOnce(here.add(documents, 0));
  const engine = await blockSearch(queries, 20, 'dot', tie, skip, undefined);
  await engine.add(documents.slice(0, 8500), 0);
  await engine.add(documents.slice(8500, 8510), 8500);
  await engine.add(documents.slice(8510), 8510);
  for (let query = 0; query < queries.length; ++query) expect(engine.hits(query)).toEqual(here.hits(query));
});
