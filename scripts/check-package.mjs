// Checks a tarball: its files, package.json, and what the addons ask of the system. Prints the figures; exits with 1
// and says what is wrong where something is.
//   node scripts/check-package.mjs vectune-0.1.0.tgz [--libtorch 2.11.0,2.15.0]
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, posix, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { compare, highest, readElf } from './pack/elf.mjs';
import { supportedVersions } from './pack/versions.mjs';
import { packageJson, ROOT } from './setup/paths.mjs';
import { mustRun } from './setup/run.mjs';
import { runScript, SetupError } from './setup/step.mjs';

const MAX_BYTES = 25e6;
/** What LibTorch's own wheels for Linux ask for: manylinux_2_28 and its oldest libstdc++. */
const FLOORS = { GLIBC: [2, 28], GLIBCXX: [3, 4, 22], CXXABI: [1, 3, 11] };
const LIBRARIES = [
  'libstdc++.so.6',
  'libgcc_s.so.1',
  'libc.so.6',
  'libm.so.6',
  'libdl.so.2',
  'libpthread.so.0',
  /^ld-linux-/,
];
const NEEDED = { loader: LIBRARIES, engine: [...LIBRARIES, 'libtorch_cpu.so', 'libc10.so', 'libgomp.so.1'] };
const MACHINES = { x64: /X86-64/, arm64: /AArch64/ };

const EXPECTED = [
  'package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'THIRD_PARTY_NOTICES.md',
  // The server's pages.
  ...['page.html', 'api.html', 'page.css', 'page.mjs', 'api.mjs', 'projection.mjs'].map(
    (file) => `lib/serve/page/${file}`,
  ),
  // The ES modules beside the CommonJS ones.
  ...leaves(packageJson().exports)
    .filter((path) => /\.m(?:js|ts)$/.test(path))
    .map((path) => path.slice(2)),
];
/** A module: compiled, its types, the maps of both, and the source that the maps lead to. */
const MODULE = /^(?:dist\/(.+?)(?:\.d\.ts|\.js)(?:\.map)?|lib\/(.+?)\.ts)$/;
const ADDON =
  /^dist\/addons\/(loader|engine)(?:-(\d+\.\d+\.\d+))?\/prebuilds\/([a-z0-9]+)-([a-z0-9]+)\/vectune(?:\.glibc)?\.node$/;
const INSTALL_SCRIPTS = [
  'preinstall',
  'install',
  'postinstall',
  'prepublish',
  'preprepare',
  'prepare',
  'postprepare',
  'dependencies',
];

