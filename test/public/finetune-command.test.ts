import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FinetuneReport } from '../../lib';
import { vectune as online } from '../checkpoint/vectune';
import { vectune } from '../unit/cli/run';
import { HubServer } from '../unit/model/support/hub-server';
import { fixture, useModels } from './models';
import { scoredRows } from './rows';

/** `vectune finetune` without a terminal: what it writes where, and what it tells to type next. */

const models = useModels();

test('lines of progress, a log of every event, and the next command, which works', async () => {
  const file = models.write(
    'rows.csv',
    `question,answer,points\n${scoredRows()
      .map(({ text1, text2, score }) => `"${text1}","${text2}",${5 * score}`)
      .join('\n')}\n`,
  );
  const [out, log] = [models.path('out'), models.path('run.jsonl')];
  const run = ['finetune', file, '--model', fixture('bert-mean'), '--out', out, '--epochs', '2', '--batch-size', '2'];
  const read = [
    '--columns',
    'anchor=question,positive=#1,score=points',
    '--score-range',
    '0,5',
    '--effective-batch-size',
    '2',
  ];

  // What is told when columns and range are not named can be typed as it stands.
  const named = ['--text1', 'question', '--text2', '#1', '--score', 'pionts'];
  const refused = await vectune([...run, ...named]);
  expect(refused.stderr).toMatch(/Did you mean --score points\? \[ERR_DATA_FILE\]\n$/);
  const range = await vectune([...run, ...named.slice(0, -1), 'points']);
  expect(range.stderr).toMatch(
    /for example with --score-range 0,5, which brings them to 0 to 1\.\nIn all 30 rows of .*--on-bad-row skip .* \[ERR_SCORE_RANGE\]\n$/s,
  );

  const { code, stdout, stderr } = await vectune([...run, ...read, '--log-every', '0.000001', '--log', log]);
  expect(code).toBe(0);
  expect(stderr).toMatch(/^epoch 1\/2 {2}\d+\/\d+ {2}loss \d\.\d{4} {2}[\d,]+ tokens\/s {2}[\d:-]+ left$/m);
  expect(stderr).not.toContain('\x1B');
  const events = readFileSync(log, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; time: string });
  expect(events[0]).toMatchObject({ type: 'data' });
  expect(events.at(-1)).toMatchObject({ type: 'done' });
  expect(events.every(({ time }) => !Number.isNaN(Date.parse(time)))).toBe(true);

  const next = /\nNext: npx vectune (embed --model \S+) "a text" "another text"\n$/.exec(stdout);
  expect(next![1]).toBe(`embed --model ${out}`);
  const embedded = await vectune([...next![1]!.split(' '), 'a text', 'another text']);
  expect(embedded).toMatchObject({ code: 0, stderr: '' });
  expect(embedded.stdout.trimEnd().split('\n')).toHaveLength(2);
});

test('several files are data sets by their names, each with its loss', async () => {
  const rows = scoredRows(40);
  const pairs = models.write(
    'pairs.csv',
    `text1,text2,score\n${rows.map(({ text1, text2, score }) => `${text1},${text2},${score}`).join('\n')}\n`,
  );
  const same = rows.filter(({ score }) => score === 1);
  const questions = models.write(
    'questions.jsonl',
    same.map(({ text1, text2 }) => JSON.stringify({ question: text1, answer: text2 })).join('\n'),
  );
  const run = ['finetune', pairs, questions, '--model', fixture('bert-mean'), '--epochs', '1', '--json'];
  const out = ['--out', models.path('out')];
  const sampler = ['--multi-dataset-sampler', 'round-robin', '--set-loss', 'pairs=cosent'];
  const { code, stdout, stderr } = await vectune([...run, ...out, ...sampler]);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stderr).toMatch(/^pairs: 40 pairs with label 0\/1: 20 ones; columns text1, text2, score$/m);
  expect(stderr).toMatch(/^questions: 20 pairs of anchor and positive; columns question, answer$/m);
  expect(stderr).toMatch(/loss cosent for pairs, multiple-negatives-ranking for questions$/m);
  const report = JSON.parse(stdout) as { sets: Record<string, { loss: { name: string } }> };
  expect(Object.entries(report.sets).map(([name, { loss }]) => [name, loss.name])).toEqual([
    ['pairs', 'cosent'],
    ['questions', 'multiple-negatives-ranking'],
  ]);

  const refused = async (args: readonly string[]) => (await vectune([...args, ...out])).stderr;
  expect(await refused([...run, '--set-loss', 'pears=cosent'])).toMatch(
    /names "pears", but the files are pairs, questions/,
  );
  expect(await refused([...run, '--set-loss', 'questions=cosent'])).toMatch(
    /Data set "questions": The loss cosent needs/,
  );
  expect(await refused(['finetune', pairs, pairs, '--model', 'm'])).toMatch(/would both be the data set "pairs"/);
  expect(await refused(['finetune', pairs, '--model', 'm', '--set-loss', 'pairs=cosent'])).toMatch(/there is one/);
});

