// What a server must stand: many times the load that it can carry, clients that are slow or broken, hostile bodies, and a
// model that is swapped while it answers. Everything goes to a server of its own on 127.0.0.1. Prints a line of JSON for
// each part; the exit code is 1 where a part is not as it must be.
//   node soak.mjs [--seconds 60] [--times 10] [--clients 1000] [--bodies 10000] [--large 200] [--swaps 20] [--queue 512]
//     [--model FOLDER]
// Memory is judged where there is time to see it: from 30 seconds on.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';

const numbers = {
  seconds: '60',
  times: '10',
  clients: '1000',
  bodies: '10000',
  large: '200',
  swaps: '20',
  queue: '512',
};
const { values } = parseArgs({
  options: {
    ...Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, { type: 'string', default: value }])),
    model: {
      type: 'string',
      default: fileURLToPath(new URL('../../parity/fixtures/bert-mean/model', import.meta.url)),
    },
  },
});
const [seconds, times, clients, bodies, large, swaps, queue] = Object.keys(numbers).map((name) => Number(values[name]));
const judgesMemory = seconds >= 30;
/** Bytes of the heap, and of the process, that are put down to caches and to what the allocator keeps. */
const HEAP_GROWTH = 4e6;
const RSS_GROWTH = 64e6;
/** Seconds that a bad client has. */
const RECEIVE_TIMEOUT = 2;

let wrong = 0;
function told(part, facts, faults) {
  console.log(JSON.stringify({ part, ...facts, ...(faults.length > 0 && { faults: faults.slice(0, 5) }) }));
  if (faults.length > 0) ++wrong;
}

/** Numbers from 0 to below 1 by a seed. */
function randomOf(seed) {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}
const random = randomOf(20261129);
const pick = (list) => list[Math.floor(random() * list.length)];
const WORDS =
  'the old stone bridge rain fell on boats nobody remembers harbour bread miller daughter kite tonight'.split(' ');
const text = (words) => Array.from({ length: words }, () => pick(WORDS)).join(' ');

const program = fileURLToPath(new URL('served.cjs', import.meta.url));

