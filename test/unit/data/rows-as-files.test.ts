import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listRows, textRows, type LabelList } from '../../../lib/data/lists';
import type { ReadOptions } from '../../../lib/data/read-options';
import { collectLists, collectRows, type CollectedData } from '../../../lib/data/source';
import type { TrainingRow } from '../../../lib/data/training-row';
import { InvalidArgumentError } from '../../../lib/system/errors';

/** Rows in lists and objects are understood as the same rows in files. */

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vectune-rows-as-files-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const never = new AbortController().signal;

interface Asked {
  file?: ReadOptions;
  pairClasses?: boolean;
}

const read = (
  source: string | Iterable<TrainingRow> | AsyncIterable<TrainingRow>,
  { file, pairClasses = false }: Asked,
) => collectRows(source, { file, onBadRow: 'refuse', pairClasses }, never);
const ofLists = async (rows: unknown, labels: LabelList, { file, pairClasses = false }: Asked = {}) =>
  collectLists(listRows(rows, labels, pairClasses, file), 'refuse', never);
const shown = ({ form, rows, labels, labelWidth, facts }: CollectedData) => ({
  form,
  rows,
  labels: Array.from(labels),
  labelWidth,
  notes: facts.notes,
});
async function refusal(work: () => Promise<unknown>): Promise<InvalidArgumentError> {
  const error: unknown = await work().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InvalidArgumentError);
  return error as InvalidArgumentError;
}
function asFile(rows: readonly object[]): string {
  const path = join(folder, 'rows.jsonl');
  writeFileSync(path, rows.map((row) => JSON.stringify(row)).join('\n'));
  return path;
}
async function* oneByOne<T>(rows: readonly T[]): AsyncGenerator<T> {
  yield* rows;
}

const two = (names: readonly [string, string, string], labels: readonly unknown[]) =>
  labels.map((label, i) => ({ [names[0]]: `a${i}`, [names[1]]: `b${i}`, [names[2]]: label })) as TrainingRow[];
const texts = ['text1', 'text2', 'score'] as const;
const sts = { scoreRange: [0, 5] } as const;

test.each<[string, TrainingRow[], number[], Asked?]>([
  ['true and false', two(texts, [true, false, true]), [1, 0, 1]],
  ['words', two(texts, ['duplicate', 'not duplicate', 'Duplicate']), [1, 0, 1]],
  ['two words of one’s own', two(texts, ['A', 'B']), [1, 0], { file: { labels: ['B', 'A'] } }],
  ['scores from 0 to 5', two(texts, [5, 0, 2.5]), [1, 0, 0.5], { file: sts }],
  ['numbers as text, with a decimal comma', two(texts, ['1', '0,5']), [1, 0.5]],
  ['Quora’s names', two(['question1', 'question2', 'is_duplicate'], [1, 0]), [1, 0]],
  ['sentence1, sentence2, score', two(['sentence1', 'sentence2', 'score'], [0.25, 1]), [0.25, 1]],
  ['sentence1, sentence2, label', two(['sentence1', 'sentence2', 'label'], [0, 1]), [0, 1]],
  ['text1, text2, label', two(['text1', 'text2', 'label'], [true, false]), [1, 0]],
  ['another spelling', two(['Text 1', 'TEXT2', 'Similarity Score'], [0.5, 1]), [0.5, 1]],
  ['by order: two texts and a score', two(['foo', 'bar', 'score'], [0.5, 1]), [0.5, 1]],
  ['anchor, positive, score', two(['anchor', 'positive', 'score'], [0.5, 1]), [0.5, 1]],
  ['question, answer, label', two(['question', 'answer', 'label'], [true, false]), [1, 0]],
  [
    'columns that are chosen',
    two(['q', 'a', 'same'], ['yes', 'no']),
    [1, 0],
    { file: { columns: { text1: 'q', text2: 'a', score: 'same' } } },
  ],
  [
    'anchor, positive and score that are chosen, on a range of their own',
    two(['q', 'a', 'stars'], [1, 5]),
    [0, 1],
    { file: { columns: { anchor: 'q', positive: 'a', score: 'stars' }, scoreRange: [1, 5] } },
  ],
  ['classes of two texts', two(['question1', 'question2', 'label'], ['x', 'y', 'z']), [0, 1, 2], { pairClasses: true }],
])('%s', async (_, rows, labels, asked = {}) => {
  const file = await read(asFile(rows), asked);
  expect(shown(file)).toMatchObject({ labels, labelWidth: 1 });
  expect(shown(await read(rows, asked))).toEqual(shown(file));
  expect(shown(await read(oneByOne(rows), asked))).toEqual(shown(file));
  // As two lists, where no columns are chosen: their order says what is what.
  const { columns: _columns, ...scores } = asked.file ?? {};
  const values = rows.map((row) => Object.values(row) as [string, string, string | number | boolean]);
  const lists = await ofLists(
    values.map(([one, other]) => [one, other]),
    values.map(([, , label]) => label),
    { ...asked, file: scores },
  );
  expect(shown(lists)).toEqual(shown(file));
});

