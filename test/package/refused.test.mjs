// scripts/check-package.mjs takes a good tarball and refuses bad ones, each made bad in the way that it says.
import assert from 'node:assert/strict';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { mustRun, packBuilt, ROOT, run } from './room.mjs';

const skip = process.platform !== 'linux';
let folder, tarball, versions, root;
before(async () => {
  if (skip) return;
  folder = mkdtempSync(join(tmpdir(), 'vectune-refused-'));
  ({ tarball, versions } = await packBuilt(folder));
  root = join(folder, 'package');
});
after(() => folder && rmSync(folder, { recursive: true, force: true }));

async function check(path) {
  const args = [join(ROOT, 'scripts', 'check-package.mjs'), path, '--libtorch', versions.join()];
  return run(process.execPath, args, { cwd: ROOT });
}

/** What the check says of the package after `change`. */
async function changed(change) {
  rmSync(root, { recursive: true, force: true });
  await mustRun('tar', ['-xzf', tarball, '-C', folder]);
  await change();
  const path = join(folder, 'bad.tgz');
  await mustRun('tar', ['-czf', path, '-C', folder, 'package']);
  const { code, stderr } = await check(path);
  return { code, wrong: stderr.trim().split('\n') };
}

const addon = (name) => join(root, 'dist', 'addons', name, 'prebuilds', `linux-${process.arch}`, 'vectune.glibc.node');

/** A shared library compiled from `source`, in the loader's place; stripped unless it has symbols for a debugger. */
async function compile(source, ...flags) {
  const file = join(folder, 'small.cpp');
  writeFileSync(file, source);
  await mustRun(process.env.CXX ?? 'c++', [
    '-shared',
    '-fPIC',
    flags.includes('-g') ? '-O0' : '-s',
    file,
    '-o',
    addon('loader'),
    ...flags,
  ]);
}

function manifest(change) {
  const path = join(root, 'package.json');
  const value = JSON.parse(readFileSync(path, 'utf8'));
  change(value);
  writeFileSync(path, JSON.stringify(value));
}

test('a good one is taken, with its figures', { skip }, async () => {
  const { code, stdout, stderr } = await check(tarball);
  assert.equal(stderr, '');
  assert.equal(code, 0);
  assert.match(stdout, /\d+ files, [\d.]+ MB packed, [\d.]+ MB unpacked/);
  assert.match(stdout, /engine-.*GLIBC_2\.\d+, GLIBCXX_3\.4\.\d+, .*no RPATH, stripped/);
  assert.equal((await changed(() => undefined)).code, 0); // packing it again alone does no harm
});

test('one of addons that were built before, elsewhere, is taken too', { skip }, async () => {
  rmSync(root, { recursive: true, force: true });
  await mustRun('tar', ['-xzf', tarball, '-C', folder]);
  const out = join(folder, 'again');
  const args = ['--addons', join(root, 'dist', 'addons'), '--out', out];
  await mustRun(process.execPath, [join(ROOT, 'scripts', 'pack.mjs'), ...args], { cwd: ROOT });
  const again = join(out, readdirSync(out)[0]);
  const list = async (path) => (await mustRun('tar', ['-tzf', path])).split('\n').sort();
  assert.deepEqual(await list(again), await list(tarball));
});

