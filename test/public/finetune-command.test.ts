import { readFileSync } from 'node:fs';
import { vectune } from '../unit/cli/run';
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
