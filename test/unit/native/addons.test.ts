import { join } from 'node:path';
import { findAddons } from '../../../lib/engine/addons';
import { removeFolders, temporaryFolder, writeTree } from './support/folders';

let root: string;

beforeEach(() => {
  root = temporaryFolder();
});
afterAll(removeFolders);

const tuple = `${process.platform}-${process.arch}`;
const packaged = (name: string) => `dist/addons/${name}/prebuilds/${tuple}/vectune.node`;
const built = (version: string, name: string) => `.build/libtorch-${version}/${name}/build/Release/vectune.node`;

function put(...paths: string[]): void {
  writeTree(root, Object.fromEntries(paths.map((path) => [path, ''])));
}

test('those of the package, as prebuildify lays them out', async () => {
  put(packaged('loader'), packaged('engine-2.11.0'), packaged('engine-2.15.0'));
  expect(await findAddons(root)).toEqual({
    loader: join(root, packaged('loader')),
    engines: new Map([
      ['2.11.0', join(root, packaged('engine-2.11.0'))],
      ['2.15.0', join(root, packaged('engine-2.15.0'))],
    ]),
  });
});

test("of several files the one for this C library; another's is not taken", async () => {
  const libc = (name: string, tag: string) => `dist/addons/${name}/prebuilds/${tuple}/vectune.${tag}.node`;
  put(...['glibc', 'musl'].flatMap((tag) => [libc('loader', tag), libc('engine-2.11.0', tag)]));
  const { loader, engines } = await findAddons(root);
  expect(loader).toBe(join(root, libc('loader', 'glibc')));
  expect(engines.get('2.11.0')).toBe(join(root, libc('engine-2.11.0', 'glibc')));
});

test('a stray build/Release in an installed package never wins, wherever it lies', async () => {
  put(packaged('loader'), packaged('engine-2.11.0'));
  const strays = ['', 'dist/', 'dist/addons/', 'dist/addons/loader/', 'dist/addons/engine-2.11.0/'];
  put(...strays.flatMap((place) => ['Release', 'Debug'].map((kind) => `${place}build/${kind}/vectune.node`)));
  expect(await findAddons(root)).toEqual({
    loader: join(root, packaged('loader')),
    engines: new Map([['2.11.0', join(root, packaged('engine-2.11.0'))]]),
  });
});

test('without the packaged file a stray one is not taken either', async () => {
  put('dist/addons/loader/build/Release/vectune.node', 'dist/addons/engine-2.11.0/build/Release/vectune.node');
  await expect(findAddons(root)).rejects.toMatchObject({ code: 'ERR_ADDON_MISSING' });
});

test('those that a clone built', async () => {
  put(built('2.11.0', 'loader'), built('2.11.0', 'engine'));
  expect(await findAddons(root)).toEqual({
    loader: join(root, built('2.11.0', 'loader')),
    engines: new Map([['2.11.0', join(root, built('2.11.0', 'engine'))]]),
  });
});

test("the package's go first, and what it lacks is taken from the build", async () => {
  put(
    packaged('loader'),
    packaged('engine-2.11.0'),
    built('2.11.0', 'loader'),
    built('2.11.0', 'engine'),
    built('2.15.0', 'loader'),
    built('2.15.0', 'engine'),
  );
  const { loader, engines } = await findAddons(root);
  expect(loader).toBe(join(root, packaged('loader')));
  expect(engines.get('2.11.0')).toBe(join(root, packaged('engine-2.11.0')));
  expect(engines.get('2.15.0')).toBe(join(root, built('2.15.0', 'engine')));
});

test("another platform's do not count: the error names the platform, the places and the command", async () => {
  put(
    'dist/addons/loader/prebuilds/aix-ppc64/vectune.node',
    'dist/addons/engine-2.11.0/prebuilds/aix-ppc64/vectune.node',
  );
  await expect(findAddons(root)).rejects.toMatchObject({
    name: 'LibTorchError',
    code: 'ERR_ADDON_MISSING',
    message: expect.stringMatching(new RegExp(`${tuple}.*${join(root, 'dist/addons/loader')}.*npm run setup`)),
  });
});

test('an engine without a loader is of no use', async () => {
  put(packaged('engine-2.11.0'));
  await expect(findAddons(root)).rejects.toMatchObject({ code: 'ERR_ADDON_MISSING' });
});
