import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { cli } from '../../../lib/cli/surface';
import { keeping, readKeep, type KeepOptions, type KeepSource } from '../../../lib/finetune/keep';
import { resolveOptions } from '../../../lib/finetune/resolved-options';
import { InvalidArgumentError, messageFor } from '../../../lib/system/errors';
import { removeFolders, temporaryFolder } from '../native/support/folders';

/** The rows to keep are read as data is, and what is wrong with them is told in words of their own option. */

afterAll(removeFolders);
const folder = temporaryFolder();
const never = new AbortController().signal;

function write(name: string, lines: readonly string[]): string {
  const path = join(folder, name);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}
const read = async (keep: KeepSource | KeepOptions, onBadRow: 'refuse' | 'skip' = 'refuse') =>
  readKeep(keeping.check('keep', keep), { seed: 1, onBadRow, hubFiles: undefined }, never);
async function refusal(keep: KeepSource | KeepOptions): Promise<InvalidArgumentError> {
  const error: unknown = await read(keep).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InvalidArgumentError);
  return error as InvalidArgumentError;
}

/** As the STS Benchmark is published: genre, file, year, id, score, sentence1, sentence2, and of some rows licence and source. */
const published = [
  'main-captions\tMSRvid\t2012test\t0024\t2.500\tA girl is "styling her hair.\tA girl is brushing her hair.',
  'main-captions\tMSRvid\t2012test\t0033\t5.000\tA group, of men\tA group, of "boys"',
  'main-forums\tdeft\t2014\t0007\t0.0\t"It rains.\tHe said so.\tLICENSE: https://example.org\tSOURCE: https://example.org',
];
/** What docs/guide.md says of it. */
const sts = { columns: { text1: 5, text2: 6, score: 4 }, scoreRange: [0, 5], quoting: false } as const;

test('the STS Benchmark as it is published, by what the guide says', async () => {
  const { form, rows, labels, facts } = await read({ data: write('sts-test.csv', published), file: sts });
  expect({ form, rows, labels }).toEqual({
    form: 'scored-pairs',
    rows: [
      ['A girl is "styling her hair.', 'A girl is brushing her hair.'],
      ['A group, of men', 'A group, of "boys"'],
      ['"It rains.', 'He said so.'],
    ],
    labels: [0.5, 1, 0],
  });
  expect(facts.notes[0]).toBe('To keep: 3 pairs with scores from 0 to 1; columns 5, 6, 4.');
});

const shared = join(__dirname, '../../../../shared/data/stsb/sts-test.csv');
if (!existsSync(shared))
  console.warn('the STS Benchmark is not beside the repository: that it can be kept is not tested');
(existsSync(shared) ? test : test.skip)('the STS Benchmark itself', async () => {
  const { form, rows, facts } = await read({ data: shared, file: sts });
  expect([form, rows.length]).toEqual(['scored-pairs', 1379]);
  expect(facts.skipped).toBe(0);
});

test('objects of any names, and two lists; what was understood is told', async () => {
  const quora = [true, false].map((same, i) => ({ question1: `a${i}`, question2: `b${i}`, is_duplicate: same, id: i }));
  const found = await read(quora as never);
  expect(found).toMatchObject({ form: 'labelled-pairs', labels: [1, 0] });
  expect(found.facts.notes).toEqual([
    'To keep: 2 pairs with label 0/1: 1 one; columns question1, question2, is_duplicate.',
    'To keep: Not read: "id".',
    'To keep: The scores are words: "true" is taken as 1 (1 row), "false" is taken as 0 (1 row).',
  ]);
  const pairs = [
    ['a', 'b'],
    ['c', 'd'],
  ];
  expect((await read({ data: pairs, labels: [5, 1], file: { scoreRange: [0, 5] } })).labels).toEqual([1, 0.2]);
  const named = {
    data: [
      { q: 'a', a: 'b', s: 1 },
      { q: 'c', a: 'd', s: 0 },
    ],
  };
  const file = { columns: { text1: 'q', text2: 'a', score: 's' } };
  expect((await read({ ...named, file })).labels).toEqual([1, 0]);
});

test('rows that cannot be used are left out where the run leaves them out', async () => {
  const data = write('bad.csv', ['text1,text2,score', 'a,b,1', 'c,d,high', 'e,f,0']);
  expect((await read(data, 'skip')).rows).toHaveLength(2);
});

test('what is wrong with them is told in the words of the option, and can be typed as it stands', async () => {
  const range = await refusal(write('range.csv', ['text1,text2,score', 'a,b,4.2']));
  expect(range).toMatchObject({ code: 'ERR_SCORE_RANGE', row: 0 });
  expect(range.message).toMatch(
    /^keep: A score must be a number from 0 to 1, .* example with \{ keep: \{ data: '.*range\.csv', file: \{ scoreRange: \[0, 5\] \} \} \}/,
  );
  expect(messageFor(range, cli)).toMatch(/^--keep: .* for example with --keep \S*range\.csv --keep-score-range 0,5,/);
  const columns = await refusal(write('columns.csv', ['left,right,gold', 'a,b,1']));
  expect(columns.message).toContain("file: { columns: { text1: 'left', text2: 'right', score: 'gold' } } } }?");
  expect(messageFor(columns, cli)).toContain(
    'columns.csv --keep-columns text1=left --keep-columns text2=right --keep-columns score=gold?',
  );
  const far = await refusal({ data: [{ text1: 'a', text2: 'b', score: 3 }] });
  expect(far.message).toMatch(/^keep: .*\{ keep: \{ data: …, file: \{ scoreRange: \[0, 5\] \} \} \}/);
  const split = await refusal({ data: [{ text1: 'a', text2: 'b', score: 1 }], split: 'dev' });
  expect(split.message).toMatch(/^keep: keep\.split says which part/);
});

test('wrong ways of reading are refused before anything is read, by their paths', () => {
  const wrong = (keep: object) => () => resolveOptions({ keep });
  expect(wrong({ data: 'sts.csv', file: { scoreRange: [5, 0] } })).toThrow(/^keep\.file\.scoreRange must be/);
  expect(wrong({ data: 'sts.csv', file: { fromat: 'csv' } })).toThrow(
    /^keep\.file has no option "fromat"\. .*"format"/,
  );
  expect(wrong({ data: 'sts.csv', scoreRange: [0, 5] })).toThrow(/\{ keep: \{ file: \{ scoreRange: \[0, 5\] \} \} \}/);
  // Of the run itself they are meant first.
  expect(() => resolveOptions({ scoreRange: [0, 5] })).toThrow(/Did you mean \{ file: \{ scoreRange: \[0, 5\] \} \}\?/);
  expect(() => resolveOptions({ labels: ['a', 'b'] })).toThrow(/Did you mean \{ file: \{ labels:/);
});

test.each<[string, KeepSource | KeepOptions, RegExp]>([
  [
    'texts alone',
    [['a', 'b']],
    /^keep must be pairs of texts with scores, .* but is texts without them\. Give their scores/,
  ],
  ['positives', [{ anchor: 'a', positive: 'b' }], /^keep must be pairs .* is 1 pair of anchor and positive/],
  ['scores that are one', [{ text1: 'a', text2: 'b', score: 1 }], /that differ, but is 1 pair with label 0\/1: 1 one/],
  ['a list of classes', { data: ['a', 'b'], labels: ['x', 'y'] }, /is 2 texts of 2 classes/],
])('refused: %s', async (_, keep, message) => {
  const error = await refusal(keep);
  expect(error.code).toBe('ERR_INVALID_OPTION');
  expect(error.message).toMatch(message);
});
