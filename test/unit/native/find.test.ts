import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { listLibTorch, searchLibTorch, type Candidate, type FindOptions } from '../../../lib/libtorch/find';
import { inspectFolder, MARKER_FILE } from '../../../lib/libtorch/folder';
import { removeFolders, temporaryFolder, torchFiles, writeTorch, writeTree } from './support/folders';

const VERSIONS = ['2.11.0', '2.15.0'];

let home: string;
let environment: NodeJS.ProcessEnv;

beforeEach(() => {
  home = temporaryFolder();
  environment = { PATH: dirname(process.execPath), VECTUNE_CACHE: join(home, 'cache') };
});

afterAll(removeFolders);

/** Candidates below the test's own folder: the machine may have a LibTorch too. */
async function search(options: Partial<FindOptions> = {}): Promise<Candidate[]> {
  const all = await listLibTorch({ versions: VERSIONS, environment, ...options });
  return all.filter(({ path }) => path.startsWith(home));
}

const inHome = (path: string) => join(home, path);

function cached(version: string, marker: object | null): string {
  const folder = inHome(`cache/libtorch/${version}`);
  writeTorch(join(folder, 'torch'), version);
  if (marker !== null) writeTree(folder, { [MARKER_FILE]: JSON.stringify(marker) });
  return folder;
}

const LIBRARIES = { 'torch/lib/libtorch_cpu.so': 3, 'torch/lib/libc10.so': 3 };

/** A `python3` that answers with these paths when it is asked for them, and fails when it is to import torch. */
function fakePython(paths: string[]): void {
  const bin = inHome('bin');
  writeTree(bin, {
    python3:
      `#!${process.execPath}\nif (/import torch/.test(process.argv.join(' '))) process.exit(9);\n` +
      `console.log(${JSON.stringify(JSON.stringify(paths))});\n`,
  });
  chmodSync(join(bin, 'python3'), 0o755);
  environment['PATH'] = bin;
}

test('the order: cache, the environments of variables, python3, LD_LIBRARY_PATH', async () => {
  cached('2.11.0', { version: '2.11.0', libraries: LIBRARIES });
  writeTorch(inHome('venv/lib/python3.12/site-packages/torch'), '2.11.0+cu130');
  writeTorch(inHome('conda/lib/python3.11/site-packages/torch'), '2.11.0');
  writeTorch(inHome('user/site-packages/torch'), '2.11.0+cpu');
  writeTorch(inHome('system'), '2.11.0');
  fakePython([inHome('empty'), inHome('user/site-packages')]);
  Object.assign(environment, {
    VIRTUAL_ENV: inHome('venv'),
    CONDA_PREFIX: inHome('conda'),
    LD_LIBRARY_PATH: `${inHome('nothing')}:${inHome('system/lib')}`,
  });
  const found = await search();
  expect(found.map(({ via, rejected }) => [via, rejected])).toEqual([
    ["vectune's cache", undefined],
    ['VIRTUAL_ENV', undefined],
    ['CONDA_PREFIX', undefined],
    ['python3', undefined],
    ['LD_LIBRARY_PATH', undefined],
  ]);
  expect(found[1]!.found).toMatchObject({
    root: inHome('venv/lib/python3.12/site-packages/torch'),
    version: '2.11.0',
    fullVersion: '2.11.0+cu130',
    headers: false,
  });
});

test('python3 is asked once where its answer holds a LibTorch, and again where it holds none any more', async () => {
  writeTorch(inHome('user/torch'), '2.11.0');
  const first = async () => {
    for await (const candidate of searchLibTorch({ versions: VERSIONS, environment })) return candidate.path;
    return undefined;
  };
  fakePython([inHome('user')]);
  expect(await first()).toBe(inHome('user/torch'));
  fakePython([inHome('other')]);
  writeTorch(inHome('other/torch'), '2.11.0');
  expect(await first()).toBe(inHome('user/torch')); // remembered: the changed python3 was not run
  rmSync(inHome('user'), { recursive: true });
  expect(await first()).toBe(inHome('other/torch'));
});

