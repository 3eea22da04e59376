// npm run test:native: the engine's own tests, without Node, under the address and undefined-behaviour sanitizers.
// Arguments go to the tests' program.
import { join } from 'node:path';
import { installPackages } from './setup/packages.mjs';
import { ROOT } from './setup/paths.mjs';
import { runShown } from './setup/run.mjs';
import { buildSanitized, SANITIZE, sanitizedEnvironment } from './setup/sanitized.mjs';
import { runScript, step } from './setup/step.mjs';
import { checkBuildTools, checkNode } from './setup/tools.mjs';
import { compileTypeScript } from './setup/typescript.mjs';

const FOLDER = join(ROOT, '.build', 'sanitized');

await runScript(async () => {
  checkNode();
  checkBuildTools();
  await step('packages', installPackages);
  await step('typescript', compileTypeScript);
  let libtorch;
  await step('tests', async () => {
    libtorch = await buildSanitized(FOLDER, 'vectune_tests', { VECTUNE_TESTS: 'ON' });
    return `vectune_tests built with ${SANITIZE}`;
  });
  return runShown(join(FOLDER, 'vectune_tests'), process.argv.slice(2), { env: sanitizedEnvironment(libtorch) });
});
