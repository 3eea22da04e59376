// npm run bench:server: vectune's server and infinity-emb's (torch, and optimum on ONNX where it can be had), all fp32, on
// all-MiniLM-L6-v2, in turn on this machine: requests a second and latencies by autocannon. The servers stand beside each
// other; one is asked at a time. Prints a table and writes .build/bench/server.json.
//   --seconds 10            of each measurement
//   --runs 3                of each; the run of the median throughput counts
//   --connections 1,4,16,64
//   --texts short,mixed     short: a question a request; mixed: 1 to 8 texts of 3 to 180 words
//   --peers torch,optimum   '' for vectune alone
//   --infinity FOLDER       virtual environment of infinity-emb; default one in .build, made once
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { pythonPeer, onnxModel } from './peers.mjs';
import { DIST, ROOT } from '../../scripts/setup/paths.mjs';
import { mustRun } from '../../scripts/setup/run.mjs';
import { runScript } from '../../scripts/setup/step.mjs';
import { setUp } from '../../scripts/setup.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const list = (text) => text.split(',').filter((one) => one !== '');

/** Numbers from 0 to below 1 by a seed. */
function randomOf(seed) {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

/** Bodies of requests in OpenAI's form, of a kind of texts. */
function bodiesOf(kind) {
  const pairs = readFileSync(join(ROOT, 'scripts/quickstart/pairs.csv'), 'utf8').split('\n').slice(1, 600);
  const questions = pairs
    .map((line) => line.split(',')[0].replaceAll('"', '').trim())
    .filter((text) => text.length > 8);
  const words = questions.join(' ').split(/\s+/);
  const random = randomOf(7);
  const from = (count) => {
    const at = Math.floor(random() * (words.length - count));
    return words.slice(at, at + count).join(' ');
  };
  return Array.from({ length: 200 }, (_, i) =>
    kind === 'short'
      ? questions[i % questions.length]
      : Array.from({ length: 1 + Math.floor(random() * 8) }, () => from(3 + Math.floor(random() ** 2 * 178))),
  );
}

/** Waits until a server answers, or ends. */
async function started(child, url, log) {
  let ended = false;
  child.once('exit', () => (ended = true));
  for (;;) {
    if (ended) throw new Error(`the server at ${url} ended: ${log()}`);
    const up = await fetch(`${url}/health`).then(
      (response) => response.ok,
      () => false,
    );
    if (up) return;
    await sleep(200);
  }
}

function start(program, args, { env = {}, cwd } = {}) {
  const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data) => (output = (output + data.toString()).slice(-4000)));
  return { child, log: () => output };
}

async function vectune(model, port) {
  const cli = join(DIST, 'cli', 'main.js');
  const made = start(process.execPath, [
    cli,
    'serve',
    '--model',
    `live=${model}`,
    '--device',
    'cpu',
    '--port',
    String(port),
  ]);
  const url = `http://127.0.0.1:${port}`;
  await started(made.child, url, made.log);
  return { name: 'vectune', url, path: '/v1/embeddings', model: 'live', child: made.child };
}

/** infinity-emb in a virtual environment of its own; installed once. */
async function infinityPython(folder = join(ROOT, '.build', 'bench', 'infinity')) {
  const python = join(folder, 'bin', 'python');
  const requirements = join(HERE, 'infinity-requirements.txt');
  const mark = join(folder, 'requirements.txt');
  if (existsSync(mark) && readFileSync(mark, 'utf8') === readFileSync(requirements, 'utf8')) return python;
  console.log(`Installing infinity-emb in ${folder}; this happens once.`);
  await mustRun('python3', ['-m', 'venv', '--clear', folder]);
  await mustRun(python, ['-m', 'pip', 'install', '--disable-pip-version-check', '-r', requirements]);
  writeFileSync(mark, readFileSync(requirements));
  return python;
}

/**
 * The model as optimum finds it in a folder of this machine: one graph, beside config.json (infinity-emb 0.0.78 names it by
 * its path, optimum 2.1 looks for a bare name), and not the quantised one, which would be taken before it.
 */