/** A server in a process of its own. */
class Server {
  static async start(options = {}) {
    const server = new Server();
    server.child = fork(program, [values.model, JSON.stringify(options)], { execArgv: ['--expose-gc'] });
    server.ended = new Promise((resolve) => server.child.once('exit', resolve));
    server.ended.then(() => (server.over = true));
    [{ address: server.address }] = await once(server.child, 'message');
    server.pool = new Pool(server.address, {
      connections: 700,
      pipelining: 1,
      connectTimeout: 60_000,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    server.asked = 0;
    return server;
  }

  async post(path, body, headers = { 'content-type': 'application/json' }) {
    const response = await this.pool.request({ method: 'POST', path, body, headers });
    return { status: response.statusCode, headers: response.headers, text: await response.body.text() };
  }

  /** Tells the process something, one thing at a time. */
  async ask(what) {
    const id = ++this.asked;
    this.child.send({ id, what });
    for (;;) {
      const [answer] = await once(this.child, 'message');
      if (answer.id !== id) continue;
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer.value;
    }
  }

  /** Ends it well, and tells how it was left. */
  async close() {
    const waiting = /^te_queue_size (\d+)$/m.exec(await (await fetch(`${this.address}/metrics`)).text())?.[1];
    const left = await this.ask('memory');
    await this.pool.close();
    this.child.send({ id: 0, what: 'close' });
    const code = await this.ended;
    const faults = [
      ...(waiting === '0' ? [] : ['requests are left in the queue']),
      ...(code === 0 ? [] : ['the server did not end well']),
    ];
    told('end', { waiting, code, ...left }, faults);
  }
}

const lists = Array.from({ length: 50 }, () => Array.from({ length: 8 }, () => text(3 + Math.floor(random() * 60))));
const work = lists.map((input) => JSON.stringify({ input, encoding_format: 'base64' }));
/** Whether an answer is whole: a vector for each text. */
const isWhole = (answer) => JSON.parse(answer).data.length === 8;

/** Requests a second that it carries, from so many clients that each wait for their answer. */
async function capacity(server, forSeconds) {
  const end = performance.now() + 1000 * forSeconds;
  let done = 0;
  const client = async (number) => {
    for (let i = number; performance.now() < end; ++i) {
      const answer = await server.post('/v1/embeddings', work[i % work.length]);
      if (answer.status === 200) ++done;
    }
  };
  await Promise.all(Array.from({ length: 32 }, (_, number) => client(number)));
  return done / forSeconds;
}

/** Sends at a rate, whatever is answered, and waits for every answer. */
async function overload(server) {
  const carried = await capacity(server, Math.min(5, Math.max(1, seconds / 4)));
  const rate = times * carried;
  const counts = { answered: 0, refused: 0 };
  const faults = [];
  const memory = [];
  const running = new Set();
  const start = performance.now();
  const one = async (body) => {
    const { status, headers, text: answer } = await server.post('/v1/embeddings', body);
    if (status === 200 && isWhole(answer)) ++counts.answered;
    else if (status === 429 && Number(headers['retry-after']) >= 1) ++counts.refused;
    else faults.push(`${status}: ${answer.slice(0, 200)}`);
  };
  let sent = 0;
  let sampled = 0;
  for (let now = 0; now < seconds; now = (performance.now() - start) / 1000) {
    for (; sent < now * rate; ++sent) {
      const asking = one(work[sent % work.length]).catch((error) => faults.push(String(error)));
      running.add(asking);
      void asking.finally(() => running.delete(asking));
    }
    if (now >= sampled + 1) {
      sampled = now;
      memory.push((await server.ask('memory')).rss);
    }
    await sleep(5);
  }
  await Promise.all(running);
  const third = Math.floor(memory.length / 3);
  const mean = (all) => all.reduce((sum, x) => sum + x, 0) / all.length;
  const growth = third === 0 ? 0 : mean(memory.slice(-third)) - mean(memory.slice(third, 2 * third));
  if (judgesMemory && growth > RSS_GROWTH) faults.push(`memory grew by ${growth} bytes`);
  if (counts.answered === 0 || counts.refused === 0) faults.push('nothing was answered, or nothing refused');
  told(
    'overload',
    {
      seconds,
      carriedPerSecond: Math.round(carried),
      sent,
      sentPerSecond: Math.round(sent / seconds),
      ...counts,
      rss: memory.at(-1),
      growth,
    },
    faults,
  );
}

const HEAD = 'POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
const LARGE = JSON.stringify({ input: Array.from({ length: 500 }, () => 'rain') });
/** What a client sends, and whether it leaves by itself. */
const BAD_CLIENTS = [
  { sends: '' },
  { sends: 'POST /v1/emb' },
  { sends: `${HEAD}Content-Length: 100\r\n\r\n{"input":` },
  { sends: `${HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\n{"inp` },
  { sends: `${HEAD}Content-Length: 100\r\n\r\n{"input":`, resets: true },
  { sends: `${HEAD}Content-Length: ${LARGE.length}\r\n\r\n${LARGE}`, reads: false, resets: true },
  { sends: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' },
  { sends: `${HEAD}X-Large: ${'x'.repeat(100_000)}\r\n\r\n` },
  { sends: `${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n` },
  { sends: 'GET / HTTP/1.1\r\n\r\n'.repeat(50) },
];

function badClient(address, { sends, resets = false, reads = true }) {
  const { hostname, port } = new URL(address);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(sends);
      if (!reads) socket.pause();
      if (resets) setTimeout(() => socket.resetAndDestroy(), 300 * random());
      // Who sends nothing is told nothing; it leaves some time after the server would have.
      else setTimeout(() => socket.destroy(), 2000 * RECEIVE_TIMEOUT);
    });
    socket.on('data', () => undefined);
    socket.on('error', () => undefined);
    socket.on('close', resolve);
  });
}

