import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { FinetuneOptions } from '../../lib';
import { readCheckpoint } from '../../lib/finetune/checkpoint/content';
import { loadEngine } from '../../lib/engine/load';
import { bits, fixture, PROBE_TEXTS, useModels } from '../public/models';
import { scoredRows } from '../public/rows';
import { finish, rejection, start, withoutTimes } from '../public/runs';
import { EVERYTHING, leftOvers, names, startTraining } from './support';

/**
 * A run is killed before each call that changes its folder of checkpoints or flushes it to disk, in turn: what is to be
 * seen of it then is whole, the last checkpoint that was told of is never gone, and the run goes on to the same end.
 */

const models = useModels();
const rows = scoredRows();
const options: FinetuneOptions = { ...EVERYTHING, epochs: 2 };
const open = () => models.open(fixture('bert-mean'));

interface Killed {
  folder: string;
  ended: Awaited<ReturnType<typeof startTraining>['ended']>;
  /** What was called before, with names below the folder; those of folders in the making are shortened. */
  calls: string[];
}

/** Builds the library that kills, in a folder of its own. */
function prepare(): string {
  mkdirSync(models.path('here'), { recursive: true });
  const home = realpathSync(models.path('here'));
  execFileSync('cc', [
    '-shared',
    '-fPIC',
    '-O1',
    join(__dirname, 'programs', 'kill-before.c'),
    '-o',
    join(home, 'shim.so'),
    '-ldl',
    '-pthread',
  ]);
  return home;
}

/** Trains in a process that is killed before the call of this number; 0: never. */
async function killedBefore(kill: number, home: string, folder: string, runOptions: FinetuneOptions): Promise<Killed> {
  const calls = join(home, `calls-${kill}`);
  const job = {
    model: fixture('bert-mean'),
    rows,
    options: runOptions,
    log: join(home, `log-${kill}`),
    out: join(home, `out-${kill}`),
  };
  const shell =
    `export LD_PRELOAD='${join(home, 'shim.so')}' UV_USE_IO_URING=0 VECTUNE_SHIM_FOLDER='${folder}/' ` +
    `VECTUNE_SHIM_LOG='${calls}' VECTUNE_SHIM_KILL=${kill}`;
  const ended = await startTraining(job, shell).ended;
  const lines = existsSync(calls) ? readFileSync(calls, 'utf8').split('\n').slice(0, -1) : [];
  return {
    folder,
    ended,
    calls: lines.map((line) => line.replace(/\.step-(\d+)\.vectune-(new|old|gone)-\d+-\w+/, '$2-$1')),
  };
}

/** Calls by which a checkpoint comes to its place. */
const put = (step: string, replaces = false): string[] => [
  `make new-${step}`,
  `flush new-${step}/state.safetensors`,
  `flush new-${step}/checkpoint.json`,
  `flush new-${step}/state.safetensors`,
  `flush new-${step}`,
  ...(replaces ? [`rename step-${step}`] : []),
  `rename new-${step}`,
];

test('killed before each change of its folder: what is seen is whole, and the last checkpoint is never gone', async () => {
  const home = prepare();
  const run = (folder: string) => ({ ...options, checkpoint: { folder, everySteps: 5, everyEpoch: false, keep: 1 } });
  const training = (kill: number) =>
    killedBefore(kill, home, join(home, `killed-${kill}`), run(join(home, `killed-${kill}`)));

  const whole = await training(0);
  expect(whole.ended).toEqual({ code: 0, signal: null, stderr: '' });
  const first = put('00000005'); // after it the folder is flushed, whose own name is not below itself
  const second = [...put('00000010'), 'rename step-00000005'];
  expect(whole.calls.slice(0, first.length + second.length)).toEqual([...first, ...second]);
  // In any order, and the folder perhaps in vain at first.
  const removals = whole.calls.slice(first.length + second.length);
  expect(new Set(removals)).toEqual(
    new Set(['', '/checkpoint.json', '/state.safetensors'].map((name) => `remove gone-00000005${name}`)),
  );

  const model = open();
  const expected = withoutTimes((await finish(model, rows, options)).report);
  const vectors = bits(await model.embed(PROBE_TEXTS));
  const addon = await loadEngine();
  // The first checkpoint is written as the second; what is special is that there is none before it is there.
  for (let kill = first.length; kill <= whole.calls.length; ++kill) {
    const { folder, ended, calls } = await training(kill);
    expect([kill, ended]).toEqual([kill, { code: null, signal: 'SIGKILL', stderr: '' }]);
    expect(calls.slice(0, first.length + second.length)).toEqual(
      whole.calls.slice(0, Math.min(kill - 1, first.length + second.length)),
    );
    const seen = ['00000005', '00000010'].filter(
      (step) => calls.includes(`rename new-${step}`) && !calls.includes(`rename step-${step}`),
    );
    expect(names(folder)).toEqual(seen.map((step) => `step-${step}`));
    expect(seen.length).toBeGreaterThanOrEqual(calls.includes('rename new-00000005') ? 1 : 0);
    for (const name of names(folder)) await readCheckpoint(join(folder, name), addon);

    const again = open();
    const resumed = await finish(again, rows, { ...run(folder), resume: true });
    expect(resumed.of('checkpoint-damaged')).toEqual([]);
    expect(resumed.of('restored')).toMatchObject([{ totalSteps: Number(seen.at(-1) ?? 0) }]);
    expect({ ...withoutTimes(resumed.report), checkpoint: null }).toEqual(expected);
    expect(bits(await again.embed(PROBE_TEXTS)) === vectors).toBe(true);
    expect(names(folder).at(-1)).toBe('step-00000010');
    expect(leftOvers(folder)).toEqual([]);
  }
}, 240_000);

test('killed while a checkpoint takes the place of another of the same step: the one that was there is gone on from', async () => {
  const home = prepare();
  const folder = join(home, 'checkpoints');
  const run = { ...options, checkpoint: { folder, keep: 1 } };
  // Aborted at the last step of an epoch, before its validation: the epoch's end has the same number of steps.
  const observed = start(open(), rows, {
    ...run,
    onProgress: (event) => {
      if (event.type === 'step' && event.totalSteps === 7) observed.run.abort();
    },
  });
  await rejection(observed.run);
  expect(names(folder)).toEqual(['step-00000007']);

  const replacing = put('00000007', true);
  const { ended, calls } = await killedBefore(replacing.length, home, folder, { ...run, resume: true });
  expect(ended).toEqual({ code: null, signal: 'SIGKILL', stderr: '' });
  expect(calls).toEqual(replacing.slice(0, -1));
  expect(names(folder)).toEqual([]); // it lies aside

  const whole = open();
  const expected = withoutTimes((await finish(whole, rows, options)).report);
  const copy = join(home, 'copy');
  cpSync(folder, copy, { recursive: true });
  // Whether the folder may be written to or is only read.
  for (const resume of [{ resume: copy }, { ...run, resume: true }]) {
    const again = open();
    const resumed = await finish(again, rows, { ...options, ...resume });
    expect(resumed.of('restored')).toMatchObject([{ totalSteps: 7 }]);
    expect({ ...withoutTimes(resumed.report), checkpoint: null }).toEqual(expected);
    expect(bits(await again.embed(PROBE_TEXTS)) === bits(await whole.embed(PROBE_TEXTS))).toBe(true);
  }
  expect(names(folder)).toEqual(['step-00000014']);
  expect(leftOvers(folder)).toEqual([]);
});
