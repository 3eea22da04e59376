// What `npm install` of tarballs puts on the disk of a stranger's empty project: packages and bytes of node_modules, of all
// and of each of the largest.
//   node scripts/install-size.mjs TARBALL … [-- --omit=optional]
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { mustRun } from './setup/run.mjs';
import { runScript, SetupError } from './setup/step.mjs';

const SHOWN = 8;

/** Bytes of each installed package by its place in node_modules, without those that lie in it. */
function sizesOf(project) {
  const lock = JSON.parse(readFileSync(join(project, 'node_modules', '.package-lock.json'), 'utf8'));
  return Object.keys(lock.packages).map((place) => [place, bytesOf(join(project, place))]);
}

function bytesOf(folder) {
  let bytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (!entry.isDirectory()) bytes += lstatSync(path).size;
    else if (entry.name !== 'node_modules') bytes += bytesOf(path);
  }
  return bytes;
}

await runScript(async () => {
  const { positionals } = parseArgs({ allowPositionals: true });
  const [tarballs, flags] = [
    positionals.filter((one) => !one.startsWith('--')),
    positionals.filter((one) => one.startsWith('--')),
  ];
  if (tarballs.length === 0) throw new SetupError('Name a tarball:', 'node scripts/install-size.mjs vectune-0.1.0.tgz');
  for (const tarball of tarballs) {
    const project = mkdtempSync(join(tmpdir(), 'vectune-size-'));
    try {
      writeFileSync(join(project, 'package.json'), '{ "name": "stranger", "private": true }');
      const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...flags, resolve(tarball)];
      await mustRun('npm', args, { cwd: project });
      const sizes = sizesOf(project).sort((a, b) => b[1] - a[1]);
      const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
      const all = sizes.reduce((sum, [, bytes]) => sum + bytes, 0);
      console.log(`${[tarball, ...flags].join(' ')}: ${sizes.length} packages, ${megabytes(all)}`);
      for (const [place, bytes] of sizes.slice(0, SHOWN)) console.log(`  ${megabytes(bytes).padStart(9)}  ${place}`);
    } finally {
      rmSync(project, { recursive: true, force: true });
    }
  }
  return 0;
});
