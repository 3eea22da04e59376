// npm run test:native: the engine's own tests, without Node, under the address and undefined-behaviour sanitizers.
// Arguments go to the tests' program.
import { mkdirSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { findLibTorch, installLibTorch } from './setup/libtorch.mjs';
import { installPackages } from './setup/packages.mjs';
import { ROOT } from './setup/paths.mjs';
import { mustRun, runShown } from './setup/run.mjs';
import { runScript, step } from './setup/step.mjs';
import { checkBuildTools, checkNode } from './setup/tools.mjs';
import { compileTypeScript } from './setup/typescript.mjs';

const SANITIZE = 'address,undefined';
const FOLDER = join(ROOT, '.build', 'sanitized');
/** A file with LibTorch's headers takes a sanitizing compiler so much memory. */
const BYTES_PER_JOB = 2e9;

const ASAN = [
  // What LibTorch keeps for the life of the process can be reached from its globals and is no leak.
  'detect_leaks=1',
  'strict_init_order=1',
  // A test asks for more memory than there is: the engine must see the refusal as it would without the sanitizer.
  'allocator_may_return_null=1',
];
const UBSAN = ['print_stacktrace=1', 'halt_on_error=1'];

async function build(libtorch) {
  mkdirSync(FOLDER, { recursive: true });
  const definitions = {
    VECTUNE_LIBTORCH: libtorch.root,
    VECTUNE_TESTS: 'ON',
    VECTUNE_SANITIZE: SANITIZE,
    CMAKE_BUILD_TYPE: 'RelWithDebInfo',
    CMAKE_CXX_FLAGS_RELWITHDEBINFO: '-O1 -g1', // lines for the reports; more costs minutes with LibTorch's headers
  };
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / BYTES_PER_JOB)));
  const flags = Object.entries(definitions).map(([name, value]) => `-D${name}=${value}`);
  await mustRun('cmake', ['-S', ROOT, '-B', FOLDER, ...flags]);
  await mustRun('cmake', ['--build', FOLDER, '--target', 'vectune_tests', '--parallel', String(jobs)]);
  return `vectune_tests built with ${SANITIZE}`;
}

await runScript(async () => {
  checkNode();
  checkBuildTools();
  await step('packages', installPackages);
  await step('typescript', compileTypeScript);
  const libtorch = (await findLibTorch({ headers: true })) ?? (await installLibTorch());
  await step('tests', () => build(libtorch));
  return runShown(join(FOLDER, 'vectune_tests'), process.argv.slice(2), {
    env: {
      ...process.env,
      // As the loader sets it: on a busy machine threads that spin take seconds from each other.
      GOMP_SPINCOUNT: process.env.GOMP_SPINCOUNT ?? '2000',
      // The program has no path to LibTorch in it, as the addon has none.
      LD_LIBRARY_PATH: [libtorch.libDir, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':'),
      ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? ASAN.join(':'),
      UBSAN_OPTIONS: process.env.UBSAN_OPTIONS ?? UBSAN.join(':'),
    },
  });
});
