// Makes a clone ready: npm packages, TypeScript, LibTorch, addons. What is up to date is left alone.
// Until the packages are there, nothing but Node's own modules is used.
//   node scripts/setup.mjs [--build-only]
import { pathToFileURL } from 'node:url';
import { addonsAreBuilt, buildAddons, buildEarly } from './setup/addons.mjs';
import { findLibTorch, installLibTorch, LIBTORCH_PROGRAM, loadLibTorchProgram } from './setup/libtorch.mjs';
import { installPackages } from './setup/packages.mjs';
import { LIBTORCH_VERSION } from './setup/paths.mjs';
import { runScript, SetupError, step } from './setup/step.mjs';
import { checkBuildTools, checkNode } from './setup/tools.mjs';
import { compileTypeScript, transpile, typeScriptIsCompiled } from './setup/typescript.mjs';

/** `buildOnly` neither installs npm packages nor LibTorch; `withoutAddons` neither LibTorch nor what is built on it. */
export async function setUp({ buildOnly = false, withoutAddons = false } = {}) {
  const start = performance.now();
  checkNode();
  const toBuild = !withoutAddons && !addonsAreBuilt();
  if (toBuild) checkBuildTools();
  const stop = new AbortController();
  const early = toBuild ? buildEarly(stop.signal) : undefined;
  let did;
  try {
    did = [
      !buildOnly && (await step('packages', installPackages)),
      ...(await compileBesideLibTorch(!buildOnly && !withoutAddons, toBuild)),
    ];
  } catch (error) {
    stop.abort();
    throw error;
  } finally {
    await early;
  }
  if (toBuild) did.push(await step('addons', buildFoundLibTorch));
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(did.some(Boolean) ? `set-up done in ${seconds} s` : `set-up is up to date (${seconds} s)`);
}

/** The compiler of TypeScript works while LibTorch is on its way; its errors are told first. */
async function compileBesideLibTorch(withLibTorch, toBuild) {
  if (!withLibTorch) return [await step('typescript', compileTypeScript)];
  if (!typeScriptIsCompiled()) transpile(LIBTORCH_PROGRAM);
  loadLibTorchProgram();
  const results = await Promise.allSettled([
    step('typescript', compileTypeScript),
    step('libtorch', () => provideLibTorch(toBuild)),
  ]);
  for (const { reason } of results) if (reason !== undefined) throw reason;
  return results.map(({ value }) => value);
}

async function provideLibTorch(headers) {
  if ((await findLibTorch({ headers })) !== undefined) return undefined;
  const { root } = await installLibTorch();
  return `LibTorch ${LIBTORCH_VERSION} installed in ${root}`;
}

async function buildFoundLibTorch() {
  const libtorch = await findLibTorch({ headers: true });
  if (libtorch === undefined) {
    throw new SetupError(
      `There is no LibTorch ${LIBTORCH_VERSION} with header files to build against. Install it by:`,
      'npm run setup',
    );
  }
  return buildAddons(libtorch);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await runScript(async () => {
    const unknown = process.argv.slice(2).filter((argument) => argument !== '--build-only');
    if (unknown.length > 0) throw new SetupError(`setup has no option ${unknown[0]}; it has --build-only.`);
    await setUp({ buildOnly: process.argv.includes('--build-only') });
  });
}
