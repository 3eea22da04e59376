import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { ofModel, type TextVectorisation } from '../../lib/text-vectorisation';
import { createServer } from '../../lib/serve/create-server';
import type { ServedRequest } from '../../lib/serve/create-server';
import { bits, PROBE_TEXTS } from '../public/models';
import { get, open, post, useServers, type Answered } from './servers';

/** Overload, clients that leave, that are slow or broken, hostile bodies, a graceful end, and a model that is swapped. */

const servers = useServers();

/**
 * Gives the engine work of a second or more, which lies before whatever the server gives it then: what is sent now waits.
 * `over` resolves when that work is done.
 */
async function occupy(tv: TextVectorisation): Promise<{ over: Promise<unknown> }> {
  const { addon, handle } = await ofModel.loaded(tv, 'embed');
  const [texts, length] = [20_000, 16];
  const ids = new Int32Array(texts * length).fill(5);
  const offsets = Int32Array.from({ length: texts + 1 }, (_, i) => i * length);
  return { over: Promise.all([1, 2, 3].map(() => addon.embed(handle, ids, offsets, 'fp32', 'cpu'))) };
}

async function metric(url: string, line: RegExp): Promise<number> {
  const { body } = await get(`${url}/metrics`);
  return Number(line.exec(body as string)?.[1] ?? 0);
}
const queued = (url: string) => metric(url, /^te_queue_size (\d+)$/m);
const batches = (url: string) => metric(url, /^te_batch_next_size_count\{model="[^"]+"\} (\d+)$/m);

/** Asks until it holds; a test's own time limit ends what never does. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(20);
}

test('429 with Retry-After beyond the bounds; what was accepted is answered', async () => {
  const tv = servers.model();
  const { url } = await servers.start(tv, { maxQueuedRequests: 2 });
  const { over } = await occupy(tv);
  const accepted = [post(`${url}/embed`, { inputs: 'rain' }), post(`${url}/embed`, { inputs: 'a' })];
  await until(async () => (await queued(url)) === 2);
  const refused = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      i % 2 === 0 ? post(`${url}/v1/embeddings`, { input: 'b' }) : post(`${url}/embed`, { inputs: 'b' }),
    ),
  );
  refused.forEach(({ status, headers, body }, i) => {
    expect(status).toBe(429);
    expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    if (i % 2 === 0) expect(body.error).toMatchObject({ type: 'rate_limit_error', code: 'rate_limit_exceeded' });
    else expect(body).toMatchObject({ error_type: 'Overloaded' });
  });
  for (const answer of await Promise.all(accepted)) expect(answer.status).toBe(200);
  await over;
  expect((await post(`${url}/embed`, { inputs: 'b' })).status).toBe(200);
  expect(await queued(url)).toBe(0);
});

test('the bound in tokens; a request that is larger than it can ever be taken', async () => {
  const { url } = await servers.start(undefined, { maxQueuedTokens: 20 });
  expect(await post(`${url}/v1/embeddings`, { input: Array(9).fill('rain') })).toMatchObject({
    status: 413,
    body: { error: { code: 'request_too_large' } },
  });
  expect((await post(`${url}/embed`, { inputs: 'rain' })).status).toBe(200);
  expect(await queued(url)).toBe(0);
});

test('an accepted request gives its tokens back', async () => {
  const { url } = await servers.start(undefined, { maxQueuedTokens: 20 });
  for (let i = 0; i < 20; ++i) expect((await post(`${url}/embed`, { inputs: ['rain', 'boats'] })).status).toBe(200);
});

test('who asks at the same time shares calls of the engine, and gets the vectors that it would get alone', async () => {
  const tv = servers.model();
  const { url } = await servers.start(tv);
  const texts = Array.from({ length: 60 }, (_, i) => `rain ${i} on the boats`);
  const { over } = await occupy(tv);
  const answers = await Promise.all(texts.map((inputs) => post(`${url}/embed`, { inputs, normalize: false })));
  await over;
  // The first alone, or with who came at the same moment; the rest together while the engine was busy.
  expect(await batches(url)).toBeLessThan(20);
  const vectors = answers.map(({ body }) => Float32Array.from(body[0] as number[]));
  const alone = await Promise.all(texts.map((text) => tv.embed(text)));
  vectors.forEach((vector, i) => {
    for (let at = 0; at < vector.length; ++at) expect(Math.abs(vector[at]! - alone[i]![at]!)).toBeLessThan(1e-5);
  });
});

test('a batch has at most maxBatchTokens tokens, and a text that is longer goes alone', async () => {
  const { url } = await servers.start(undefined, { maxBatchTokens: 8 });
  const answer = await post(`${url}/embed`, { inputs: ['rain', 'rain rain rain rain rain rain rain', 'boats', 'old'] });
  expect(answer.body).toHaveLength(4);
  const { body } = await get(`${url}/metrics`);
  // [3 tokens], [9], [3, 3]: none shares a batch of more than 8.
  expect(body).toMatch(/^te_batch_next_size_bucket\{le="1",model="[^"]+"\} 2$/m);
  expect(body).toMatch(/^te_batch_next_size_count\{model="[^"]+"\} 3$/m);
});

test('clients that leave while they wait are not computed for', async () => {
  const seen: ServedRequest[] = [];
  const tv = servers.model();
  const { url } = await servers.start(tv, { onRequest: (request) => void seen.push(request) });
  const { over } = await occupy(tv);
  const first = post(`${url}/embed`, { inputs: ['rain', 'boats'] });
  await until(async () => (await batches(url)) === 1);
  const gone = Array.from({ length: 10 }, () => {
    const body = JSON.stringify({ inputs: 'nobody waits' });
    const request = open(url, '/embed', { 'content-type': 'application/json', 'content-length': body.length });
    request.end(body);
    return request;
  });
  await until(async () => (await queued(url)) === 11);
  for (const request of gone) request.destroy();
  await until(async () => seen.filter(({ status }) => status === 499).length === 10);
  expect((await first).status).toBe(200);
  await over;
  await until(async () => (await queued(url)) === 0);
  expect(await batches(url)).toBe(1);
  expect(await metric(url, /^te_request_success\{model="[^"]+",method="single"\} (\d+)$/m)).toBe(0);
  expect(await metric(url, /^te_request_failure\{err="cancelled"\} (\d+)$/m)).toBe(10);
});

test('an answer that is not there in time is a 503, and its place is given back when the work ends', async () => {
  const tv = servers.model();
  const { url } = await servers.start(tv, { answerTimeout: 0.05 });
  const { over } = await occupy(tv);
  expect(await post(`${url}/v1/embeddings`, { input: ['rain'] })).toMatchObject({
    status: 503,
    body: { error: { code: 'timeout', type: 'server_error' } },
  });
  expect(await queued(url)).toBe(1);
  await over;
  await until(async () => (await queued(url)) === 0);
  expect((await get(`${url}/health`)).status).toBe(200);
});

test('slow and broken clients: 408, 400, 431, and everybody else is served', async () => {
  const { url } = await servers.start(undefined, { receiveTimeout: 0.3 });
  const { hostname, port } = new URL(url);
  const raw = (text: string | Buffer) =>
    new Promise<string>((resolve) => {
      const socket = connect(Number(port), hostname, () => socket.write(text));
      let received = '';
      socket.on('data', (data) => (received += data.toString()));
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(received));
    });
  const head = 'POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
  const slow = [
    ...Array.from({ length: 50 }, () => raw(`${head}Content-Length: 100\r\n\r\n{"inputs":`)),
    ...Array.from({ length: 50 }, () => raw('POST /embed HT')),
  ];
  const broken = [
    raw('\x16\x03\x01\x02\x00\x01\x00\x01'),
    raw(`${head}X-Large: ${'x'.repeat(40_000)}\r\n\r\n`),
    raw(`${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n`),
    raw(`${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`),
  ];
  expect((await post(`${url}/embed`, { inputs: 'rain' })).status).toBe(200);
  const resets = await Promise.all(
    Array.from({ length: 50 }, async () => {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      socket.write(`${head}Content-Length: 100\r\n\r\n{"inputs":`);
      socket.resetAndDestroy();
      return true;
    }),
  );
  expect(resets).toHaveLength(50);
  const [garbage, large, chunk, both] = await Promise.all(broken);
  expect(garbage).toMatch(/^HTTP\/1\.1 400 /);
  expect(large).toMatch(/^HTTP\/1\.1 431 /);
  for (const answer of [chunk, both]) expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  for (const answer of await Promise.all(slow)) expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  expect((await post(`${url}/embed`, { inputs: 'rain' })).status).toBe(200);
  expect(await queued(url)).toBe(0);
});

test('hostile bodies are refused by name, in the form of the endpoint', async () => {
  const { url } = await servers.start(undefined, { maxBodyBytes: 100_000, maxTexts: 5 });
  const refused = async (path: string, body: unknown, headers = {}): Promise<Answered> => {
    const answer = await post(`${url}${path}`, body, headers);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    return answer;
  };
  const openai = async (body: unknown) => (await refused('/v1/embeddings', body)).body.error;
  expect(await openai('{"input":')).toMatchObject({ code: 'invalid_json' });
  expect(await openai('')).toMatchObject({ code: 'invalid_json' });
  expect(await openai(Buffer.from([0x22, 0xff, 0x22]))).toMatchObject({ message: 'The body is not UTF-8.' });
  expect(await openai('['.repeat(50_000))).toMatchObject({ code: 'invalid_json' });
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  expect(await openai(nested(30_000))).toMatchObject({ code: 'invalid_value' });
  expect(await openai(nested(40_000))).toMatchObject({
    code: 'invalid_json',
    message: 'The body has more than 64 lists or objects within each other.',
  });
  const brackets = { inputs: `"${'[{'.repeat(40_000)}\\` };
  expect((await post(`${url}/embed`, brackets)).status).toBe(200);
  expect(await openai('"a"')).toMatchObject({ message: "The body must be a JSON object, but is 'a'." });
  expect(await openai({})).toMatchObject({ param: 'input', message: 'input: is missing.' });
  expect(await openai({ input: [] })).toMatchObject({ code: 'empty_input', param: 'input' });
  expect(await openai({ input: '' })).toMatchObject({ code: 'empty_input', param: 'input' });
  expect(await openai({ input: ['a', ''] })).toMatchObject({ code: 'empty_input', param: 'input[1]' });
  expect(await openai({ input: ['a', 1] })).toMatchObject({ param: 'input[1]' });
  expect(await openai({ input: [1, 'a'] })).toMatchObject({ param: 'input' });
  expect(await openai({ input: [[1], []] })).toMatchObject({ param: 'input[1]' });
  expect(await openai({ input: [1.5] })).toMatchObject({ code: 'invalid_value' });
  expect(await openai({ input: [-1] })).toMatchObject({ code: 'invalid_value' });
  expect((await openai({ input: [100_257] })).message).toMatch(/they are of another tokenizer/);
  expect(await openai({ input: Array(6).fill('a') })).toMatchObject({ code: 'request_too_large' });
  expect(await openai({ input: 'a', dimensions: 0 })).toMatchObject({ param: 'dimensions' });
  expect(await openai({ input: 'a', dimensions: 100_000 })).toMatchObject({ param: 'dimensions' });
  expect(await openai({ input: 'a', encoding_format: 'hex' })).toMatchObject({ param: 'encoding_format' });
  expect(await openai({ input: 'a', inputs: 'a' })).toMatchObject({ code: 'unknown_field', param: 'inputs' });
  expect(await openai('{"input":"a","__proto__":{"x":1}}')).toMatchObject({ code: 'unknown_field' });
  expect(await openai({ input: 'a', model: 'other' })).toMatchObject({ code: 'model_not_found' });
  expect(await refused('/v1/embeddings', { input: 'x'.repeat(200_000) })).toMatchObject({ status: 413 });
  expect(await refused('/embed', { inputs: 'x'.repeat(200_000) })).toMatchObject({
    status: 413,
    body: { error_type: 'Validation' },
  });
  expect(await refused('/embed', { inputs: {} })).toMatchObject({ status: 422, body: { error_type: 'Validation' } });
  expect(await refused('/embed', { inputs: [] })).toMatchObject({ status: 400, body: { error_type: 'Empty' } });
  expect(await refused('/similarity', { inputs: { source_sentence: 'a', sentences: 'b' } })).toMatchObject({
    status: 422,
  });
  expect(await refused('/tokenize', { inputs: [[1]] })).toMatchObject({ status: 422 });
  // A page of another origin can send this without asking first.
  expect(await refused('/embed', '{"inputs":"a"}', { 'content-type': 'text/plain' })).toMatchObject({ status: 415 });
  expect(await refused('/embed', '{"inputs":"a"}', { 'content-encoding': 'gzip' })).toMatchObject({ status: 415 });
  expect(await get(`${url}/v1/nothing`)).toMatchObject({ status: 404, body: { error: { code: 'not_found' } } });
  const method = await get(`${url}/embed`);
  expect([method.status, method.headers.get('allow')]).toEqual([405, 'POST']);
  // A body that says nothing of its length is cut off all the same.
  const stream = open(url, '/embed', { 'content-type': 'application/json', 'transfer-encoding': 'chunked' });
  const [answer] = (await Promise.all([
    once(stream, 'response'),
    (async () => {
      for (let i = 0; i < 50 && !stream.destroyed; ++i) {
        stream.write('x'.repeat(10_000));
        await sleep(1);
      }
    })(),
  ]).then(([found]) => found)) as [{ statusCode: number }];
  expect(answer.statusCode).toBe(413);
  stream.destroy();

  // Any byte of a good body changed: an answer each, and none that says that the server failed.
  const good = Buffer.from(JSON.stringify({ input: ['rain', 'boats'], dimensions: 4, encoding_format: 'float' }));
  for (let at = 0; at < good.length; ++at) {
    for (const byte of [0x00, 0x22, 0x5b, 0xff]) {
      const body = Buffer.from(good);
      body[at] = byte;
      expect((await post(`${url}/v1/embeddings`, body)).status).toBeLessThan(500);
    }
  }
  // Halves of surrogate pairs and controls are texts.
  expect((await post(`${url}/embed`, '{"inputs":"\\ud800 \\u0000 rain"}')).status).toBe(200);
  expect((await get(`${url}/health`)).status).toBe(200);
}, 120_000);

test('close: what was accepted is answered, new connections are refused, a client that never ends is cut off', async () => {
  const tv = servers.model();
  const { server, url } = await servers.start(tv, { stopTimeout: 1 });
  const { over } = await occupy(tv);
  const accepted = Array.from({ length: 20 }, () => post(`${url}/v1/embeddings`, { input: 'rain' }));
  const endless = open(url, '/embed', { 'content-type': 'application/json', 'content-length': 100 });
  endless.write('{"inputs":');
  // One whose head is half there when the server is told to stop.
  const { hostname, port } = new URL(url);
  const late = connect(Number(port), hostname);
  const answer = once(late, 'data');
  const body = '{"input":"rain"}';
  await once(late, 'connect');
  late.write(`POST /v1/embeddings HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: application/json\r\n`);
  await until(async () => (await queued(url)) === 20);
  const closing = server.close();
  late.write(`Content-Length: ${body.length}\r\n\r\n${body}`);
  expect(String((await answer)[0])).toMatch(/^HTTP\/1\.1 200 /);
  for (const { status } of await Promise.all(accepted)) expect(status).toBe(200);
  await over;
  await closing;
  expect(server.address).toBeUndefined();
  await expect(fetch(`${url}/health`)).rejects.toThrow();
  expect(endless.destroyed).toBe(true);
  await expect(server.listen()).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
});

test('swap under load: not one request fails, the old model can be disposed of at once, the new one answers', async () => {
  const [first, second] = [servers.model('bert-mean'), servers.model('roberta-mean')];
  const texts = PROBE_TEXTS.filter((text) => text !== '');
  const [old, tuned] = [bits(await first.embed(texts)), bits(await second.embed(texts))];
  const { server, url } = await servers.start({ live: first });
  let stop = false;
  const found: string[] = [];
  const client = async () => {
    while (!stop) {
      const { status, body } = await post(`${url}/embed`, { inputs: texts, normalize: false });
      expect(status).toBe(200);
      found.push(bits(body.map((vector: number[]) => Float32Array.from(vector))));
    }
  };
  const clients = Array.from({ length: 8 }, client);
  await until(async () => found.length > 20);
  expect(await server.swap('live', second)).toBe(first);
  await first.dispose();
  const after = found.length;
  await until(async () => found.length > after + 20);
  stop = true;
  await Promise.all(clients);
  expect(new Set(found)).toEqual(new Set([old, tuned]));
  expect(found.at(-1)).toBe(tuned);
  expect(found.lastIndexOf(old)).toBeLessThan(after + 8);
  await expect(server.swap('other', second)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  await expect(server.swap('live', servers.model('none' as never))).rejects.toMatchObject({ code: 'ERR_MODEL_FOLDER' });
  expect((await post(`${url}/embed`, { inputs: texts })).status).toBe(200);
});

test('a swap waits for requests that are between two batches', async () => {
  const [first, second] = [servers.model('bert-mean'), servers.model('roberta-mean')];
  const { server, url } = await servers.start({ live: first }, { maxBatchTokens: 8 });
  const { over } = await occupy(first);
  const asked = post(`${url}/embed`, { inputs: Array.from({ length: 40 }, (_, i) => `rain ${i} on the boats`) });
  await until(async () => (await batches(url)) === 1);
  expect(await server.swap('live', second)).toBe(first);
  await Promise.all([over, first.dispose()]);
  expect((await asked).status).toBe(200);
  expect(await batches(url)).toBeGreaterThan(10);
});

test('keys, origins, the port, the options', async () => {
  const { url } = await servers.start(undefined, { apiKeys: ['open-sesame'], cors: ['https://example.org'] });
  for (const path of ['/v1/models', '/info', '/metrics']) {
    expect((await get(`${url}${path}`)).status).toBe(401);
    expect((await get(`${url}${path}`, { authorization: 'Bearer open-sesam' })).status).toBe(401);
    expect((await get(`${url}${path}`, { authorization: 'bearer open-sesame' })).status).toBe(200);
  }
  expect((await get(`${url}/health`)).status).toBe(200);
  const preflight = (origin: string, to = url, asked = 'authorization, x-stainless-lang') =>
    fetch(`${to}/v1/embeddings`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': asked },
    });
  const allowed = await preflight('https://example.org');
  expect([allowed.status, allowed.headers.get('access-control-allow-origin')]).toEqual([204, 'https://example.org']);
  expect(allowed.headers.get('access-control-allow-headers')).toBe('authorization, x-stainless-lang');
  const odd = await preflight('https://example.org', url, 'authorization; x');
  expect(odd.headers.get('access-control-allow-headers')).toBe('authorization, content-type');
  expect((await preflight('https://example.com')).headers.get('access-control-allow-origin')).toBeNull();
  const other = await servers.start();
  expect((await preflight('https://example.org', other.url)).headers.get('access-control-allow-origin')).toBeNull();
  expect(new URL(other.url).hostname).toBe('127.0.0.1');

  const taken = Number(new URL(url).port);
  const second = createServer(servers.model(), { port: taken });
  await expect(second.listen()).rejects.toMatchObject({ code: 'ERR_LISTEN', name: 'ServerError' });
  await second.close();
  expect(() => createServer({} as never)).toThrow(/no model/);
  expect(() => createServer('all-MiniLM-L6-v2' as never)).toThrow(/takes a TextVectorisation/);
  expect(() => createServer(servers.model(), { prt: 1 } as never)).toThrow(/Did you mean "port"/);
  for (const apiKeys of [[''], []])
    expect(() => createServer(servers.model(), { apiKeys })).toThrow(/apiKeys must be a list of keys/);
});

test('a variable of keys that has none makes no server', async () => {
  const before = process.env['VECTUNE_API_KEYS'];
  try {
    for (const lost of ['', ' , ']) {
      process.env['VECTUNE_API_KEYS'] = lost;
      expect(() => createServer(servers.model())).toThrow(/^VECTUNE_API_KEYS is set and has no key in it/);
    }
    process.env['VECTUNE_API_KEYS'] = 'one, two';
    const { url } = await servers.start();
    expect((await get(`${url}/info`)).status).toBe(401);
    expect((await get(`${url}/info`, { authorization: 'Bearer two' })).status).toBe(200);
  } finally {
    if (before === undefined) delete process.env['VECTUNE_API_KEYS'];
    else process.env['VECTUNE_API_KEYS'] = before;
  }
});

test('an unkeyed server of this machine answers to no other name, so that none can be made to lead to it', async () => {
  const ask = (url: string, host: string) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const request = httpRequest(`${url}/v1/models`, { headers: { host } }, async (response) => {
        let text = '';
        for await (const part of response) text += String(part);
        resolve({ status: response.statusCode!, text });
      });
      request.on('error', reject).end();
    });
  const { url, server } = await servers.start();
  const { port } = new URL(url);
  for (const host of [
    `127.0.0.1:${port}`,
    `localhost:${port}`,
    'LOCALHOST',
    'app.localhost',
    `[::1]:${port}`,
    '10.0.0.7',
  ])
    expect((await ask(url, host)).status).toBe(200);
  for (const host of ['evil.example', `evil.example:${port}`, 'localhost.evil.example', '127.0.0.1.evil.example']) {
    const { status, text } = await ask(url, host);
    expect([host, status]).toEqual([host, 403]);
    expect(text).toMatch(/"code":"host_not_allowed"/);
  }
  expect(server.notes).toEqual([]);
  const named = await servers.start(undefined, { allowedHosts: ['Proxy.example', '::1'] });
  expect((await ask(named.url, 'proxy.example:8443')).status).toBe(200);
  for (const host of ['evil.example', 'evil.example:1:2']) expect((await ask(named.url, host)).status).toBe(403);
  const keyed = await servers.start(undefined, { apiKeys: ['open-sesame'] });
  expect((await ask(keyed.url, 'proxy.example')).status).toBe(401);
  const any = await servers.start(undefined, { allowedHosts: ['*'] });
  expect((await ask(any.url, 'proxy.example')).status).toBe(200);
  // Whoever reaches this one needs no page for it.
  const open = await servers.start(undefined, { host: '0.0.0.0' });
  expect((await ask(`http://127.0.0.1:${new URL(open.url).port}`, 'proxy.example')).status).toBe(200);
  expect(open.server.notes).toEqual([expect.stringMatching(/^Whoever reaches this address can use it/)]);
});

test('what fails inside is told to the owner, with its error; what a client does wrong is not', async () => {
  const seen: ServedRequest[] = [];
  const tv = servers.model();
  const { url } = await servers.start(tv, { onRequest: (request) => void seen.push(request) });
  await post(`${url}/embed`, { inputs: [] });
  await tv.dispose();
  expect(await post(`${url}/v1/embeddings`, { input: 'rain' })).toMatchObject({
    status: 503,
    body: { error: { code: 'ERR_DISPOSED', message: 'The model cannot answer now (ERR_DISPOSED).' } },
  });
  await until(async () => seen.length === 2);
  expect(seen[0]).not.toHaveProperty('error');
  expect(seen[1]).toMatchObject({ status: 503, error: { code: 'ERR_DISPOSED', name: 'StateError' } });
});

test('HEAD is answered as GET without a body; another method is told which there are', async () => {
  const { url } = await servers.start();
  for (const path of [
    '/',
    '/docs',
    '/health',
    '/v1/models',
    '/v1/models/model',
    '/info',
    '/metrics',
    '/openapi.json',
  ]) {
    const [head, whole] = await Promise.all([fetch(`${url}${path}`, { method: 'HEAD' }), fetch(`${url}${path}`)]);
    expect([path, head.status, await head.text()]).toEqual([path, 200, '']);
    expect(head.headers.get('content-type')).toBe(whole.headers.get('content-type'));
    const wrong = await post(`${url}${path}`, {});
    expect([path, wrong.status, wrong.headers.get('allow')]).toEqual([path, 405, 'GET, HEAD']);
  }
  for (const path of ['/embed', '/v1/embeddings', '/tokenize', '/similarity']) {
    const wrong = await fetch(`${url}${path}`, { method: 'HEAD' });
    expect([path, wrong.status, wrong.headers.get('allow')]).toEqual([path, 405, 'POST']);
  }
  expect((await get(`${url}/v1/model`)).status).toBe(404);
});

test('models come and go: added, removed, and none is swapped for itself', async () => {
  const [first, second] = [servers.model(), servers.model('roberta-mean')];
  const { server, url } = await servers.start({ live: first });
  await expect(server.swap('live', first)).rejects.toThrow(/^This model is served as "live" already/);
  expect((await post(`${url}/embed`, { inputs: 'rain' })).status).toBe(200);
  await expect(server.remove('live')).rejects.toThrow(/^"live" is the server's only model/);
  await server.add('other', second);
  await expect(server.add('other', second)).rejects.toThrow(/^The server has a model "other" already/);
  expect(server.models).toEqual(['live', 'other']);
  const answer = await post(`${url}/embed`, { model: 'other', inputs: 'rain', normalize: false });
  expect(bits([Float32Array.from(answer.body[0] as number[])])).toBe(bits([await second.embed('rain')]));
  expect(await server.remove('live')).toBe(first);
  expect((await post(`${url}/embed`, { model: 'live', inputs: 'rain' })).status).toBe(404);
  // The one that is left is meant where none is named.
  expect((await get(`${url}/info`)).body).toMatchObject({ served_model_name: 'other' });
  await server.close();
  for (const late of [server.add('late', first), server.remove('other'), server.swap('other', first)])
    await expect(late).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
});
