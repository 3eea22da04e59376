import { cli } from '../../../lib/cli/surface';
import { InvalidArgumentError, messageFor, reword } from '../../../lib/system/errors';
import { api, command, option, options, placeholder, render, rows, say, words } from '../../../lib/system/wording';

const message = say`Row ${3} is too high; say so with ${option('file.scoreRange', [0, 5])}.`;

test('an option is named in the words of the surface', () => {
  expect(render(message, api)).toBe('Row 3 is too high; say so with { file: { scoreRange: [0, 5] } }.');
  expect(render(message, rows)).toBe('Row 3 is too high; say so with { scoreRange: [0, 5] }.');
  expect(render(message, cli)).toBe('Row 3 is too high; say so with --score-range 0,5.');
});

test.each([
  [option('file.columns.text1'), 'file.columns.text1', '--text1'],
  [option('effectiveBatchSize'), 'effectiveBatchSize', '--effective-batch-size'],
  [option('file.quoting', false), '{ file: { quoting: false } }', '--no-quoting'],
  [option('resume', true), '{ resume: true }', '--resume'],
  [option('epochs', placeholder), '{ epochs: … }', '--epochs <n>'],
  [
    options({ 'file.columns.text1': 'first question', 'file.columns.text2': 2, seed: 7 }),
    "{ file: { columns: { text1: 'first question', text2: 2 } }, seed: 7 }",
    "--text1 'first question' --text2 '#2' --seed 7",
  ],
  [words('save', '--out'), 'save', '--out'],
  [command('doctor'), 'npx vectune doctor', 'npx vectune doctor'],
  [words('', say`only ${option('seed')}`), '', 'only --seed'],
])('%j', (part, program, typed) => {
  expect(render([part], api)).toBe(program);
  expect(render([part], cli)).toBe(typed);
});

test('an error has the message of a program, its remedy in pieces, and other words where they are asked for', () => {
  const error = new InvalidArgumentError('ERR_SCORE_RANGE', say`Too high.`, {
    row: 3,
    remedy: say`Say ${option('file.scoreRange', [0, 5])}.`,
  });
  expect(error.message).toBe('Too high. Say { file: { scoreRange: [0, 5] } }.');
  expect(error.remedy).toEqual([
    'Say ',
    { type: 'settings', settings: [{ path: 'file.scoreRange', value: [0, 5] }] },
    '.',
  ]);
  expect(Object.keys(error)).not.toContain('remedy');
  expect(messageFor(error, cli)).toBe('Too high. Say --score-range 0,5.');
  expect(reword(error, rows).message).toBe('Too high. Say { scoreRange: [0, 5] }.');
  expect(error.stack).toContain('Too high. Say { scoreRange: [0, 5] }.');
});

test('a message without pieces is the same everywhere', () => {
  const error = new InvalidArgumentError('ERR_EMPTY_DATA', 'Nothing ($& $1) there.');
  expect(error.remedy).toBeUndefined();
  expect(messageFor(error, cli)).toBe('Nothing ($& $1) there.');
});
