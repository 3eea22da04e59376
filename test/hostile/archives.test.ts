import fc from 'fast-check';
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DownloadError } from '../../lib/system/errors';
import { chooseFromArchive, unpackArchive } from '../../lib/libtorch/unpack';
import { tarOf, zipOf } from '../unit/native/support/archives';
import { removeFolders, temporaryFolder } from '../unit/native/support/folders';
import { damaged, PATIENCE_MS, tries } from './property';

/**
 * Archives of LibTorch that somebody made or that broke on the way: refused with a DownloadError, or unpacked into plain
 * files below the target, and nowhere else.
 */

afterAll(removeFolders);

const everything = (member: string) => member;

/** Everything below a folder, links not followed: path → kind. */
function listed(folder: string): Map<string, 'file' | 'folder' | 'other'> {
  const found = new Map<string, 'file' | 'folder' | 'other'>();
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const stat = lstatSync(join(folder, path));
    found.set(path, stat.isFile() ? 'file' : stat.isDirectory() ? 'folder' : 'other');
  }
  return found;
}

/** Unpacks in the middle of a folder of its own and checks all that became of that. */
async function unpackHostile(content: Buffer, choose = everything): Promise<'refused' | 'unpacked'> {
  const home = temporaryFolder();
  try {
    const target = join(home, 'a', 'b', 'out');
    mkdirSync(target, { recursive: true });
    writeFileSync(join(home, 'archive'), content);
    let outcome: 'refused' | 'unpacked' = 'unpacked';
    try {
      await unpackArchive(join(home, 'archive'), target, choose);
    } catch (error) {
      if (!(error instanceof DownloadError)) throw error;
      expect(['ERR_DOWNLOAD', 'ERR_DISK_SPACE']).toContain(error.code);
      outcome = 'refused';
    }
    for (const [path, kind] of listed(home)) {
      const expected = path === 'archive' ? 'file' : ['a', 'a/b', 'a/b/out'].includes(path) ? 'folder' : undefined;
      if (expected !== undefined) expect([path, kind]).toEqual([path, expected]);
      else
        expect([path, kind]).toEqual([expect.stringMatching(/^a\/b\/out\//), expect.stringMatching(/^file$|^folder$/)]);
    }
    return outcome;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

const part = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom('..', '.', '', 'lib', 'libtorch', 'a', 'C:', '~', 'libc10.so', '\u202e', 'e\u0301'),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
  { weight: 1, arbitrary: fc.constant('n'.repeat(300)) },
);
const name = fc
  .tuple(
    fc.constantFrom('', '/', './', '\\', '//', '\0'),
    fc.array(part, { minLength: 1, maxLength: 5 }),
    fc.constantFrom('/', '\\'),
  )
  .map(([first, parts, between]) => first + parts.join(between));
const content = fc.string({ maxLength: 40 });

test(
  'a zip archive whose members have any names',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ name, content, stored: fc.boolean() }), { minLength: 1, maxLength: 6 }),
        async (members) => {
          await unpackHostile(zipOf(members));
        },
      ),
      tries(400),
    );
  },
  PATIENCE_MS,
);

test(
  'a tar archive whose members have any names and any types',
  async () => {
    const type = fc.constantFrom('0', '\0', '1', '2', '3', '4', '5', '6', '7', 'L', 'K', 'x', 'g', 'Z');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ name, content, type }), { minLength: 1, maxLength: 6 }),
        fc.boolean(),
        async (members, packed) => {
          await unpackHostile(packed ? gzipSync(tarOf(members)) : tarOf(members));
        },
      ),
      tries(400),
    );
  },
  PATIENCE_MS,
);

const LIBRARIES = [
  { name: 'libtorch/lib/libtorch_cpu.so', content: 'cpu'.repeat(200) },
  { name: 'libtorch/lib/libc10.so', content: 'c10' },
  { name: 'libtorch/build-version', content: '2.11.0+cpu\n' },
];

