// The programs that run exports, installed in vectune's cache.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DIST } from '../setup/paths.mjs';
import { mustRun } from '../setup/run.mjs';

const REQUIREMENTS = fileURLToPath(new URL('requirements.txt', import.meta.url));
const cache = (name) =>
  join(createRequire(import.meta.url)(join(DIST, 'system', 'cache-root.js')).cacheRoot(), 'exports', name);

export const PACKAGES = ['@huggingface/transformers@4.2.0', 'node-llama-cpp@3.21.1'];

async function once(what, folder, install) {
  if (existsSync(join(folder, 'complete'))) return;
  console.log(`Installing ${what} in ${folder}; this happens once.`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await install();
  writeFileSync(join(folder, 'complete'), '');
}

/** Folder whose node_modules has transformers.js, onnxruntime-node and node-llama-cpp. */
export async function nodePeers() {
  const folder = cache(PACKAGES.join('+').replaceAll(/[^\w.+-]+/g, '_'));
  await once(PACKAGES.join(', '), folder, async () => {
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--save-exact'];
    await mustRun('npm', ['install', ...flags, ...PACKAGES], { cwd: folder });
  });
  return folder;
}

/** Python with the packages that check files. */
export async function pythonPeer() {
  const requirements = readFileSync(REQUIREMENTS, 'utf8');
  const folder = cache(`python-${createHash('sha256').update(requirements).digest('hex').slice(0, 12)}`);
  const python = join(folder, 'bin', 'python');
  await once(requirements.trim().split('\n').join(', '), folder, async () => {
    await mustRun('python3', ['-m', 'venv', folder]);
    await mustRun(python, ['-m', 'pip', 'install', '--disable-pip-version-check', '-r', REQUIREMENTS]);
  });
  return python;
}
