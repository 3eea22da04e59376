import { Writable } from 'node:stream';
import { EmbeddingsServer } from './embeddings-server';
import { fixture, useModels } from '../public/models';
import { vectune } from '../checkpoint/vectune';
import { describeComparison } from '../../lib/cli/compare';
import { EvaluateDisplay } from '../../lib/cli/evaluate-display';
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
  expect(lines[1]).toBe('15 pairs with label 0/1: 6 ones; columns text1, text2, score');
  expect(lines[3]).toMatch(/value {3}95 % interval$/);
  expect(lines[4]).toMatch(/^average precision +0\.\d{4} {3}0\.\d{4} … [01]\.\d{4}$/);
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

test('evaluate and compare take columns of any form, and tell what they did not read', async () => {
  const file = models.write(
    'odd.csv',
    `x,y,z\n${texts.map((text, i) => `${text},${texts[(i + 1) % 6]!},7`).join('\n')}\n`,
  );
  const flags = ['--columns', 'anchor=x,positive=y', '--no-intervals'];
  const one = await vectune(['evaluate', file, '--model', fixture('bert-mean'), ...flags]);
  expect(one).toMatchObject({ code: 0 });
  expect(one.stdout).toContain('6 queries');
  expect(one.stdout).toContain('\n6 pairs of anchor and positive; columns x, y\n');
  expect(one.stdout).toContain('\nNot read: "z".\n');
  const two = await vectune(['compare', fixture('bert-mean'), fixture('bert-mean'), file, ...flags, '--json']);
  expect(two).toMatchObject({ code: 0 });
  expect(JSON.parse(two.stdout)).toMatchObject({
    form: 'retrieval',
    count: 6,
    understood: '6 pairs of anchor and positive; columns x, y',
    notes: [
      'Not read: "z".',
      'Queries were embedded as all texts are, as model has no prompts. If its authors name one for queries, give it as --query-prompt.',
    ],
  });
  const none = await vectune(['evaluate', file, '--model', fixture('bert-mean'), '--columns', 'anchor=x,positive=w']);
  expect(none).toMatchObject({ code: 2, stdout: '' });
  expect(none.stderr).toContain('There is no column "w" (--columns positive)');
});

