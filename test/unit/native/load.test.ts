import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { builtVersions, LIBTORCH_VERSION } from '../../libtorch';
import { removeFolders, temporaryFolder, writeTorch, writeTree } from './support/folders';

// Loading is a matter of whole processes: each case runs the compiled package in plain Node.
const ROOT = resolve(__dirname, '../../..');
const LOAD = join(ROOT, 'dist/engine/load.js');
const LOADER = join(ROOT, `.build/libtorch-${LIBTORCH_VERSION}/loader/build/Release/vectune.node`);

let home: string;

beforeEach(() => {
  home = temporaryFolder();
});
afterAll(removeFolders);

interface Outcome {
  info?: { libtorch: string };
  code?: string;
  name?: string;
  message?: string;
  [key: string]: unknown;
}

/** Runs `code` in a process of its own; `tell(object)` in it gives the outcome. */
function inProcess(code: string, environment: NodeJS.ProcessEnv = {}): Outcome {
  const program = `
    const tell = (outcome) => console.log(JSON.stringify(outcome));
    const failed = (error) => tell({ code: error.code, name: error.name, message: error.message, file: error.file });
    const { loadEngine } = require(${JSON.stringify(LOAD)});
    const loader = require(${JSON.stringify(LOADER)});
    (async () => { ${code} })().catch(failed);
  `;
  const env = { ...process.env, ...environment };
  const { stdout, stderr, signal } = spawnSync(process.execPath, ['-e', program], { env, encoding: 'utf8' });
  if (signal !== null || stdout.trim() === '') throw new Error(`the process ended by ${signal}: ${stderr}`);
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Outcome;
}

