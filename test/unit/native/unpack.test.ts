import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { chooseFromArchive, chooseFromWheel, copyLibTorch, unpackArchive } from '../../../lib/libtorch/unpack';
import { releaseOf } from '../../../lib/libtorch/table';
import { tarOf, zipOf, type Member } from './support/archives';
import { removeFolders, temporaryFolder, torchFiles, writeTree } from './support/folders';

afterAll(removeFolders);

const everything = (member: string) => member;

function archive(content: Buffer, name = 'archive.zip'): { path: string; target: string } {
  const folder = temporaryFolder();
  const path = join(folder, name);
  writeFileSync(path, content);
  return { path, target: join(folder, 'out') };
}

async function unpacked(members: readonly Member[]): Promise<string> {
  const { path, target } = archive(zipOf(members));
  await unpackArchive(path, target, everything);
  return target;
}

describe('zip', () => {
  test('unpacks deflated, stored and empty members, and tells how far it is', async () => {
    const big = 'abc'.repeat(300_000);
    const { path, target } = archive(
      zipOf([
        { name: 'a/', content: '' },
        { name: 'a/big', content: big },
        { name: 'a/b/stored', content: 'as it is', stored: true },
        { name: 'empty', content: '', stored: true },
      ]),
    );
    const seen: [number, number | undefined][] = [];
    await unpackArchive(path, target, everything, { onBytes: (done, total) => seen.push([done, total]) });
    expect(readFileSync(join(target, 'a/big'), 'utf8')).toBe(big);
    expect(readFileSync(join(target, 'a/b/stored'), 'utf8')).toBe('as it is');
    expect(readFileSync(join(target, 'empty'), 'utf8')).toBe('');
    expect(seen.at(-1)).toEqual([big.length + 8, big.length + 8]);
  });

  test('takes only what is chosen', async () => {
    const { path, target } = archive(
      zipOf([
        { name: 'wanted', content: '1' },
        { name: 'other', content: '2' },
      ]),
    );
    await unpackArchive(path, target, (member) => (member === 'wanted' ? 'x/y' : undefined));
    expect(readFileSync(join(target, 'x/y'), 'utf8')).toBe('1');
    expect(existsSync(join(target, 'other'))).toBe(false);
  });

  test.each(['../evil', 'a/../../evil', '/evil', 'a/../b', '..', 'C:\\evil', 'a\\..\\..\\evil', 'C:/evil'])(
    'refuses the member %s, which would lie outside',
    async (name) => {
      const { path, target } = archive(zipOf([{ name, content: 'evil' }]));
      await expect(unpackArchive(path, target, everything)).rejects.toMatchObject({
        code: 'ERR_DOWNLOAD',
        message: expect.stringContaining(name),
      });
      expect(existsSync(join(target, '..', 'evil'))).toBe(false);
    },
  );

  test('a header folder is no way out of the target', async () => {
    const torch = releaseOf('2.11.0', 'linux-x64').wheels[0]!;
    const { path, target } = archive(zipOf([{ name: 'torch/include/../../../evil', content: 'evil' }]));
    await expect(
      unpackArchive(path, target, chooseFromWheel(torch, { cuda: false, headers: true })),
    ).rejects.toMatchObject({
      code: 'ERR_DOWNLOAD',
    });
    expect(existsSync(join(target, '..', 'evil'))).toBe(false);
  });

  test('a damaged member is told: content, length', async () => {
    await expect(unpacked([{ name: 'a', content: 'text', claimedCrc: 1 }])).rejects.toMatchObject({
      code: 'ERR_DOWNLOAD',
      message: expect.stringContaining('CRC-32'),
    });
    await expect(unpacked([{ name: 'a', content: 'text', claimedBytes: 2 }])).rejects.toMatchObject({
      code: 'ERR_DOWNLOAD',
    });
    await expect(unpacked([{ name: 'a', content: 'text', claimedBytes: 9 }])).rejects.toMatchObject({
      code: 'ERR_DOWNLOAD',
    });
  });

  test('an archive that was cut off anywhere is refused', async () => {
    const whole = zipOf([
      { name: 'a', content: 'x'.repeat(1000), stored: true },
      { name: 'b', content: 'y' },
    ]);
    for (const length of [2, 21, 40, 600, whole.length - 23, whole.length - 1]) {
      const { path, target } = archive(whole.subarray(0, length));
      await expect(unpackArchive(path, target, everything)).rejects.toMatchObject({ code: 'ERR_DOWNLOAD' });
    }
  });

  test('a signal stops it', async () => {
    const { path, target } = archive(zipOf([{ name: 'a', content: 'x'.repeat(100) }]));
    const running = unpackArchive(path, target, everything, { signal: AbortSignal.abort() });
    await expect(running).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('tar', () => {
  const members = [
    { name: 'libtorch/', content: '', type: '5' },
    { name: 'libtorch/lib/libc10.so', content: 'c10' },
    { name: 'libtorch/lib/link.so', content: '', type: '2' },
    { name: `libtorch/include/${'deep/'.repeat(30)}file.h`, content: 'deep' },
    { name: 'libtorch/big', content: 'z'.repeat(700_000) },
  ];

  test.each([
    ['plain', tarOf(members)],
    ['gzip', gzipSync(tarOf(members))],
  ])('unpacks files, %s', async (_kind, content) => {
    const { path, target } = archive(content, 'archive.tar');
    await unpackArchive(path, target, everything);
    expect(readFileSync(join(target, 'libtorch/lib/libc10.so'), 'utf8')).toBe('c10');
    expect(readFileSync(join(target, `libtorch/include/${'deep/'.repeat(30)}file.h`), 'utf8')).toBe('deep');
    expect(readFileSync(join(target, 'libtorch/big'), 'utf8')).toHaveLength(700_000);
    expect(existsSync(join(target, 'libtorch/lib/link.so'))).toBe(false);
  });

  test('refuses a member outside, a cut and a wrong checksum', async () => {
    const outside = archive(tarOf([{ name: '../evil', content: 'evil' }]), 'a.tar');
    await expect(unpackArchive(outside.path, outside.target, everything)).rejects.toMatchObject({
      code: 'ERR_DOWNLOAD',
    });
    expect(existsSync(join(outside.target, '..', 'evil'))).toBe(false);

    for (const content of [tarOf(members).subarray(0, 2000), gzipSync(tarOf(members)).subarray(0, 300)]) {
      const cut = archive(content, 'b.tar');
      await expect(unpackArchive(cut.path, cut.target, everything)).rejects.toMatchObject({ code: 'ERR_DOWNLOAD' });
    }
    const wrong = tarOf(members);
    wrong[0] = 0x41;
    const damaged = archive(wrong, 'c.tar');
    await expect(unpackArchive(damaged.path, damaged.target, everything)).rejects.toMatchObject({
      code: 'ERR_DOWNLOAD',
      message: expect.stringContaining('checksum'),
    });
  });

  test('xz is refused with what to do', async () => {
    const { path, target } = archive(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 1, 2, 3]), 'libtorch.tar.xz');
    await expect(unpackArchive(path, target, everything)).rejects.toMatchObject({
      message: expect.stringMatching(/xz.*tar xf/),
    });
  });
});

describe('what is taken', () => {
  test('of the torch wheel: three libraries, the version, the licences; headers and CUDA when asked', () => {
    const torch = releaseOf('2.11.0', 'linux-x64').wheels[0]!;
    const names = [
      'torch/lib/libtorch_cpu.so',
      'torch/lib/libtorch_cuda.so',
      'torch/lib/libtorch_python.so',
      'torch/version.py',
      'torch/__init__.py',
      'torch/include/ATen/Tensor.h',
    ];
    const taken = (cuda: boolean, headers: boolean) => names.filter(chooseFromWheel(torch, { cuda, headers }));
    const always = ['torch/lib/libtorch_cpu.so', 'torch/version.py'];
    expect(taken(false, false)).toEqual(always);
    expect(taken(false, true)).toEqual([...always, 'torch/include/ATen/Tensor.h']);
    expect(taken(true, false)).toEqual(['torch/lib/libtorch_cpu.so', 'torch/lib/libtorch_cuda.so', 'torch/version.py']);
  });

  test('of another archive: the same libraries, whatever its top folder is called', () => {
    const choose = chooseFromArchive({ cuda: false, headers: false });
    expect(choose('libtorch/lib/libtorch_cpu.so')).toBe('torch/lib/libtorch_cpu.so');
    expect(choose('./some-name/lib/libgomp-abc123.so.1')).toBe('torch/lib/libgomp-abc123.so.1');
    expect(choose('lib/libc10.so')).toBe('torch/lib/libc10.so');
    expect(choose('libtorch/build-version')).toBe('torch/build-version');
    expect(choose('libtorch/lib/libtorch_cuda.so')).toBeUndefined();
    expect(choose('libtorch/include/ATen/Tensor.h')).toBeUndefined();
    const all = chooseFromArchive({ cuda: true, headers: true });
    expect(all('libtorch/include/ATen/Tensor.h')).toBe('torch/include/ATen/Tensor.h');
    expect(all('libtorch/lib/libtorch_cuda.so')).toBe('torch/lib/libtorch_cuda.so');
    expect(all('libtorch/lib/libcudart-12ab.so.13')).toBe('torch/lib/libcudart-12ab.so.13');
    expect(all('libtorch/lib/libcudnn_ops.so.9')).toBe('torch/lib/libcudnn_ops.so.9');
    expect(all('libtorch/lib/libtorch_python.so')).toBeUndefined();
    expect(all('libtorch/lib/libdnnl.a')).toBeUndefined();
  });

  test('of a Python environment: the libraries, and those of the CUDA packages beside it', async () => {
    const site = temporaryFolder();
    writeTree(site, {
      ...Object.fromEntries(Object.entries(torchFiles('2.11.0', true)).map(([path, text]) => [`torch/${path}`, text])),
      'torch/lib/libtorch_python.so': 'python',
      'nvidia/cu13/lib/libcudart.so.13': 'cudart',
      'nvidia/cu13/lib/libcublas.so.13': 'cublas',
    });
    const folder = { root: join(site, 'torch'), libDir: join(site, 'torch/lib') };
    const target = temporaryFolder();
    await copyLibTorch(folder, target, { cuda: false, headers: true });
    expect(readFileSync(join(target, 'torch/lib/libtorch_cpu.so'), 'utf8')).toBe('cpu');
    expect(readFileSync(join(target, 'nvidia/cu13/lib/libcudart.so.13'), 'utf8')).toBe('cudart');
    expect(existsSync(join(target, 'torch/include/ATen/core/Tensor.h'))).toBe(true);
    expect(existsSync(join(target, 'torch/lib/libtorch_python.so'))).toBe(false);
    expect(existsSync(join(target, 'nvidia/cu13/lib/libcublas.so.13'))).toBe(false);
    const whole = temporaryFolder();
    await copyLibTorch(folder, whole, { cuda: true, headers: false });
    expect(existsSync(join(whole, 'nvidia/cu13/lib/libcublas.so.13'))).toBe(true);
    expect(existsSync(join(whole, 'torch/lib/libtorch_python.so'))).toBe(false);
  });
});
