import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError, type FinetuneOptions } from '../../lib';
import { readCheckpoint } from '../../lib/finetune/checkpoint/content';
import { loadEngine } from '../../lib/engine/load';
import { bits, fixture, PROBE_TEXTS, useModels } from '../public/models';
import { scoredRows } from '../public/rows';
import { finish, rejection, start, withoutTimes } from '../public/runs';
import { EVERYTHING, leftOvers, names, stepsIn, upTo } from './support';

/** A checkpoint that is not as it was written is never gone on from; the one before it is. */

const models = useModels();
const rows = scoredRows();
const options: FinetuneOptions = { ...EVERYTHING, epochs: 2 };
const open = () => models.open(fixture('distilbert-mean'));

/** Checkpoints after steps 4, 8 and 12 of 14, and the whole run. */
async function checkpoints(folder: string) {
  const model = open();
  const { report } = await finish(model, rows, { ...options, checkpoint: { folder, everySteps: 4, keep: 100 } });
  expect(stepsIn(folder)).toEqual([4, 8, 12]);
  return { report: { ...withoutTimes(report), checkpoint: null }, vectors: bits(await model.embed(PROBE_TEXTS)) };
}

function flipBit(file: string, at: number): void {
  const content = readFileSync(file);
  content[at]! ^= 1 << (at % 8);
  writeFileSync(file, content);
}

