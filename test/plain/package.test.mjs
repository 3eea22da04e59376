// The package as it is imported: both module systems, and nothing loaded before it is needed.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { mapped, MODEL, ROOT } from './support.mjs';

const require = createRequire(import.meta.url);

// First in this file, whose process has used nothing yet.
test('importing maps neither LibTorch nor the addons; the first use does', async () => {
  assert.deepEqual(mapped(), []);
  const { TextVectorisation, models, balance, cosineSimilarity } = await import('../../dist/index.mjs');
  const model = new TextVectorisation(MODEL);
  balance([
    { text1: 'a', text2: 'b', score: 0 },
    { text1: 'c', text2: 'd', score: 1 },
  ]);
  cosineSimilarity([1, 0], [0, 1]);
  assert.ok(Object.keys(models).length > 0);
  assert.deepEqual(mapped(), []);
  // The server, the frameworks and what they bring along.
  const others =
    /[\\/]dist[\\/](?:serve|cli|ai-sdk|langchain)|[\\/]node_modules[\\/](?:fastify|prom-client|zod|@ai-sdk|@langchain)[\\/]/;
  assert.deepEqual(
    Object.keys(require.cache).filter((path) => others.test(path)),
    [],
  );
  await model.load();
  const names = mapped().map((path) => path.slice(path.lastIndexOf('/') + 1));
  for (const name of ['libtorch_cpu.so', 'libc10.so', 'vectune.node']) assert.ok(names.includes(name), name);
  await model.dispose();
});

test('import and require give the same names and the same things', async () => {
  const imported = await import('../../dist/index.mjs');
  const required = require('../../dist/index.js');
  assert.deepEqual(Object.keys(imported).sort(), Object.keys(required).sort());
  for (const name of Object.keys(required)) assert.equal(imported[name], required[name], name);
});

test('by the name of the package too', async () => {
  const imported = await import('vectune');
  assert.equal(imported.TextVectorisation, require('vectune').TextVectorisation);
  assert.equal(imported.TextVectorisation, require('../../dist/index.js').TextVectorisation);
  assert.equal(require('vectune/package.json').name, 'vectune');
  await assert.rejects(import('vectune/dist/system/errors.js'), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' });
});

test('vectune/serve is a way in of its own', async () => {
  const { createServer } = await import('vectune/serve');
  assert.equal(createServer, require('vectune/serve').createServer);
  assert.throws(() => createServer({}), { code: 'ERR_INVALID_ARGUMENT' });
  assert.ok(Object.keys(require.cache).some((path) => /[\\/]node_modules[\\/]fastify[\\/]/.test(path)));
});

test('what index.ts exports as a value is exported, and no more', () => {
  const source = readFileSync(join(ROOT, 'lib', 'index.ts'), 'utf8');
  const lists = [...source.matchAll(/^export \{([^}]+)\}/gm)].map((match) => match[1]);
  const names = lists.flatMap((list) => list.split(',').map((name) => name.trim())).filter((name) => name !== '');
  assert.ok(names.includes('TextVectorisation'));
  assert.deepEqual(Object.keys(require('../../dist/index.js')).sort(), names.sort());
});
