import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import fsPromises from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, FileError, StateError, type FinetuneOptions } from '../../lib';
import { replaceFolder } from '../../lib/system/atomic-folder';
import { readCheckpoint } from '../../lib/finetune/checkpoint/content';
import { CheckpointFolder } from '../../lib/finetune/checkpoint/folder';
import { loadEngine } from '../../lib/engine/load';
import { bits, fixture, PROBE_TEXTS, useModels } from '../public/models';
import { scoredRows } from '../public/rows';
import { finish, rejection, start, withoutTimes } from '../public/runs';
import { EVERYTHING, leftOvers, logged, names, startTraining, steps, stepsIn, tensors } from './support';

/** What a disk, another process or another user does to a run's folder: training goes on, and no good checkpoint is lost. */

const models = useModels();
const rows = scoredRows();
const options: FinetuneOptions = { ...EVERYTHING, epochs: 2 };
const open = () => models.open(fixture('distilbert-mean'));

async function plain() {
  const model = open();
  const { report } = await finish(model, rows, options);
  return { report: withoutTimes(report), vectors: bits(await model.embed(PROBE_TEXTS)) };
}

/** Runs to the end though something is done to the folder after a checkpoint; the model is that of a run without any. */
async function survives(folder: string, spoil: () => void, after: () => void = () => undefined) {
  const model = open();
  const finished = await finish(model, rows, {
    ...options,
    checkpoint: { folder, everySteps: 4, keep: 100 },
    onProgress: (event) => {
      if (event.type === 'checkpoint' && event.totalSteps === 4) spoil();
    },
  });
  after();
  const expected = await plain();
  expect({ ...withoutTimes(finished.report), checkpoint: null }).toEqual(expected.report);
  expect(bits(await model.embed(PROBE_TEXTS)) === expected.vectors).toBe(true);
  expect(finished.of('checkpoint-failed').length).toBe(finished.report.checkpoint!.failed);
  for (const { error, message } of finished.of('checkpoint-failed')) {
    expect(error).toBeInstanceOf(FileError);
    expect(message).toBe(error.message);
  }
  return finished;
}

test('the folder is removed: an error each time, nothing is made anew in its place', async () => {
  const folder = models.path('checkpoints');
  const { report } = await survives(folder, () => rmSync(folder, { recursive: true }));
  expect(report.checkpoint).toMatchObject({
    written: 1,
    failed: 2,
    error: { code: 'ERR_FILE', message: expect.stringContaining('removed or replaced') },
  });
  expect(existsSync(folder)).toBe(false);
});

test('the folder is replaced by another: not written to, its lock is not ours', async () => {
  const folder = models.path('checkpoints');
  const { report } = await survives(folder, () => {
    renameSync(folder, models.path('away'));
    mkdirSync(folder);
    writeFileSync(join(folder, 'lock.json'), '');
  });
  expect(report.checkpoint).toMatchObject({ written: 1, failed: 2 });
  expect(names(folder)).toEqual([]);
  await readCheckpoint(models.path('away', 'step-00000004'), await loadEngine());
});

const root = process.getuid!() === 0; // whose rights no mode takes away
const forbid = (folder: string): void => {
  chmodSync(models.path(), 0o755); // others may look into it
  chmodSync(folder, 0o555);
  if (root) process.seteuid!(65534);
};
const permit = (folder: string): void => {
  if (root) process.seteuid!(0);
  chmodSync(folder, 0o755);
};

test('the folder may not be written any more: an error, and those before it stay', async () => {
  const folder = models.path('checkpoints');
  try {
    const { report } = await survives(
      folder,
      () => forbid(folder),
      () => permit(folder),
    );
    expect(report.checkpoint).toMatchObject({
      written: 1,
      failed: 2,
      error: { code: 'ERR_FILE', message: expect.stringMatching(/permission denied/) },
    });
  } finally {
    permit(folder);
  }
  await readCheckpoint(join(folder, 'step-00000004'), await loadEngine());
  expect(stepsIn(folder)).toEqual([4]);
  expect(leftOvers(folder)).toEqual([]);
});