/** Compiles two shared objects with the names of LibTorch's. */
function fakeLibraries(folder: string, cpu: string): string {
  writeTree(folder, { 'c10.c': 'int c10_marker;', 'cpu.c': cpu });
  for (const [source, name] of [
    ['c10.c', 'libc10.so'],
    ['cpu.c', 'libtorch_cpu.so'],
  ] as const) {
    const { status, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-o', join(folder, name), join(folder, source)]);
    if (status !== 0) throw new Error(String(stderr));
  }
  return folder;
}

test('the engine loads once per process and says which LibTorch it has', () => {
  expect(existsSync(LOADER)).toBe(true);
  const outcome = inProcess(`
    const [a, b] = await Promise.all([loadEngine(), loadEngine()]);
    tell({ info: a.info(), same: a === b && a === await loadEngine(), mapped: loader.mapped() });
  `);
  expect(outcome).toMatchObject({ info: { libtorch: LIBTORCH_VERSION }, same: true });
  expect(outcome['mapped']).toEqual(expect.arrayContaining([expect.stringMatching(/libtorch_cpu\.so$/)]));
});

test('a start with a kept verdict runs no second process', () => {
  inProcess('await loadEngine(); tell({});');
  const outcome = inProcess(`
    const child = require('node:child_process');
    let spawned = 0;
    const spawn = child.ChildProcess.prototype.spawn;
    child.ChildProcess.prototype.spawn = function (...args) { ++spawned; return spawn.apply(this, args); };
    const engine = await loadEngine();
    tell({ spawned, info: engine.info() });
  `);
  expect(outcome).toMatchObject({ spawned: 0, info: { libtorch: LIBTORCH_VERSION } });
});

test('the event loop goes on while LibTorch is mapped', () => {
  const outcome = inProcess(`
    const { examine } = require(${JSON.stringify(join(ROOT, 'dist/doctor/doctor.js'))});
    const { chosen } = (await examine()).libtorch;
    let turns = 0, running = true;
    const turn = () => { ++turns; if (running) setImmediate(turn); };
    const opening = loader.open(chosen, { cuda: false });
    turn();
    await opening;
    running = false;
    tell({ turns });
  `);
  expect(outcome['turns']).toBeGreaterThan(10); // were the call to wait, there would be one or two
});

test('each worker has the engine, and the process ends well after it', () => {
  const outcome = inProcess(`
    const { Worker } = require('node:worker_threads');
    await loadEngine();
    const worker = new Worker(
      'require(process.argv[2]).loadEngine().then((engine) => ' +
      'require("node:worker_threads").parentPort.postMessage(engine.info().libtorch))',
      { eval: true, argv: [${JSON.stringify(LOAD)}] });
    const version = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    await worker.terminate();
    tell({ version, main: (await loadEngine()).info().libtorch });
  `);
  expect(outcome).toEqual({ version: LIBTORCH_VERSION, main: LIBTORCH_VERSION });
});

test('a LibTorch of another version is refused, both versions and the remedy named', async () => {
  writeTorch(join(home, 'torch'), '2.12.1+cu130');
  const outcome = inProcess(`await loadEngine({ libtorch: ${JSON.stringify(home)} });`);
  expect(outcome).toMatchObject({ name: 'LibTorchError', code: 'ERR_LIBTORCH_VERSION' });
  expect(outcome.message).toMatch(/LibTorch 2\.12\.1\+cu130, and the engine is for.*npx vectune libtorch install/);
  expect(outcome.message).toContain(`the engine is for LibTorch ${(await builtVersions()).join(' or ')}.`);
});

test('VECTUNE_LIBTORCH that names nothing is an error, not a reason to look elsewhere', () => {
  const outcome = inProcess('await loadEngine();', { VECTUNE_LIBTORCH: join(home, 'gone') });
  expect(outcome.code).toBe('ERR_LIBTORCH_MISSING');
  expect(outcome.message).toMatch(/VECTUNE_LIBTORCH names, .*gone, cannot be used: no lib\/libtorch_cpu\.so/);
});

test('a folder that does not tell its version is tried, and what it holds is told', () => {
  const lib = fakeLibraries(
    join(home, 'lib'),
    'unsigned long aoti_torch_abi_version(void) { return 0x020c000000000000UL; }',
  );
  const outcome = inProcess(`await loadEngine({ libtorch: ${JSON.stringify(home)} });`);
  expect(outcome.code).toBe('ERR_LIBTORCH_LOAD');
  expect(outcome.message).toContain(lib);
});

test('where nothing is found, what was looked at is told, and the command', async () => {
  const outcome = inProcess('await loadEngine();', {
    VECTUNE_LIBTORCH: '',
    VECTUNE_CACHE: home,
    VIRTUAL_ENV: '',
    CONDA_PREFIX: '',
    LD_LIBRARY_PATH: '',
    PATH: home,
  });
  expect(outcome.message).toMatch(/^No LibTorch .* was found\..*npx vectune libtorch install$/);
  expect(outcome.message).toContain(`No LibTorch ${(await builtVersions()).join(' or ')} was found.`);
});

describe('a LibTorch that something else loaded', () => {
  test('is refused, with its path', () => {
    const lib = fakeLibraries(join(home, 'foreign'), 'int cpu_marker;');
    const outcome = inProcess(`
      await loader.open(${JSON.stringify(lib)}, { cuda: false });
      await loadEngine();
    `);
    expect(outcome).toMatchObject({ name: 'LibTorchError', code: 'ERR_LIBTORCH_CONFLICT' });
    expect(outcome.message).toContain(join(lib, 'libtorch_cpu.so').replace('libtorch_cpu', 'libc10'));
    expect(outcome.message).toContain('VECTUNE_LIBTORCH');
  });

  test('is no conflict where it is the one that vectune would load', () => {
    const outcome = inProcess(`
      const { examine } = require(${JSON.stringify(join(ROOT, 'dist/doctor/doctor.js'))});
      const { libtorch } = await examine();
      await loader.open(libtorch.chosen, { cuda: false });
      tell({ info: (await loadEngine()).info() });
    `);
    expect(outcome).toMatchObject({ info: { libtorch: LIBTORCH_VERSION } });
  });

  test('by an earlier call with another folder', () => {
    writeTorch(join(home, 'torch'), '2.11.0');
    const outcome = inProcess(`await loadEngine(); await loadEngine({ libtorch: ${JSON.stringify(home)} });`);
    expect(outcome.code).toBe('ERR_LIBTORCH_CONFLICT');
  });
});

describe('the loader', () => {
  test('tells the version by the library itself', () => {
    const lib = fakeLibraries(home, 'unsigned long aoti_torch_abi_version(void) { return 0x020f010000000000UL; }');
    expect(inProcess(`tell(await loader.open(${JSON.stringify(lib)}, { cuda: false }));`)).toEqual({
      version: '2.15.1',
      paths: [join(lib, 'libc10.so'), join(lib, 'libtorch_cpu.so')],
    });
  });

  test("gives the dynamic linker's words, and lets go what it had opened", () => {
    const lib = fakeLibraries(home, 'extern int nowhere(void); int cpu_marker(void) { return nowhere(); }');
    const outcome = inProcess(`
      try { await loader.open(${JSON.stringify(lib)}, { cuda: false }); } catch (error) {
        tell({ code: error.code, message: error.message, file: error.file, mapped: loader.mapped() });
      }
    `);
    expect(outcome).toMatchObject({ code: 'ERR_LIBTORCH_LOAD', file: join(lib, 'libtorch_cpu.so'), mapped: [] });
    expect(outcome.message).toMatch(/undefined symbol: nowhere/);
  });

  test('opens libtorch_cuda only when it is asked for', () => {
    const lib = fakeLibraries(home, 'int cpu_marker;');
    expect(inProcess(`await loader.open(${JSON.stringify(lib)}, { cuda: true });`)).toMatchObject({
      code: 'ERR_LIBTORCH_LOAD',
      file: join(lib, 'libtorch_cuda.so'),
    });
  });

  test('refuses other arguments', () => {
    expect(inProcess('await loader.open(7, {});').message).toContain('open(folder: string');
  });
});
