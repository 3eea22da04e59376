import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { findAddons, PACKAGE_ROOT } from '../../lib/engine/addons';
import { listLibTorch } from '../../lib/libtorch/find';
import { runProgram } from './run-program';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vectune-load-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const succeeds = (...lines: string[]) => ({ code: 0, signal: null, stdout: [...lines, ''].join('\n'), stderr: '' });

describe('after a LibTorch that cannot be loaded the same process loads one that can', () => {
  const then = ['then true string 32', 'done'];

  test('an empty folder', async () => {
    const failure = 'LibTorchError ERR_LIBTORCH_MISSING';
    expect(await runProgram('load.cjs', [folder])).toEqual(
      succeeds(`first ${Array(4).fill(failure).join(' ')}`, ...then),
    );
  });

  test('a library that is damaged', async () => {
    mkdirSync(join(folder, 'lib'));
    for (const name of ['libtorch_cpu.so', 'libc10.so']) writeFileSync(join(folder, 'lib', name), 'no library');
    const failure = 'LibTorchError ERR_LIBTORCH_LOAD';
    expect(await runProgram('load.cjs', [folder])).toEqual(
      succeeds(`first ${Array(4).fill(failure).join(' ')}`, ...then),
    );
  });

  test('a LibTorch of another version', async () => {
    mkdirSync(join(folder, 'lib'));
    writeFileSync(join(folder, 'lib', 'libtorch_cpu.so'), 'no library');
    writeFileSync(join(folder, 'build-version'), '1.13.1+cpu\n');
    const failure = 'LibTorchError ERR_LIBTORCH_VERSION';
    expect(await runProgram('load.cjs', [folder])).toEqual(
      succeeds(`first ${Array(4).fill(failure).join(' ')}`, ...then),
    );
  });
});

describe('two copies of the package in one process', () => {
  /** A copy of the JavaScript beside the same packages, as two versions of npm's may install them. */
  function copy(): string {
    for (const name of ['dist', 'package.json'])
      cpSync(join(PACKAGE_ROOT, name), join(folder, name), { recursive: true });
    symlinkSync(join(PACKAGE_ROOT, 'node_modules'), join(folder, 'node_modules'));
    return folder;
  }

  test('that share their addon: both work', async () => {
    const other = copy();
    symlinkSync(join(PACKAGE_ROOT, '.build'), join(other, '.build'));
    expect(await runProgram('copies.cjs', [PACKAGE_ROOT, other])).toEqual(succeeds('one addon', 'both work'));
  });

  test("that have an addon each: both work, and each refuses the other's handles", async () => {
    const other = copy();
    const { loader, engines } = await findAddons();
    for (const addon of [loader, ...engines.values()]) {
      const place = join(other, relative(PACKAGE_ROOT, addon));
      mkdirSync(dirname(place), { recursive: true });
      cpSync(addon, place);
    }
    expect(await runProgram('copies.cjs', [PACKAGE_ROOT, other])).toEqual(
      succeeds(
        'two addons',
        'refused ERR_INVALID_ARGUMENT ERR_INVALID_ARGUMENT',
        'refused ERR_INVALID_ARGUMENT',
        'both work',
      ),
    );
  });

  test('that name a LibTorch each: the second is refused, and the first works on', async () => {
    const other = copy();
    symlinkSync(join(PACKAGE_ROOT, '.build'), join(other, '.build'));
    const { engines } = await findAddons();
    const usable = (await listLibTorch({ versions: [...engines.keys()] })).find(
      ({ rejected }) => rejected === undefined,
    );
    const { libDir } = usable!.found!;
    // Links to the same files, in a folder of its own; beside it what a wheel's libraries look for two folders up.
    const libtorch = join(folder, 'site', 'torch', 'lib');
    mkdirSync(libtorch, { recursive: true });
    const link = (from: string, to: string) => {
      for (const name of readdirSync(from)) if (name !== 'torch') symlinkSync(join(from, name), join(to, name));
    };
    link(libDir, libtorch);
    link(join(libDir, '..', '..'), join(folder, 'site'));
    expect(await runProgram('conflict.cjs', [other, libtorch])).toEqual(
      succeeds(
        'LibTorchError ERR_LIBTORCH_CONFLICT',
        'the first works',
        "the second works with the first one's LibTorch",
      ),
    );
  });
});