/** What is wrong with a tarball, and the figures in lines. `versions` are the LibTorch versions it must have engines for. */
export async function checkPackage(tarball, versions) {
  const folder = mkdtempSync(join(tmpdir(), 'vectune-check-'));
  try {
    await mustRun('tar', ['-xzf', resolve(tarball), '-C', folder]);
    return await checkFolder(join(folder, 'package'), statSync(tarball).size, versions);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function checkFolder(root, packedBytes, versions) {
  const faults = [];
  const lines = [];
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) =>
      join(entry.parentPath ?? entry.path, entry.name)
        .slice(root.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort();
  checkFiles(root, files, faults);
  checkManifest(root, files, faults);
  const addons = files.filter((file) => ADDON.test(file));
  checkEngines(addons, versions, faults);
  for (const addon of addons) lines.push(await checkAddon(root, addon, faults));
  const bytes = files.reduce((sum, file) => sum + statSync(join(root, file)).size, 0);
  if (bytes > MAX_BYTES) faults.push(`it takes ${bytes} bytes unpacked; ${MAX_BYTES} are allowed`);
  lines.push(
    `${files.length} files, ${(packedBytes / 1e6).toFixed(2)} MB packed, ${(bytes / 1e6).toFixed(2)} MB unpacked`,
  );
  return { faults, lines, bytes, files };
}

function checkFiles(root, files, faults) {
  const present = new Set(files);
  const missing = new Set();
  for (const file of EXPECTED) if (!present.has(file)) faults.push(`${file} is missing`);
  for (const file of files) {
    if (EXPECTED.includes(file) || ADDON.test(file)) continue;
    if (!MODULE.test(file)) {
      faults.push(`${file} does not belong in the package`);
      continue;
    }
    const [, ofDist, ofLib] = MODULE.exec(file);
    const name = ofDist ?? ofLib;
    const compiled = [`dist/${name}.js`, `dist/${name}.d.ts`];
    for (const other of [...compiled, ...compiled.map((path) => `${path}.map`), `lib/${name}.ts`])
      if (!present.has(other)) missing.add(other);
    checkMap(root, file, present, faults);
  }
  for (const other of missing) faults.push(`${other} is missing`);
  for (const file of files.filter((name) => /\.m(?:js|ts)$/.test(name))) checkEndings(root, file, present, faults);
}

/** An ES module, and its types, name files by their endings: what is named without is not found, and its types are \`any\`. */
function checkEndings(root, file, present, faults) {
  const code = readFileSync(join(root, file), 'utf8');
  for (const [, , named] of code.matchAll(/(?:\bfrom |\bimport ?\(?)(['"])(\.[^'"]*)\1/g)) {
    if (!present.has(posix.join(posix.dirname(file), named))) faults.push(`${file} names ${named}, which is not there`);
  }
}

/** A compiled file names its own map, and a map nothing but its source, which is in the package. */
function checkMap(root, file, present, faults) {
  if (file.startsWith('lib/')) return;
  const content = readFileSync(join(root, file), 'utf8');
  if (!file.endsWith('.map')) {
    const named = [...content.matchAll(/^\/\/# sourceMappingURL=(.*)$/gm)].map(([, url]) => url).join();
    if (named !== `${posix.basename(file)}.map`) faults.push(`${file} names the source map ${named || 'of no name'}`);
    return;
  }
  let map;
  try {
    map = JSON.parse(content);
  } catch {
    faults.push(`${file} is not JSON`);
    return;
  }
  const wanted = file.replace(/^dist\//, 'lib/').replace(/(?:\.d\.ts|\.js)\.map$/, '.ts');
  const sources = (map.sources ?? []).map((source) => posix.join(posix.dirname(file), map.sourceRoot ?? '', source));
  if (sources.join() !== wanted || !present.has(wanted))
    faults.push(`${file} leads to ${sources.join() || 'no source'}`);
}

function checkManifest(root, files, faults) {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const own = packageJson();
  for (const name of INSTALL_SCRIPTS) {
    if (manifest.scripts?.[name] !== undefined) faults.push(`package.json has the script ${name}`);
  }
  if (manifest.gypfile !== false) faults.push('package.json must say "gypfile": false'); // else npm adds an install script
  if (manifest.bundleDependencies !== undefined) faults.push('package.json bundles dependencies');
  for (const field of ['homepage', 'bugs', 'repository'])
    if (manifest[field] === undefined) faults.push(`package.json has no ${field}`);
  for (const field of ['name', 'version', 'license']) {
    if (manifest[field] !== own[field])
      faults.push(`package.json says ${field} ${manifest[field]}, the repository ${own[field]}`);
  }
  for (const field of ['dependencies', 'peerDependencies', 'peerDependenciesMeta']) {
    if (JSON.stringify(manifest[field]) !== JSON.stringify(own[field]))
      faults.push(`package.json's ${field} are not the repository's`);
  }
  const targets = [
    manifest.main,
    manifest.types,
    ...Object.values(manifest.bin ?? {}),
    ...leaves(manifest.exports),
    ...leaves(manifest.typesVersions),
  ];
  for (const target of targets) {
    if (!files.includes(target?.replace(/^\.\//, ''))) faults.push(`package.json names ${target}, which is not there`);
  }
  for (const bin of Object.values(manifest.bin ?? {})) {
    if (!/^#!.*node/.test(readFileSync(join(root, bin), 'utf8'))) faults.push(`${bin} does not begin with #!`);
  }
}

function leaves(value) {
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(leaves) : [value ?? []].flat();
}

function checkEngines(addons, versions, faults) {
  const platforms = new Set([`${process.platform}-${process.arch}`]);
  const found = new Set();
  for (const file of addons) {
    const [, kind, version, platform, arch] = ADDON.exec(file);
    platforms.add(`${platform}-${arch}`);
    found.add(`${platform}-${arch} ${kind === 'loader' ? 'loader' : `engine-${version}`}`);
    if (kind === 'engine' && !versions.includes(version))
      faults.push(`${file} is for a LibTorch that is not supported`);
  }
  for (const platform of platforms) {
    for (const name of ['loader', ...versions.map((version) => `engine-${version}`)]) {
      if (!found.has(`${platform} ${name}`)) faults.push(`${name} for ${platform} is missing`);
    }
  }
}

async function checkAddon(root, file, faults) {
  const [, kind, , platform, arch] = ADDON.exec(file);
  const path = join(root, file);
  const bytes = statSync(path).size;
  const wrong = (what) => faults.push(`${file} ${what}`);
  const content = readFileSync(path).toString('latin1');
  for (const place of [ROOT, homedir()]) {
    if (place.length > 1 && content.includes(place)) wrong(`holds a path of this machine, ${place}`);
  }
  if (platform !== 'linux') return `${file}: ${bytes} bytes`;

  const elf = await readElf(path);
  if (!MACHINES[arch]?.test(elf.machine)) wrong(`is for ${elf.machine}`);
  const symbols = elf.sections.filter((name) => name === '.symtab' || name.startsWith('.debug'));
  if (symbols.length > 0) wrong(`is not stripped (${symbols.join(', ')})`);
  if (elf.paths.length > 0) wrong(`has the RPATH ${elf.paths.join(':')}`);
  const allowed = (name) => NEEDED[kind].some((known) => (known instanceof RegExp ? known.test(name) : known === name));
  for (const name of elf.needed) if (!allowed(name)) wrong(`needs ${name}`);
  const figures = [];
  for (const [prefix, floor] of Object.entries(FLOORS)) {
    const found = highest(elf.versions, prefix);
    if (found === undefined) continue;
    figures.push(`${prefix}_${found.join('.')}`);
    if (compare(found, floor) > 0)
      wrong(`needs ${prefix}_${found.join('.')}; ${floor.join('.')} is the newest allowed`);
  }
  if (figures.length === 0) wrong('names no version of the C library'); // then readelf was not understood
  const paths = elf.paths.length === 0 ? 'no RPATH' : `RPATH ${elf.paths.join(':')}`;
  return `${file}: ${bytes} bytes, ${figures.join(', ')}, ${paths}, ${symbols.length === 0 ? 'stripped' : 'not stripped'}`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await runScript(async () => {
    const { values, positionals } = parseArgs({ options: { libtorch: { type: 'string' } }, allowPositionals: true });
    if (positionals.length !== 1)
      throw new SetupError('Name one tarball:', 'node scripts/check-package.mjs vectune-0.1.0.tgz');
    const versions = values.libtorch?.split(',') ?? supportedVersions();
    const { faults, lines } = await checkPackage(positionals[0], versions);
    console.log(lines.join('\n'));
    for (const fault of faults) console.error(`wrong: ${fault}`);
    return faults.length === 0 ? 0 : 1;
  });
}