test('other forms by columns that are chosen', async () => {
  const rows = [{ q: 'x', a: 'y', n1: 'z', n2: 'w', group: 7 }];
  const of = async (columns: ReadOptions['columns']) => shown(await read(rows, { file: { columns: columns! } }));
  expect(await of({ anchor: 'q', positive: 'a', negative: ['n2', 'n1'] })).toMatchObject({
    form: 'triplets',
    rows: [['x', 'y', 'w', 'z']],
    notes: ['Not read: "group".'],
  });
  expect(await of({ text: 'n1', label: 'group' })).toMatchObject({ form: 'classes', rows: [['z']] });
});

test('what is taken as 0 and 1, and what is not read, is told', async () => {
  const words = 'The scores are words: "true" is taken as 1 (2 rows), "false" is taken as 0 (1 row).';
  const rows = two(texts, [true, true, false]).map((row, i) => ({ ...row, comment: `c${i}` })) as TrainingRow[];
  for (const source of [asFile(rows), rows])
    expect((await read(source, {})).facts.notes).toEqual(['Not read: "comment".', words]);
  const csv = join(folder, 'comment.csv');
  writeFileSync(csv, 'id,text1,text2,score,comment\n1,a,b,1,fine\n');
  expect((await read(csv, {})).facts.notes).toEqual(['Not read: "id", "comment".']);
  const pairs = [
    ['a', 'b'],
    ['c', 'd'],
    ['e', 'f'],
  ];
  expect((await ofLists(pairs, [true, true, false])).facts.notes).toEqual([words]);
  const classes = await ofLists(pairs, ['x', 'y', 'x'], { pairClasses: true });
  expect(classes.facts.notes).toEqual(['Classes: x is 0, y is 1.']);
});

test('rows that name text1, text2 and score are those, whatever else they have; of two that may be meant none is guessed', async () => {
  const exact = [{ text1: 'a', text2: 'b', score: 1, label: 0, sentence1: 'c' }];
  expect(shown(await read(exact, {}))).toMatchObject({ rows: [['a', 'b']], labels: [1] });
  const either = await refusal(() => read([{ text1: 'a', text2: 'b', similarity: 1, label: 0 }], {}));
  expect(either.message).toMatch(
    /^The rows: 2 columns may hold the score\. .*"similarity", "label"\. Say which with \{ file: \{ columns: \{ score: … \} \} \}/,
  );
  const missing = await refusal(() => read(two(texts, [1]), { file: { columns: { score: 'scor' } } }));
  expect(missing.message).toMatch(/there is no column "scor" .*columns: \{ score: 'score' \}/i);
});

