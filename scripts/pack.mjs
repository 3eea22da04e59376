// npm run pack: the package as it is published, in vectune-<version>.tgz: a clean build of the loader and of an engine
// for each supported LibTorch, packed by `npm pack` and checked by check-package.mjs.
//   node scripts/pack.mjs [--built | --addons FOLDER] [--out FOLDER]
// --built packs the addons that this clone has built and builds none that is up to date: for tests.
// --addons builds none and takes those of a folder, laid out as dist/addons, which may hold several platforms'.
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { checkPackage } from './check-package.mjs';
import { stagePackage } from './pack/stage.mjs';
import { builtVersions, supportedVersions, versionsIn } from './pack/versions.mjs';
import { ROOT } from './setup/paths.mjs';
import { run } from './setup/run.mjs';
import { runScript, SetupError, step } from './setup/step.mjs';
import { setUp } from './setup.mjs';

/** Gives the tarball's path and the LibTorch versions that it has engines for. */
export async function pack({ built = false, addons, out = ROOT } = {}) {
  await setUp({ withoutAddons: !built });
  const versions = built ? builtVersions() : addons ? versionsIn(addons) : supportedVersions();
  if (versions.length === 0) throw new SetupError('There is no built engine to pack. This builds it:', 'npm run build');
  if (!built && !addons) {
    for (const version of versions)
      rmSync(join(ROOT, '.build', `libtorch-${version}`), { recursive: true, force: true });
  }
  const stage = join(ROOT, '.build', `package-${process.pid}`);
  try {
    await step('addons', async () => {
      await stagePackage(stage, versions, addons);
      return `${addons ? 'taken' : 'prebuilt'} for LibTorch ${versions.join(', ')}`;
    });
    mkdirSync(out, { recursive: true });
    return { tarball: await npmPack(stage, out), versions };
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

async function npmPack(stage, out) {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const options = { cwd: stage, shell: process.platform === 'win32' };
  const { code, output } = await run(npm, ['pack', '--json', '--ignore-scripts', '--loglevel=error'], options);
  if (code !== 0) throw new SetupError(`npm pack failed:\n${output}`);
  const name = /"filename": "([^"]+\.tgz)"/.exec(output)[1];
  copyFileSync(join(stage, name), join(out, name));
  return join(out, name);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await runScript(async () => {
    const { values } = parseArgs({
      options: { built: { type: 'boolean' }, addons: { type: 'string' }, out: { type: 'string' } },
    });
    if (values.built && values.addons) throw new SetupError('Give one of --built and --addons.');
    const { tarball, versions } = await pack({
      built: values.built,
      addons: values.addons && resolve(values.addons),
      out: values.out && resolve(values.out),
    });
    const { faults, lines } = await checkPackage(tarball, versions);
    console.log(lines.join('\n'));
    for (const fault of faults) console.error(`wrong: ${fault}`);
    if (faults.length === 0) console.log(tarball);
    return faults.length === 0 ? 0 : 1;
  });
}
