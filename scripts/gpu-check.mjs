// node scripts/gpu-check.mjs: what `scripts/gpu-check` does without Node, then the public API on the GPU by jest
// (test/gpu/public.test.ts), whose results join the same JSON file. Arguments are those of scripts/gpu-check.
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runJest } from './run-jest.mjs';
import { ROOT } from './setup/paths.mjs';
import { runShown } from './setup/run.mjs';
import { findLibTorch } from './setup/libtorch.mjs';
import { runScript } from './setup/step.mjs';
import { setUp } from './setup.mjs';

await runScript(async () => {
  await setUp();
  const args = process.argv.slice(2);
  const at = args.indexOf('--out');
  const out = resolve(at < 0 ? 'gpu-check.json' : args[at + 1] ?? '');
  const libtorch = await findLibTorch({ headers: true });
  const environment = { ...process.env, ...(libtorch && { VECTUNE_LIBTORCH: libtorch.root }) };
  const native = await runShown(join(ROOT, 'scripts', 'gpu-check'), [...args, '--out', out], { env: environment });
  const report = JSON.parse(readFileSync(out, 'utf8'));
  const jest = await runJest(['test/gpu']);
  report.tests.push({ group: 'public', exit: jest.failed === 0 ? 0 : 1, ...jest });
  writeFileSync(out, `${JSON.stringify(report, null, 1)}\n`);
  return native === 0 && jest.failed === 0 ? 0 : 1;
});
