import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { DoctorReport } from '../../../lib/doctor/doctor';
import { builtVersions, LIBTORCH_VERSION } from '../../libtorch';
import { removeFolders, temporaryFolder, writeTorch, writeTree } from './support/folders';

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
    engine: { libtorch: LIBTORCH_VERSION, addon: report.vectune },
    platform: { key: 'linux-x64', supported: true },
  });
  expect(report.libtorch.candidates.filter(({ path }) => path === report.libtorch.chosen)).toHaveLength(1);
  expect(status).toBe(0);
  expect(vectune(['doctor']).stdout).toContain(`engine     LibTorch ${LIBTORCH_VERSION}, kernels`);
});

test('without LibTorch: exit code 1, and the command that installs it', async () => {
  const home = temporaryFolder();
  const { status, stdout } = vectune(['doctor'], bare(home));
  expect(status).toBe(1);
  const built = await builtVersions();
  expect(stdout).toContain(`\nProblem: No LibTorch ${built.join(' or ')} that can be used was found.\n`);
  const megabytes = { '2.11.0': 544, '2.15.0': 553 }[built[0]!];
  expect(/^Next: npx vectune libtorch install +(\(.*\))$/m.exec(stdout)![1]).toBe(
    `(downloads ${megabytes} MB into ${join(home, 'libtorch', built[0]!)})`,
  );
});