test('rows to keep have flags of their own, as the guide says of the STS Benchmark; a data set of the hub', async () => {
  const rows = scoredRows();
  const lines = rows.map(({ text1, text2, score }) => `${text1},${text2},${score}`);
  const file = models.write('rows.csv', `text1,text2,score\n${lines.join('\n')}\n`);
  const fields = scoredRows(30, true).map((row, i) => ['main', 'f', '2012', i, 5 * row.score, row.text1, row.text2]);
  const sts = models.write('sts-test.csv', `${fields.map((row) => row.join('\t')).join('\n')}\n`);
  const run = [
    'finetune',
    file,
    '--model',
    fixture('bert-mean'),
    '--out',
    models.path('kept'),
    '--epochs',
    '1',
    '--json',
  ];
  const more = ['--keep-columns', 'text1=#5,text2=#6', '--keep-columns', 'score=#4', '--no-keep-quoting'];
  const refused = await vectune([...run, '--keep', sts, ...more]);
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toContain(`with --keep ${sts} --keep-score-range 0,5, which`);
  const { stdout, stderr } = await vectune([...run, '--keep', sts, ...more, '--keep-score-range', '0,5']);
  expect(stderr).toContain('To keep: 30 pairs with scores from 0 to 1; columns 5, 6, 4.');
  expect((JSON.parse(stdout) as FinetuneReport).kept).toMatchObject({ measure: 'spearman', rows: 30, margin: 0.01 });

  const hub = await HubServer.start();
  try {
    const parquet = readFileSync(join(__dirname, '../unit/data/fixtures/scored.parquet'));
    hub.add('owner/sts', { 'data/test.parquet': parquet, 'data/train.parquet': Buffer.from('not read') });
    // Where it is found without a cache of the test's own.
    const libtorch = (await vectune(['libtorch', 'path'])).stdout.trim();
    const own = { VECTUNE_CACHE: models.path('cache'), VECTUNE_LIBTORCH: libtorch };
    const environment = { ...own, HF_ENDPOINT: hub.url, HF_HUB_OFFLINE: '', HF_TOKEN: '' };
    const kept = await online([...run, '--keep', 'hub:owner/sts', '--keep-split', 'test'], undefined, environment);
    expect(kept).toMatchObject({ code: 0, stderr: expect.stringContaining('To keep: 11 pairs') });
    expect((JSON.parse(kept.stdout) as FinetuneReport).kept).toMatchObject({ measure: 'spearman', rows: 11 });
  } finally {
    await hub.stop();
  }
}, 120_000);

test('a loss within a loss is typed as JSON, and one within a list as it stands', async () => {
  const rows = scoredRows(40);
  const pairs = models.write(
    'pairs.csv',
    `text1,text2,score\n${rows.map(({ text1, text2, score }) => `${text1},${text2},${score}`).join('\n')}\n`,
  );
  const run = ['finetune', pairs, '--model', fixture('bert-mean'), '--out', models.path('out'), '--epochs', '1'];
  const angle = { name: 'angle', scale: 30 };
  const sum = { name: 'sum', losses: ['cosent', { loss: angle, weight: 0.5 }] };
  const typed = await vectune([...run, '--json', '--loss', JSON.stringify(sum)]);
  expect({ code: typed.code, stderr: typed.stderr }).toMatchObject({ code: 0 });
  const parts = [
    { name: 'cosent', weight: 1 },
    { ...angle, weight: 0.5 },
  ];
  expect(JSON.parse(typed.stdout)).toMatchObject({ loss: { name: 'sum', losses: parts } });
  expect(typed.stderr).toContain('loss cosent + 0.5 angle (scale 30)');

  const one = await vectune([...run, '--json', '--loss', 'sum', '--loss-option', 'losses=cosent']);
  expect(JSON.parse(one.stdout)).toMatchObject({ loss: { name: 'sum', losses: [parts[0]] } });

  const other = models.write('other.csv', readFileSync(pairs));
  const set = ['--set-loss', `other=${JSON.stringify(sum)}`];
  const several = await vectune([run[0]!, other, ...run.slice(1), '--json', ...set]);
  expect(JSON.parse(several.stdout)).toMatchObject({ sets: { other: { loss: { name: 'sum', losses: parts } } } });

  const refused = async (...args: string[]) => (await vectune([...run, ...args])).stderr;
  expect(await refused('--loss', '{"name": "sum"')).toContain(`Expected a name or JSON, as '{"name":"triplet"`);
  expect(await refused('--loss', JSON.stringify(sum), '--loss-option', 'scale=3')).toContain(
    'Give its options in the JSON',
  );
  const wrong = { ...sum, losses: [{ loss: { ...angle, scale: 0 }, weight: 1 }] };
  expect(await refused('--loss', JSON.stringify(wrong))).toMatch(
    /losses\[0\]\.loss\.scale of --loss must be a number above 0/,
  );
});
