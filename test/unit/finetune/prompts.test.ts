import type { CollectedData } from '../../../lib/data/source';
import { groupTexts } from '../../../lib/data/groups';
import type { DataForm } from '../../../lib/data/form';
import { promptsLine, promptsOf, toldPrompts, type PromptChoice } from '../../../lib/finetune/prompts';
import { tokeniseRows } from '../../../lib/finetune/tokens';
import type { TextEncoder } from '../../../lib/tokenisation/tokenised-texts';

/** What stands before the texts of a row: by its part, by its own name, or before all. */

const NAMES: Record<string, string> = { query: 'query: ', document: 'passage: ' };
const promptOf = (asked: string | undefined) => {
  const text = asked === undefined ? 'always: ' : (NAMES[asked] ?? asked);
  return Promise.resolve({ text, tokens: text.length });
};

function data(form: DataForm, rows: string[][], columns: string[] = []): CollectedData {
  const facts = { emptyTexts: 0, file: null, columns, skipped: 0, notes: [] };
  return { form, rows, labels: [], labelWidth: 0, facts };
}

async function texts(choice: PromptChoice | null, of: CollectedData): Promise<string[]> {
  const [{ prompts } = { prompts: [] }] = await promptsOf(choice, [{ name: null, data: of }], promptOf);
  return prompts.map(({ text }) => text);
}

const triplets = data('triplets', [['a', 'b', 'c', 'd']], ['question', 'answer', 'wrong_1', 'wrong_2']);

test.each<[string, PromptChoice | null, CollectedData, string[]]>([
  ['nothing: what the model always has', null, triplets, ['always: ']],
  ['one for all', 'Find: ', triplets, ['Find: ']],
  ['one for all, by name', 'query', triplets, ['query: ']],
  ['none at all', '', triplets, ['']],
  [
    'parts',
    { anchor: 'query', positive: 'document', negative: 'document' },
    triplets,
    ['query: ', 'passage: ', 'passage: ', 'passage: '],
  ],
  ['a part alone, and none for the others', { anchor: 'query' }, triplets, ['query: ', '', '', '']],
  ['columns by their own names', { question: 'query', wrong_1: 'no: ' }, triplets, ['query: ', '', 'no: ', '']],
  ['a column within a part', { wrong_1: 'no: ', negative: 'document' }, triplets, ['', '', 'no: ', 'passage: ']],
  ['pairs', { text2: 'b: ' }, data('scored-pairs', [['a', 'b']]), ['', 'b: ']],
  [
    'a list of candidates',
    { candidates: 'document' },
    data('candidates', [['q', 'a', 'b', 'c']], ['query', 'candidates', 'scores']),
    ['', 'passage: ', 'passage: ', 'passage: '],
  ],
  ['classes', { text: 'x: ' }, data('classes', [['a']], ['text', 'label']), ['x: ']],
])('%s', async (_, choice, of, expected) => {
  expect(await texts(choice, of)).toEqual(expected);
});

test('a column that is not there is refused, with those that are', async () => {
  await expect(texts({ anchors: 'query' }, triplets)).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message: expect.stringMatching(
      /names the column "anchors", but the texts of the rows are called anchor, positive, negative, question, answer, wrong_1, wrong_2\. Did you mean anchor\?/,
    ) as string,
  });
  await expect(texts({ label: 'x: ' }, data('classes', [['a']], ['text', 'label']))).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
  });
});

test('what is told is by the parts of the form', async () => {
  const told = async (choice: PromptChoice | null, of = triplets) =>
    toldPrompts(await promptsOf(choice, [{ name: null, data: of }], promptOf), [{ name: null, data: of }]);
  expect(await told('')).toBeNull();
  expect(await told(null)).toBe('always: ');
  expect(await told({ question: 'query', negative: 'document' })).toEqual({ anchor: 'query: ', negative: 'passage: ' });
  expect(promptsLine({ anchor: 'query: ' })).toBe('anchor: "query: "');
});

const characters: TextEncoder = {
  encode: (all) => {
    const offsets = new Int32Array(all.length + 1);
    all.forEach((text, i) => {
      offsets[i + 1] = offsets[i]! + text.length;
    });
    return Promise.resolve({ ids: Int32Array.from(all.join(''), (c) => c.charCodeAt(0)), offsets });
  },
};

test('a text with two prompts is two texts, and one where batches are drawn', async () => {
  const check = () => undefined;
  const groups = await groupTexts(
    [
      ['x', 'y'],
      ['y', 'x'],
      ['x', 'x'],
    ],
    check,
  );
  const prompts = [
    { text: 'q', tokens: 1 },
    { text: 'p', tokens: 1 },
  ];
  const tokens = await tokeniseRows(characters, groups, 9, [{ rows: 3, prompts }], check);
  const text = (i: number) => String.fromCharCode(...tokens.ids.subarray(tokens.offsets[i]!, tokens.offsets[i + 1]!));
  expect(Array.from(tokens.columns, text)).toEqual(['qx', 'py', 'qy', 'px', 'qx', 'px']);
  expect(tokens.offsets).toHaveLength(5);
  expect([...tokens.sources]).toEqual([0, 1, 1, 0, 0, 0]);
  expect([...tokens.promptTokens!]).toEqual([1, 1, 1, 1]);
});

test('texts of the same tokens of which the pooling leaves out more or less are two', async () => {
  const check = () => undefined;
  const groups = await groupTexts([['bc', 'c']], check);
  const prompts = [
    { text: 'a', tokens: 1 },
    { text: 'ab', tokens: 2 },
  ];
  const tokens = await tokeniseRows(characters, groups, 9, [{ rows: 1, prompts }], check);
  expect([...tokens.columns]).toEqual([0, 1]);
  expect([...tokens.promptTokens!]).toEqual([1, 2]);
  const seen = prompts.map(({ text }) => ({ text, tokens: 0 }));
  const whole = await tokeniseRows(characters, groups, 9, [{ rows: 1, prompts: seen }], check);
  expect([...whole.columns]).toEqual([0, 0]);
  expect(whole.promptTokens).toBeUndefined();
});

test('several data sets: by their names, by column, or for all', async () => {
  const pairs = data('scored-pairs', [['a', 'b']]);
  const sets = [
    { name: 'search', data: triplets },
    { name: 'same', data: pairs },
  ];
  const of = async (choice: PromptChoice | null) => {
    const all = await promptsOf(choice, sets, promptOf);
    return { texts: all.map(({ prompts }) => prompts.map(({ text }) => text)), told: toldPrompts(all, sets) };
  };
  expect((await of('query')).texts).toEqual([['query: '], ['query: ']]);
  expect(await of({ search: { anchor: 'query' }, same: 'Compare: ' })).toEqual({
    texts: [['query: ', '', '', ''], ['Compare: ']],
    told: { search: { anchor: 'query: ' }, same: 'Compare: ' },
  });
  expect((await of({ search: { anchor: 'query' } })).texts).toEqual([['query: ', '', '', ''], ['']]);
  expect((await of({ anchor: 'query', text2: 'b: ' })).texts).toEqual([
    ['query: ', '', '', ''],
    ['', 'b: '],
  ]);
  await expect(of({ search: { text1: 'x: ' } })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  await expect(of({ nowhere: { anchor: 'x: ' } })).rejects.toMatchObject({
    message: expect.stringContaining('the data sets are search, same') as string,
  });
});
