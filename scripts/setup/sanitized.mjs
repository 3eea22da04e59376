import { mkdirSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { findLibTorch, installLibTorch } from './libtorch.mjs';
import { ROOT } from './paths.mjs';
import { mustRun } from './run.mjs';

/** Programs of the engine without Node, under the address and undefined-behaviour sanitizers. */

export const SANITIZE = 'address,undefined';
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

/** Builds `target` in `folder`; gives the LibTorch that it is built against. */
export async function buildSanitized(folder, target, definitions) {
  const libtorch = (await findLibTorch({ headers: true })) ?? (await installLibTorch());
  mkdirSync(folder, { recursive: true });
  const all = {
    VECTUNE_LIBTORCH: libtorch.root,
    VECTUNE_SANITIZE: SANITIZE,
    CMAKE_BUILD_TYPE: 'RelWithDebInfo',
    CMAKE_CXX_FLAGS_RELWITHDEBINFO: '-O1 -g1', // lines for the reports; more costs minutes with LibTorch's headers
    ...definitions,
  };
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / BYTES_PER_JOB)));
  const flags = Object.entries(all).map(([name, value]) => `-D${name}=${value}`);
  await mustRun('cmake', ['-S', ROOT, '-B', folder, ...flags]);
  await mustRun('cmake', ['--build', folder, '--target', target, '--parallel', String(jobs)]);
  return libtorch;
}

/** The environment to run them in. */
export function sanitizedEnvironment(libtorch) {
  return {
    ...process.env,
    // As the loader sets it: on a busy machine threads that spin take seconds from each other.
    GOMP_SPINCOUNT: process.env.GOMP_SPINCOUNT ?? '2000',
    // The program has no path to LibTorch in it, as the addon has none.
    LD_LIBRARY_PATH: [libtorch.libDir, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':'),
    ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? ASAN.join(':'),
    UBSAN_OPTIONS: process.env.UBSAN_OPTIONS ?? UBSAN.join(':'),
  };
}
