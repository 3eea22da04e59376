// The packed tarball in a clean room: a stranger's projects in TypeScript, what is mapped and when, and what is said
// where LibTorch is missing. The rest is `npm run test:package` (long.mjs).
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { HERE, libtorchRoot, MODEL, roomWithPackage, ROOT, run, SERVER_PACKAGES, TOOLS } from './room.mjs';

let room, versions, remove, libtorch;
before(async () => {
  ({ room, versions, remove } = await roomWithPackage());
  libtorch = await libtorchRoot();
});
after(() => remove?.());

const installed = () => join(room.project, 'node_modules', 'vectune');
const withLibTorch = () => ({ env: { VECTUNE_LIBTORCH: libtorch } });

test('the room has no compiler, no CMake and no Python, and an empty home', () => {
  for (const tool of TOOLS) assert.equal(room.has(tool), false, tool);
  assert.deepEqual(readdirSync(room.home), []);
});

test('requiring it maps neither LibTorch nor an addon', { skip: process.platform !== 'linux' }, async (t) => {
  const { ms, mapped, names } = await room.tell(room.program('require.cjs'), []);
  assert.deepEqual(mapped, []);
  assert.ok(names.includes('TextVectorisation'));
  t.diagnostic(`require('vectune') took ${ms.toFixed(0)} ms`);
});

test('neither require nor import loads anything of the server or of a framework', async () => {
  const FOREIGN =
    /^(?:fastify|@fastify\/|prom-client|zod|pino|find-my-way|ai$|@ai-sdk\/|@langchain\/|openai|@llamaindex\/)/;
  for (const file of ['require.cjs', 'import.mjs']) {
    const { packages, own } = await room.tell(room.program(file), []);
    assert.ok(own.includes('index.js'), own.join());
    assert.deepEqual(
      packages.filter((name) => FOREIGN.test(name)),
      [],
    );
    assert.deepEqual(
      own.filter((name) => /^(?:serve\/|cli\/|ai-sdk|langchain)/.test(name ?? '')),
      [],
    );
  }
});

test('vectune/serve says which packages it needs; with them it answers, and has its page', async () => {
  const { code, message } = await room.tell(room.program('lean.mjs'), []);
  assert.equal(code, 'ERR_SERVER_PACKAGES');
  assert.ok(message.endsWith(`This installs them: npm install ${SERVER_PACKAGES.join(' ')}`), message);
  await room.add(SERVER_PACKAGES, room.project);
  const told = await room.tell(room.program('serve.mjs'), [MODEL], withLibTorch());
  assert.deepEqual(told.statuses, [200, 200]);
  assert.equal(told.page, 200);
  assert.ok(told.dimensions.length === 2 && told.dimensions[0] > 0);
});

test('without LibTorch the first call says what to type', async () => {
  const { name, code, message } = await room.tell(room.program('first-call.cjs'), [MODEL]);
  assert.deepEqual({ name, code }, { name: 'LibTorchError', code: 'ERR_LIBTORCH_MISSING' });
  assert.match(message, /npx vectune libtorch install/);
});

for (const kind of ['esm', 'cjs']) {
  test(`a TypeScript project (${kind}) type-checks, trains and embeds`, async () => {
    const project = join(room.project, kind);
    cpSync(join(HERE, 'projects', kind), project, { recursive: true });
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    const types = join(ROOT, 'node_modules', '@types');
    const checked = await run(process.execPath, [tsc, '-p', project, '--typeRoots', types], { cwd: project });
    assert.equal(checked.code, 0, checked.stdout);
    const saved = join(room.folder, `saved-${kind}`);
    const told = await room.tell(join(project, 'out', 'main.js'), [MODEL, saved], { cwd: project, ...withLibTorch() });
    assert.ok(Number.isFinite(told.loss));
    assert.ok(told.kinds.includes('step') && told.kinds.includes('validation'), told.kinds.join());
    assert.ok(Math.abs(told.same - 1) < 1e-5);
    assert.equal(told.code, 'ERR_TEXT_TYPE');
    assert.equal(told.up, true);
    assert.ok(existsSync(join(saved, 'modules.json')));
    if (process.platform === 'linux')
      assert.ok(told.addons.every((path) => path.includes(`${installed()}/dist/addons/`)));
  });
}

test('a stray build/Release is not loaded, wherever it lies', async () => {
  const strays = ['.', 'dist', 'dist/addons/loader', ...versions.map((version) => `dist/addons/engine-${version}`)];
  for (const place of strays) {
    mkdirSync(join(installed(), place, 'build', 'Release'), { recursive: true });
    writeFileSync(join(installed(), place, 'build', 'Release', 'vectune.node'), 'not an addon');
  }
  try {
    const { dimensions } = await room.tell(room.program('first-call.cjs'), [MODEL], withLibTorch());
    assert.ok(dimensions > 0);
  } finally {
    for (const place of strays) rmSync(join(installed(), place, 'build'), { recursive: true });
  }
});

test('its command runs by npx', async () => {
  const output = await room.mustRun('npx', ['--no-install', 'vectune', '--version']);
  assert.equal(output.trim(), JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version);
});