test('every candidate is told, with the reason why it is not used', async () => {
  const home = temporaryFolder();
  writeTorch(join(home, 'venv/lib/python3.10/site-packages/torch'), '2.6.0+cu124');
  writeTorch(join(home, 'conda/lib/python3.11/site-packages/torch'), LIBTORCH_VERSION);
  const environment = { ...bare(home), VIRTUAL_ENV: join(home, 'venv'), CONDA_PREFIX: join(home, 'conda') };
  const { status, stdout } = vectune(['doctor', '--json'], environment);
  const { libtorch, engine } = JSON.parse(stdout) as DoctorReport;
  expect(status).toBe(1);
  expect(engine).toBeNull();
  expect(libtorch.candidates).toMatchObject([
    {
      via: 'VIRTUAL_ENV',
      version: '2.6.0+cu124',
      accepted: false,
      reason: expect.stringContaining(`the engine is for LibTorch ${(await builtVersions())[0]}`),
      next: null, // it is another's
    },
    {
      via: 'CONDA_PREFIX',
      version: LIBTORCH_VERSION,
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

test('a release of the cache that is not whole, and one that there is no engine for: what to type about each', async () => {
  const home = temporaryFolder();
  const built = (await builtVersions())[0]!;
  writeTorch(join(home, `libtorch/${built}/torch`), built);
  writeTorch(join(home, 'libtorch/2.3.0/torch'), '2.3.0');
  const { stdout } = vectune(['doctor'], bare(home));
  const lines = stdout.split('\n').map((line) => line.trim());
  const after = (start: RegExp) => lines[lines.findIndex((line) => start.test(line)) + 1];
  expect(after(new RegExp(`/${built}/.*: rejected: its installation was not completed$`))).toBe(
    `→ npx vectune libtorch install ${built}`,
  );
  expect(after(/\/2\.3\.0.*: rejected: /)).toBe('→ npx vectune libtorch remove 2.3.0');
});

test('the cache is measured, and each part has the command that removes it', () => {
  const home = temporaryFolder();
  writeTree(home, {
    'libtorch/2.3.0/torch/lib/libtorch_cpu.so': 'x'.repeat(3000),
    'libtorch/.parts/abc': 'x'.repeat(200),
    'models/one/model.safetensors': 'x'.repeat(40),
  });
  const { cache } = JSON.parse(vectune(['doctor', '--json'], bare(home)).stdout) as DoctorReport;
  expect(cache.folder).toBe(home);
  expect(cache.entries.map(({ what, bytes, remove }) => [what, bytes, remove])).toEqual(
    expect.arrayContaining([
      ['downloads that were broken off', 200, `rm -r '${join(home, 'libtorch/.parts')}'`],
      ['LibTorch 2.3.0', 3000, 'npx vectune libtorch remove 2.3.0'],
      ['models', 40, `rm -r '${join(home, 'models')}'`],
    ]),
  );
});

describe('an NVIDIA driver', () => {
  /** A machine whose nvidia-smi says this, in the form that it is asked for. */
  function withDriver(driver: string): NodeJS.ProcessEnv {
    const home = temporaryFolder();
    const answer = `${driver}, 81559, NVIDIA H100 80GB HBM3\n`;
    writeTree(home, {
      'nvidia-smi':
        `#!${process.execPath}\nif (!/driver_version,memory.total,name.*noheader,nounits/.test(process.argv.join())) ` +
        `process.exit(2);\nprocess.stdout.write(${JSON.stringify(answer)});\n`,
    });
    chmodSync(join(home, 'nvidia-smi'), 0o755);
    return { PATH: home };
  }

  test("is told with its GPU, and the command that installs CUDA's libraries where LibTorch has none", () => {
    const { stdout } = vectune(['doctor'], { ...bare(temporaryFolder()), ...withDriver('580.65.06') });
    expect(stdout).toMatch(/^NVIDIA +NVIDIA H100 80GB HBM3, 79\.6 GiB; driver 580\.65\.06$/m);
    const { nvidia } = JSON.parse(vectune(['doctor', '--json'], withDriver('580.65.06')).stdout) as DoctorReport;
    expect(nvidia).toMatchObject({ driver: '580.65.06', gpus: [{ memoryBytes: 81559 * 2 ** 20 }] });
    expect(nvidia.next).toMatch(
      new RegExp(`^npx vectune libtorch install ${LIBTORCH_VERSION} --cuda +\\(downloads \\d{4} MB\\)$`),
    );
  });

  test('that is too old for the release is told with the one that it needs', () => {
    const { nvidia } = JSON.parse(vectune(['doctor', '--json'], withDriver('550.54.15')).stdout) as DoctorReport;
    expect(nvidia.next).toMatch(/driver 580 or newer: .*does not run on 550\.54\.15\.$/);
  });
});

test('it is one screen', () => {
  const lines = vectune(['doctor']).stdout.split('\n');
  expect(lines.length).toBeLessThanOrEqual(25);
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

test('install from a folder, remove: of the version that the engine is for', async () => {
  const version = (await builtVersions())[0]!;
  const home = temporaryFolder();
  writeTorch(join(home, 'mine/torch'), version);
  const environment = bare(join(home, 'cache'));
  expect(vectune(['libtorch', 'install', '--from', join(home, 'mine')], environment).stdout).toBe(
    `LibTorch ${version}: ${join(home, `cache/libtorch/${version}/torch`)}\n`,
  );
  expect(vectune(['libtorch', 'path'], environment).stdout).toBe(`${join(home, `cache/libtorch/${version}/torch`)}\n`);
  expect(vectune(['libtorch', 'remove'], environment).stdout).toMatch(/^removed /);
  expect(vectune(['libtorch', 'remove'], environment).stdout).toMatch(/^there is nothing in /);
});

test('--cuda and --cpu together are refused', () => {
  const { status, stderr } = vectune(['libtorch', 'install', '--cuda', '--cpu'], bare(temporaryFolder()));
  expect(status).toBe(2);
  expect(stderr).toMatch(/--cuda and --cpu .*\[ERR_INVALID_OPTION\]$/m);
});

test('a mistake on the command line is one sentence; exit code 1, and 2 where it is in what was typed', () => {
  const { status, stderr } = vectune(['libtorch', 'install', '--from', '/nowhere/libtorch.zip']);
  expect(status).toBe(1);
  expect(stderr).toMatch(/^vectune: \/nowhere\/libtorch\.zip is not there.*\[ERR_LIBTORCH_MISSING\]\n$/);
  expect(vectune(['doctr']).status).toBe(2);
});