const size = (file: string) => statSync(file).size;
const damages: [string, RegExp, (newest: string) => void][] = [
  [
    'the state is missing',
    /state\.safetensors cannot be read \(ENOENT/,
    (place) => rmSync(join(place, 'state.safetensors')),
  ],
  [
    'the state is cut off by a byte',
    /has \d+ bytes, and was written with \d+/,
    (place) => truncateSync(join(place, 'state.safetensors'), size(join(place, 'state.safetensors')) - 1),
  ],
  [
    'the state is empty',
    /has 0 bytes, and was written with/,
    (place) => truncateSync(join(place, 'state.safetensors'), 0),
  ],
  [
    'the state is longer',
    /has \d+ bytes, and was written with \d+/,
    (place) => writeFileSync(join(place, 'state.safetensors'), 'x', { flag: 'a' }),
  ],
  [
    'a bit of the state is flipped',
    /has the checksum [0-9a-f]{16}, and was written with/,
    (place) => flipBit(join(place, 'state.safetensors'), size(join(place, 'state.safetensors')) - 12_345),
  ],
  ['a bit of its header is flipped', /has the checksum/, (place) => flipBit(join(place, 'state.safetensors'), 70)],
  [
    'the state is that of another checkpoint',
    /state\.safetensors has/,
    (place) => copyFileSync(join(place, '..', 'step-00000008', 'state.safetensors'), join(place, 'state.safetensors')),
  ],
  [
    'the description is missing',
    /checkpoint\.json cannot be read \(ENOENT/,
    (place) => rmSync(join(place, 'checkpoint.json')),
  ],
  [
    'the description is cut off',
    /checkpoint\.json is not as it was written/,
    (place) => truncateSync(join(place, 'checkpoint.json'), size(join(place, 'checkpoint.json')) - 30),
  ],
  [
    'a digit of the description is another',
    /checkpoint\.json is not as it was written/,
    (place) => {
      const file = join(place, 'checkpoint.json');
      writeFileSync(file, readFileSync(file, 'utf8').replace(/"steps":12/, '"steps":13'));
    },
  ],
  [
    'all of it is gone',
    /checkpoint\.json cannot be read/,
    (place) => {
      for (const name of readdirSync(place)) rmSync(join(place, name));
    },
  ],
];

test.each(damages)('%s: told, and the one before it is used', async (_, message, damage) => {
  const folder = models.path('checkpoints');
  const expected = await checkpoints(folder);
  const newest = join(folder, 'step-00000012');
  damage(newest);
  const model = open();
  const resumed = await finish(model, rows, {
    ...options,
    resume: true,
    checkpoint: { folder, everySteps: 4, keep: 2 },
  });
  expect(resumed.of('checkpoint-damaged')).toMatchObject([{ folder: newest, message: expect.stringMatching(message) }]);
  expect(resumed.of('restored')).toMatchObject([{ from: join(folder, 'step-00000008'), totalSteps: 8 }]);
  expect({ ...withoutTimes(resumed.report), checkpoint: null }).toEqual(expected.report);
  expect(bits(await model.embed(PROBE_TEXTS)) === expected.vectors).toBe(true);
  // A whole one has taken the place of the damaged one.
  expect(stepsIn(folder)).toEqual([8, 12]);
  await expect(readCheckpoint(newest, await loadEngine())).resolves.toBeDefined();
  expect(leftOvers(folder)).toEqual([]);
});

test('no bit of a checkpoint can change unseen', async () => {
  const folder = models.path('checkpoints');
  await checkpoints(folder);
  const place = join(folder, 'step-00000004');
  const addon = await loadEngine();
  for (const name of ['state.safetensors', 'checkpoint.json']) {
    const file = join(place, name);
    const content = readFileSync(file);
    for (let i = 0; i < 150; ++i) {
      const at = Math.floor((content.length * i) / 150);
      flipBit(file, at);
      expect(await rejection(readCheckpoint(place, addon))).toMatchObject({ code: 'ERR_CHECKPOINT_DAMAGED' });
      writeFileSync(file, content);
    }
  }
  await readCheckpoint(place, addon);
});

test('damaged ones do not count among those that are kept', async () => {
  const folder = models.path('checkpoints');
  await checkpoints(folder);
  for (const name of ['step-00000008', 'step-00000012']) truncateSync(join(folder, name, 'state.safetensors'), 100);
  const resumed = await finish(open(), rows, {
    ...options,
    resume: true,
    checkpoint: { folder, everySteps: 5, keep: 3 },
  });
  expect(resumed.of('checkpoint-damaged')).toHaveLength(2);
  expect(stepsIn(folder)).toEqual([4, 5, 10]);
});

test('where not one is whole the run is refused, and nothing is removed', async () => {
  const folder = models.path('checkpoints');
  await checkpoints(folder);
  for (const name of names(folder)) rmSync(join(folder, name, 'state.safetensors'));
  const observed = start(open(), rows, { ...options, resume: true, checkpoint: { folder } });
  const error = await rejection(observed.run);
  expect(error).toBeInstanceOf(CheckpointError);
  expect(error).toMatchObject({
    code: 'ERR_CHECKPOINT_DAMAGED',
    message: expect.stringContaining('Not one of the 3 checkpoints'),
  });
  expect(observed.of('checkpoint-damaged')).toHaveLength(3);
  expect(stepsIn(folder)).toEqual([4, 8, 12]);
});

describe('which are kept', () => {
  test('the newest two, if nothing else is said', async () => {
    const folder = models.path('two');
    await finish(open(), rows, { ...options, checkpoint: { folder, everySteps: 3 } });
    expect(stepsIn(folder)).toEqual([9, 12]);
  });

  test("keepBest: the best epoch's too, though newer ones are written", async () => {
    const folder = models.path('best');
    const { report } = await finish(open(), rows, {
      ...options,
      epochs: 8,
      learningRate: 3e-2,
      schedule: 'constant',
      checkpoint: { folder, everySteps: 2, keep: 1, keepBest: true },
    });
    // Learning this fast is good at first and then is not.
    expect(report.bestEpoch).toBeLessThan(8);
    expect(report.bestEpoch).toBeGreaterThan(0);
    expect(stepsIn(folder)).toEqual([7 * report.bestEpoch, 56]);
    // What was best can be had from it: it is the end of its epoch.
    const best = upTo(folder, names(folder)[0]!, models.path('from-best'));
    const model = open();
    const observed = start(model, rows, {
      ...options,
      epochs: 8,
      learningRate: 3e-2,
      schedule: 'constant',
      resume: best,
      onProgress: (event) => {
        if (event.type === 'epoch-start') observed.run.abort();
      },
    });
    await rejection(observed.run);
    expect(observed.of('restored')).toMatchObject([{ bestEpoch: report.bestEpoch, after: report.after }]);
  });
});

test('what a killed process left half done is removed by the next run, and nothing else', async () => {
  const folder = models.path('checkpoints');
  await checkpoints(folder);
  for (const name of [
    '.step-00000016.vectune-new-77-0a0b0c0d',
    '.step-00000004.vectune-old-77-0a0b0c0d',
    '.step-00000002.vectune-gone-77-0a0b0c0d',
  ]) {
    upTo(folder, 'step-00000004', join(folder, name));
  }
  writeFileSync(join(folder, 'notes.txt'), 'mine');
  await finish(open(), rows, { ...options, resume: true, checkpoint: { folder, keep: 3 } });
  expect(leftOvers(folder)).toEqual(['notes.txt']);
});
