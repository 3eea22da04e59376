import { EmbeddingsServer } from './embeddings-server';
import { fixture, useModels } from '../public/models';
import { vectune } from '../checkpoint/vectune';
import { describeComparison } from '../../lib/cli/compare';
import { oneLine } from '../../lib/cli/measures';

/** The same by the command line. */

const models = useModels();
const texts = ['the old stone bridge', 'rain fell on the boats', 'nobody remembers', 'bridge', 'the boats', 'rain'];
const pairs = () =>
  models.write(
    'pairs.csv',
    `text1,text2,score\n${texts.flatMap((a, i) => texts.slice(i + 1).map((b, j) => `${a},${b},${(i + j) % 2}`)).join('\n')}\n`,
  );

test('evaluate prints the measures of the form, the one to go by first', async () => {
  const { code, stdout } = await vectune(['evaluate', pairs(), '--model', fixture('bert-mean')]);
  expect(code).toBe(0);
  const lines = stdout.split('\n');
  expect(lines[0]).toContain('15 pairs with labels');
  expect(lines[2]).toMatch(/value {3}95 % interval$/);
  expect(lines[3]).toMatch(/^average precision +0\.\d{4} {3}0\.\d{4} … [01]\.\d{4}$/);
});

test('evaluate --json, with flags of the evaluation and of the file', async () => {
  const file = models.write('odd.tsv', texts.map((text, i) => `${i}\t${text}\tbridge`).join('\n'));
  const flags = ['--no-header', '--text1', '#1', '--text2', '#2', '--score', '#0', '--score-range', '0,5'];
  const more = ['--similarity', 'euclidean', '--no-intervals', '--dimensions', '3', '--json'];
  const { code, stdout } = await vectune(['evaluate', file, '--model', fixture('bert-mean'), ...flags, ...more]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    data: file,
    form: 'similarity',
    similarity: 'euclidean',
    intervals: null,
    dimensions: 3,
    count: 6,
  });
});

test('compare tells what differs between a folder and an address, with the key of the environment', async () => {
  const server = new EmbeddingsServer((text) => [text.length, 1, text.charCodeAt(0)]);
  const address = await server.start();
  try {
    const { code, stdout } = await vectune(['compare', fixture('bert-mean'), address, pairs()], undefined, {
      VECTUNE_API_KEY: 'secret',
    });
    expect(code).toBe(0);
    expect(stdout).toContain(`a: ${fixture('bert-mean')}\nb: ${address}\n`);
    expect(stdout).toMatch(/^average precision +0\.\d{4} +[01]\.\d{4} +[+-]0\.\d{4}/m);
    expect(stdout).toMatch(/^dimensions +32 +3$/m);
    expect(stdout).toMatch(/^milliseconds a text/m);
    expect(new Set(server.received.map(({ authorization }) => authorization))).toEqual(new Set(['Bearer secret']));
  } finally {
    await server.stop();
  }
});

test('what is wrong is said with the flags, and nothing is on the standard output', async () => {
  const wrong = await vectune(['evaluate', pairs(), '--model', fixture('bert-mean'), '--similarity', 'near']);
  expect(wrong).toMatchObject({ code: 2, stdout: '' });
  expect(wrong.stderr).toContain('--similarity must be one of');
  const near = await vectune(['compare', 'a', 'b', pairs(), '--truncate-dim', '4']);
  expect(near.code).toBe(2);
  expect(near.stderr).toContain('Did you mean --dimensions?');
  const missing = await vectune(['evaluate', models.path('none.csv'), '--model', fixture('bert-mean')]);
  expect(missing).toMatchObject({ code: 1, stdout: '' });
  expect(missing.stderr).toContain('ERR_DATA_FILE');
});

test('texts of the data cannot move the cursor', () => {
  expect(oneLine('a\u001b[2Jb\r\nc\u202ed', 40)).toBe('a\\u001b[2Jb  c\\u202ed');
  expect(oneLine('x'.repeat(50), 10)).toBe(`${'x'.repeat(9)}…`);
  const row = { row: 3, change: 0.5, texts: ['\u001b[31mred', 'two\nlines'], wanted: 1 };
  const printed = describeComparison('a', 'b', {
    form: 'binary',
    count: 2,
    unit: 'pairs',
    primary: 'averagePrecision',
    similarity: 'cosine',
    confidence: null,
    measures: { averagePrecision: { a: 0.5, b: null, difference: null, interval: null, verdict: null } },
    better: [row],
    worse: [],
    costs: {
      a: { texts: 1, dimensions: 2, secondsPerText: 0.001 },
      b: { texts: 1, dimensions: 3, secondsPerText: 0.002 },
    },
  });
  expect(printed).not.toContain('\u001b');
  expect(printed).toContain('+0.5000  row 3  1  \\u001b[31mred  |  two lines');
});
