import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { inProgram, runProgram } from './run-program';

/** Surroundings under which a library of LibTorch's might end the process: it works, or a typed error says why not. */

const works = (more: object = {}) => ({
  code: 0,
  signal: null,
  stdout: expect.stringMatching(/^works 32 1\n$/),
  ...more,
});

test('the working folder was removed before the first load: told, and another folder is enough', async () => {
  const { stdout, ...ended } = await runProgram('environment.cjs', ['removed']);
  expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
  expect(stdout.split('\n')).toEqual([
    expect.stringMatching(
      /^LibTorchError ERR_LIBTORCH_LOAD The working folder of this process was removed\..*process\.chdir/,
    ),
    'works 32 1',
    '',
  ]);
});

test('the working folder is removed once LibTorch is loaded', async () => {
  expect(await runProgram('environment.cjs', ['later'])).toMatchObject(works({ stderr: '' }));
});

test.each<[string, NodeJS.ProcessEnv]>([
  [
    'MKL',
    { MKL_THREADING_LAYER: 'NONE', MKL_INTERFACE_LAYER: 'ILP65', MKL_ENABLE_INSTRUCTIONS: 'SSE9', MKL_CBWR: 'x' },
  ],
  ['OpenMP', { OMP_NUM_THREADS: 'many', OMP_PROC_BIND: 'x', OMP_PLACES: 'x', OMP_SCHEDULE: 'x', OMP_STACKSIZE: '9X' }],
  ["Intel's OpenMP", { KMP_AFFINITY: 'x', KMP_STACKSIZE: '1', KMP_BLOCKTIME: 'x' }],
  ['LibTorch and oneDNN', { ATEN_CPU_CAPABILITY: 'x', ONEDNN_MAX_CPU_ISA: 'x', PYTORCH_ALLOC_CONF: 'x:1' }],
  ['locales', { LC_ALL: 'xx_YY.UTF-9', LANG: 'x' }],
  ['temporary folders', { TMPDIR: '/nowhere' }],
  ['a library to be loaded before all', { LD_PRELOAD: '/nowhere/libnone.so' }],
])('values that are none: %s', async (_, environment) => {
  expect(await runProgram('environment.cjs', ['plain'], [], environment)).toMatchObject(works());
});

const linux = process.platform === 'linux' ? test : test.skip;

linux('a cache that cannot be made, under /proc: it goes on without', async () => {
  const VECTUNE_LIBTORCH = libtorch();
  const environment = { VECTUNE_CACHE: '/proc/vectune', VECTUNE_LIBTORCH };
  expect(await runProgram('environment.cjs', ['plain'], [], environment)).toMatchObject(works());
});

/** Folder of the LibTorch that is found here. */
function libtorch(): string {
  const ask =
    "require('./dist/libtorch/find.js').listLibTorch({ versions: [...JSON.parse(process.argv[1])] })" +
    '.then((found) => console.log(found.find(({ rejected }) => rejected === undefined).found.root))';
  const versions = JSON.stringify(['2.11.0', '2.15.0']);
  const options = { cwd: join(__dirname, '../..'), encoding: 'utf8' as const };
  return spawnSync(process.execPath, ['-e', ask, versions], options).stdout.trim();
}

linux.each([
  ['without standard streams', 'exec 0<&- 2>&-'],
  ['with 64 open files', 'ulimit -n 64'],
  ['with a stack of 256 KB', 'ulimit -s 256'],
  ['with 3 GB of address space', 'ulimit -v 3000000'],
  ['with 1.4 GB of address space', 'ulimit -v 1400000'],
])('a process %s', (_, limit) => {
  const program = join(__dirname, 'programs', 'environment.cjs');
  const { NODE_OPTIONS: __, ...env } = process.env;
  const shell = `${limit}; exec "$0" "$1" plain`;
  const ended = spawnSync('bash', ['-c', shell, process.execPath, program], { encoding: 'utf8', env, timeout: 50_000 });
  expect(ended).toMatchObject({ status: 0, signal: null });
  expect(ended.stdout).toMatch(/^(?:works 32 1|LibTorchError ERR_LIBTORCH_LOAD .*|OutOfMemoryError .*)\n$/);
});

test('the program has the scenarios of this file', () => {
  expect(inProgram('environment.cjs', /argv\[2\] (?:===|!==) '(\w+)'/g)).toEqual(['later', 'plain', 'removed']);
});
