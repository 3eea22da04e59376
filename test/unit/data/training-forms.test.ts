import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeForm, type DataForm } from '../../../lib/data/form';
import { listRows, textRows } from '../../../lib/data/lists';
import type { ReadOptions } from '../../../lib/data/read-options';
import { collectLists, collectRows, type CollectedData } from '../../../lib/data/source';
import type { DataSource } from '../../../lib/data/training-row';
import { InvalidArgumentError } from '../../../lib/system/errors';

/** What rows are, by their columns and values, and what is told of it. */

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vectune-training-forms-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const never = new AbortController().signal;

function write(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const collect = (source: DataSource, file?: ReadOptions, onBadRow: 'refuse' | 'skip' = 'refuse') =>
  collectRows(source, { file, onBadRow }, never);
const shown = ({ form, rows, labels, labelWidth }: CollectedData) => ({
  form,
  rows,
  labels: Array.from(labels),
  labelWidth,
});
const error = async (work: Promise<unknown>): Promise<InvalidArgumentError> => {
  const reason: unknown = await work.catch((failure: unknown) => failure);
  expect(reason).toBeInstanceOf(InvalidArgumentError);
  return reason as InvalidArgumentError;
};

type Expected = { form: DataForm; rows: string[][]; labels: number[] };

const csvs: [string, string, Expected, string][] = [
  [
    'labels 0 and 1 under names of Quora',
    'id,question1,question2,is_duplicate\n7,a,b,1\n8,c,d,0\n',
    {
      form: 'labelled-pairs',
      rows: [
        ['a', 'b'],
        ['c', 'd'],
      ],
      labels: [1, 0],
    },
    '2 pairs with label 0/1: 1 one',
  ],
  [
    'scores',
    'sentence1,sentence2,score\na,b,0.5\nc,d,1\n',
    {
      form: 'scored-pairs',
      rows: [
        ['a', 'b'],
        ['c', 'd'],
      ],
      labels: [0.5, 1],
    },
    '2 pairs with scores from 0.5 to 1',
  ],
  [
    'questions with answers',
    'Question,Answer\na,b\n',
    { form: 'positive-pairs', rows: [['a', 'b']], labels: [] },
    '1 pair of anchor and positive',
  ],
  [
    'an anchor and a positive with a label are a pair with a label',
    'query,passage,label\na,b,1\nc,d,0\n',
    {
      form: 'labelled-pairs',
      rows: [
        ['a', 'b'],
        ['c', 'd'],
      ],
      labels: [1, 0],
    },
    '2 pairs with label 0/1: 1 one',
  ],
  [
    'negatives by their numbers, an empty one being none',
    'anchor,positive,negative_10,negative_2\na,b,n10,n2\nc,d,,n2\ne,f,,\n',
    {
      form: 'triplets',
      rows: [
        ['a', 'b', 'n2', 'n10'],
        ['c', 'd', 'n2'],
        ['e', 'f'],
      ],
      labels: [],
    },
    '3 rows of anchor, positive and 0 to 2 negatives',
  ],
  [
    'texts with classes',
    'text,label\na,sport\nb,3\nc, sport \n',
    { form: 'classes', rows: [['a'], ['b'], ['c']], labels: [0, 1, 0] },
    '3 texts of 2 classes',
  ],
  [
    'a teacher of which the vector stands in a cell',
    'text,vector\na,"[0.5, 1]"\nb,"[2, -1]"\n',
    { form: 'vectors', rows: [['a'], ['b']], labels: [0.5, 1, 2, -1] },
    "2 texts with a teacher's vector of 2 numbers",
  ],
  [
    'by order: texts of two languages, without the id',
    'doc_id,english,german\n1,a,b\n',
    { form: 'positive-pairs', rows: [['a', 'b']], labels: [] },
    '1 pair of anchor and positive',
  ],
  [
    'by order: two texts and a label',
    'left,right,label\na,b,1\nc,d,0\n',
    {
      form: 'labelled-pairs',
      rows: [
        ['a', 'b'],
        ['c', 'd'],
      ],
      labels: [1, 0],
    },
    '2 pairs with label 0/1: 1 one',
  ],
  [
    'by order: three texts and a margin',
    'q,good,bad,score\na,b,c,4.25\n',
    { form: 'candidates', rows: [['a', 'b', 'c']], labels: [4.25] },
    "1 query with 2 candidates and a teacher's margins",
  ],
];

test.each(csvs)('%s', async (_, text, { form, rows, labels }, told) => {
  const data = await collect(write('x.csv', text));
  expect(shown(data)).toMatchObject({ form, rows, labels });
  expect(describeForm(data)).toBe(told);
});

test('what is read is told by its parts; what is not, too', async () => {
  const { facts } = await collect(write('x.csv', 'question,answer,votes\na,b,7\n'));
  expect(facts.columns).toEqual(['question', 'answer']);
  expect(facts.file).toMatchObject({ columns: { anchor: 'question', positive: 'answer' } });
  expect(facts.notes).toEqual(['Not read: "votes".']);
});

test('the same rows as JSON Lines, a JSON list, objects one by one, and lists', async () => {
  const rows = [
    { anchor: 'a', positive: 'b', negative_1: 'c' },
    { anchor: 'd', positive: 'e', negative_1: 'f', negative_2: 'g' },
  ];
  const expected = {
    form: 'triplets',
    rows: [
      ['a', 'b', 'c'],
      ['d', 'e', 'f', 'g'],
    ],
    labels: [],
    labelWidth: 0,
  };
  async function* oneByOne() {
    yield* rows;
  }
  const lines = rows.map((row) => JSON.stringify(row)).join('\n');
  expect(shown(await collect(write('x.jsonl', lines)))).toEqual(expected);
  expect(shown(await collect(write('x.json', JSON.stringify(rows))))).toEqual(expected);
  expect(shown(await collect(rows))).toEqual(expected);
  expect(shown(await collect(oneByOne()))).toEqual(expected);
  expect(shown(await collectLists(textRows(expected.rows), 'refuse', never))).toEqual(expected);
});

test("FlagEmbedding's rows: each positive with all negatives, with a teacher's scores where they are there", async () => {
  const line = { query: 'q', pos: ['p1', 'p2'], neg: ['n1', 'n2'] };
  const of = async (row: object) => shown(await collect(write('x.jsonl', JSON.stringify(row))));
  expect(await of(line)).toMatchObject({
    form: 'triplets',
    rows: [
      ['q', 'p1', 'n1', 'n2'],
      ['q', 'p2', 'n1', 'n2'],
    ],
  });
  expect(await of({ ...line, pos_scores: [9, 8], neg_scores: [1, 2] })).toMatchObject({
    form: 'candidates',
    labels: [9, 1, 2, 8, 1, 2],
    labelWidth: 3,
  });
});

test('NLI: entailed texts are positives, contradicted ones negatives; what is not trained on is told', async () => {
  const rows = ['p,e1,0', 'p,n,1', 'p,c1,2', 'p,e2,0', 'other,x,2', 'third,y,-1'];
  const text = `premise,hypothesis,label\n${rows.join('\n')}\n`;
  const data = await collect(write('x.csv', text));
  expect(shown(data)).toMatchObject({
    form: 'triplets',
    rows: [
      ['p', 'e1', 'c1'],
      ['p', 'e2', 'c1'],
    ],
  });
  expect(data.facts.notes.join()).toMatch(/1 neutral row and 2 rows without a label/);
  const words = text.replaceAll(',0', ',entailment').replaceAll(',1', ',neutral').replaceAll(',2', ',contradiction');
  expect(shown(await collect(write('y.csv', words))).rows).toEqual(data.rows);
  const two = await error(collect(write('z.csv', 'premise,hypothesis,label\na,b,0\nc,d,1\n')));
  expect(two).toMatchObject({ code: 'ERR_LABEL', message: expect.stringMatching(/text1: 'premise'/) });
});

test("Parquet's lists: a row for each positive with all negatives; a teacher's vectors", async () => {
  // As it is built: Parquet is decoded in a thread of its own, which jest cannot compile.
  const built = require('../../../dist/data/source.js') as typeof import('../../../lib/data/source');
  const read = (name: string) =>
    built.collectRows(join(__dirname, 'fixtures', name), { file: undefined, onBadRow: 'refuse' }, never);
  expect(shown(await read('lists.parquet'))).toMatchObject({
    form: 'triplets',
    rows: [
      ['q1', 'a', 'd'],
      ['q1', 'b', 'd'],
      ['q2', 'c', 'e', 'f'],
    ],
  });
  expect(shown(await read('vectors.parquet'))).toMatchObject({ form: 'vectors', labels: [0.5, 1, 2, -1] });
});

test('candidates with scores, as objects and as lists', async () => {
  const rows = [
    { query: 'a', candidates: ['b', 'c'], scores: [2, 1] },
    { query: 'd', candidates: ['e', 'f'], scores: new Float32Array([0, 3]) },
  ];
  const expected = {
    form: 'candidates',
    rows: [
      ['a', 'b', 'c'],
      ['d', 'e', 'f'],
    ],
    labels: [2, 1, 0, 3],
    labelWidth: 2,
  };
  expect(shown(await collect(rows))).toEqual(expected);
  const lists = listRows(
    expected.rows,
    rows.map(({ scores }) => scores),
  );
  expect(shown(await collectLists(lists, 'refuse', never))).toEqual(expected);
});

test('lists of texts with classes, with vectors, of three texts with margins', async () => {
  const of = async (texts: unknown, labels: unknown) =>
    shown(await collectLists(listRows(texts, labels), 'refuse', never));
  expect(await of(['a', 'b', 'c'], ['x', 'y', 'x'])).toMatchObject({ form: 'classes', labels: [0, 1, 0] });
  expect(
    await of(
      ['a', 'b'],
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
    ),
  ).toMatchObject({ form: 'vectors', labelWidth: 3 });
  expect(await of([['a', 'b', 'c']], [1.5])).toMatchObject({ form: 'candidates', labels: [1.5], labelWidth: 1 });
  expect(() => listRows(['a', 'b'], ['x'])).toThrow(/2 rows and 1 labels/);
  expect((await error(of(['a', 1], ['x', 'y']))).message).toMatch(/row 1 \(counted from 0\) is 1/);
});

describe('columns that are chosen', () => {
  const file = () => write('x.csv', 'q,a,n1,n2,group\nx,y,z,w,7\n');
  test.each<[string, ReadOptions['columns'], DataForm, string[]]>([
    ['anchor and positive', { anchor: 'q', positive: 'a' }, 'positive-pairs', ['x', 'y']],
    ['negatives', { anchor: 'q', positive: 'a', negative: ['n2', 'n1'] }, 'triplets', ['x', 'y', 'w', 'z']],
    ['a class', { text: 'n1', label: 'group' }, 'classes', ['z']],
  ])('%s', async (_, columns, form, row) => {
    expect(shown(await collect(file(), { columns: columns! }))).toMatchObject({ form, rows: [row] });
  });

  test('one that is not there; parts that make no row; numbers alone where there are no names', async () => {
    const missing = await error(collect(file(), { columns: { anchor: 'q', positive: 'aa' } }));
    expect(missing.message).toMatch(/no column "aa" \(file\.columns\.positive\).*positive: 'a'/);
    expect((await error(collect(file(), { columns: { anchor: 'q', label: 'a' } }))).message).toMatch(/make no row/);
    const bare = write('bare.csv', 'x,y\nz,w\n');
    expect((await collect(bare, { columns: { anchor: 0, positive: 1 } })).rows).toEqual([
      ['x', 'y'],
      ['z', 'w'],
    ]);
  });
});

test('names that say nothing: what scored pairs would need, and how other rows are asked for', async () => {
  const found = await error(collect(write('x.csv', 'q,a,votes,post_id\na,b,7,1\n')));
  expect(found).toMatchObject({
    code: 'ERR_DATA_FILE',
    message: expect.stringMatching(/Rows of another form name their/),
  });
  expect(found.message).toMatch(/\{ file: \{ columns: \{ anchor: 'q', positive: 'a' \} \} \}\.$/);
  const chosen = await error(collect(write('x.csv', 'q,a,s\na,b,1\n'), { columns: { text1: 'q', text2: 'b' } }));
  expect(chosen.message).not.toMatch(/another form/);
});

describe('rows that cannot be used', () => {
  const broken = 'text1,text2,score\na,b,1\nc,d,high\ne,f\ng,h,7\ni,j,0\n';

  test('of a file all are counted and the first ten shown; one alone is told as it is', async () => {
    const file = write('broken.csv', broken);
    const all = await error(collect(file));
    expect(all).toMatchObject({ code: 'ERR_SCORE_RANGE', row: 1, line: 3, file });
    expect(all.message).toMatch(/line 3 \(row 1, counted from 0\) is 'high'/);
    expect(all.message).toMatch(/In all 3 rows of .*broken\.csv cannot be used/);
    expect(all.message).toMatch(/line 4 .*3 columns are expected, 2 found/);
    expect(all.message).toMatch(/line 5 .* is '7'/);
    expect(all.message).toMatch(/onBadRow: 'skip'/);
    const one = await error(collect(write('one.csv', 'text1,text2,score\na,b,high\n')));
    expect(one.message).not.toMatch(/In all|onBadRow/);
    const many = `text,label\n${'a,\n'.repeat(30)}`;
    const told = (await error(collect(write('many.csv', many)))).message;
    expect(told).toMatch(/In all 30 rows/);
    expect(told.match(/\n- A class/g)).toHaveLength(9);
    expect(told).toMatch(/and 20 more/);
  });

  test('skipped they are counted, in files, rows and lists; none left is refused', async () => {
    const data = await collect(write('broken.csv', broken), undefined, 'skip');
    expect(data.rows).toEqual([
      ['a', 'b'],
      ['i', 'j'],
    ]);
    expect(data.facts.skipped).toBe(3);
    expect(data.facts.notes[0]).toMatch(/3 rows are left out.*line 3 .*is 'high'\.$/);
    const rows = [null, { text1: 'a', text2: 'b', score: 1 }, { text1: 'a', text2: 3, score: 1 }];
    expect((await collect(rows as never, undefined, 'skip')).facts.skipped).toBe(2);
    const lists = await collectLists(listRows([['a', 'b'], ['c']], [1, 1]), 'skip', never);
    expect([lists.rows.length, lists.facts.skipped]).toEqual([1, 1]);
    const none = await error(collect(write('none.csv', 'text1,text2,score\na,b,high\n'), undefined, 'skip'));
    expect(none.code).toBe('ERR_EMPTY_DATA');
  });

  test('lines that are no JSON, vectors of other lengths, numbers that are none', async () => {
    const json = '{"text":"a","vector":[1,2]}\n{"text":\n{"text":"b","vector":[1]}\n{"text":"c","vector":[1,null]}\n';
    const told = await error(collect(write('x.jsonl', json)));
    expect(told.message).toMatch(/line 2.*not JSON/);
    expect(told.message).toMatch(/line 3 .*has 1, and those before it 2/);
    expect(told.message).toMatch(/vector\[1\] of .*line 4 .* is null/);
  });

  test('of an iterable the first is told at once, and the iterable closed', async () => {
    let closed = false;
    async function* endless() {
      try {
        yield { text: 'a', label: 'x' };
        for (;;) yield { text: 1, label: 'x' };
      } finally {
        closed = true;
      }
    }
    expect(await error(collect(endless() as never))).toMatchObject({ code: 'ERR_TEXT_TYPE', row: 1 });
    expect(closed).toBe(true);
  });
});
