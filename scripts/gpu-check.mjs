// node scripts/gpu-check.mjs: what `scripts/gpu-check` does without Node, then the public API on the GPU by jest
// (test/gpu/public.test.ts), whose results join the same JSON file. Arguments are those of scripts/gpu-check, and
//   --kit FILE.tar.xz   only packs what this needs on a machine without Node and network (40 MB): Node itself, npm packages, addons,
//                       and the two programs of scripts/gpu-check. There, in a copy of the same sources:
//                         python3 -m tarfile -e FILE.tar.xz . && .build/node scripts/gpu-check.mjs --no-build
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { runJest } from './run-jest.mjs';
import { ADDONS, addonFile } from './setup/addons.mjs';
import { DIST, ROOT } from './setup/paths.mjs';
import { mustRun, runShown } from './setup/run.mjs';
import { findLibTorch } from './setup/libtorch.mjs';
import { runScript } from './setup/step.mjs';
import { setUp } from './setup.mjs';

const PROGRAMS = ['gpu_bench', 'vectune_gpu_tests'].map((name) => join(ROOT, '.build', 'gpu', name));
/** npm packages that jest does not load, and addons of other machines: two thirds of the folder. */
const LEFT_OUT = [
  '@arethetypeswrong',
  '@electron',
  '@esbuild',
  '@shikijs',
  'cmake-js',
  'esbuild',
  'node-gyp',
  'prebuildify',
  'publint',
  'typedoc',
]
  .map((name) => `node_modules/${name}`)
  .concat(
    'tokenizers.android*',
    'tokenizers.darwin*',
    'tokenizers.win32*',
    'tokenizers.*musl*',
    'tokenizers.linux-arm*',
  );

async function pack(file) {
  const node = join(ROOT, '.build', 'node');
  mkdirSync(join(ROOT, '.build'), { recursive: true });
  copyFileSync(process.execPath, node);
  chmodSync(node, 0o755);
  const contents = [node, join(ROOT, 'node_modules'), DIST, ...ADDONS.map(addonFile), ...PROGRAMS].map((path) =>
    relative(ROOT, path),
  );
  await mustRun('tar', ['-C', ROOT, ...LEFT_OUT.map((name) => `--exclude=${name}`), '-cJf', file, ...contents], {
    env: { ...process.env, XZ_OPT: '-T0' },
  });
  rmSync(node);
  console.log(`${file}: ${(statSync(file).size / 1e6).toFixed(0)} MB`);
}

/** The torch of the Python that PYTHON names is what scripts/gpu-check takes; the public API must have the same. */
async function takePythonsTorch() {
  const { PYTHON, VECTUNE_LIBTORCH } = process.env;
  if (!PYTHON || VECTUNE_LIBTORCH) return;
  const ask =
    'import importlib.util as of; torch = of.find_spec("torch"); print(torch.submodule_search_locations[0] if torch else "")';
  const folder = (await mustRun(PYTHON, ['-c', ask])).trim();
  if (folder !== '') process.env.VECTUNE_LIBTORCH = folder;
}

await runScript(async () => {
  const { kit, ...rest } = parseArgs({
    strict: false,
    options: { kit: { type: 'string' }, out: { type: 'string' } },
  }).values;
  const args = process.argv.slice(2);
  await takePythonsTorch();
  if (!rest['no-build']) await setUp();
  const libtorch = await findLibTorch({ headers: true });
  const environment = { ...process.env, ...(libtorch && { VECTUNE_LIBTORCH: libtorch.root }) };
  const check = (given) => runShown(join(ROOT, 'scripts', 'gpu-check'), given, { env: environment });
  if (kit !== undefined) {
    const built = await check(['--build-only']);
    if (built === 0) await pack(resolve(kit));
    return built;
  }
  const out = resolve(rest.out ?? 'gpu-check.json');
  const native = await check([...args, '--out', out]);
  if (rest['build-only'] || !existsSync(out)) return native;
  const report = JSON.parse(readFileSync(out, 'utf8'));
  const jest = await runJest(['test/gpu']);
  report.tests = report.tests.filter(({ group }) => group !== 'public');
  report.tests.push({ group: 'public', exit: jest.failed === 0 ? 0 : 1, ...jest });
  writeFileSync(out, `${JSON.stringify(report, null, 1)}\n`);
  return native === 0 && jest.failed === 0 ? 0 : 1;
});
