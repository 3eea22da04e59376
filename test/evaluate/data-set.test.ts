import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compare, evaluate, evaluateParaphraseMining } from '../../lib';
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
  // Two texts and a label are that, whatever the texts are called; what is 0 is no answer.
  ...['question,answer,label', 'anchor,positive,label', 'query,passage,label', 'sentence1,sentence2,labels'].map(
    (head): [string, string, string, object] => [
      head,
      'a.csv',
      `${head}\nx,y,0\ny,z,1\n`,
      {
        form: 'binary',
        rows: [
          { text1: 'x', text2: 'y', label: 0 },
          { text1: 'y', text2: 'z', label: 1 },
        ],
      },
    ],
  ),
  [
    'anchor,positive,score',
    'a.csv',
    'anchor,positive,score\nx,y,0.25\ny,z,1\n',
    { form: 'similarity', rows: [{ text1: 'x', text2: 'y', score: 0.25 }, expect.anything()] },
  ],
  [
    'numbered negatives, of which later rows have more',
    'a.jsonl',
    jsonl(
      { anchor: 'q', positive: 'p', negative_1: 'n', negative_2: 'm' },
      { anchor: 'r', positive: 'p', negative_1: 'n', negative_2: 'm', negative_3: 'o' },
    ),
    {
      form: 'reranking',
      rows: [
        { query: 'q', positive: ['p'], negative: ['n', 'm'] },
        { query: 'r', positive: ['p'], negative: ['n', 'm', 'o'] },
      ],
    },
  ],
  [
    'a hard negative',
    'a.csv',
    'query,positive,hard_negative\nq,p,n\n',
    { form: 'triplet', rows: [{ anchor: 'q', positive: 'p', negative: 'n' }] },
  ],
  [
    'FlagEmbedding with scores of its teacher',
    'a.jsonl',
    jsonl({ query: 'q', pos: ['p', 'o'], neg: ['n', 'm'], pos_scores: [1, 2], neg_scores: [0, 0.5] }),
    {
      form: 'reranking',
      rows: [{ query: 'q', positive: ['p', 'o'], negative: ['n', 'm'] }],
      notes: ["The teacher's scores were not used, only which text is the positive."],
    },
  ],
  [
    'margins of a teacher',
    'a.csv',
    'query,positive,negative,score\nq,p,n,3.5\n',
    { form: 'triplet', rows: [{ anchor: 'q', positive: 'p', negative: 'n' }] },
  ],
  ['classes called intent', 'a.csv', 'text,intent\nx,a\ny,b\n', { form: 'classes' }],
  ['classes called labels', 'a.csv', 'sentence,labels\nx,a\ny,b\n', { form: 'classes' }],
  [
    'responses',
    'a.csv',
    'question,response\nx,a\ny,b\n',
    { form: 'retrieval', queries: [{ text: 'x' }, { text: 'y' }] },
  ],
  [
    'two texts by their order',
    'a.csv',
    'id,q,a\n7,x,c\n8,y,b\n',
    { form: 'retrieval', queries: [{ text: 'x' }, { text: 'y' }] },
  ],
  [
    'NLI',
    'a.csv',
    'premise,hypothesis,label\np,e,0\np,n,1\np,c,2\np,d,2\nr,c,1\n',
    { form: 'reranking', rows: [{ query: 'p', positive: ['e'], negative: ['c', 'd'] }] },
  ],
  [
    'passages, of which some are selected',
    'a.jsonl',
    jsonl({
      query: 'q',
      passages: [
        { passage_text: 'a', is_selected: 0 },
        { passage_text: 'b', is_selected: 1 },
        { passage_text: 'c', is_selected: 0 },
      ],
    }),
    { form: 'reranking', rows: [{ query: 'q', positive: ['b'], negative: ['a', 'c'] }] },
  ],
  [
    'a list of answers',
    'a.jsonl',
    jsonl({ question: 'q', answer: ['a', 'b'] }),
    { form: 'retrieval', data: { relevant: new Map([['q0', ['0', '1']]]) } },
  ],
  [
    "candidates with a teacher's scores",
    'a.jsonl',
    jsonl(
      { query: 'q', candidates: ['a', 'b'], scores: [0.5, 2] },
      { query: 'r', candidates: ['a', 'c'], scores: [0, 1] },
    ),
    {
      form: 'similarity',
      rows: [
        { text1: 'q', text2: 'a', score: 0.5 },
        { text1: 'q', text2: 'b', score: 2 },
        { text1: 'r', text2: 'a', score: 0 },
        { text1: 'r', text2: 'c', score: 1 },
      ],
    },
  ],
  [
    'classes',
    'a.jsonl',
    jsonl({ text: 'a', label: 'x' }, { text: 'b', label: 2 }),
    {
      form: 'classes',
      rows: [
        { text: 'a', label: 'x' },
        { text: 'b', label: '2' },
      ],
    },
  ],
])('%s', async (_, name, content, expected) => {
  expect(await openDataSet(write(name, content))).toMatchObject(expected);
});

