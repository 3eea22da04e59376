import { createRequire } from 'node:module';
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../setup/paths.mjs';
import { mustRun, run, tail } from '../setup/run.mjs';
import { clangTool, ToolMissing } from './clang-tools.mjs';
import { tidy } from './tidy.mjs';

const require = createRequire(import.meta.url);
/** Found when it is run: on a fresh clone the packages come after this file is loaded. */
const biome = () => [join(require.resolve('@biomejs/biome/package.json'), '..', 'bin', 'biome')];

/** Checks of form and faults, each of which gives what it found in words, or undefined where all is well. */
export const CHECKS = {
  'form of TypeScript and JavaScript (Biome)': () => failure([...biome(), 'format', '--colors=off']),

  'faults of TypeScript and JavaScript (Biome)': () =>
    failure([...biome(), 'lint', '--colors=off', '--error-on-warnings', '--max-diagnostics=50']),

  'types of the tests (tsc)': () => {
    mkdirSync(join(ROOT, '.build'), { recursive: true });
    const kept = ['--incremental', '--tsBuildInfoFile', join(ROOT, '.build', 'test-types.tsbuildinfo')];
    return failure([require.resolve('typescript/bin/tsc'), '-p', join(ROOT, 'test'), ...kept]);
  },

  'docstrings of the public surface (typedoc)': () =>
    failure([join(require.resolve('typedoc/package.json'), '..', 'bin', 'typedoc'), '--emit', 'none']),

  'form of C++ (clang-format)': async () => {
    const { code, output } = await run(await clangTool('clang-format'), [
      '--dry-run',
      '--Werror',
      ...(await cppFiles()),
    ]);
    return code === 0 ? undefined : `${tail(output, 30)}\nnpm run format writes it.`;
  },

  'faults of C++ (clang-tidy, files without LibTorch)': () => tidyFailure({ all: false }),
};

/** The last for all files, and with the static analyser: minutes. */
export const NATIVE_CHECKS = { 'faults of C++ (clang-tidy)': () => tidyFailure({ all: true }) };

/** Writes the form. */
export async function writeForm() {
  await mustRun(process.execPath, [...biome(), 'format', '--write', '--colors=off']);
  await mustRun(await clangTool('clang-format'), ['-i', ...(await cppFiles())]);
}

/** Runs checks, the slow ones beside each other; prints a line for each. Gives how many passed, failed, were skipped. */
export async function runChecks(checks) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const waiting = Object.entries(checks);
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [name, check] = next;
      const start = performance.now();
      const [verdict, words] = await check().then(
        (found) => (found === undefined ? ['passed', ''] : ['failed', `\n${found}`]),
        (error) => {
          if (error instanceof ToolMissing) return ['skipped', `: ${error.message}`];
          return ['failed', `\n${error.stack}`];
        },
      );
      ++counts[verdict];
      console.log(`${verdict}  ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)${words}`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work));
  return counts;
}

async function failure(args) {
  const { code, output } = await run(process.execPath, args);
  return code === 0 ? undefined : tail(output, 60);
}

async function tidyFailure(which) {
  const { findings } = await tidy(which);
  return findings.length === 0 ? undefined : findings.join('\n');
}

async function cppFiles() {
  const listed = await mustRun('git', ['ls-files', '-z', '*.cpp', '*.h']);
  return listed.split('\0').filter((file) => file !== '');
}
