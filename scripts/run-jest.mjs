import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runShown } from './setup/run.mjs';

const require = createRequire(import.meta.url);

/** Runs jest, its report for people on stderr; gives how many tests passed, failed and were skipped. */
export async function runJest(args) {
  const folder = mkdtempSync(join(tmpdir(), 'vectune-jest-'));
  try {
    const outputFile = join(folder, 'jest.json');
    const jest = join(require.resolve('jest/package.json'), '..', 'bin', 'jest.js');
    const code = await runShown(process.execPath, [jest, '--json', `--outputFile=${outputFile}`, ...args], {
      stdio: ['inherit', 'ignore', 'inherit'], // jest writes its JSON to stdout too
    });
    if (!existsSync(outputFile)) return { passed: 0, failed: 1, skipped: 0 };
    const result = JSON.parse(readFileSync(outputFile, 'utf8'));
    // A file that could not run has no tests to count.
    const failed = result.numFailedTests + result.numRuntimeErrorTestSuites;
    return {
      passed: result.numPassedTests,
      failed: failed === 0 && code !== 0 ? 1 : failed,
      skipped: result.numPendingTests + result.numTodoTests,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