async function onnxFolder(model) {
  const exported = await onnxModel(await pythonPeer(), model);
  const folder = join(ROOT, '.build', 'bench', 'optimum');
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(exported).filter((one) => /\.(json|txt)$/.test(one)))
    copyFileSync(join(exported, name), join(folder, name));
  copyFileSync(join(exported, 'onnx', 'model.onnx'), join(folder, 'model.onnx'));
  return folder;
}

async function infinity(engine, model, port, environment) {
  const python = await infinityPython(environment);
  const args = [
    'v2',
    '--model-id',
    '.',
    '--engine',
    engine,
    '--device',
    'cpu',
    '--port',
    String(port),
    '--host',
    '127.0.0.1',
  ];
  const more = ['--served-model-name', 'live', '--dtype', 'float32', '--no-bettertransformer', '--url-prefix', '/v1'];
  const made = start(join(python, '..', 'infinity_emb'), [...args, ...more], {
    cwd: model,
    env: { HF_HUB_OFFLINE: '1', DO_NOT_TRACK: '1', INFINITY_ANONYMOUS_USAGE_STATS: '0' },
  });
  const url = `http://127.0.0.1:${port}`;
  await started(made.child, url, made.log);
  return { name: `infinity ${engine}`, url, path: '/v1/embeddings', model: 'live', child: made.child };
}

async function measure(server, bodies, connections, seconds) {
  const requests = bodies.map((input) => ({
    method: 'POST',
    path: server.path,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: server.model, input }),
  }));
  const result = await autocannon({ url: server.url, connections, duration: seconds, requests, timeout: 60 });
  return {
    perSecond: result.requests.average,
    p50: result.latency.p50,
    p99: result.latency.p99,
    failed: result.non2xx + result.errors + result.timeouts,
  };
}

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '10' },
      runs: { type: 'string', default: '3' },
      connections: { type: 'string', default: '1,4,16,64' },
      texts: { type: 'string', default: 'short,mixed' },
      peers: { type: 'string', default: 'torch,optimum' },
      infinity: { type: 'string' },
    },
  });
  await setUp();
  const require = createRequire(import.meta.url);
  const { models } = require(join(DIST, 'index.js'));
  const model = (await require(join(DIST, 'model', 'open.js')).openModel(models.AllMiniLML6V2)).folder;
  const servers = [];
  try {
    let port = 18_080;
    servers.push(await vectune(model, port++));
    for (const engine of list(values.peers)) {
      const folder = engine === 'optimum' ? await onnxFolder(model) : model;
      servers.push(await infinity(engine, folder, port++, values.infinity && resolve(values.infinity)));
    }
    const rows = [];
    for (const texts of list(values.texts)) {
      const bodies = bodiesOf(texts);
      for (const server of servers) await measure(server, bodies, 4, 2); // warm
      for (const connections of list(values.connections).map(Number)) {
        const runs = servers.map(() => []);
        for (let run = 0; run < Number(values.runs); ++run)
          for (const [i, server] of servers.entries())
            runs[i].push(await measure(server, bodies, connections, Number(values.seconds)));
        const [own, ...others] = runs.map((all) => all.sort((a, b) => a.perSecond - b.perSecond)[all.length >> 1]);
        rows.push({
          texts,
          connections,
          vectune: own,
          ...Object.fromEntries(others.map((one, i) => [servers[i + 1].name, one])),
        });
        const shown = (one) =>
          `${one.perSecond.toFixed(1)}/s p50 ${one.p50} p99 ${one.p99} ms${one.failed > 0 ? ` ${one.failed} FAILED` : ''}`;
        const peers = others.map(
          (one, i) => `${servers[i + 1].name} ${shown(one)} (${(own.perSecond / one.perSecond).toFixed(1)} ×)`,
        );
        console.log([`${texts}, ${connections}:`, `vectune ${shown(own)}`, ...peers].join('  |  '));
      }
    }
    mkdirSync(join(ROOT, '.build', 'bench'), { recursive: true });
    const file = join(ROOT, '.build', 'bench', 'server.json');
    writeFileSync(file, `${JSON.stringify({ processor: cpus()[0].model, cores: cpus().length, rows }, null, 2)}\n`);
    return 0;
  } finally {
    for (const { child } of servers) {
      child.kill('SIGTERM');
      await Promise.race([once(child, 'exit'), sleep(5000)]);
      child.kill('SIGKILL');
    }
  }
});
