import { createRequire } from 'node:module';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from '../setup/paths.mjs';
import { run, tail } from '../setup/run.mjs';
import { SetupError } from '../setup/step.mjs';

const require = createRequire(import.meta.url);

/**
 * Prebuildify packs one addon in a run, and node-gyp-build cannot tell versions of LibTorch apart: so each addon has a
 * root of its own in `folder`, `loader` or `engine-<version>`, with its `prebuilds/`.
 *
 * @returns the addons' names
 */
export async function prebuildAddons(folder, versions) {
  const names = ['loader'];
  await prebuild('loader', versions[0], join(folder, 'loader'));
  for (const version of versions) {
    names.push(`engine-${version}`);
    await prebuild('engine', version, join(folder, names.at(-1)));
  }
  return names;
}

async function prebuild(addon, version, root) {
  const program = join(require.resolve('prebuildify/package.json'), '..', 'bin.js');
  const args = ['--napi', '--strip', '--name', 'vectune', '--out', root];
  if (process.platform === 'linux') args.push('--tag-libc'); // else glibc's would be tried on musl
  mkdirSync(root, { recursive: true });
  // node-gyp's own files, and what it builds from, in a folder of their own: two may pack at a time.
  const cwd = mkdtempSync(join(ROOT, '.build', 'gyp-'));
  for (const name of ['binding.gyp', 'package.json']) copyFileSync(join(ROOT, name), join(cwd, name));
  symlinkSync(join(ROOT, 'scripts'), join(cwd, 'scripts'), 'junction');
  try {
    const { code, output } = await run(process.execPath, [program, ...args], {
      cwd,
      env: {
        ...process.env,
        VECTUNE_ADDON: addon,
        VECTUNE_LIBTORCH_VERSION: version,
        PREBUILD_NODE_GYP: nodeGyp(),
        ...headersOfThisNode(),
      },
    });
    if (code !== 0)
      throw new SetupError(`prebuildify could not build ${addon} for LibTorch ${version}:\n${tail(output, 40)}`);
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}

function nodeGyp() {
  const name = process.platform === 'win32' ? 'node-gyp.cmd' : 'node-gyp';
  return join(ROOT, 'node_modules', '.bin', name);
}

/** The addons include none of Node's headers, but node-gyp wants some: those beside this Node spare a download. */
function headersOfThisNode() {
  const prefix = join(dirname(process.execPath), '..');
  return existsSync(join(prefix, 'include', 'node', 'common.gypi')) ? { npm_config_nodedir: prefix } : {};
}
