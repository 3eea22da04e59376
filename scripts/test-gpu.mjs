// npm run test:gpu: the tests of test/gpu on a GPU that is none (test/gpu/emulated/emulated_gpu.h), the engine's by their own
// program and the public API by jest. On a real GPU: scripts/gpu-check, or node scripts/gpu-check.mjs.
// Takes about 8 minutes on two cores. The last line is `N passed, N failed, N skipped`.
import { copyFileSync, existsSync, linkSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { runJest } from './run-jest.mjs';
import { findLibTorch } from './setup/libtorch.mjs';
import { ROOT } from './setup/paths.mjs';
import { mustRun, run } from './setup/run.mjs';
import { runScript, step } from './setup/step.mjs';
import { checkBuildTools } from './setup/tools.mjs';
import { setUp } from './setup.mjs';

const BUILD = join(ROOT, '.build', 'gpu');
const EMULATED = join(BUILD, 'emulated');
/** Each in a process of its own: memory is bounded once, and after a loss nothing works. Sizes suit two cores. */
const GROUPS = {
  parity_: {},
  waits_: {},
  memory_: { VECTUNE_EMULATED_GPU_BYTES: '8000000000' },
  limit_: { VECTUNE_EMULATED_GPU_BYTES: '1600000000', VECTUNE_EMULATED_GPU_FILE: join(EMULATED, 'held') },
  loss_: {},
};

async function build(libtorch) {
  const definitions = { VECTUNE_LIBTORCH: libtorch.root, VECTUNE_GPU: 'ON', CMAKE_BUILD_TYPE: 'Release' };
  await mustRun('cmake', [
    '-S',
    ROOT,
    '-B',
    BUILD,
    ...Object.entries(definitions).map(([name, value]) => `-D${name}=${value}`),
  ]);
  await mustRun('cmake', [
    '--build',
    BUILD,
    '--parallel',
    String(availableParallelism()),
    '--target',
    'vectune_gpu_tests',
    'emulated_driver',
    'emulated_cuda',
  ]);
  return 'vectune_gpu_tests and the emulated GPU built';
}

/** The program's tests whose names begin with `group`. */
async function testGroup(group, env) {
  const { code, output } = await run(join(BUILD, 'vectune_gpu_tests'), [group], { env });
  process.stdout.write(output);
  // The last: a process that a test starts counts too.
  const counts = [...output.matchAll(/(\d+) passed, (\d+) failed, (\d+) skipped/g)].at(-1);
  if (counts === undefined) return { passed: 0, failed: 1, skipped: 0 };
  const [passed, failed, skipped] = counts.slice(1).map(Number);
  return { passed, failed: failed === 0 && code !== 0 ? 1 : failed, skipped };
}

/** The files of a folder once more, without symbolic links: the loader tells libraries apart by where they really lie. */
function linkTree(from, to, wanted = () => true) {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) linkTree(source, target, wanted);
    else if (wanted(entry.name)) place(source, target);
  }
}

function place(from, to) {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to); // another file system
  }
}

/** A LibTorch as that one, whose library for CUDA is the emulated GPU's. */
function libTorchWithIt(libtorch) {
  const root = join(EMULATED, 'site', 'torch');
  rmSync(join(EMULATED, 'site'), { recursive: true, force: true });
  linkTree(libtorch.libDir, join(root, 'lib'), (name) => !name.includes('_cuda'));
  place(join(EMULATED, 'libtorch_cuda.so'), join(root, 'lib', 'libtorch_cuda.so'));
  // A wheel's own libraries name those beside it.
  const nvidia = join(libtorch.root, '..', 'nvidia');
  if (existsSync(nvidia)) linkTree(nvidia, join(EMULATED, 'site', 'nvidia'));
  writeFileSync(join(root, 'version.py'), `__version__ = '${libtorch.version}+emulated'\n`);
  return root;
}

await runScript(async () => {
  await setUp();
  checkBuildTools();
  const libtorch = await findLibTorch({ headers: true });
  await step('gpu', () => build(libtorch));
  const total = { passed: 0, failed: 0, skipped: 0 };
  const add = (found) =>
    Object.keys(total).forEach((key) => {
      total[key] += found[key];
    });
  const path = (libDir) => [EMULATED, libDir, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':');
  for (const [group, variables] of Object.entries(GROUPS)) {
    const held = variables.VECTUNE_EMULATED_GPU_FILE;
    if (held !== undefined && existsSync(held)) rmSync(held);
    add(await testGroup(group, { ...process.env, ...variables, LD_LIBRARY_PATH: path(libtorch.libDir) }));
  }
  const root = libTorchWithIt(libtorch);
  process.env.VECTUNE_LIBTORCH = root;
  process.env.VECTUNE_EMULATED_GPU = '1';
  process.env.LD_LIBRARY_PATH = path(join(root, 'lib'));
  add(await runJest(['test/gpu']));
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  return total.failed === 0 ? 0 : 1;
});