test.each([
  ['zip', zipOf([...LIBRARIES, { name: 'libtorch/lib/libgomp.so.1', content: 'gomp', stored: true }])],
  ['tar', tarOf([...LIBRARIES, { name: `libtorch/${'n'.repeat(120)}`, content: 'long' }])],
  ['tar packed by gzip', gzipSync(tarOf(LIBRARIES))],
])(
  'a %s archive that was damaged',
  async (_, whole) => {
    expect(await unpackHostile(whole)).toBe('unpacked');
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(damaged(whole), async (bytes) => {
        if ((await unpackHostile(bytes)) === 'refused') ++refused;
      }),
      tries(600),
    );
    expect(refused).toBeGreaterThan(0);
  },
  PATIENCE_MS,
);

test(
  'bytes of any kind',
  async () => {
    const begins = fc.constantFrom('', 'PK\x03\x04', 'PK\x05\x06', '\x1f\x8b\x08', '\xfd7zXZ\0');
    await fc.assert(
      fc.asyncProperty(begins, fc.uint8Array({ maxLength: 2000 }), async (begin, rest) => {
        await unpackHostile(Buffer.concat([Buffer.from(begin, 'latin1'), rest]));
      }),
      tries(300),
    );
  },
  PATIENCE_MS,
);

test.each([
  ['its end record elsewhere', 0xfffffffffffffff0n, 1n, 46n, 0n],
  ['more members than there are bytes', null, 0xffffffffffffffffn, 46n, 0n],
  ['a directory of more bytes than there are', null, 1n, 0xffffffffffffffffn, 0n],
  ['a directory beyond its end', null, 1n, 46n, 0x7fffffffffffffffn],
])('a Zip64 archive that claims %s', async (_, place, count, bytes, offset) => {
  const end64 = Buffer.alloc(56);
  end64.write('PK\x06\x06', 'latin1');
  for (const [at, value] of [
    [32, count],
    [40, bytes],
    [48, offset],
  ] as const)
    end64.writeBigUInt64LE(value, at);
  const locator = Buffer.alloc(20);
  locator.write('PK\x06\x07', 'latin1');
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  const member = zipOf([{ name: 'a', content: 'text' }]).subarray(0, -22);
  locator.writeBigUInt64LE(place ?? BigInt(member.length), 8);
  expect(await unpackHostile(Buffer.concat([member, end64, locator, end]))).toBe('refused');
});

/** The target's own folder may hold a link that somebody put there; an archive's link is never one. */
test('links of an archive are passed over, and what comes after them is not written through them', async () => {
  const outside = temporaryFolder();
  const members = [
    { name: 'libtorch/lib', content: '', type: '2' },
    { name: 'libtorch/lib/libtorch_cpu.so', content: 'cpu', type: '0' },
    { name: 'libtorch/lib/libc10.so', content: '', type: '1' },
    { name: 'libtorch/build-version', content: '2.11.0', type: '0' },
  ];
  const archive = tarOf(members);
  // Where the links lead, as tar writes it: bytes 157 to 256 of a header.
  for (let at = 0; at + 512 <= archive.length; at += 512) {
    if (archive[at + 156] === 0x32 || archive[at + 156] === 0x31) {
      archive.write(outside, at + 157);
      archive.write('        ', at + 148);
      const sum = archive.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
      archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148);
    }
  }
  const target = temporaryFolder();
  writeFileSync(join(outside, 'archive'), archive);
  await unpackArchive(join(outside, 'archive'), target, chooseFromArchive({ cuda: false, headers: false }));
  expect(readdirSync(outside)).toEqual(['archive']);
  expect([...listed(target)].sort()).toEqual([
    ['torch', 'folder'],
    ['torch/build-version', 'file'],
    ['torch/lib', 'folder'],
    ['torch/lib/libtorch_cpu.so', 'file'],
  ]);
});

test('a file that lies where a member goes is not written through', async () => {
  const [outside, target] = [temporaryFolder(), temporaryFolder()];
  writeFileSync(join(outside, 'precious'), 'as it was');
  symlinkSync(join(outside, 'precious'), join(target, 'member'));
  for (const archive of [zipOf([{ name: 'member', content: 'evil' }]), tarOf([{ name: 'member', content: 'evil' }])]) {
    writeFileSync(join(outside, 'archive'), archive);
    await expect(unpackArchive(join(outside, 'archive'), target, everything)).rejects.toMatchObject({
      code: 'ERR_DOWNLOAD',
    });
    expect(readFileSync(join(outside, 'precious'), 'utf8')).toBe('as it was');
  }
});