test('rows in memory, lists and iterables, are what the same rows of a file are', async () => {
  const row = { anchor: 'q', positive: 'p', negative: ['n', 'm'] };
  const reranking = { form: 'reranking', rows: [{ query: 'q', positive: ['p'], negative: ['n', 'm'] }] };
  expect(await openDataSet([row])).toMatchObject(reranking);
  expect(
    await openDataSet(
      (async function* () {
        yield row;
      })(),
    ),
  ).toMatchObject(reranking);
  expect(await openDataSet([['q', 'p', 'n', 'm']])).toMatchObject(reranking);
  expect(await openDataSet([['q', 'p']])).toMatchObject({ form: 'retrieval' });
  const pairs = [
    ['x', 'y'],
    ['y', 'z'],
  ];
  expect(await openDataSet(pairs, {}, [0, 1])).toMatchObject({
    form: 'binary',
    rows: [expect.objectContaining({ label: 0 }), { text1: 'y', text2: 'z', label: 1 }],
  });
  expect(await openDataSet(['x', 'y'], {}, ['a', 'b'])).toMatchObject({
    form: 'classes',
    rows: [
      { text: 'x', label: 'a' },
      { text: 'y', label: 'b' },
    ],
  });
  const model = new Table({ x: [1, 0], y: [0.9, 0.1], z: [0, 1] });
  const found = await evaluate(model, [...pairs, ['x', 'z']], [1, 0, 0], { intervals: false });
  expect(found).toMatchObject({
    form: 'binary',
    understood: '3 pairs with label 0/1: 1 one',
    metrics: { averagePrecision: 1 },
  });
  for (const wrong of [3, null, { pairs, scores: [1, 0] }]) {
    await expect(evaluate(model, wrong as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  }
  await expect((evaluate as (...args: unknown[]) => Promise<unknown>)(model, pairs, {}, {})).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
  });
});

