import { existsSync, readFileSync } from 'node:fs';
import { recordIn } from '../../lib/report/read';
import { vectune } from '../checkpoint/vectune';
import { fixture, useModels } from '../public/models';
import { scoredRows } from '../public/rows';

/** From a real run: its log, then the report of it with both models. */

const models = useModels();

test('a run is logged, reported, and reported again with what changed', async () => {
  const data = models.write(
    'rows.jsonl',
    scoredRows()
      .map((row) => JSON.stringify(row))
      .join('\n'),
  );
  const [log, tuned] = [models.path('run.jsonl'), models.path('tuned')];
  const training = [
    '--epochs',
    '2',
    '--batch-size',
    '8',
    '--effective-batch-size',
    '8',
    '--learning-rate',
    '1e-3',
    '--folds',
    '1',
  ];
  const trained = await vectune([
    'finetune',
    data,
    '--model',
    fixture('bert-mean'),
    '--out',
    tuned,
    '--log',
    log,
    ...training,
  ]);
  expect(trained).toMatchObject({ code: 0 });

  const plain = await vectune(['report', log]);
  expect(plain).toMatchObject({ code: 0, stdout: `${models.path('run.html')}\n` });
  const first = recordIn(readFileSync(models.path('run.html'), 'utf8'))!;
  expect(first.epochs.map(({ epoch }) => epoch)).toEqual([0, 1, 2]);
  expect(first.steps.length).toBeGreaterThan(0);
  expect(first.comparison).toBeNull();
  expect(first.settings['Learning rate']).toBe(1e-3);

  const both = ['--before', fixture('bert-mean'), '--after', tuned, '--data', data, '--out', models.path('more.html')];
  expect(await vectune(['report', models.path('run.html'), ...both])).toMatchObject({ code: 0 });
  const second = recordIn(readFileSync(models.path('more.html'), 'utf8'))!;
  expect(second.steps).toEqual(first.steps);
  expect(second.comparison!.before).toHaveLength(scoredRows().length);
  expect(second.comparison!.before).not.toEqual(second.comparison!.after);

  // Two texts and a label by other names, or by those that are typed.
  const compared = async (head: string, flags: string[]) => {
    const file = models.write('labelled.csv', `${head}\nrain fell,the boats,0\nbridge,the old bridge,1\n`);
    const ends = ['--before', fixture('bert-mean'), '--after', tuned, '--out', models.path('labels.html')];
    const { code, stderr } = await vectune(['report', models.path('run.html'), ...ends, '--data', file, ...flags]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    return recordIn(readFileSync(models.path('labels.html'), 'utf8'))!.comparison!;
  };
  expect((await compared('question,answer,label', [])).before).toHaveLength(2);
  const named = await compared('a,b,c', ['--columns', 'anchor=a,positive=b,score=c']);
  expect(named.before).toHaveLength(2);
}, 60_000);

test('what is no run is refused, and nothing is written', async () => {
  const file = models.write('notes.txt', 'no run\n');
  const refused = await vectune(['report', file]);
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toContain('neither the log of a run');
  expect(existsSync(models.path('notes.html'))).toBe(false);
  const half = await vectune(['report', file, '--before', 'x']);
  expect(half.code).toBe(2);
  expect(half.stderr).toContain('belong together');
});
