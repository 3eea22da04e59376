import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FinetuneOptions, ScoredRow } from '../../lib';
import { readDescription, writeDescription } from '../../lib/finetune/checkpoint/content';
import { fixture, useModels } from '../public/models';
import { finish, rejection, start } from '../public/runs';

/** A checkpoint that an earlier version wrote (fixtures/generate.mjs): a text had a mask in each row then. */

const models = useModels();
const written = join(__dirname, 'fixtures', 'earlier');
const { rows, options: given } = JSON.parse(readFileSync(join(written, 'run.json'), 'utf8')) as {
  rows: ScoredRow[];
  options: FinetuneOptions;
};
// As that version drew them.
const options = { ...given, groupedSplit: false };
const masks = 'dropoutMaskOf: "text of a row" in the checkpoint, "distinct text" now';
const open = () => models.open(fixture('bert-mean'));

function checkpoint(): string {
  const folder = models.path('earlier');
  for (const name of ['checkpoint.json', 'state.safetensors'])
    cpSync(join(written, name), join(folder, 'step-00000002', name), { recursive: true });
  return folder;
}

test('is refused by name, and what would not be the same is told', async () => {
  const error = await rejection(start(open(), rows, { ...options, resume: checkpoint() }).run);
  expect(error).toMatchObject({ code: 'ERR_CHECKPOINT_INEXACT', message: expect.stringContaining(masks) });
});

test('goes on with allowInexact: the state is read, and the rest of the run done', async () => {
  const { of, report } = await finish(open(), rows, { ...options, resume: checkpoint(), allowInexact: true });
  expect(of('restored')[0]!).toMatchObject({ totalSteps: 2, epoch: 1 });
  expect(of('restored')[0]!.differences).toContain(masks);
  expect(of('step').map(({ totalSteps }) => totalSteps)).toEqual([3, 4]);
  expect(report.epochs.map(({ epoch }) => epoch)).toEqual([1, 2]);
  expect(report.after!.loss).toBeLessThan(report.before!.loss);
});

test('metrics under a name that they had before are read under that of now', async () => {
  const metrics = { loss: 1, tripletAccuracy: 0.5, mrr10: 0.7, retrieval: { mrr10: 0.4 } };
  const folder = models.path('renamed');
  mkdirSync(folder);
  await writeDescription(folder, { progress: { before: metrics }, format: 1 } as never);
  expect((await readDescription(folder)).progress.before).toEqual({
    loss: 1,
    tripletAccuracy: 0.5,
    ownMrr10: 0.7,
    retrieval: { mrr10: 0.4 },
  });
});