async function badClients(server) {
  const faults = [];
  let served = 0;
  const round = async () => {
    for (let from = 0; from < clients; from += 250) {
      const some = Math.min(250, clients - from);
      let over = false;
      const all = Promise.all(
        Array.from({ length: some }, (_, i) => badClient(server.address, BAD_CLIENTS[(from + i) % BAD_CLIENTS.length])),
      ).then(() => (over = true));
      while (!over) {
        const { status } = await server.post('/v1/embeddings', work[0]);
        if (status === 200) ++served;
        else faults.push(`a good client got ${status}`);
        await sleep(20);
      }
      await all;
    }
  };
  const growth = await twice(server, round, faults);
  told('bad clients', { clients: 2 * clients, served, growth }, faults);
}

/** Runs it two times; the second must leave no more memory than the first. */
async function twice(server, round, faults) {
  await round();
  const first = await server.ask('memory');
  await round();
  const second = await server.ask('memory');
  const growth = second.heapUsed + second.external - first.heapUsed - first.external;
  if (judgesMemory && growth > HEAP_GROWTH) faults.push(`the heap grew by ${growth} bytes`);
  return growth;
}

const DEEP = 20_000;
const VALUES = [
  'null',
  'true',
  '1e999',
  '-0',
  '""',
  '"\\ud800"',
  '"\\u0000"',
  '[]',
  '{}',
  '[[]]',
  '[[1],"a"]',
  '[1,-1]',
  '[1.5]',
  '"rain"',
  '["rain","boats"]',
  '[[5,6],[7]]',
  '{"__proto__":{"x":1}}',
  '[null]',
  '4294967296',
  '"\\u202e\\ufeff"',
  `${'['.repeat(DEEP)}${']'.repeat(DEEP)}`,
  `${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`,
];
const KEYS = [
  'input',
  'inputs',
  'model',
  'encoding_format',
  'dimensions',
  'normalize',
  'truncate',
  '__proto__',
  'constructor',
  'toString',
  '',
];
const PATHS = ['/v1/embeddings', '/embed', '/similarity', '/tokenize', '/v1/models', '/nothing'];

function hostileBody() {
  const members = Array.from(
    { length: 1 + Math.floor(random() * 4) },
    () => `${JSON.stringify(pick(KEYS))}:${pick(VALUES)}`,
  );
  const body = Buffer.from(`{${random() < 0.5 ? '"input":"rain",' : ''}${members.join(',')}}`);
  const kind = random();
  if (kind < 0.3) body[Math.floor(random() * body.length)] = Math.floor(random() * 256);
  return kind < 0.9 ? body : body.subarray(0, Math.floor(random() * body.length));
}

async function hostileBodies(server) {
  const faults = [];
  const statuses = {};
  const one = async () => {
    const path = pick(PATHS);
    const body = hostileBody();
    const { status, text: answer } = await server.post(path, body);
    statuses[status] = (statuses[status] ?? 0) + 1;
    let json;
    try {
      json = JSON.parse(answer);
    } catch {
      // told below
    }
    const refused = path.startsWith('/v1/') ? json?.error?.message : json?.error;
    if (status !== 200 && (status < 400 || status >= 500 || typeof refused !== 'string'))
      faults.push(`${path} ${body.toString().slice(0, 100)}: ${status} ${answer.slice(0, 100)}`);
  };
  const round = async () => {
    const client = async (share) => {
      for (let i = 0; i < share; ++i) await one();
    };
    await Promise.all(Array.from({ length: 10 }, () => client(Math.ceil(bodies / 10))));
  };
  const growth = await twice(server, round, faults);
  told('hostile bodies', { bodies: 2 * 10 * Math.ceil(bodies / 10), statuses, growth }, faults);
}

