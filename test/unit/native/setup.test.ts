import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { removeFolders, temporaryFolder, writeTree } from './support/folders';

const ROOT = resolve(__dirname, '../../..');

let home: string;
let bin: string;

beforeEach(() => {
  home = temporaryFolder();
  bin = join(home, 'bin');
  mkdirSync(bin);
});

afterAll(removeFolders);

/** A clone in which nothing was done yet. */
function freshClone(): string {
  const clone = join(home, 'clone');
  for (const path of [
    'scripts/setup',
    'scripts/setup.mjs',
    'native',
    'CMakeLists.txt',
    'package.json',
    'package-lock.json',
    '.ci',
  ]) {
    cpSync(join(ROOT, path), join(clone, path), { recursive: true });
  }
  return clone;
}

/** A program on the PATH that prints this, exits so, and does nothing else. */
function program(name: string, output: string, code = 0): void {
  writeFileSync(
    join(bin, name),
    `#!${process.execPath}\nconsole.log(${JSON.stringify(output)}); process.exit(${code});\n`,
  );
  chmodSync(join(bin, name), 0o755);
}

function run(script: string, args: string[] = [], environment: NodeJS.ProcessEnv = {}) {
  const env = { PATH: bin, HOME: home, VECTUNE_CACHE: join(home, 'cache'), ...environment };
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { env, encoding: 'utf8' });
  return { status, stdout, stderr: stderr.trim() };
}

const goodTools = () => {
  program('c++', 'c++ (GCC) 12.2.0');
  program('cmake', 'cmake version 3.25.1');
  program('make', 'GNU Make 4.3');
};

test('without any tool: one sentence that names them all, and the command that installs them', () => {
  const { status, stderr } = run(join(freshClone(), 'scripts/setup.mjs'));
  expect(status).toBe(1);
  const [sentence, command, ...more] = stderr.split('\n');
  expect(sentence).toMatch(/^To build its addon, vectune needs a C\+\+20 compiler .*, CMake 3\.22 or newer and Make/);
  expect(command).toMatch(/^ {2}(?:sudo )?(?:apt-get|dnf|zypper|pacman) .*cmake make$/);
  expect(more).toEqual([]);
});

test.each<[string, () => void, RegExp]>([
  [
    'a compiler',
    () => {
      program('cmake', 'cmake version 3.25.1');
      program('ninja', '1.11');
    },
    /needs a C\+\+20 compiler[^,]*, Clang 14 or newer\)\. Install it by:\n {2}.*(?:g\+\+|gcc)/,
  ],
  [
    'CMake',
    () => {
      program('g++', 'g++ (Debian) 12.2.0');
      program('make', 'GNU Make');
    },
    /needs CMake 3\.22 or newer\. Install it by:\n {2}.* cmake$/,
  ],
  [
    'a compiler that is new enough',
    () => {
      goodTools();
      program('c++', 'c++ (GCC) 9.4.0');
    },
    /C\+\+20 compiler .*, and c\+\+ is version 9\./,
  ],
  [
    'a CMake that is new enough',
    () => {
      goodTools();
      program('cmake', 'cmake version 3.16.3');
    },
    /CMake 3\.22 or newer, and this is CMake 3\.16\./,
  ],
])('without %s', (_what, tools, expected) => {
  tools();
  const { status, stderr } = run(join(freshClone(), 'scripts/setup.mjs'));
  expect(status).toBe(1);
  expect(stderr).toMatch(expected);
});

test('CXX that names nothing', () => {
  goodTools();
  const { stderr } = run(join(freshClone(), 'scripts/setup.mjs'), [], { CXX: 'nowhere++' });
  expect(stderr).toContain('CXX names nowhere++, which is not there');
});

test("without a network npm's words are kept to one sentence and a command", () => {
  goodTools();
  const npm = join(home, 'npm-cli.js');
  writeFileSync(npm, "console.error('npm error code ENOTFOUND'); process.exit(1);");
  const { status, stderr } = run(join(freshClone(), 'scripts/setup.mjs'), [], { npm_execpath: npm });
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /^npm cannot reach its registry:\nnpm error code ENOTFOUND\nCheck the network.*\n {2}npm ping$/s,
  );
});

