import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import type { DoctorReport } from '../../../lib/native/doctor';
import { removeFolders, temporaryFolder, writeTorch } from './support/folders';

const MAIN = resolve(__dirname, '../../../dist/cli/main.js');

afterAll(removeFolders);

function vectune(args: string[], environment: NodeJS.ProcessEnv = {}) {
  const env = { ...process.env, ...environment };
  return spawnSync(process.execPath, [MAIN, ...args], { env, encoding: 'utf8' });
}

/** Nothing but what the test puts there. */
function bare(home: string): NodeJS.ProcessEnv {
  return {
    VECTUNE_LIBTORCH: '',
    VECTUNE_CACHE: home,
    VIRTUAL_ENV: '',
    CONDA_PREFIX: '',
    LD_LIBRARY_PATH: '',
    PATH: home,
  };
}

test('after the set-up nothing is missing, and the exit code says so', () => {
  const { status, stdout, stderr } = vectune(['doctor', '--json']);
  const report = JSON.parse(stdout) as DoctorReport;
  expect(stderr).toBe('');
  expect(report).toMatchObject({
    ok: true,
    problems: [],
    engine: { libtorch: '2.11.0', addon: report.vectune },
    platform: { key: 'linux-x64', supported: true },
  });
  expect(report.libtorch.candidates.filter(({ path }) => path === report.libtorch.chosen)).toHaveLength(1);
  expect(status).toBe(0);
  expect(vectune(['doctor']).stdout).toMatch(/^engine +LibTorch 2\.11\.0, kernels/m);
});

test('without LibTorch: exit code 1, and the command that installs it', () => {
  const home = temporaryFolder();
  const { status, stdout } = vectune(['doctor'], bare(home));
  expect(status).toBe(1);
  expect(stdout).toMatch(/^Problem: No LibTorch 2\.11\.0 that can be used was found\.$/m);
  expect(stdout).toMatch(/^Next: npx vectune libtorch install +\(downloads 544 MB into .*2\.11\.0\)$/m);
});

test('every candidate is told, with the reason why it is not used', () => {
  const home = temporaryFolder();
  writeTorch(join(home, 'venv/lib/python3.10/site-packages/torch'), '2.6.0+cu124');
  writeTorch(join(home, 'conda/lib/python3.11/site-packages/torch'), '2.11.0');
  const environment = { ...bare(home), VIRTUAL_ENV: join(home, 'venv'), CONDA_PREFIX: join(home, 'conda') };
  const { status, stdout } = vectune(['doctor', '--json'], environment);
  const { libtorch, engine } = JSON.parse(stdout) as DoctorReport;
  expect(status).toBe(1);
  expect(engine).toBeNull();
  expect(libtorch.candidates).toMatchObject([
    { via: 'VIRTUAL_ENV', version: '2.6.0+cu124', accepted: false, reason: expect.stringContaining('2.11.0') },
    {
      via: 'CONDA_PREFIX',
      version: '2.11.0',
      accepted: false,
      reason: expect.stringMatching(/cannot be loaded: .*(?:short|invalid ELF)/),
    },
  ]);
});

test('VECTUNE_LIBTORCH that cannot be used: the next command takes it back', () => {
  const { status, stdout } = vectune(['doctor'], { VECTUNE_LIBTORCH: '/nowhere' });
  expect(status).toBe(1);
  expect(stdout).toMatch(/\/nowhere \(VECTUNE_LIBTORCH\): rejected: no lib\/libtorch_cpu\.so is there/);
  expect(stdout).toMatch(/^Next: unset VECTUNE_LIBTORCH/m);
});

test('path prints the folder alone, or says on the other stream that there is none', () => {
  const home = temporaryFolder();
  writeTorch(join(home, 'torch'), '2.11.0');
  const found = vectune(['libtorch', 'path'], { VECTUNE_LIBTORCH: home });
  expect([found.status, found.stdout]).toEqual([0, `${join(home, 'torch')}\n`]);
  const none = vectune(['libtorch', 'path'], bare(join(home, 'cache')));
  expect([none.status, none.stdout]).toEqual([1, '']);
  expect(none.stderr).toMatch(/^vectune: No LibTorch was found\. See: npx vectune doctor \[ERR_LIBTORCH_MISSING\]$/m);
});

test('install from a folder, remove', () => {
  const home = temporaryFolder();
  writeTorch(join(home, 'mine/torch'), '2.11.0');
  const environment = bare(join(home, 'cache'));
  expect(vectune(['libtorch', 'install', '--from', join(home, 'mine')], environment).stdout).toBe(
    `LibTorch 2.11.0: ${join(home, 'cache/libtorch/2.11.0/torch')}\n`,
  );
  expect(vectune(['libtorch', 'path'], environment).stdout).toBe(`${join(home, 'cache/libtorch/2.11.0/torch')}\n`);
  expect(vectune(['libtorch', 'remove'], environment).stdout).toMatch(/^removed /);
  expect(vectune(['libtorch', 'remove'], environment).stdout).toMatch(/^there is nothing in /);
});

test('a mistake on the command line is one sentence and exit code 1', () => {
  const { status, stderr } = vectune(['libtorch', 'install', '--from', '/nowhere/libtorch.zip']);
  expect(status).toBe(1);
  expect(stderr).toMatch(/^vectune: \/nowhere\/libtorch\.zip is not there.*\[ERR_LIBTORCH_MISSING\]\n$/);
  expect(vectune(['doctr']).status).toBe(1);
});
