import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { evaluate } from '../../lib';
import { openDataSet } from '../../lib/evaluate/data-set';
import { Table } from './support';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vectune-sets-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
function write(name: string, content: string): string {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
}
const jsonl = (...rows: object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

test.each<[string, string, string, object]>([
  ['two texts with scores', 'a.csv', 'text1,text2,score\nx,y,0.5\ny,z,1\n', { form: 'similarity' }],
  [
    'two texts with labels',
    'a.csv',
    'question1,question2,is_duplicate\nx,y,0\ny,z,1\n',
    { form: 'binary', rows: [expect.objectContaining({ label: 0 }), expect.objectContaining({ label: 1 })] },
  ],
  [
    'words as labels',
    'a.tsv',
    'sentence1\tsentence2\tlabel\nx\ty\tduplicate\ny\tz\tnot duplicate\n',
    { form: 'binary', rows: [expect.objectContaining({ label: 1 }), expect.objectContaining({ label: 0 })] },
  ],
  [
    'triplets',
    'a.csv',
    'negative,query,positive\nn,q,p\n',
    { form: 'triplet', rows: [{ anchor: 'q', positive: 'p', negative: 'n' }] },
  ],
  [
    'lists of negatives',
    'a.jsonl',
    jsonl({ query: 'q', pos: ['p'], neg: ['n', 'm'] }),
    { form: 'reranking', rows: [{ query: 'q', positive: ['p'], negative: ['n', 'm'] }] },
  ],
  [
    'classes',
    'a.jsonl',
    jsonl({ text: 'a', label: 'x' }, { text: 'b', label: 2 }),
    {
      form: 'classes',
      rows: [
        { text: 'a', label: 'x' },
        { text: 'b', label: 2 },
      ],
    },
  ],
])('%s', async (_, name, content, expected) => {
  expect(await openDataSet(write(name, content))).toMatchObject(expected);
});

test('anchors and positives: each is searched with among all positives, equal texts once', async () => {
  const set = await openDataSet(write('a.csv', 'question,answer\nq,a\nr,b\nq,b\n'));
  if (set.form !== 'retrieval') throw new Error(set.form);
  expect(set.data.queries).toEqual([
    { id: '0', text: 'q' },
    { id: '1', text: 'r' },
  ]);
  expect(set.data.corpus).toEqual([
    { id: '0', text: 'a' },
    { id: '1', text: 'b' },
  ]);
  expect(set.data.relevant).toEqual(
    new Map([
      ['0', ['0', '1']],
      ['1', ['1']],
    ]),
  );
});

test('a BEIR folder is retrieval, another folder is refused', async () => {
  await expect(openDataSet(folder)).rejects.toMatchObject({ code: 'ERR_DATA_FILE', file: folder });
  write('corpus.jsonl', jsonl({ _id: 'd', text: 'x' }));
  write('queries.jsonl', jsonl({ _id: 'q', text: 'y' }));
  mkdirSync(join(folder, 'qrels'));
  write('qrels/test.tsv', 'q\td\t1\n');
  expect(await openDataSet(folder)).toMatchObject({ form: 'retrieval', queries: [{ id: 'q', text: 'y' }] });
  const found = await evaluate(new Table({ x: [1, 0], y: [1, 1] }), folder);
  expect(found).toMatchObject({ form: 'retrieval', primary: 'ndcg@10', metrics: { 'ndcg@10': 1 } });
});

test("a file's columns may be named, and its errors name row and file", async () => {
  const file = write('a.csv', 'left,right,gold\nx,y,4\ny,z,5\n');
  const columns = { text1: 'left', text2: 'right', score: 'gold' };
  expect(await openDataSet(file, { file: { columns, scoreRange: [0, 5] } })).toMatchObject({ form: 'similarity' });
  await expect(openDataSet(file)).rejects.toMatchObject({ code: 'ERR_DATA_FILE', file });
  const short = write('b.jsonl', `${jsonl({ anchor: 'a', positive: 'p', negative: 'n' })}{"anchor": "a"}\n`);
  await expect(openDataSet(short)).rejects.toMatchObject({ code: 'ERR_DATA_FILE', file: short, row: 1, line: 2 });
  await expect(openDataSet(join(folder, 'none.csv'))).rejects.toMatchObject({ code: 'ERR_DATA_FILE' });
});

test('evaluate measures by the form', async () => {
  const model = new Table({ x: [1, 0], y: [0.9, 0.1], z: [0, 1] });
  const labels = write('a.csv', 'text1,text2,score\nx,y,1\ny,z,0\nx,z,0\n');
  const found = await evaluate(model, labels, { intervals: { samples: 200 } });
  expect(found).toMatchObject({ form: 'binary', primary: 'averagePrecision', metrics: { averagePrecision: 1 } });
  expect(found.intervals).toMatchObject({ averagePrecision: { high: 1 } });
  const triplets = write('b.csv', 'anchor,positive,negative\nx,y,z\ny,z,x\n');
  expect((await evaluate(model, triplets)).metrics).toEqual({ accuracy: 0.5 });
  expect((await evaluate(model, triplets, { margin: 2 })).metrics).toEqual({ accuracy: 0 });
  await expect(evaluate(model, triplets, { similarty: 'dot' } as never)).rejects.toMatchObject({
    code: 'ERR_UNKNOWN_OPTION',
  });
});