test('a later row that lacks a member is told by the names of the rows', async () => {
  const rows = [...two(['question1', 'question2', 'is_duplicate'], [1]), { question1: 'c', question2: 'd' }];
  expect(await refusal(() => read(rows, {}))).toMatchObject({
    code: 'ERR_SCORE_RANGE',
    row: 1,
    message: expect.stringMatching(
      /\{ question1, question2, is_duplicate \}, but row 1 .* has no is_duplicate; it has question1, question2\.$/,
    ),
  });
});

test('skipped rows in front say nothing of those behind them', async () => {
  const rows = [{}, { text1: 'a' }, ...two(['question1', 'question2', 'is_duplicate'], [true, false])] as TrainingRow[];
  const data = await collectRows(rows, { file: undefined, onBadRow: 'skip' }, never);
  expect([Array.from(data.labels), data.facts.skipped]).toEqual([[1, 0], 2]);
});

test('instances of a class, of which the members are accessors', async () => {
  class Row {
    readonly #values: readonly [string, string, boolean];
    constructor(...values: [string, string, boolean]) {
      this.#values = values;
    }
    get question1(): string {
      return this.#values[0];
    }
    get question2(): string {
      return this.#values[1];
    }
    get isDuplicate(): boolean {
      return this.#values[2];
    }
  }
  const rows = [new Row('a', 'b', true), new Row('c', 'd', false)];
  expect(shown(await read(rows as never, {}))).toMatchObject({
    rows: [
      ['a', 'b'],
      ['c', 'd'],
    ],
    labels: [1, 0],
  });
});

test('scores that go further: the remedy is one that rows in memory can take', async () => {
  const pairs = [['a', 'b']];
  const rows = two(['anchor', 'positive', 'score'], [-0.25]);
  for (const of of [() => read(rows, {}), () => ofLists(pairs, [-0.25])]) {
    const error = await refusal(of);
    expect(error).toMatchObject({ code: 'ERR_SCORE_RANGE', row: 0 });
    expect(error.message).toMatch(/is -0\.25\. If the scores go further, .*\{ file: \{ scoreRange: \[-1, 1\] \} \}/);
  }
  const file = { scoreRange: [-1, 1] } as const;
  expect(shown(await read(rows, { file })).labels).toEqual([0.375]);
  expect(shown(await ofLists(pairs, [-0.25], { file })).labels).toEqual([0.375]);
  expect((await refusal(() => ofLists(pairs, ['alike']))).message).toMatch(/file\.labels/);
});

test.each<[string, () => Promise<unknown>, RegExp]>([
  [
    'objects: how a file is read',
    () => read(two(texts, [1]), { file: { header: false } }),
    /file\.header tells how to read a data file, but the data is rows that are objects/,
  ],
  [
    'lists: columns',
    () => ofLists([['a', 'b']], [1], { file: { columns: { score: 2 } } }),
    /file\.columns names columns, but the data is lists/,
  ],
  [
    'lists of classes: how scores are written',
    () => ofLists(['a', 'b'], ['x', 'y'], { file: { labels: ['x', 'y'] } }),
    /file\.labels tells how the scores of two texts are written, but the lists have none/,
  ],
  [
    'texts alone: how scores are written',
    async () => textRows([['a', 'b']], { scoreRange: [0, 5] }),
    /file\.scoreRange tells how/,
  ],
  [
    'words and numbers at once',
    () => ofLists([['a', 'b']], [1], { file: { labels: ['x', 'y'], scoreRange: [0, 5] } }),
    /give one of them/,
  ],
])('refused of %s', async (_, work, message) => {
  const error = await refusal(work);
  expect(error.code).toBe('ERR_INVALID_OPTION');
  expect(error.message).toMatch(message);
});

test('the signal of the reading stops it', async () => {
  const stop = new AbortController();
  const rows = async function* () {
    yield* two(texts, [1]);
    stop.abort(new Error('enough'));
    await new Promise(() => undefined);
  };
  await expect(read(rows(), { file: { signal: stop.signal } })).rejects.toThrow('enough');
  await expect(ofLists([['a', 'b']], [1], { file: { signal: stop.signal } })).rejects.toThrow('enough');
});