test('the disk is full: an error, the checkpoints before it stay whole, the model is had all the same', async () => {
  models.write('here', '');
  const whole = {
    model: fixture('bert-mean'),
    rows,
    options,
    log: models.path('whole.log'),
    out: models.path('whole'),
  };
  const folder = models.path('checkpoints');
  const full = {
    ...whole,
    options: { ...options, checkpoint: { folder, everySteps: 4, keep: 100 } },
    log: models.path('full.log'),
    out: models.path('full'),
  };
  expect(await startTraining(whole).ended).toMatchObject({ code: 0, stderr: '' });
  const free = startTraining({
    ...full,
    log: models.path('free.log'),
    options: { ...options, checkpoint: { folder: models.path('free'), everySteps: 4 } },
  });
  expect(await free.ended).toMatchObject({ code: 0 });
  const bytes = logged(models.path('free.log'))
    .filter(({ kind }) => kind === 'checkpoint')
    .map((line) => (line as never as { bytes: number }).bytes);
  // The later checkpoints hold the best weights too, and are larger: files may be just too small for those. The model is smaller.
  const [small, large] = [Math.min(...bytes), Math.max(...bytes)];
  expect(small).toBeLessThan(0.9 * large);
  const limited = startTraining(full, `ulimit -f ${Math.ceil((small + large) / 2 / 1024)}`);
  expect(await limited.ended).toMatchObject({ code: 0, signal: null, stderr: '' });
  const lines = logged(full.log);
  const written = lines.filter(({ kind }) => kind === 'checkpoint');
  const failed = lines.filter(({ kind }) => kind === 'checkpoint-failed');
  expect(written.length).toBeGreaterThan(0);
  expect(failed.length).toBeGreaterThan(0);
  expect((failed[0] as unknown as { message: string }).message).toMatch(
    /Cannot write .*state\.safetensors.*File too large/,
  );
  expect(names(folder)).toHaveLength(written.length);
  for (const name of names(folder)) await readCheckpoint(join(folder, name), await loadEngine());
  expect(leftOvers(folder)).toEqual([]);
  expect(steps(lines)).toEqual(steps(logged(whole.log)));
  expect(tensors(join(full.out, 'model.safetensors'))).toEqual(tensors(join(whole.out, 'model.safetensors')));
  const end = lines.at(-1) as unknown as { report: { checkpoint: unknown } };
  expect(end.report.checkpoint).toMatchObject({
    written: written.length,
    failed: failed.length,
    error: { code: 'ERR_FILE' },
  });
});

test('a folder that cannot be used from the start is told before anything is trained', async () => {
  const file = models.write('file', 'x');
  const observed = start(open(), rows, { ...options, checkpoint: { folder: join(file, 'below') } });
  const error = await rejection(observed.run);
  expect(error).toBeInstanceOf(FileError);
  expect(error).toMatchObject({
    code: 'ERR_FILE',
    message: expect.stringContaining('Cannot use the checkpoint folder'),
  });
  expect(observed.of('step')).toEqual([]);
});

describe('one run at a time', () => {
  test('another process has the folder: refused with its pid; killed, its lock is no hindrance', async () => {
    models.write('here', '');
    const folder = models.path('checkpoints');
    const job = {
      model: fixture('bert-mean'),
      rows,
      options: { ...options, epochs: 2000, checkpoint: { folder, everySteps: 100 } },
      log: models.path('a.log'),
      out: models.path('a'),
    };
    const other = startTraining(job);
    while (other.child.exitCode === null && logged(job.log).every(({ kind }) => kind !== 'checkpoint'))
      await new Promise((r) => setTimeout(r, 10));
    const observed = start(open(), rows, { ...options, resume: true, checkpoint: { folder } });
    const error = await rejection(observed.run);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error).toMatchObject({
      code: 'ERR_CHECKPOINT_LOCKED',
      message: expect.stringContaining(`process ${other.child.pid} on `),
    });
    expect(observed.of('step')).toEqual([]);
    other.child.kill('SIGKILL');
    await other.ended;
    // The file with the dead owner's pid is there still.
    expect(readFileSync(join(folder, 'lock.json'), 'utf8')).toContain(`"pid":${other.child.pid}`);
    const addon = await loadEngine();
    (await CheckpointFolder.open(folder, addon)).close();
    expect(readFileSync(join(folder, 'lock.json'), 'utf8')).toContain(`"pid":${process.pid}`);
  });

  test('of this process too, and the lock ends with the run, however that ends', async () => {
    const folder = models.path('checkpoints');
    const long: FinetuneOptions = { ...options, epochs: 20 };
    const running = start(open(), rows, { ...long, checkpoint: { folder, everySteps: 1 } });
    await running.first('checkpoint');
    expect(await rejection(start(open(), rows, { ...long, checkpoint: { folder } }).run)).toMatchObject({
      code: 'ERR_CHECKPOINT_LOCKED',
    });
    running.run.abort();
    await rejection(running.run);
    const failing = start(open(), rows, {
      ...long,
      resume: true,
      checkpoint: { folder },
      onProgress: (event) => {
        if (event.type === 'step') throw new RangeError('mine');
      },
    });
    expect(await rejection(failing.run)).toBeInstanceOf(RangeError);
    expect((await finish(open(), rows, { ...long, resume: true, checkpoint: { folder } })).report.steps).toBe(140);
  });

  test('and ends where the folder cannot be tidied up', async () => {
    const folder = models.path('checkpoints');
    const addon = await loadEngine();
    mkdirSync(join(folder, '.step-00000007.vectune-old-1-0'), { recursive: true });
    writeFileSync(join(folder, 'lock.json'), '');
    chmodSync(join(folder, 'lock.json'), 0o666);
    forbid(folder);
    try {
      expect(await rejection(CheckpointFolder.open(folder, addon))).toMatchObject({
        code: 'ERR_FILE',
        message: expect.stringMatching(/permission denied/),
      });
    } finally {
      permit(folder);
    }
    (await CheckpointFolder.open(folder, addon)).close();
    expect(stepsIn(folder)).toEqual([7]);
  });

  test('of two at the same moment one gets it', async () => {
    const addon = await loadEngine();
    for (let round = 0; round < 20; ++round) {
      const results = await Promise.allSettled([1, 2, 3].map(() => CheckpointFolder.open(models.path('race'), addon)));
      const opened = results.filter((result) => result.status === 'fulfilled');
      expect(opened).toHaveLength(1);
      opened[0]!.value.close();
    }
  });
});

