import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fixture, useModels } from '../public/models';
import { scoredRows } from '../public/rows';
import { names, stepsIn, tensors } from './support';
import { vectune } from './vectune';

/** The same by the command line: Ctrl-C, then the command again with --resume. */

const models = useModels();

test('Ctrl-C leaves a checkpoint, --resume goes on from it to the model of an undisturbed run', async () => {
  const file = models.write(
    'rows.jsonl',
    scoredRows()
      .map((row) => JSON.stringify(row))
      .join('\n'),
  );
  const command = (out: string) => [
    'finetune',
    file,
    '--model',
    fixture('bert-mean'),
    '--out',
    models.path(out),
    '--epochs',
    '12',
    '--no-early-stopping',
    '--batch-size',
    '4',
    '--effective-batch-size',
    '4',
    '--learning-rate',
    '1e-3',
    '--precision',
    'fp32',
  ];
  expect(await vectune(command('whole'))).toMatchObject({ code: 0 });

  const folder = models.path('checkpoints');
  const checkpointed = [...command('resumed'), '--checkpoint', folder, '--checkpoint-keep', '1'];
  let told = false;
  const stopped = await vectune(checkpointed, (text, kill) => {
    if (told || !text.includes('checkpoint after step 39:')) return;
    told = true;
    kill('SIGINT');
  });
  expect(stopped.code).toBe(130);
  expect(stopped.stderr).toContain('the same command with --resume goes on from the last checkpoint');
  expect(names(folder)).toHaveLength(1);
  const [step] = stepsIn(folder);
  expect(step).toBeLessThan(156);

  expect((await vectune(checkpointed)).stderr).toContain('Pass --resume to go on with it');
  const resumed = await vectune([...checkpointed, '--resume']);
  expect(resumed.stderr).toContain(
    `Training goes on from ${join(folder, names(folder).at(-1)!).slice(0, folder.length)}`,
  );
  expect(resumed.stderr).toContain(`after step ${step}`);
  expect(resumed.code).toBe(0);
  expect(tensors(models.path('resumed', 'model.safetensors'))).toEqual(
    tensors(models.path('whole', 'model.safetensors')),
  );
});

test('--checkpoint-… without --checkpoint is refused', async () => {
  const file = models.write('rows.jsonl', '');
  const { code, stderr } = await vectune([
    'finetune',
    file,
    '--model',
    'x',
    '--out',
    models.path('out'),
    '--checkpoint-steps',
    '3',
  ]);
  expect(code).toBe(2);
  expect(stderr).toContain('--checkpoint is missing. Give --checkpoint <folder>.');
  // Nothing was written that could be gone on from.
  const nothing = await vectune([
    ...['finetune', file, '--model', 'x', '--out', models.path('out')],
    '--checkpoint',
    file,
  ]);
  expect(nothing.stderr).not.toContain('--resume');
  expect(existsSync(models.path('out'))).toBe(false);
});
