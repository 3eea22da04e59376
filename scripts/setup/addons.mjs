import { createRequire } from 'node:module';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { BUILD, LIBTORCH_VERSION, ROOT, packageJson } from './paths.mjs';
import { run, tail, versionOutput } from './run.mjs';
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
 * Compiles what needs neither LibTorch nor npm's packages, while they are being fetched: in the folder of a build to
 * come, as cmake-js will, so that it need not do it again. What goes wrong is told by `buildAddons`.
 */
export async function buildEarly(signal) {
  if (existsSync(join(BUILD, 'CMakeCache.txt'))) return;
  mkdirSync(BUILD, { recursive: true });
  const generator = versionOutput('ninja') === undefined ? 'Unix Makefiles' : 'Ninja';
  const settings = { CMAKE_BUILD_TYPE: 'Release', CMAKE_CXX_FLAGS: '-DBUILDING_NODE_EXTENSION', VECTUNE_EARLY: 'ON' };
  const defined = Object.entries(settings).map(([name, value]) => `-D${name}=${value}`);
  try {
    await run('cmake', ['-S', ROOT, '-B', BUILD, '-G', generator, ...defined], { signal });
    await run('cmake', ['--build', BUILD, '--target', 'vectune_early', '--parallel', jobs()], { signal });
  } catch {
    // see above
  }
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

async function cmakeJs(command, args) {
  const program = join(require.resolve('cmake-js/package.json'), '..', 'bin', 'cmake-js');
  const { code, output } = await run(process.execPath, [program, command, '-O', BUILD, ...args]);
  const log = join(BUILD, 'build.log');
  writeFileSync(log, output);
  if (code === 0) return;
  throw new SetupError(`The addons could not be built (the whole output is in ${log}):\n${tail(output, 40)}`);
}