test('task and cutoffs are flags', async () => {
  const found = async (file: string, ...flags: string[]) => {
    const { code, stdout, stderr } = await vectune([
      'evaluate',
      file,
      '--model',
      fixture('bert-mean'),
      '--json',
      ...flags,
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return JSON.parse(stdout) as { metrics: object };
  };
  const mining = ['--task', 'paraphrase-mining', '--top-k', '2', '--max-pairs', '3', '--transitive'];
  expect(await found(pairs(), ...mining)).toMatchObject({ form: 'paraphrase-mining', count: 6 });
  const file = models.write('found.csv', `query,positive\n${texts.map((text) => `${text},${text}`).join('\n')}\n`);
  const { metrics } = await found(file, '--cutoffs', '1,3', '--ignore-same-id');
  expect(metrics).toMatchObject({ 'ndcg@3': 0, 'map@1': 0, 'recall@3': 0 });
  const wrong = await vectune(['evaluate', pairs(), '--model', fixture('bert-mean'), '--cutoffs', '1,3']);
  expect(wrong).toMatchObject({ code: 2, stdout: '' });
  expect(wrong.stderr).toContain('--cutoffs is an option of retrieval');
});

test('compare tells what differs between a folder and an address, with the key of the environment', async () => {
  const server = new EmbeddingsServer((text) => [text.length, 1, text.charCodeAt(0)]);
  const address = await server.start();
  try {
    const { code, stdout } = await vectune(['compare', fixture('bert-mean'), address, pairs()], undefined, {
      VECTUNE_API_KEY: 'secret',
    });
    expect(code).toBe(0);
    expect(stdout).toContain(`; columns text1, text2, score\na: ${fixture('bert-mean')}\nb: ${address}\n`);
    expect(stdout).toMatch(/^average precision +0\.\d{4} +[01]\.\d{4} +[+-]0\.\d{4}/m);
    expect(stdout).toMatch(/^dimensions +32 +3$/m);
    expect(stdout).toMatch(/^milliseconds a text/m);
    expect(new Set(server.received.map(({ authorization }) => authorization))).toEqual(new Set(['Bearer secret']));
  } finally {
    await server.stop();
  }
});

test('what an address cannot be asked is refused by its flag, before anything is embedded', async () => {
  const server = new EmbeddingsServer((text) => [text.length, 1, text.charCodeAt(0)]);
  const address = await server.start();
  const refused = async (args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await vectune(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    return stderr;
  };
  try {
    for (const flags of [
      ['--precision', 'bf16'],
      ['--device', 'cpu'],
      ['--revision', 'v1'],
      ['--memory-fraction', '0.5'],
    ])
      expect(await refused(['evaluate', pairs(), '--model', address, ...flags])).toContain(
        `${flags[0]} is for a model that is opened here, but ${address} is the address of a server. Leave it out.`,
      );
    expect(await refused(['evaluate', pairs(), '--model', address, '--max-input-length', '64'])).toContain(
      `--max-input-length is for a model that is opened here, but ${address} is a server`,
    );
    // Of two models the other can be asked; of two addresses none.
    const both = ['compare', fixture('bert-mean'), address, pairs()];
    expect(await vectune([...both, '--precision', 'fp32', '--no-intervals'])).toMatchObject({ code: 0 });
    expect(await refused([...both, '--b-precision', 'bf16'])).toContain('--b-precision is for a model');
    expect(await refused([...both, '--b-max-input-length', '9'])).toContain('--b-max-input-length is for a model');
    expect(await refused(['compare', address, address, pairs(), '--device', 'cpu'])).toContain('both are addresses');
    expect(
      server.received.filter(({ path, body }) => path.endsWith('embeddings') && body.input!.length > 1),
    ).toHaveLength(1);
  } finally {
    await server.stop();
  }
}, 60_000);

test('a side of a comparison has flags of its own, and a revision behind its name', async () => {
  const flags = ['--a-dimensions', '4', '--no-intervals', '--json'];
  const { code, stdout } = await vectune(['compare', fixture('bert-mean'), fixture('bert-mean'), pairs(), ...flags]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ costs: { a: { dimensions: 4 }, b: { dimensions: 32 } } });
  const twice = await vectune(['evaluate', pairs(), '--model', 'owner/name@v1', '--revision', 'v2']);
  expect(twice).toMatchObject({ code: 2, stdout: '' });
  expect(twice.stderr).toContain('--revision is v2, but owner/name@v1 names v1');
  const offline = await vectune(['evaluate', pairs(), '--model', 'owner/name@v1'], undefined, { HF_HUB_OFFLINE: '1' });
  expect(offline.stderr).toContain('owner/name');
  expect(offline.stderr).toContain('v1');
  expect(offline.stderr).not.toContain('owner/name@v1');
}, 60_000);

test('places that are wrong are named by the flag, and what the command says of dimensions too', async () => {
  const file = models.write('found.csv', `query,positive\n${texts.map((text) => `${text},${text}`).join('\n')}\n`);
  const wrong = await vectune(['evaluate', file, '--model', fixture('bert-mean'), '--cutoffs', '1,0']);
  expect(wrong).toMatchObject({ code: 2 });
  expect(wrong.stderr).toContain('number 2 of --cutoffs must be an integer from 1 to 1000000, but is 0');
  const wide = await vectune(['evaluate', file, '--model', fixture('bert-mean'), '--dimensions', '999']);
  expect(wide).toMatchObject({ code: 2 });
  expect(wide.stderr).toContain("--dimensions is 999, but the model's vectors have only 32");
}, 60_000);

test('intervals of other resamples, and none of paraphrase mining', async () => {
  const flags = ['--samples', '200', '--confidence', '0.8'];
  const { stdout } = await vectune(['evaluate', pairs(), '--model', fixture('bert-mean'), ...flags]);
  expect(stdout).toContain('80 % interval');
  const mined = await vectune(['evaluate', pairs(), '--model', fixture('bert-mean'), '--task', 'paraphrase-mining']);
  expect(mined.stdout).toContain('There are no intervals of paraphrase-mining: its pairs share texts');
}, 60_000);

test('what was put first by each, and where the wanted text stood', () => {
  const measure = { a: 0.5, b: 1, difference: 0.5, interval: null, verdict: null };
  const printed = describeComparison('a', 'b', {
    form: 'retrieval',
    count: 2,
    unit: 'queries',
    primary: 'ndcg@10',
    similarity: 'cosine',
    confidence: null,
    measures: { 'ndcg@10': measure },
    better: [
      {
        row: 7,
        change: 0.5,
        texts: ['who?'],
        wanted: 'she',
        answers: { a: { place: 3, first: 'he' }, b: { place: null, first: 'they' } },
      },
    ],
    worse: [],
    understood: '2 pairs of anchor and positive',
    notes: [],
    costs: {
      a: { texts: 1, dimensions: 2, secondsPerText: 0.001 },
      b: { texts: 1, dimensions: 3, secondsPerText: 0.002 },
    },
  });
  expect(printed).toContain(
    [
      '  +0.5000  row 7  who?',
      '           wanted, at place 3 with a, at no place with b: she',
      '           first with a: he',
      '           first with b: they',
    ].join('\n'),
  );
});

test('without a terminal a line now and then tells how far it is', () => {
  const written: string[] = [];
  const stream = new Writable({
    write(chunk, _, done) {
      written.push(String(chunk));
      done();
    },
  });
  const display = new EvaluateDisplay(stream, undefined, 0);
  display.show({ type: 'embedding', role: 'document', done: 1024, total: 5000 });
  display.show({ type: 'embedding', role: 'document', done: 2048, total: null });
  display.show({ type: 'searching', done: 10, total: 40 });
  display.show({ type: 'searching', done: 1000, total: null });
  display.show({ type: 'measuring', done: 0, total: 0 });
  display.show({ type: 'measuring', done: 300, total: 1000 });
  display.end();
  expect(written.join('')).toBe(
    '1,024 of 5,000 documents embedded\n2,048 documents embedded\ncomparing: 25 %\ncomparing: 1,000 pairs of vectors\nmeasuring\nmeasuring: 30 %\n',
  );
  new EvaluateDisplay(stream, undefined, 1e9).show({ type: 'measuring', done: 0, total: 0 });
  expect(written).toHaveLength(6);
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
    understood: '2 pairs with label 0/1: 1 one',
    notes: ['Not read: "\u001b[31mred".'],
    costs: {
      a: { texts: 1, dimensions: 2, secondsPerText: 0.001 },
      b: { texts: 1, dimensions: 3, secondsPerText: 0.002 },
    },
  });
  expect(printed).not.toContain('\u001b');
  expect(printed).toContain('+0.5000  row 3  1  \\u001b[31mred  |  two lines');
});