/** A little less than what a body may have. */
const MOST = 1_990_800;
/** Inputs that are as large as they may be, in every way that a body can be large. */
const LARGE_INPUTS = [
  () => JSON.stringify('a '.repeat(MOST / 2)),
  () => JSON.stringify('a'.repeat(MOST)),
  () => JSON.stringify('雨'.repeat(MOST / 3)),
  () => JSON.stringify('🌧'.repeat(MOST / 4)),
  () => JSON.stringify(Array(2000).fill('a '.repeat(MOST / 4200))),
  () => JSON.stringify(Array(20).fill('a '.repeat(MOST / 40 - 10))),
  () => JSON.stringify(Array(MOST / 2 - 10).fill(5)),
  () => JSON.stringify(Array(2000).fill(Array(490).fill(5))),
  () => `[${Array(MOST / 3 - 10).fill('[]')}]`,
  () => `${'['.repeat(MOST / 2 - 10)}${']'.repeat(MOST / 2 - 10)}`,
  () => `{${Array.from({ length: MOST / 12 }, (_, i) => `"${String(i).padStart(6, '0')}":1`)}}`,
];
/** The body of each path with these inputs. */
const LARGE_BODIES = {
  '/tokenize': (inputs) => `{"inputs":${inputs}}`,
  '/v1/embeddings': (inputs) => `{"input":${inputs}}`,
  '/embed': (inputs) => `{"inputs":${inputs}}`,
  '/similarity': (inputs) => `{"inputs":{"source_sentence":"rain","sentences":${inputs}}}`,
};

/** The largest bodies that are taken, many at once: each is answered or refused, and everybody else is served. */
async function largeBodies(server) {
  const faults = [];
  const statuses = {};
  let served = 0;
  const texts = LARGE_INPUTS.map((input) => input());
  const all = Object.entries(LARGE_BODIES).flatMap(([path, body]) => texts.map((text) => [path, body(text)]));
  const round = async () => {
    let next = 0;
    let over = false;
    const client = async () => {
      while (next < large) {
        const [path, body] = all[next++ % all.length];
        const { status, text: answer } = await server.post(path, body);
        statuses[status] = (statuses[status] ?? 0) + 1;
        if (![200, 400, 413, 422, 429].includes(status)) faults.push(`${path}: ${status} ${answer.slice(0, 200)}`);
        else JSON.parse(answer);
      }
    };
    const clients = Promise.all(Array.from({ length: 64 }, client)).then(() => (over = true));
    while (!over) {
      const { status } = await fetch(`${server.address}/health`);
      if (status === 200) ++served;
      else faults.push(`/health: ${status}`);
      await sleep(20);
    }
    await clients;
  };
  const growth = await twice(server, round, faults);
  const { rss } = await server.ask('memory');
  told('large bodies', { bodies: 2 * large, statuses, health: served, rss, growth }, faults);
}

async function swapping(server) {
  const faults = [];
  let answered = 0;
  let stop = false;
  const client = async (number) => {
    for (let i = number; !stop; ++i) {
      const { status, text: answer } = await server.post('/v1/embeddings', work[i % work.length]);
      if (status === 200 && isWhole(answer)) ++answered;
      else faults.push(`${status}: ${answer.slice(0, 200)}`);
    }
  };
  const all = Array.from({ length: 16 }, (_, number) => client(number));
  for (let i = 0; i < swaps; ++i) {
    const before = answered;
    while (answered < before + 20 && !server.over) await sleep(5);
    await server.ask('swap');
  }
  stop = true;
  await Promise.all(all);
  told('swaps', { swaps, answered }, faults);
}

const servers = [];
async function withServer(parts, options) {
  const server = await Server.start(options);
  servers.push(server);
  for (const part of parts) await part(server);
  await server.close();
}
try {
  await withServer([overload, hostileBodies, swapping], { maxQueuedRequests: queue });
  await withServer([largeBodies], {});
  await withServer([badClients], { receiveTimeout: RECEIVE_TIMEOUT });
} finally {
  for (const { over, child } of servers) if (!over) child.kill('SIGKILL');
}
process.exitCode = wrong === 0 ? 0 : 1;
