import { createRequire } from 'node:module';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { BUILD, LIBTORCH_VERSION, ROOT, packageJson } from './paths.mjs';
import { run, tail } from './run.mjs';
import { hashOf, isStamped, stamp, unstamp } from './stamp.mjs';
import { SetupError } from './step.mjs';

const require = createRequire(import.meta.url);
const STAMP = `addons-${LIBTORCH_VERSION}`;
/** A file that includes LibTorch's headers takes the compiler so much memory. */
const BYTES_PER_JOB = 1.5e9;

export const ADDONS = ['loader', 'engine'];

export function addonFile(name) {
  return join(BUILD, name, 'build', 'Release', 'vectune.node');
}

function sourcesHash() {
  return hashOf(['native', 'CMakeLists.txt'], packageJson().version, ROOT);
}

/** Whether the addons are those of the sources as they stand. */
export function addonsAreBuilt() {
  return ADDONS.every((name) => existsSync(addonFile(name))) && isStamped(STAMP, sourcesHash());
}

/**
 * Compiles what needs nothing of LibTorch, while that is still being fetched to `root`. What goes wrong is told by
 * `buildAddons`, which does it again.
 */
export async function buildEarly(root, signal) {
  unstamp(STAMP);
  mkdirSync(BUILD, { recursive: true });
  if (!isConfiguredFor({ root })) rmSync(join(BUILD, 'CMakeCache.txt'), { force: true });
  const target = ['--target', 'vectune_early', '--CDVECTUNE_EARLY=ON'];
  await cmakeJs('build', ['--parallel', jobs(), `--CDVECTUNE_LIBTORCH=${root}`, ...target], { signal }).catch(() => {});
}

/** Builds both addons against a LibTorch with headers, by cmake-js. */
export async function buildAddons(libtorch) {
  const hash = sourcesHash();
  unstamp(STAMP);
  mkdirSync(BUILD, { recursive: true });
  if (!isConfiguredFor(libtorch)) rmSync(join(BUILD, 'CMakeCache.txt'), { force: true });
  await cmakeJs('build', ['--parallel', jobs(), `--CDVECTUNE_LIBTORCH=${libtorch.root}`]);
  stamp(STAMP, hash);
  return `addons built for LibTorch ${LIBTORCH_VERSION} (${jobs()} jobs)`;
}

function jobs() {
  return String(Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / BYTES_PER_JOB))));
}

/** cmake-js configures a folder once only; it must do so again for another LibTorch or another place of the clone. */
function isConfiguredFor(libtorch) {
  try {
    const cache = readFileSync(join(BUILD, 'CMakeCache.txt'), 'utf8');
    return (
      cache.includes(`VECTUNE_LIBTORCH:PATH=${libtorch.root}\n`) &&
      cache.includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${ROOT}\n`)
    );
  } catch {
    return false;
  }
}

async function cmakeJs(command, args, options) {
  const program = join(require.resolve('cmake-js/package.json'), '..', 'bin', 'cmake-js');
  const { code, output } = await run(process.execPath, [program, command, '-O', BUILD, ...args], options);
  const log = join(BUILD, 'build.log');
  writeFileSync(log, output);
  if (code === 0) return;
  throw new SetupError(`The addons could not be built (the whole output is in ${log}):\n${tail(output, 40)}`);
}
