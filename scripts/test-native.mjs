// npm run test:native: the engine's own tests, without Node, under the address and undefined-behaviour sanitizers.
// With --emulated the kernels for AVX-512 are tested on a processor without it (test/native/emulated_avx512.h).
// Other arguments go to the tests' program.
import { join } from 'node:path';
import { installPackages } from './setup/packages.mjs';
import { ROOT } from './setup/paths.mjs';
import { runShown } from './setup/run.mjs';
import { buildSanitized, SANITIZE, sanitizedEnvironment } from './setup/sanitized.mjs';
import { runScript, step } from './setup/step.mjs';
import { checkBuildTools, checkNode } from './setup/tools.mjs';
import { compileTypeScript } from './setup/typescript.mjs';

const emulated = process.argv.includes('--emulated');
const FOLDER = join(ROOT, '.build', emulated ? 'emulated' : 'sanitized');

await runScript(async () => {
  checkNode();
  checkBuildTools();
  await step('packages', installPackages);
  await step('typescript', compileTypeScript);
  let libtorch;
  await step('tests', async () => {
    libtorch = await buildSanitized(FOLDER, 'vectune_tests', {
      VECTUNE_TESTS: 'ON',
      VECTUNE_EMULATE_AVX512: emulated ? 'ON' : 'OFF',
    });
    return `vectune_tests built with ${SANITIZE}${emulated ? ', AVX-512 emulated' : ''}`;
  });
  const names = process.argv.slice(2).filter((argument) => argument !== '--emulated');
  return runShown(join(FOLDER, 'vectune_tests'), names, { env: sanitizedEnvironment(libtorch) });
});
