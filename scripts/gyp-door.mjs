// What binding.gyp calls: builds the addons by CMake as the set-up does and puts the one that VECTUNE_ADDON names
// (engine, the default, or loader) where node-gyp and prebuildify look for it. VECTUNE_LIBTORCH_VERSION names the
// LibTorch to build for.
//   node scripts/gyp-door.mjs <target file>
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ADDONS, addonFile, addonsAreBuilt, buildAddons } from './setup/addons.mjs';
import { findLibTorch, installLibTorch } from './setup/libtorch.mjs';
import { installPackages } from './setup/packages.mjs';
import { LIBTORCH_VERSION } from './setup/paths.mjs';
import { runScript, SetupError, step } from './setup/step.mjs';
import { checkBuildTools } from './setup/tools.mjs';
import { compileTypeScript } from './setup/typescript.mjs';

await runScript(async () => {
  const target = process.argv[2];
  if (target === undefined)
    throw new SetupError('gyp-door needs the file to write; it is called by: npx node-gyp rebuild');
  const addon = process.env.VECTUNE_ADDON ?? 'engine';
  if (!ADDONS.includes(addon)) {
    throw new SetupError(`VECTUNE_ADDON is ${addon}; it must be ${ADDONS.join(' or ')}.`);
  }
  const version = process.env.VECTUNE_LIBTORCH_VERSION ?? LIBTORCH_VERSION;
  if (version !== LIBTORCH_VERSION) {
    throw new SetupError(`VECTUNE_LIBTORCH_VERSION is ${version}, and this tree builds for ${LIBTORCH_VERSION} only.`);
  }
  if (!addonsAreBuilt()) {
    if (process.platform === 'linux') checkBuildTools(); // it names Linux's tools and packages
    await step('packages', installPackages);
    await step('typescript', compileTypeScript);
    const libtorch = (await findLibTorch({ headers: true })) ?? (await installLibTorch());
    await step('addons', () => buildAddons(libtorch));
  }
  mkdirSync(dirname(resolve(target)), { recursive: true });
  copyFileSync(addonFile(addon), target);
});