test('columns are named as for training', async () => {
  const file = write('a.csv', 'x,y,z,w\nw,p,n,1\nv,o,m,0\n');
  const of = async (columns: object, more = {}) => openDataSet(file, { file: { columns }, ...more });
  expect(await of({ anchor: 'x', positive: 'y' })).toMatchObject({
    form: 'retrieval',
    queries: [{ text: 'w' }, { text: 'v' }],
    notes: ['Not read: "z", "w".'],
  });
  expect(await of({ anchor: 'x', positive: 'y', negative: ['z', 'w'] })).toMatchObject({
    form: 'reranking',
    rows: [{ query: 'w', positive: ['p'], negative: ['n', '1'] }, expect.anything()],
  });
  expect(await of({ anchor: 'x', positive: 'z', score: 'w' })).toMatchObject({ form: 'binary' });
  expect(await of({ text: 'x', label: 'y' })).toMatchObject({ form: 'classes', rows: [{ text: 'w', label: 'p' }, {}] });
  await expect(of({ anchor: 'x', positive: 'none' })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
});

test('what was left out is told', async () => {
  const model = new Table({ q: [1, 0], r: [1, 0], p: [1, 0.1], n: [0, 1] });
  const some = write('a.csv', 'anchor,positive,negative\nq,p,n\nr,p,\n');
  expect(await evaluate(model, some, { intervals: false })).toMatchObject({
    form: 'triplet',
    count: 1,
    understood: '2 rows of anchor, positive and 0 to 1 negative; columns anchor, positive, negative',
    notes: ['1 row has no negative and is left out.'],
  });
  // Queries that nothing answers, as lists of candidates have them.
  const answered = [
    { query: 'q', pos: ['p'], neg: ['n', 'r'] },
    { query: 'r', pos: [], neg: ['n', 'p'] },
  ];
  expect(await openDataSet(answered)).toMatchObject({
    form: 'reranking',
    rows: [{ query: 'q', positive: ['p'], negative: ['n', 'r'] }],
    notes: ['1 row has no text that belongs to the query and is not used.'],
  });
  const both = [
    { anchor: 'q', positive: 'p', negative: 'n' },
    { anchor: 'q', positive: 'n', negative: ['p', 'r'] },
  ];
  expect(await openDataSet(both)).toMatchObject({
    form: 'reranking',
    rows: [{ query: 'q', positive: ['p', 'n'], negative: ['r'] }],
    notes: ['2 texts are both positive and negative of the same anchor, and counted as positive.'],
  });
  const bad = write('bad.csv', 'text1,text2,score\nq,p,1\nr,p,many\nr,n,0\n');
  await expect(evaluate(model, bad)).rejects.toMatchObject({ code: 'ERR_SCORE_RANGE', row: 1 });
  const skipped = await evaluate(model, bad, { onBadRow: 'skip', intervals: false });
  expect(skipped).toMatchObject({ form: 'binary', count: 2 });
  expect(skipped.notes.join(' ')).toContain('1 row is left out');
  await expect(evaluate(model, some, { split: 'test' })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
});

test('a query that is a document too has its id, so that it can be left out', async () => {
  const model = new Table({ a: [1, 0], b: [0.9, 0.1], c: [0, 1] });
  const rows = [
    ['a', 'b'],
    ['b', 'a'],
    ['a', 'c'],
  ];
  const own = await evaluate(model, rows, { intervals: false });
  const others = await evaluate(model, rows, { intervals: false, ignoreSameId: true });
  expect([own.metrics['accuracy@1'], others.metrics['accuracy@1']]).toEqual([0, 1]);
});

test('anchors and positives: each is searched with among all positives, equal texts once', async () => {
  const set = await openDataSet(write('a.csv', 'question,answer\nq,a\nr,b\nq,b\n'));
  if (set.form !== 'retrieval') throw new Error(set.form);
  expect(set.data.queries).toEqual([
    { id: 'q0', text: 'q' },
    { id: 'q1', text: 'r' },
  ]);
  expect(set.data.corpus).toEqual([
    { id: '0', text: 'a' },
    { id: '1', text: 'b' },
  ]);
  expect(set.data.relevant).toEqual(
    new Map([
      ['q0', ['0', '1']],
      ['q1', ['1']],
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
  await expect(openDataSet(short)).rejects.toMatchObject({ code: 'ERR_TEXT_TYPE', file: short, row: 1, line: 2 });
  await expect(openDataSet(join(folder, 'none.csv'))).rejects.toMatchObject({ code: 'ERR_DATA_FILE' });
});

test('a BEIR folder takes no options of files, rows or other evaluators', async () => {
  write('corpus.jsonl', jsonl({ _id: 'd', text: 'x' }));
  write('queries.jsonl', jsonl({ _id: 'q', text: 'y' }, { _id: 'r', text: 'y' }));
  mkdirSync(join(folder, 'qrels'));
  write('qrels/test.tsv', 'q\td\t1\nq\tgone\t1\n');
  const model = new Table({ x: [1, 0], y: [1, 1] });
  for (const options of [{ file: { format: 'csv' } }, { onBadRow: 'skip' }, { task: 'binary' }] as const) {
    await expect(evaluate(model, folder, options)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  }
  expect(await evaluate(model, folder)).toMatchObject({
    understood: "2 queries and a corpus in BEIR's layout, judgements of test",
    notes: [
      '1 query has no relevant document and is left out.',
      '1 relevant document is not in the corpus and counts as not found.',
      'There are no intervals: 1 query is too few to tell a difference from chance.',
    ],
  });
});

test('evaluate measures by the form', async () => {
  const model = new Table({ x: [1, 0], y: [0.9, 0.1], z: [0, 1] });
  const labels = write('a.csv', 'text1,text2,score\nx,y,1\ny,z,0\nx,z,0\nx,x,1\ny,y,1\n');
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

test('task chooses the evaluator, where the form has several', async () => {
  const rows: [string, string][] = [
    ['a', 'b'],
    ['a', 'c'],
    ['b', 'c'],
    ['d', 'd'],
  ];
  expect(await openDataSet(rows, { task: 'paraphrase-mining' }, [1, 0, 0, 0])).toMatchObject({
    form: 'paraphrase-mining',
    data: { texts: ['a', 'b', 'c', 'd'].map((text, i) => ({ id: `${i}`, text })), duplicates: [['0', '1']] },
  });
  expect(await openDataSet(rows, { task: 'similarity' }, [1, 0, 0, 0])).toMatchObject({
    form: 'similarity',
    rows: [{ text1: 'a', text2: 'b', score: 1 }, {}, {}, {}],
  });
  expect(await openDataSet(rows.slice(0, 2), { task: 'paraphrase-mining' })).toMatchObject({
    data: {
      duplicates: [
        ['0', '1'],
        ['0', '2'],
      ],
    },
  });
  const several = { anchor: 'q', positive: 'p', negative: ['n', 'm'] };
  expect(await openDataSet([several], { task: 'triplet' })).toMatchObject({
    form: 'triplet',
    rows: [
      { anchor: 'q', positive: 'p', negative: 'n' },
      { anchor: 'q', positive: 'p', negative: 'm' },
    ],
  });
  expect(await openDataSet([several], { task: 'retrieval' })).toMatchObject({
    form: 'retrieval',
    data: { corpus: [{ text: 'p' }, { text: 'n' }, { text: 'm' }], relevant: new Map([['q0', ['0']]]) },
  });
  // Mined one by one: together they are the candidates of their anchor.
  const one = ['n', 'm'].map((negative) => ({ anchor: 'q', positive: 'p', negative }));
  expect(await openDataSet(one, { task: 'reranking' })).toMatchObject({
    rows: [{ query: 'q', positive: ['p'], negative: ['n', 'm'] }],
  });
  await expect(openDataSet([several], { task: 'binary' })).rejects.toThrow(
    'task is binary, but rows of anchor, positive and negatives are measured by reranking, triplet, retrieval.',
  );
  await expect(evaluate(new Table({}), [several], { task: 'nli' as never })).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
  });
});

test('options of an evaluator go through to it, and to no other', async () => {
  const vectors = { 'warm-up': [1, 0], a: [1, 0], b: [0.99, 0.1], c: [0.9, 0.4], d: [0, 1], e: [0.1, 0.9] };
  const model = new Table(vectors);
  const plain = { intervals: false } as const;
  const pairs: [string, string][] = [
    ['a', 'b'],
    ['d', 'e'],
    ['a', 'd'],
    ['b', 'c'],
  ];
  const labels = [1, 1, 0, 1];
  const mined = await evaluate(model, pairs, labels, { ...plain, task: 'paraphrase-mining' });
  expect(mined).toMatchObject({ form: 'paraphrase-mining', unit: 'texts', count: 5, primary: 'averagePrecision' });
  const direct = async (options: object) =>
    (
      await evaluateParaphraseMining(
        model,
        {
          texts: ['a', 'b', 'd', 'e', 'c'].map((text) => ({ id: text, text })),
          duplicates: [
            ['a', 'b'],
            ['d', 'e'],
            ['b', 'c'],
          ],
        },
        options,
      )
    ).metrics;
  expect(mined.metrics).toEqual(await direct({}));
  for (const options of [{ maxPairs: 1 }, { topK: 1, transitive: true }]) {
    const found = await evaluate(model, pairs, labels, { ...plain, ...options, task: 'paraphrase-mining' });
    expect(found.metrics).toEqual(await direct(options));
    expect(found.metrics).not.toEqual(mined.metrics);
  }
  const [one, two] = [model, new Table({ ...vectors, b: [0, 1] })];
  const compared = await compare(one, two, pairs, labels, { task: 'paraphrase-mining' });
  expect(compared).toMatchObject({ form: 'paraphrase-mining', confidence: null, better: [] });
  expect(compared.measures['averagePrecision']!.difference).toBeLessThan(0);

  const searched = await evaluate(model, [pairs[0]!, pairs[1]!], { ...plain, cutoffs: [1, 2] });
  expect(searched.primary).toBe('ndcg@2');
  expect(Object.keys(searched.metrics).sort()).toEqual(
    ['accuracy', 'precision', 'recall', 'mrr', 'ndcg', 'map'].flatMap((name) => [`${name}@1`, `${name}@2`]).sort(),
  );
  const some = await evaluate(model, [pairs[0]!], { ...plain, cutoffs: { map: [], ndcg: [5] } });
  expect(Object.keys(some.metrics)).toContain('ndcg@5');
  expect(Object.keys(some.metrics)).not.toContain('map@100');
  const ranked = await evaluate(model, [['a', 'b', 'd', 'e']], { ...plain, at: 2 });
  expect(ranked.metrics).toMatchObject({ 'ndcg@2': 1, 'mrr@2': 1 });
  const classes = [
    { text: 'a', label: 1 },
    { text: 'b', label: 1 },
    { text: 'd', label: 2 },
    { text: 'e', label: 2 },
  ];
  expect((await evaluate(model, classes, { ...plain, k: 1 })).metrics['knnAccuracy']).toBe(1);
  expect((await evaluate(model, classes, { ...plain, k: 3 })).metrics['knnAccuracy']).toBe(0);

  for (const wrong of [
    { cutoffs: [] },
    { cutoffs: [0] },
    { cutoffs: { ndcg: [] } },
    { at: 2 },
    { k: 1 },
    { margin: 1 },
  ]) {
    await expect(evaluate(model, [pairs[0]!], wrong)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  }
  await expect(compare(one, two, pairs, labels, { cutoffs: [1] })).rejects.toThrow(
    'cutoffs is an option of retrieval, but the data (4 pairs with label 0/1: 3 ones) is measured by binary.',
  );
});

test('how rows in memory are written is said as for files', async () => {
  const rows: [string, string][] = [
    ['x', 'y'],
    ['y', 'z'],
  ];
  expect(await openDataSet(rows, { file: { scoreRange: [0, 4] } }, [1, 4])).toMatchObject({
    form: 'similarity',
    rows: [{ score: 0.25 }, { score: 1 }],
  });
  expect(await openDataSet(rows, {}, ['no', 'yes'])).toMatchObject({
    form: 'binary',
    rows: [{ label: 0 }, { label: 1 }],
  });
  const objects = [{ a: 'q', b: 'p', c: 'n' }];
  expect(await openDataSet(objects, { file: { columns: { anchor: 'b', positive: 'a' } } })).toMatchObject({
    form: 'retrieval',
    queries: [{ text: 'p' }],
  });
});

test('who stops gets an AbortError, before and while rows are read', async () => {
  const model = new Table({});
  const stop = new AbortController();
  await expect(evaluate(model, [['a', 'b']], { signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: 'ERR_ABORTED',
  });
  let closed = false;
  const endless = async function* () {
    try {
      for (let i = 0; ; ++i) {
        yield { anchor: `${i}`, positive: 'p' };
        if (i === 10) stop.abort();
        await new Promise(setImmediate);
      }
    } finally {
      closed = true;
    }
  };
  const run = evaluate(model, endless(), { signal: stop.signal });
  await expect(run).rejects.toMatchObject({ name: 'AbortError', code: 'ERR_ABORTED' });
  await new Promise(setImmediate);
  expect([closed, model.asked]).toEqual([true, []]);
});
