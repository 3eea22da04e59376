import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type AddressInfo, type Server as NetServer } from 'node:net';
import { join, resolve } from 'node:path';
import { download } from '../../../lib/system/download';
import { proxyFor } from '../../../lib/system/proxy';
import { removeFolders, temporaryFolder } from './support/folders';

const CONTENT = Buffer.from('x'.repeat(100_000));
const SHA256 = createHash('sha256').update(CONTENT).digest('hex');

let origin: Server;
let proxy: Server;
/** What the proxy was asked for. */
let seen: { line: string; authorization: string | undefined }[];
let refuse: number | undefined;

const listen = (server: NetServer) =>
  new Promise<void>((ready) => {
    server.listen(0, '127.0.0.1', ready);
  });
const portOf = (server: NetServer) => (server.address() as AddressInfo).port;
const asked = (request: IncomingMessage) => ({
  line: `${request.method} ${request.url}`,
  authorization: request.headers['proxy-authorization'],
});

beforeEach(async () => {
  seen = [];
  refuse = undefined;
  origin = createServer((_, response) => response.writeHead(200, { 'content-length': CONTENT.length }).end(CONTENT));
  // A proxy as they are: it passes plain requests on, and tunnels where CONNECT asks for it.
  proxy = createServer((request, response) => {
    seen.push(asked(request));
    if (refuse !== undefined) {
      response.writeHead(refuse).end();
      return;
    }
    const { 'proxy-authorization': _, ...headers } = request.headers;
    httpRequest(request.url!, { headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    }).end();
  });
  proxy.on('connect', (request: IncomingMessage, socket: import('node:stream').Duplex) => {
    seen.push(asked(request));
    if (refuse !== undefined) {
      socket.end(`HTTP/1.1 ${refuse} No\r\n\r\n`);
      return;
    }
    const [host, port] = request.url!.split(':') as [string, string];
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    for (const end of [socket, onward]) end.on('error', () => onward.destroy());
  });
  await listen(origin);
  await listen(proxy);
});

afterEach(async () => {
  for (const server of [origin, proxy]) {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
});

afterAll(removeFolders);

const proxyAddress = (user = '') => `http://${user}127.0.0.1:${portOf(proxy)}`;
const address = () => `http://127.0.0.1:${portOf(origin)}/file`;
const fetched = async (environment: NodeJS.ProcessEnv) => {
  const target = join(temporaryFolder(), 'file');
  await download(address(), target, { sha256: SHA256, environment, retries: 0 });
  return readFileSync(target).equals(CONTENT);
};

test('a plain address through HTTP_PROXY, with the name and password of its address', async () => {
  expect(await fetched({ HTTP_PROXY: proxyAddress('me:s%40cret@') })).toBe(true);
  const authorization = `Basic ${Buffer.from('me:s@cret').toString('base64')}`;
  expect(seen).toEqual([{ line: `GET ${address()}`, authorization }]);
});

test('NO_PROXY is for what is fetched without it', async () => {
  expect(await fetched({ HTTP_PROXY: proxyAddress(), NO_PROXY: 'example.org, 127.0.0.1' })).toBe(true);
  expect(seen).toEqual([]);
});

test('a proxy that refuses, or is not there, is told', async () => {
  refuse = 407;
  await expect(fetched({ http_proxy: proxyAddress() })).rejects.toMatchObject({
    code: 'ERR_DOWNLOAD',
    message: expect.stringContaining('407'),
  });
  await expect(fetched({ http_proxy: 'http://127.0.0.1:9' })).rejects.toMatchObject({
    code: 'ERR_DOWNLOAD',
    message: expect.stringMatching(/proxy .*ECONNREFUSED/),
  });
});

const openssl = spawnSync('openssl', ['version']).status === 0;
if (!openssl) console.warn('the test of a proxy for https is skipped: there is no openssl to make a certificate with');

(openssl ? test : test.skip)('https through HTTPS_PROXY: a tunnel, in a process that has nothing else', async () => {
  const folder = temporaryFolder();
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2'];
  const made = spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    key,
    '-out',
    certificate,
    ...subject,
  ]);
  expect(made.status).toBe(0);
  const secure = createTlsServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (_, response) => {
    response.writeHead(200, { 'content-length': CONTENT.length }).end(CONTENT);
  });
  await listen(secure);
  const to = join(folder, 'file');
  const program = join(folder, 'fetch.cjs');
  const source = JSON.stringify(resolve(__dirname, '../../../dist/system/download.js'));
  writeFileSync(
    program,
    `require(${source}).download(process.argv[2], process.argv[3], { sha256: '${SHA256}', retries: 0 }).then(
      () => console.log('fetched'), (error) => console.log(error.code, error.message));`,
  );
  const child = spawn(process.execPath, [program, `https://localhost:${portOf(secure)}/file`, to], {
    env: { PATH: process.env['PATH'], HTTPS_PROXY: proxyAddress(), NODE_EXTRA_CA_CERTS: certificate },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()));
  await new Promise((closed) => child.on('close', closed));
  expect(output).toBe('fetched\n');
  expect(seen.map(({ line }) => line)).toEqual([`CONNECT localhost:${portOf(secure)}`]);
  expect(readFileSync(to).equals(CONTENT)).toBe(true);
  secure.closeAllConnections();
  await new Promise((closed) => secure.close(closed));
});

test.each<[string, NodeJS.ProcessEnv, string | undefined]>([
  ['https://a.example.org/x', { https_proxy: 'p:3128' }, 'http://p:3128'],
  ['https://a.example.org/x', { https_proxy: 'http://small', HTTPS_PROXY: 'http://large' }, 'http://small'],
  ['https://a.example.org/x', { HTTP_PROXY: 'http://p' }, undefined],
  ['http://a.example.org/x', { HTTPS_PROXY: 'http://p' }, undefined],
  ['https://a.example.org/x', { HTTPS_PROXY: 'socks5://p' }, undefined],
  ['file:///x', { HTTPS_PROXY: 'http://p' }, undefined],
  ['https://a.example.org/x', { HTTPS_PROXY: 'http://p', NO_PROXY: '*' }, undefined],
  ['https://a.example.org/x', { HTTPS_PROXY: 'http://p', NO_PROXY: '.example.org' }, undefined],
  ['https://a.example.org/x', { HTTPS_PROXY: 'http://p', NO_PROXY: 'EXAMPLE.org' }, undefined],
  ['https://a.example.org/x', { HTTPS_PROXY: 'http://p', NO_PROXY: 'ample.org' }, 'http://p'],
  ['https://a.example.org/x', { HTTPS_PROXY: 'http://p', NO_PROXY: 'a.example.org:444' }, 'http://p'],
  ['https://a.example.org:444/x', { HTTPS_PROXY: 'http://p', NO_PROXY: 'b a.example.org:444' }, undefined],
  ['https://[::1]/x', { HTTPS_PROXY: 'http://p', NO_PROXY: '::1' }, undefined],
  ['https://[::1]:8/x', { HTTPS_PROXY: 'http://p', NO_PROXY: '[::1]:8' }, undefined],
])('%s under %j: %s', (url, environment, expected) => {
  expect(proxyFor(url, environment)).toBe(expected);
});