test('without npm', () => {
  goodTools();
  const { status, stderr } = run(join(freshClone(), 'scripts/setup.mjs'));
  expect(status).toBe(1);
  expect(stderr).toMatch(/^npm is not on this machine\./);
});

test('without pip, where LibTorch must be installed', () => {
  goodTools();
  const clone = freshClone();
  // The packages and the compiled TypeScript are there; LibTorch is not.
  symlinkSync(join(ROOT, 'node_modules'), join(clone, 'node_modules'));
  symlinkSync(join(ROOT, 'dist'), join(clone, 'dist'));
  const check =
    "import { installLibTorch } from './scripts/setup/libtorch.mjs'; " +
    "import { runScript } from './scripts/setup/step.mjs'; await runScript(installLibTorch);";
  writeFileSync(join(clone, 'check.mjs'), check);
  const { status, stderr } = run(join(clone, 'check.mjs'));
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /^LibTorch comes through pip, and there is none .*VECTUNE_LIBTORCH.*\n {2}.*(?:python3-pip|python-pip)$/,
  );
});

test('an unknown option is refused', () => {
  const { status, stderr } = run(join(ROOT, 'scripts/setup.mjs'), ['--fast']);
  expect(status).toBe(1);
  expect(stderr).toBe('setup has no option --fast; it has --build-only.');
});

test('the matrix refuses a LibTorch that vectune does not know, before anything is done', () => {
  const { status, stdout, stderr } = run(join(ROOT, 'scripts/test-matrix.mjs'), ['9.9.9']);
  expect([status, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/^vectune does not know LibTorch 9\.9\.9; it knows 2\.11\.0, 2\.15\.0\.$/);
});

describe('.ci/run', () => {
  /** Runs it over an `npm` that prints this. */
  function ci(output: string, code: number) {
    const clone = freshClone();
    program('npm', output, code);
    const { status, stdout } = spawnSync('bash', [join(clone, '.ci/run')], {
      env: { PATH: `${bin}:${dirname(process.execPath)}:${process.env['PATH']}` },
      encoding: 'utf8',
    });
    return { status, lastLine: stdout.split('\n').at(-2), end: stdout.endsWith('\n') };
  }

  test("ends with the tests' summary, alone, whatever npm says after it", () => {
    expect(ci('x\n7 passed, 0 failed, 2 skipped\nnpm notice', 0)).toEqual({
      status: 0,
      lastLine: '7 passed, 0 failed, 2 skipped',
      end: true,
    });
    expect(ci('7 passed, 1 failed, 2 skipped', 1)).toMatchObject({
      status: 1,
      lastLine: '7 passed, 1 failed, 2 skipped',
    });
  });

  test('says so where the set-up did not get as far as the tests', () => {
    expect(ci('no compiler', 1)).toMatchObject({ status: 1, lastLine: '0 passed, 1 failed, 0 skipped' });
    expect(ci('nothing was run', 0)).toMatchObject({ status: 1, lastLine: '0 passed, 1 failed, 0 skipped' });
  });
});

test('stamps tell what changed', () => {
  const clone = freshClone();
  writeTree(clone, { 'lib/a.ts': '1', 'lib/b/c.ts': '2' });
  const program_ = join(clone, 'stamp.mjs');
  writeFileSync(
    program_,
    `
    import { writeFileSync, renameSync } from 'node:fs';
    import { hashOf, isStamped, stamp, unstamp } from './scripts/setup/stamp.mjs';
    const hash = () => hashOf(['lib']);
    const said = [];
    stamp('x', hash()); said.push(isStamped('x', hash()));
    writeFileSync('lib/b/c.ts', '3'); said.push(isStamped('x', hash()));
    stamp('x', hash()); renameSync('lib/a.ts', 'lib/d.ts'); said.push(isStamped('x', hash()));
    stamp('x', hash()); unstamp('x'); said.push(isStamped('x', hash()));
    console.log(JSON.stringify(said));
  `,
  );
  const { stdout } = spawnSync(process.execPath, [program_], { cwd: clone, encoding: 'utf8' });
  expect(JSON.parse(stdout)).toEqual([true, false, false, false]);
  expect(readFileSync(join(clone, 'lib/b/c.ts'), 'utf8')).toBe('3');
});