const BAD = {
  'an addon that is not stripped': [
    () => compile('int x = 1;', '-g'),
    /not stripped \(.*\.symtab.*\.debug_|not stripped \(.*\.debug_.*\.symtab/,
  ],
  'an RPATH': [() => compile('int x = 1;', '-Wl,-rpath,/opt/libtorch/lib'), /has the RPATH \/opt\/libtorch\/lib/],
  'a newer glibc': [
    () =>
      compile(
        'extern "C" int strfromd(char*, unsigned long, const char*, double);\n' +
          'extern "C" int arc4random();\nint x() { char c[9]; return strfromd(c, 9, "%g", 1) + arc4random(); }',
      ),
    /needs GLIBC_2\.(?:29|[3-9]\d); 2\.28 is the newest allowed/,
  ],
  'a newer libstdc++': [
    () =>
      compile('#include <charconv>\nvoid f(const char* a, double& x) { std::from_chars(a, a + 1, x); }', '-std=c++17'),
    /needs GLIBCXX_3\.4\.(?:29|[3-9]\d); 3\.4\.22 is the newest allowed/,
  ],
  'another library': [() => compile('int x = 1;', '-Wl,--no-as-needed', '-l:libresolv.so.2'), /needs libresolv\.so\.2/],
  'a path of this machine': [
    () => appendFileSync(addon('loader'), `${ROOT}native/engine/model/model.cpp`),
    /holds a path of this machine/,
  ],
  'binding.gyp': [
    () => copyFileSync(join(ROOT, 'binding.gyp'), join(root, 'binding.gyp')),
    /binding\.gyp does not belong/,
  ],
  'a source of the engine': [
    () => {
      mkdirSync(join(root, 'native'));
      copyFileSync(join(ROOT, 'binding.gyp'), join(root, 'native', 'engine.cpp'));
    },
    /native\/engine\.cpp does not belong/,
  ],
  'a source that was not compiled': [
    () => writeFileSync(join(root, 'lib', 'other.ts'), ''),
    /dist\/other\.js is missing/,
  ],
  'a source map that leads elsewhere': [
    () => writeFileSync(join(root, 'dist', 'index.js.map'), '{"version":3,"sources":["/home/me/index.ts"]}'),
    /dist\/index\.js\.map leads to .*home\/me\/index\.ts/,
  ],
  'a map without its source': [
    () => rmSync(join(root, 'lib', 'system', 'errors.ts')),
    /dist\/system\/errors\.js\.map leads to lib\/system\/errors\.ts/,
  ],
  'a declaration without its map': [
    () => rmSync(join(root, 'dist', 'index.d.ts.map')),
    /dist\/index\.d\.ts\.map is missing/,
  ],
  "another source map's name": [
    () => appendFileSync(join(root, 'dist', 'system', 'errors.js'), '\n//# sourceMappingURL=data:other\n'),
    /errors\.js names the source map errors\.js\.map,data:other/,
  ],
  'no repository': [() => manifest((it) => delete it.repository), /package\.json has no repository/],
  'a LibTorch': [() => writeFileSync(join(root, 'dist', 'addons', 'libc10.so'), ''), /libc10\.so does not belong/],
  'a stray build': [
    () => {
      mkdirSync(join(root, 'dist/addons/loader/build/Release'), { recursive: true });
      copyFileSync(addon('loader'), join(root, 'dist/addons/loader/build/Release/vectune.node'));
    },
    /build\/Release\/vectune\.node does not belong/,
  ],
  'an install script': [() => manifest((it) => (it.scripts = { postinstall: 'true' })), /has the script postinstall/],
  'no word on node-gyp': [() => manifest((it) => delete it.gypfile), /"gypfile": false/],
  'an entry that is not there': [() => rmSync(join(root, 'dist', 'index.d.mts')), /index\.d\.mts, which is not there/],
  'a type of an ES module that names no file': [
    () =>
      appendFileSync(
        join(root, 'dist', 'langchain.d.mts'),
        "\nexport type It = import('./system/option-table').Typed;\n",
      ),
    /langchain\.d\.mts names \.\/system\/option-table, which is not there/,
  ],
  'no engine': [
    () => rmSync(join(root, 'dist', 'addons', `engine-${versions[0]}`), { recursive: true }),
    /engine-\d+\.\d+\.\d+ for linux-\w+ is missing/,
  ],
  'more than 25 MB': [
    () => appendFileSync(join(root, 'dist', 'system', 'errors.js'), `//${'x'.repeat(25e6)}`),
    /25000000 are allowed/,
  ],
};

for (const [name, [change, said]] of Object.entries(BAD)) {
  test(`${name} is refused`, { skip }, async () => {
    const { code, wrong } = await changed(change);
    assert.equal(code, 1);
    assert.ok(
      wrong.some((line) => said.test(line)),
      wrong.join('\n'),
    );
  });
}

test('npm pack and npm publish in a clone are refused with the command that packs; that command is not', {
  skip,
}, async () => {
  const prepack = (npm_command) =>
    run(process.execPath, [join(ROOT, 'scripts', 'pack', 'refuse.mjs')], { env: { ...process.env, npm_command } });
  for (const command of ['pack', 'publish']) {
    const { code, stderr } = await prepack(command);
    assert.equal(code, 1);
    assert.match(stderr, /not packed from the clone itself.*\n {2}npm run pack/);
  }
  for (const command of ['run', 'run-script']) assert.equal((await prepack(command)).code, 0);
});
