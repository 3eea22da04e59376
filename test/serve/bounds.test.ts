import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { get, open, post, useServers } from './servers';

/** What a request holds in memory is counted, from the first byte of its body to the last of its answer. */

const servers = useServers();

const held = async (url: string) =>
  Number(/^vectune_held_bytes (\d+)$/m.exec((await get(`${url}/metrics`)).body as string)![1]);

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(20);
}

/** Sends the beginning of a body of so many bytes and waits. */
function beginning(url: string, sent: number) {
  const request = open(url, '/embed', { 'content-type': 'application/json', 'content-length': sent + 10 });
  request.write(`{"inputs":"${'a'.repeat(sent - 11)}`);
  return request;
}

test('bodies that come in count against the bound; beyond it 429, and all is given back', async () => {
  const { url } = await servers.start(undefined, { maxBodyBytes: 100_000, maxQueuedBytes: 200_000 });
  const [first, second] = [beginning(url, 90_000), beginning(url, 90_000)];
  await until(async () => (await held(url)) === 180_000);
  const refused = await post(`${url}/v1/embeddings`, { input: 'a'.repeat(30_000) });
  expect(refused).toMatchObject({ status: 429, body: { error: { code: 'rate_limit_exceeded' } } });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect((await post(`${url}/embed`, { inputs: 'rain' })).status).toBe(200);
  for (const request of [first, second]) request.destroy();
  await until(async () => (await held(url)) === 0);
  expect((await post(`${url}/embed`, { inputs: 'a'.repeat(90_000) })).status).toBe(200);
  expect(await held(url)).toBe(0);
});

test('whoever is still sending when a body is refused gets the answer', async () => {
  const { url } = await servers.start(undefined, { maxQueuedBytes: 2_000_000 });
  const hoard = beginning(url, 1_500_000);
  await until(async () => (await held(url)) === 1_500_000);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const { hostname, port } = new URL(url);
  const ask = (bytes: number, headers: object = {}) =>
    new Promise<number>((resolve, reject) => {
      const body = `{"inputs":"${'a'.repeat(bytes - 13)}"}`;
      const asked = { agent, hostname, port, path: '/embed', method: 'POST' };
      const request = httpRequest(
        { ...asked, headers: { 'content-type': 'application/json', ...headers } },
        (response) => {
          response.resume().on('end', () => resolve(response.statusCode!));
        },
      );
      request.on('error', reject).end(body);
    });
  for (let i = 0; i < 10; ++i) {
    expect(await ask(1_900_000)).toBe(429);
    expect(await ask(1_900_000, { 'content-length': 1_900_000 })).toBe(429);
    expect(await ask(8_000_000)).toBe(413);
    expect(await ask(100)).toBe(200);
  }
  agent.destroy();
  hoard.destroy();
});

test('an answer counts until its client has taken it; one that takes nothing holds it until it leaves', async () => {
  const { url } = await servers.start();
  const { hostname, port } = new URL(url);
  // More of an answer than what lies between two sockets.
  const body = JSON.stringify({ inputs: Array(4).fill('a '.repeat(49_000)) });
  const socket = connect(Number(port), hostname);
  socket.pause();
  socket.write(
    `POST /tokenize HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await until(async () => (await held(url)) > 8e6);
  const queue = /^te_queue_size (\d+)$/m;
  await until(async () => queue.exec((await get(`${url}/metrics`)).body as string)?.[1] === '0');
  expect(await held(url)).toBeGreaterThan(8e6);
  socket.destroy();
  await until(async () => (await held(url)) === 0);
});

test('a request whose answer there is never room for is told so', async () => {
  const { url } = await servers.start(undefined, { maxBodyBytes: 20_000, maxQueuedBytes: 20_000 });
  expect(await post(`${url}/embed`, { inputs: Array(500).fill('a') })).toMatchObject({
    status: 413,
    body: { error: expect.stringMatching(/more than the 20000 bytes that the server holds/) },
  });
  expect(await held(url)).toBe(0);
});

test('the bound is one body at least', async () => {
  await expect(servers.start(undefined, { maxQueuedBytes: 1_000_000 })).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message: 'maxQueuedBytes must be 2000000 (maxBodyBytes) or more, but is 1000000.',
  });
});

test('/tokenize: tokens count against the bound, and a text that is too long is told so', async () => {
  const { url } = await servers.start(undefined, { maxQueuedTokens: 1000 });
  const texts = (words: number) => ({ inputs: 'a '.repeat(words).trim() });
  expect((await post(`${url}/tokenize`, texts(900))).body[0]).toHaveLength(902);
  expect(await post(`${url}/tokenize`, texts(1200))).toMatchObject({
    status: 413,
    body: { error: expect.stringMatching(/has 1202 tokens, and the server takes at most 1000/) },
  });
  expect(await post(`${url}/tokenize`, { inputs: ['a', 'é'.repeat(51_000)] })).toMatchObject({
    status: 413,
    body: { error: expect.stringMatching(/^inputs\[1\] has 102000 bytes, and a text may have 100000 here/) },
  });
  expect((await post(`${url}/embed`, { inputs: 'rain' })).status).toBe(200);
  expect(await get(`${url}/metrics`)).toMatchObject({ body: expect.stringMatching(/^vectune_queue_tokens 0$/m) });
});

test('/tokenize: an answer in many parts is whole', async () => {
  const { url } = await servers.start();
  const inputs = ['the old 😀 bridge '.repeat(3000), 'rain', 'é'.repeat(3000)];
  const { status, body } = await post(`${url}/tokenize`, { inputs });
  expect(status).toBe(200);
  expect(body).toHaveLength(3);
  for (const [i, tokens] of (body as { text: string; special: boolean; start: number; stop: number }[][]).entries()) {
    const characters = [...inputs[i]!];
    for (const { text, special, start, stop } of tokens)
      if (!special && text !== characters.slice(start, stop).join('')) throw new Error(`${text} at ${start}`);
    expect([tokens[0]!.special, tokens.at(-1)!.special]).toEqual([true, true]);
  }
  expect(body[0].length).toBeGreaterThan(12_000);
  expect(body[1]).toEqual((await post(`${url}/tokenize`, { inputs: 'rain' })).body[0]);
});