test('a folder with an earlier run is not begun over: refused, unless resume says to go on', async () => {
  const folder = models.path('checkpoints');
  await finish(open(), rows, { ...options, checkpoint: { folder } });
  const before = stepsIn(folder);
  const error = await rejection(start(open(), rows, { ...options, seed: 9, checkpoint: { folder } }).run);
  expect(error).toMatchObject({ code: 'ERR_CHECKPOINT_EXISTS', message: expect.stringContaining('resume: true') });
  expect(stepsIn(folder)).toEqual(before);
});

test('a model that is disposed ends the run without a checkpoint, and the folder is free', async () => {
  const folder = models.path('checkpoints');
  const model = open();
  const observed = start(model, rows, { ...options, epochs: 50, checkpoint: { folder, everySteps: 3 } });
  await observed.first('checkpoint');
  await model.dispose();
  expect(await rejection(observed.run)).toBeInstanceOf(StateError);
  expect(leftOvers(folder)).toEqual([]);
  (await CheckpointFolder.open(folder, await loadEngine())).close();
});

describe('what a power cut must not undo', () => {
  const folder = () => models.path('checkpoints');

  /** The calls that matter for durability while `work` is done, in order, with the names of what they are about. */
  async function calls(work: () => Promise<unknown>): Promise<string[]> {
    await loadEngine(); // its first load writes to a folder of its own
    const found: string[] = [];
    const short = (path: unknown) =>
      String(path)
        .replace(folder(), '')
        .replace(/\.step-(\d+)\.vectune-(\w+)-\d+-\w+/, '$2')
        .replace(models.path(), 'above');
    const { open: openFile, rename } = fsPromises;
    const spies = [
      jest.spyOn(fsPromises, 'open').mockImplementation(async (...args: Parameters<typeof openFile>) => {
        const handle = await openFile(...args);
        const sync = handle.sync.bind(handle);
        handle.sync = async () => {
          await sync();
          found.push(`sync ${short(args[0])}`);
        };
        return handle;
      }),
      jest.spyOn(fsPromises, 'rename').mockImplementation(async (from, to) => {
        await rename(from, to);
        found.push(`rename ${short(from)} ${short(to)}`);
      }),
    ];
    try {
      await work();
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
    return found;
  }

  const written = ['sync /new/checkpoint.json', 'sync /new/state.safetensors', 'sync /new'];

  test('files are on disk before the folder gets its name, the name before an older one goes', async () => {
    mkdirSync(folder());
    const one = (name: string) => [...written, `rename /new /${name}`, 'sync '];
    expect(
      await calls(() =>
        finish(open(), rows, {
          ...options,
          checkpoint: { folder: folder(), everySteps: 7, everyEpoch: true, keep: 1 },
        }),
      ),
    ).toEqual([...one('step-00000007'), ...one('step-00000014'), 'rename /step-00000007 /gone']);
  });

  test('one that takes the place of another: the new name is on disk before the other goes', async () => {
    const addon = await loadEngine();
    mkdirSync(folder());
    const checkpoints = await CheckpointFolder.open(folder(), addon);
    const put = (text: string) => checkpoints.put(7, async (place) => writeFileSync(join(place, 'text'), text));
    await put('first');
    expect(await calls(() => put('second'))).toEqual([
      'sync /new/text',
      'sync /new',
      'rename /step-00000007 /old',
      'rename /new /step-00000007',
      'sync ',
      'rename /old /gone',
    ]);
    checkpoints.close();
    expect(readFileSync(join(folder(), 'step-00000007', 'text'), 'utf8')).toBe('second');
    expect(leftOvers(folder())).toEqual([]);
  });

  test('one that may be kept, and is not there: its name is on disk', async () => {
    mkdirSync(folder());
    const write = async (place: string) => writeFileSync(join(place, 'text'), 'new');
    expect(await calls(() => replaceFolder(join(folder(), 'step-00000007'), write, async () => false))).toEqual([
      'sync /new/text',
      'sync /new',
      'rename /new /step-00000007',
      'sync ',
    ]);
  });

  test('the names of folders that are made are on disk, and that of a checkpoint that is put back', async () => {
    const addon = await loadEngine();
    const deep = join(folder(), 'a', 'b');
    expect(await calls(async () => (await CheckpointFolder.open(deep, addon)).close())).toEqual([
      'sync /a',
      'sync ',
      'sync above',
    ]);
    mkdirSync(join(folder(), '.step-00000007.vectune-old-1-0'));
    expect(await calls(async () => (await CheckpointFolder.open(folder(), addon)).close())).toEqual([
      'rename /old /step-00000007',
      'sync ',
    ]);
    expect(stepsIn(folder())).toEqual([7]);
  });
});
