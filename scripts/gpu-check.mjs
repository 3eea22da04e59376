// node scripts/gpu-check.mjs: what `scripts/gpu-check` does without Node, then the public API on the GPU by jest
// (test/gpu/public.test.ts), whose results join the same JSON file. Arguments are those of scripts/gpu-check.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ROOT } from './setup/paths.mjs';
import { runShown } from './setup/run.mjs';
import { findLibTorch } from './setup/libtorch.mjs';
import { runScript } from './setup/step.mjs';
import { setUp } from './setup.mjs';

const require = createRequire(import.meta.url);

async function runJest() {
  const folder = mkdtempSync(join(tmpdir(), 'vectune-gpu-'));
  try {
    const outputFile = join(folder, 'jest.json');
    const jest = join(require.resolve('jest/package.json'), '..', 'bin', 'jest.js');
    const code = await runShown(process.execPath, [jest, 'test/gpu', '--json', `--outputFile=${outputFile}`], {
      stdio: ['inherit', 'ignore', 'inherit'],
    });
    if (!existsSync(outputFile)) return { group: 'public', exit: code, passed: 0, failed: 1, skipped: 0 };
    const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites, numPendingTests } = JSON.parse(readFileSync(outputFile, 'utf8'));
    const failed = numFailedTests + numRuntimeErrorTestSuites;
    return { group: 'public', exit: code, passed: numPassedTests, failed, skipped: numPendingTests };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await runScript(async () => {
  await setUp();
  const args = process.argv.slice(2);
  const at = args.indexOf('--out');
  const out = resolve(at < 0 ? 'gpu-check.json' : args[at + 1] ?? '');
  const libtorch = await findLibTorch({ headers: true });
  const environment = { ...process.env, ...(libtorch && { VECTUNE_LIBTORCH: libtorch.root }) };
  const native = await runShown(join(ROOT, 'scripts', 'gpu-check'), [...args, '--out', out], { env: environment });
  const report = JSON.parse(readFileSync(out, 'utf8'));
  const jest = await runJest();
  report.tests.push(jest);
  writeFileSync(out, `${JSON.stringify(report, null, 1)}\n`);
  return native === 0 && jest.exit === 0 ? 0 : 1;
});
