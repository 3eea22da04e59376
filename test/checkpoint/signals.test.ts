import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { listLibTorch } from '../../lib/libtorch/find';
import { builtVersions } from '../libtorch';
import { fixture, useModels } from '../public/models';
import { scoredRows } from '../public/rows';
import { vectune } from './vectune';

/** What ends `vectune finetune` from outside, and what becomes of the trained weights then. */

const models = useModels();

function command(out: string, ...more: string[]): string[] {
  const rows = scoredRows().map((row) => JSON.stringify(row));
  return [
    ...['finetune', models.write('rows.jsonl', rows.join('\n')), '--model', fixture('bert-mean'), '--out', out],
    ...[
      '--recipe',
      'notebook',
      '--epochs',
      '100000',
      '--no-early-stopping',
      '--batch-size',
      '4',
      '--effective-batch-size',
      '4',
    ],
    ...['--learning-rate', '1e-4', '--precision', 'fp32', ...more],
  ];
}

/** The LibTorch that is found where the cache is as it was. */
async function libtorch(): Promise<string> {
  const found = await listLibTorch({ versions: await builtVersions() });
  return found.find(({ rejected }) => rejected === undefined)!.path;
}

/** Does `once` when the second epoch is over. */
function afterTwoEpochs(once: (kill: (signal: NodeJS.Signals) => void) => void) {
  let done = false;
  return (text: string, kill: (signal: NodeJS.Signals) => void) => {
    if (done || !/epoch +2\/100000/.test(text)) return;
    done = true;
    once(kill);
  };
}

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('%s keeps the best epoch, and the process ends with %d', async (signal, code) => {
  const out = models.path('out');
  const stopped = await vectune(
    command(out),
    afterTwoEpochs((kill) => kill(signal)),
  );
  expect(stopped).toMatchObject({ code, signal: null });
  expect(stopped.stderr).toMatch(/stopped: the weights of epoch \d+ are saved to/);
  expect(existsSync(join(out, 'model.safetensors'))).toBe(true);
});

test.each([
  ['SIGINT', 'SIGTERM', 143],
  ['SIGTERM', 'SIGTERM', 143],
  ['SIGTERM', 'SIGINT', 130],
  ['SIGHUP', 'SIGHUP', 129],
] as const)('%s and then %s ends at once with %d, whatever goes on', async (first, second, code) => {
  const program = `
    const { StopSignals } = require(${JSON.stringify(join(__dirname, '../../dist/cli/stop-signals.js'))});
    const stop = new StopSignals();
    stop.signal.addEventListener('abort', () => console.log('stopping', stop.exitCode));
    setInterval(() => undefined, 1000);
    console.log('ready');`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    child.kill(stdout.includes('stopping') ? second : first);
  });
  const [ended, signal] = (await once(child, 'close')) as [number | null, string | null];
  expect({ ended, signal, stdout }).toEqual({
    ended: code,
    signal: null,
    stdout: `ready\nstopping ${128 + constants.signals[first]}\n`,
  });
});

test('SIGTERM before the first epoch is over saves nothing and says so', async () => {
  const out = models.path('out');
  let done = false;
  const stopped = await vectune(command(out), (text, kill) => {
    if (done || !text.includes('parameters (')) return;
    done = true;
    kill('SIGTERM');
  });
  expect(stopped).toMatchObject({ code: 143, signal: null });
  expect(stopped.stderr).toMatch(/stopped: (no epoch has made the model better yet|the weights of epoch)/);
});

test('a target that cannot be written is refused before anything is read', async () => {
  for (const out of ['/proc/x', '/proc/self/fd/x', join(models.write('file', ''), 'x')]) {
    const { code, stderr } = await vectune(command(out));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^vectune: Cannot save to .*ERR_SAVE_TARGET\]\n$/s);
  }
});

test('the proof leaves nothing behind, neither a folder nor the parents that were made', async () => {
  const out = models.path('deep', 'deeper', 'out');
  const { code } = await vectune([...command(out), '--freeze', 'nonsense']);
  expect(code).toBe(2);
  expect(existsSync(models.path('deep'))).toBe(false);
  expect(readdirSync(dirname(models.path('deep'))).filter((name) => name.includes('vectune-'))).toEqual([]);
});

test('where the target is gone at the end, the model is saved elsewhere, which is named', async () => {
  const parent = models.path('parent');
  mkdirSync(parent);
  const cache = models.path('cache');
  const spoil = afterTwoEpochs((kill) => {
    rmSync(parent, { recursive: true });
    writeFileSync(parent, ''); // a file where the folder was
    kill('SIGTERM');
  });
  const { code, stderr } = await vectune(command(join(parent, 'out')), spoil, {
    VECTUNE_CACHE: cache,
    VECTUNE_LIBTORCH: await libtorch(),
  });
  expect(code).toBe(143);
  const [, folder] = /the weights of epoch \d+ are saved to (.*)\n/.exec(stderr)!;
  expect(dirname(folder!)).toBe(join(cache, 'unsaved'));
  expect(existsSync(join(folder!, 'model.safetensors'))).toBe(true);
  expect(stderr).toContain(`not to ${join(parent, 'out')}: Cannot save to`);
});

test('the same at the end of a whole run: the report is printed, and the process ends with 1', async () => {
  const parent = models.path('parent');
  mkdirSync(parent);
  const cache = models.path('cache');
  const last = ['--epochs', '3'];
  let done = false;
  const { code, stdout, stderr } = await vectune(
    [...command(join(parent, 'out')).filter((word) => word !== '--epochs' && word !== '100000'), ...last],
    (text) => {
      if (done || !/untrained/.test(text)) return;
      done = true;
      rmSync(parent, { recursive: true });
      writeFileSync(parent, '');
    },
    { VECTUNE_CACHE: cache, VECTUNE_LIBTORCH: await libtorch() },
  );
  expect(code).toBe(1);
  expect(stdout).toContain('validation rows');
  const [, folder] = /The model is saved to (.*) instead\. \[ERR_FILE\]/.exec(stderr)!;
  expect(existsSync(join(folder!, 'model.safetensors'))).toBe(true);
});
