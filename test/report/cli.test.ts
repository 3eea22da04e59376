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
});

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
