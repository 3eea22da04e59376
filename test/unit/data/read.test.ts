import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readRows, streamRows } from '../../../lib/data/read';
import type { ReadOptions } from '../../../lib/data/read-options';
import { InvalidArgumentError } from '../../../lib/system/errors';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vectune-read-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function refusal(path: string, options?: ReadOptions): Promise<InvalidArgumentError> {
  const error: unknown = await readRows(path, options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(InvalidArgumentError);
  return error as InvalidArgumentError;
}

const expected = [
  { text1: 'a, "quoted"\nline', text2: 'b', score: 0.5 },
  { text1: '', text2: 'ü😀', score: 1 },
];

test('CSV: quotes, line breaks in a field, empty text, a byte order mark, empty lines, Windows line ends', async () => {
  const csv = 'text1,text2,score\r\n"a, ""quoted""\nline",b,0.5\r\n\r\n,ü😀,1\r\n';
  expect(await readRows(file('bom.csv', `\uFEFF${csv}`))).toEqual(expected);
  expect(await readRows(file('plain.csv', csv))).toEqual(expected);
});

test('TSV, with other columns around and names in another spelling', async () => {
  const path = file('q.tsv', 'id\tQuestion 1\tquestion2\tis_duplicate\n7\twho?\twhom?\ttrue\n8\ta\tb\t0\n');
  expect(await readRows(path)).toEqual([
    { text1: 'who?', text2: 'whom?', score: 1 },
    { text1: 'a', text2: 'b', score: 0 },
  ]);
});

test('TSV without header and quoting, columns by number, scores on another scale', async () => {
  const path = file('sts.tsv', 'x\t5.0\t"He said so.\tHe did.\nx\t1\ta\tb" c\n');
  const options: ReadOptions = { columns: { text1: 2, text2: 3, score: 1 }, quoting: false, scoreRange: [0, 5] };
  expect(await readRows(path, options)).toEqual([
    { text1: '"He said so.', text2: 'He did.', score: 1 },
    { text1: 'a', text2: 'b" c', score: 0.2 },
  ]);
});

test('JSON Lines: objects in any key order, lists, truth values, escapes, lone surrogates', async () => {
  const path = file(
    'a.jsonl',
    '{"sentence1":"x","sentence2":"\\ud83d","label":true}\n\n{"label":0.25,"sentence2":"z","sentence1":"y"}',
  );
  expect(await readRows(path)).toEqual([
    { text1: 'x', text2: '\ud83d', score: 1 },
    { text1: 'y', text2: 'z', score: 0.25 },
  ]);
  const lists = file('b.ndjson', '["a","b",1]\n["c","d",0]\n');
  expect(await readRows(lists, { columns: { text1: 0, text2: 1, score: 2 } })).toHaveLength(2);
});

test('chosen columns win over aliases', async () => {
  const path = file('two.csv', 'text1,text2,score,label\na,b,0.1,0.9\n');
  expect(await readRows(path, { columns: { score: 'label' } })).toEqual([{ text1: 'a', text2: 'b', score: 0.9 }]);
});

test('a reader that stops early closes the file', async () => {
  const path = file('long.csv', `text1,text2,score\n${'a,b,1\n'.repeat(50000)}`);
  for await (const row of streamRows(path)) {
    expect(row.score).toBe(1);
    break;
  }
});

test.each<[string, string, string, ReadOptions | undefined, string, number | undefined, RegExp]>([
  [
    'a score that is no number',
    's.csv',
    'text1,text2,score\na,b,1\nc,d,x\n',
    undefined,
    'ERR_SCORE_RANGE',
    1,
    /row 1.*'x'/,
  ],
  ['an empty score', 'e.csv', 'text1,text2,score\na,b,\n', undefined, 'ERR_SCORE_RANGE', 0, /row 0/],
  ['a score above 1', 'h.csv', 'text1,text2,score\na,b,4.5\n', undefined, 'ERR_SCORE_RANGE', 0, /scoreRange: \[0, 5\]/],
  [
    'a score that is infinite',
    'i.jsonl',
    '{"text1":"a","text2":"b","score":1e999}',
    undefined,
    'ERR_SCORE_RANGE',
    0,
    /Infinity/,
  ],
  ['no score column', 'n.csv', 'text1,text2\na,b\n', undefined, 'ERR_DATA_FILE', undefined, /"text1", "text2"/],
  [
    'two score columns',
    't.csv',
    'text1,text2,score,label\n',
    undefined,
    'ERR_DATA_FILE',
    undefined,
    /2 columns may hold the score/,
  ],
  [
    'a column that is not there',
    'c.csv',
    'text1,text2,scores\n',
    { columns: { score: 'score' } },
    'ERR_DATA_FILE',
    undefined,
    /no column "score" .*Did you mean \{ columns: \{ score: 'scores' \} \}\?/,
  ],
  [
    'one column twice',
    'd.csv',
    'text1,text2,score\n',
    { columns: { text2: 'text1' } },
    'ERR_DATA_FILE',
    undefined,
    /same column/,
  ],
  [
    'a short row',
    'r.csv',
    'text1,text2,score\na,b,1\na,b\n',
    undefined,
    'ERR_DATA_FILE',
    1,
    /3 columns are expected, 2 found/,
  ],
  ['a quote left open', 'o.csv', 'text1,text2,score\n"a,b,1\n', undefined, 'ERR_DATA_FILE', 0, /quoting: false/],
  ['broken JSON', 'b.jsonl', '{"text1":"a","text2":"b","score":1}\n{"text1"', undefined, 'ERR_DATA_FILE', 1, /line 2/],
  ['JSON that is no object', 'p.jsonl', '5\n', undefined, 'ERR_DATA_FILE', 0, /JSON object/],
  [
    'a missing key',
    'm.jsonl',
    '{"text1":"a","text2":"b","score":1}\n{"text1":"a","score":1}',
    undefined,
    'ERR_DATA_FILE',
    1,
    /no "text2"/,
  ],
  [
    'a text that is no string',
    'x.jsonl',
    '{"text1":"a","text2":null,"score":1}',
    undefined,
    'ERR_TEXT_TYPE',
    0,
    /text2 of .*row 0/,
  ],
  ['no rows', 'z.csv', 'text1,text2,score\n', undefined, 'ERR_EMPTY_DATA', undefined, /no rows/],
  ['an unknown extension', 'z.txt', 'a', undefined, 'ERR_DATA_FILE', undefined, /option format/],
  ['an unknown option', 'y.csv', 'a', { colums: {} } as ReadOptions, 'ERR_UNKNOWN_OPTION', undefined, /"columns"/],
  ['a header in JSON Lines', 'y.jsonl', 'a', { header: true }, 'ERR_INVALID_OPTION', undefined, /CSV and TSV/],
  [
    'an empty range',
    'v.csv',
    'a',
    { scoreRange: [1, 1] },
    'ERR_INVALID_OPTION',
    undefined,
    /scoreRange must be a list of two numbers/,
  ],
])('refuses %s', async (_, name, content, options, code, row, message) => {
  const error = await refusal(file(name, content), options);
  expect({ code: error.code, row: error.row }).toEqual({ code, row });
  expect(error.message).toMatch(message);
});

test('names a file that is not there, and a folder', async () => {
  expect(await refusal(join(folder, 'none.csv'))).toMatchObject({
    code: 'ERR_DATA_FILE',
    file: join(folder, 'none.csv'),
  });
  expect((await refusal(folder, { format: 'csv' })).message).toMatch(
    /is a folder, but a data file is wanted\. In the folder there are: /,
  );
});

const shared = join(__dirname, '../../../../shared/data');
const withData = existsSync(shared) ? test : test.skip;
if (!existsSync(shared)) console.warn('real data files are not beside the repository: their reading is not tested');

withData('reads the Quora questions and the STS Benchmark as they are published', async () => {
  const quora = await readRows(join(shared, 'quora/quora_head_9998.tsv'));
  expect(quora).toHaveLength(9998);
  expect(quora[0]).toEqual({
    text1: 'What is the step by step guide to invest in share market in india?',
    text2: 'What is the step by step guide to invest in share market?',
    score: 0,
  });
  const options: ReadOptions = {
    format: 'tsv',
    quoting: false,
    columns: { text1: 5, text2: 6, score: 4 },
    scoreRange: [0, 5],
  };
  const lines = readFileSync(join(shared, 'stsb/sts-dev.csv'), 'utf8').trimEnd().split('\n').length;
  const sts = await readRows(join(shared, 'stsb/sts-dev.csv'), options);
  expect(sts).toHaveLength(lines);
  expect(sts[1]!.score).toBeCloseTo(0.95, 12);
});
