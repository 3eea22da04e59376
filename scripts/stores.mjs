// npm run stores: installs what examples/stores needs in .build/stores, and runs their test: SQLite with sqlite-vec, and
// Postgres with pgvector where one is on this machine, else in WebAssembly (PGlite).
import { cpSync, existsSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runJest } from './run-jest.mjs';
import { ROOT } from './setup/paths.mjs';
import { mustRun } from './setup/run.mjs';
import { runScript } from './setup/step.mjs';
import { setUp } from './setup.mjs';

const FOLDER = join(ROOT, '.build', 'stores');

await runScript(async () => {
  await setUp();
  mkdirSync(FOLDER, { recursive: true });
  cpSync(join(ROOT, 'examples', 'stores'), FOLDER, { recursive: true });
  // better-sqlite3 is compiled where its binary cannot be fetched; by the headers that came with this Node, where they did.
  const node = dirname(dirname(realpathSync(process.execPath)));
  const headers = existsSync(join(node, 'include', 'node', 'node.h')) ? { npm_config_nodedir: node } : {};
  const args = ['install', '--no-audit', '--no-fund', '--no-package-lock', '--legacy-peer-deps', '--loglevel=error'];
  await mustRun('npm', args, { cwd: FOLDER, env: { ...process.env, ...headers } });
  const link = join(FOLDER, 'node_modules', 'vectune');
  if (!existsSync(link)) symlinkSync(ROOT, link, 'junction');
  const { passed, failed, skipped } = await runJest(['test/examples/stores']);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return failed === 0 ? 0 : 1;
});
