// Installs the peers in vectune's cache: sentence-transformers beside the reference of `npm run parity`, transformers.js
// in a folder of its own, and all-MiniLM-L6-v2 as ONNX for it.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { referencePython } from '../../scripts/reference/python.mjs';
import { DIST } from '../../scripts/setup/paths.mjs';
import { mustRun } from '../../scripts/setup/run.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const TRANSFORMERS_JS = '4.2.0';
const CACHE = createRequire(import.meta.url)(join(DIST, 'system', 'cache-root.js')).cacheRoot();

/** Python with sentence-transformers and what its trainer needs. */
export async function pythonPeer() {
  const python = await referencePython();
  const requirements = join(HERE, 'requirements.txt');
  const mark = join(dirname(python), 'vectune-bench-requirements.txt');
  if (!existsSync(mark) || readFileSync(mark, 'utf8') !== readFileSync(requirements, 'utf8')) {
    console.log('Installing what the peers need in Python; this happens once.');
    await mustRun(python, ['-m', 'pip', 'install', '--disable-pip-version-check', '-r', requirements]);
    writeFileSync(mark, readFileSync(requirements));
  }
  return python;
}

/** Folder whose node_modules has transformers.js. */
export async function transformersJs() {
  const folder = join(CACHE, 'bench', `transformers-js-${TRANSFORMERS_JS}`);
  if (existsSync(join(folder, 'complete'))) return folder;
  console.log(`Installing transformers.js ${TRANSFORMERS_JS} in ${folder}; this happens once.`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  await mustRun(
    'npm',
    ['install', '--ignore-scripts', '--no-audit', '--no-fund', `@huggingface/transformers@${TRANSFORMERS_JS}`],
    { cwd: folder },
  );
  writeFileSync(join(folder, 'complete'), '');
  return folder;
}

/** Folder of the model with onnx/model.onnx and onnx/model_quantized.onnx. */
export async function onnxModel(python, model) {
  const folder = join(CACHE, 'bench', 'all-MiniLM-L6-v2-onnx');
  if (existsSync(folder)) return folder;
  console.log('Exporting all-MiniLM-L6-v2 to ONNX; this happens once.');
  const aside = `${folder}.${process.pid}`;
  await mustRun(python, [join(HERE, 'export_onnx.py'), model, aside], { env: { ...process.env, HF_HUB_OFFLINE: '1' } });
  renameSync(aside, folder);
  return folder;
}