test('VECTUNE_LIBTORCH, and before it the option, end the search, whatever lies there', async () => {
  cached('2.11.0', { version: '2.11.0', libraries: LIBRARIES });
  writeTorch(inHome('mine'), '2.15.0');
  environment['VECTUNE_LIBTORCH'] = inHome('mine');
  expect(await search()).toMatchObject([{ origin: 'environment', found: { version: '2.15.0' }, rejected: undefined }]);
  expect(await search({ libtorch: inHome('gone') })).toMatchObject([
    { origin: 'option', found: undefined, rejected: 'no lib/libtorch_cpu.so is there' },
  ]);
});

test('another version is reported and never accepted', async () => {
  writeTorch(inHome('venv/lib/python3.9/site-packages/torch'), '2.7.1+cu126');
  environment['VIRTUAL_ENV'] = inHome('venv');
  expect(await search()).toMatchObject([
    { rejected: 'it is LibTorch 2.7.1+cu126, and the engine is for LibTorch 2.11.0 or 2.15.0' },
  ]);
});

test('in the cache only whole installs count, the version that is preferred first', async () => {
  cached('2.15.0', { version: '2.15.0', libraries: LIBRARIES });
  cached('2.11.0', { version: '2.11.0', libraries: LIBRARIES });
  expect((await search()).map(({ found, rejected }) => [found?.version, rejected])).toEqual([
    ['2.11.0', undefined],
    ['2.15.0', undefined],
  ]);
  writeTree(inHome('cache/libtorch/2.11.0'), { 'torch/lib/libc10.so': 'cut' + 'longer' });
  expect((await search())[0]!.rejected).toBe('torch/lib/libc10.so has 9 bytes, expected 3');
});

test('an install that was broken off is told', async () => {
  cached('2.11.0', null);
  expect((await search())[0]!.rejected).toBe('its installation was not completed');
  mkdirSync(inHome('cache/libtorch/2.15.0'), { recursive: true });
  expect((await search())[1]).toMatchObject({ found: undefined, rejected: 'its installation was not completed' });
});

test('to build, header files are needed, and a version', async () => {
  writeTorch(inHome('a'), '2.11.0');
  writeTorch(inHome('b'), '2.11.0', true);
  const { 'version.py': _version, ...unversioned } = torchFiles('', true);
  writeTree(inHome('c'), unversioned);
  const rejected = async (name: string) => (await search({ libtorch: inHome(name), headers: true }))[0]!.rejected;
  expect(await rejected('a')).toMatch(/no header files/);
  expect(await rejected('b')).toBeUndefined();
  expect(await rejected('c')).toMatch(/does not tell its version/);
  expect((await search({ libtorch: inHome('c') }))[0]!.rejected).toBeUndefined(); // a probe will tell
});

test('a folder may be LibTorch itself, what holds it, or its lib; archives tell their version otherwise', async () => {
  writeTree(home, {
    'site/torch/lib/libtorch_cpu.so': '',
    'site/torch/version.py': "__version__: str = '2.15.0a0+git123'\n",
    'zip/libtorch/lib/libtorch_cpu.so': '',
    'zip/libtorch/build-version': '2.11.0+cpu\n',
    'flat/libtorch_cpu.so': '',
  });
  for (const path of ['site', 'site/torch', 'site/torch/lib']) {
    expect(await inspectFolder(inHome(path))).toMatchObject({
      root: inHome('site/torch'),
      libDir: inHome('site/torch/lib'),
      fullVersion: '2.15.0a0+git123',
    });
  }
  expect(await inspectFolder(inHome('zip'))).toMatchObject({ version: '2.11.0', fullVersion: '2.11.0+cpu' });
  expect(await inspectFolder(inHome('flat'))).toMatchObject({ libDir: inHome('flat'), version: undefined });
  expect(await inspectFolder(home)).toBeUndefined();
});
