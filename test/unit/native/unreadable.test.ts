import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listLibTorch } from '../../../lib/libtorch/find';
import { makeFolders } from '../../../lib/system/make-folders';
import { removeFolders, temporaryFolder } from './support/folders';

/** Folders that are there and closed to this user are told as closed, not as missing. */

afterAll(removeFolders);

const asOther = process.platform === 'linux' && process.getuid!() === 0 ? test : test.skip;
const versions = ['2.11.0'];

async function asNobody<T>(work: () => Promise<T>): Promise<T> {
  process.seteuid!(65534);
  try {
    return await work();
  } finally {
    process.seteuid!(0);
  }
}

asOther.each([
  ['the folder', ''],
  ['its lib', 'lib'],
  ['the library', 'lib/libtorch_cpu.so'],
])('a LibTorch of which %s is closed', async (_, path) => {
  const root = temporaryFolder();
  chmodSync(root, 0o755);
  mkdirSync(join(root, 'lib'));
  writeFileSync(join(root, 'lib', 'libtorch_cpu.so'), 'x');
  writeFileSync(join(root, 'build-version'), '2.11.0\n');
  chmodSync(join(root, path), 0);
  const [found] = await asNobody(() => listLibTorch({ libtorch: root, versions }));
  expect(found!.rejected).toMatch(
    /this user may not read .* \(EACCES\): have it opened to the user, or run as its owner/,
  );
  expect(found!.rejected).toContain(join(root, path));
});

asOther("vectune's cache that is closed is told of", async () => {
  const cache = temporaryFolder();
  mkdirSync(join(cache, 'libtorch', '2.11.0'), { recursive: true });
  chmodSync(join(cache, 'libtorch'), 0);
  chmodSync(cache, 0o755);
  const environment = { VECTUNE_CACHE: cache, PATH: '' };
  const [found] = await asNobody(() => listLibTorch({ environment, versions, beyondCache: false }));
  expect(found).toMatchObject({ origin: 'cache', rejected: expect.stringContaining('may not read') });
});

test('folders are made with those above them, once', async () => {
  const root = temporaryFolder();
  expect(await makeFolders(join(root, 'a', 'b', 'c'))).toBe(join(root, 'a'));
  expect(await makeFolders(join(root, 'a', 'b', 'c'))).toBeUndefined();
  const all = await Promise.all(Array.from({ length: 8 }, () => makeFolders(join(root, 'x', 'y', 'z'))));
  expect(all).toHaveLength(8);
  writeFileSync(join(root, 'file'), '');
  await expect(makeFolders(join(root, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(makeFolders(join(root, 'file', 'a'))).rejects.toMatchObject({ code: 'ENOTDIR' });
});

(process.platform === 'linux' ? test : test.skip)('where none can be made, that ends', async () => {
  await expect(makeFolders('/proc/vectune/a')).rejects.toMatchObject({ code: 'ENOENT' });
});
