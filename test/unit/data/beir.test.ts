import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { isBeir, openBeir } from '../../../lib/data/formats/beir';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vectune-beir-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, content: string | Buffer) {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}
const lines = (...values: object[]) => values.map((value) => `${JSON.stringify(value)}\n`).join('');
async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const element of source) list.push(element);
  return list;
}

const corpus = lines(
  { _id: 'd1', text: 'first' },
  { _id: 'd2', title: 'Title', text: 'second\u2028line', metadata: {} },
  { _id: 'd3', title: ' ', text: '' },
);
const queries = lines({ _id: 'q1', text: 'one?' }, { _id: 2, text: 'two?' });
const qrels = 'query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t0\n2\td2\t2\n2\td"3\t1\n';

function whole() {
  write('corpus.jsonl', corpus);
  write('queries.jsonl', queries);
  write('qrels/test.tsv', qrels);
}

test('a folder as BEIR lays it out', async () => {
  whole();
  expect(await isBeir(folder)).toBe(true);
  const set = await openBeir(folder);
  expect(set.split).toBe('test');
  expect([...set.relevant]).toEqual([
    ['q1', ['d1']],
    ['2', ['d2', 'd"3']],
  ]);
  const documents = [
    { id: 'd1', text: 'first' },
    { id: 'd2', text: 'Title second\u2028line' },
    { id: 'd3', text: '' },
  ];
  expect(await all(set.corpus)).toEqual(documents);
  // A second model reads it again.
  expect(await all(set.corpus)).toEqual(documents);
  expect(await all(set.queries)).toEqual([
    { id: 'q1', text: 'one?' },
    { id: '2', text: 'two?' },
  ]);
});

test("packed files, no header, TREC's four columns", async () => {
  write('corpus.jsonl.gz', gzipSync(corpus));
  write('queries.jsonl', queries);
  write('qrels/dev.tsv.gz', gzipSync('q1\t0\td1\t1\n2\t0\td2\t0\n'));
  const set = await openBeir(folder);
  expect([...set.relevant]).toEqual([['q1', ['d1']]]);
  expect(await all(set.corpus)).toHaveLength(3);
});

test('the split: test, else dev, else the one that is said', async () => {
  whole();
  write('qrels/dev.tsv', 'q1\td2\t1\n');
  expect((await openBeir(folder)).split).toBe('test');
  expect((await openBeir(folder, { split: 'dev' })).relevant).toEqual(new Map([['q1', ['d2']]]));
  await expect(openBeir(folder, { split: 'train' })).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message: expect.stringContaining('it has dev, test') as string,
  });
});

test.each<[string, string, string, object]>([
  ['JSON that is none', 'corpus.jsonl', '{"_id": "a", "text": "b"}\n{"_id"', { line: 2, row: 1 }],
  ['a line that is no object', 'corpus.jsonl', '"text"\n', { line: 1 }],
  ['a missing id', 'corpus.jsonl', '{"text": "b"}\n', { line: 1 }],
  ['a text that is none', 'queries.jsonl', '{"_id": "q1", "text": 3}\n', { line: 1 }],
])('%s is refused with its line', async (_, name, content, place) => {
  whole();
  write(name, content);
  const set = await openBeir(folder);
  const reading = all(name.startsWith('corpus') ? set.corpus : set.queries);
  await expect(reading).rejects.toMatchObject({ code: 'ERR_DATA_FILE', file: join(folder, name), ...place });
});

test('judgements that cannot be read are refused', async () => {
  whole();
  write('qrels/test.tsv', 'query-id\tcorpus-id\tscore\nq1\td1\tyes\n');
  await expect(openBeir(folder)).rejects.toMatchObject({ code: 'ERR_DATA_FILE', line: 2 });
  write('qrels/test.tsv', 'q1 d1 1\n');
  await expect(openBeir(folder)).rejects.toMatchObject({ code: 'ERR_DATA_FILE' });
});

test('what is missing is named', async () => {
  expect(await isBeir(folder)).toBe(false);
  await expect(openBeir(folder)).rejects.toThrow('has no corpus.jsonl');
  write('corpus.jsonl', corpus);
  write('queries.jsonl', queries);
  await expect(openBeir(folder)).rejects.toThrow('must hold judgements');
  write('qrels/a.tsv', 'q1\td1\t1\n');
  expect((await openBeir(folder)).split).toBe('a');
  write('qrels/b.tsv', 'q1\td1\t1\n');
  await expect(openBeir(folder)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
});

test('the corpus stops when it is aborted', async () => {
  whole();
  const stop = new AbortController();
  const set = await openBeir(folder, { signal: stop.signal });
  stop.abort(new Error('the user left'));
  await expect(all(set.corpus)).rejects.toThrow('the user left');
});
