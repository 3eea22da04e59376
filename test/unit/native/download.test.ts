import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { download, shown, verifyFile } from '../../../lib/system/download';
import { removeFolders, temporaryFolder } from './support/folders';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const CONTENT = Buffer.from(Array.from({ length: 200_000 }, (_, index) => (index * 7919) & 0xff));
const SHA256 = createHash('sha256').update(CONTENT).digest('hex');
const HALF = CONTENT.length / 2;

let server: Server;
let requests: IncomingMessage[];
let answers: Answer[];

beforeEach(async () => {
  requests = [];
  answers = [];
  server = createServer((request, response) => {
    requests.push(request);
    (answers.shift() ?? whole)(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

afterAll(removeFolders);

const address = (path = '/file') => `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
const newFile = () => join(temporaryFolder(), 'file');

const whole: Answer = (_request, response) => {
  response.writeHead(200, { 'content-length': CONTENT.length, etag: '"one"' }).end(CONTENT);
};
/** Promises everything, sends half and, when `cut` is called because something arrived, breaks the connection. */
let cut: () => void = () => undefined;
const half: Answer = (_request, response) => {
  cut = () => {
    response.destroy();
    cut = () => undefined;
  };
  response.writeHead(200, { 'content-length': CONTENT.length, etag: '"one"' });
  response.write(CONTENT.subarray(0, HALF));
};
const onProgress = () => cut();
const status =
  (code: number): Answer =>
  (_request, response) => {
    response.writeHead(code).end('no');
  };

test('fetches a file, checks it and tells how far it is', async () => {
  const target = newFile();
  const seen: [number, number | undefined][] = [];
  await download(address(), target, {
    sha256: SHA256,
    bytes: CONTENT.length,
    onProgress: (received, total) => seen.push([received, total]),
  });
  expect(readFileSync(target).equals(CONTENT)).toBe(true);
  expect(seen.at(-1)).toEqual([CONTENT.length, CONTENT.length]);
});

test('follows a redirect', async () => {
  answers = [
    (_request, response) => {
      response.writeHead(302, { location: '/elsewhere' }).end();
    },
  ];
  const target = newFile();
  await download(address(), target, { sha256: SHA256 });
  expect(requests.map(({ url }) => url)).toEqual(['/file', '/elsewhere']);
  expect(readFileSync(target).equals(CONTENT)).toBe(true);
});

test('a file that is not there is an error at once, with the address and the status', async () => {
  answers = [status(404)];
  await expect(download(address(), newFile())).rejects.toMatchObject({
    code: 'ERR_DOWNLOAD',
    message: expect.stringMatching(/127\.0\.0\.1:\d+\/file answered 404/),
  });
  expect(requests).toHaveLength(1);
});

test('a server that fails is asked again, and not for ever', async () => {
  answers = [status(503), whole];
  await download(address(), newFile(), { sha256: SHA256 });
  expect(requests).toHaveLength(2);
  answers = [status(503), status(503), status(503)];
  await expect(download(address(), newFile(), { retries: 2 })).rejects.toMatchObject({ code: 'ERR_DOWNLOAD' });
  expect(requests).toHaveLength(5);
});

test('a transfer that breaks off goes on where it ended', async () => {
  let from = 0;
  answers = [
    half,
    (request, response) => {
      from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1]);
      expect(request.headers['if-range']).toBe('"one"');
      response
        .writeHead(206, {
          'content-length': CONTENT.length - from,
          'content-range': `bytes ${from}-${CONTENT.length - 1}/${CONTENT.length}`,
          etag: '"one"',
        })
        .end(CONTENT.subarray(from));
    },
  ];
  const target = newFile();
  await download(address(), target, { sha256: SHA256, onProgress });
  expect(from).toBeGreaterThan(0);
  expect(readFileSync(target).equals(CONTENT)).toBe(true);
});

test('a server that cannot continue is made to begin anew', async () => {
  answers = [half, whole];
  const target = newFile();
  await download(address(), target, { sha256: SHA256, onProgress });
  expect(readFileSync(target).equals(CONTENT)).toBe(true);
});

test('a transfer that always breaks off says how far it came', async () => {
  answers = [half, half];
  await expect(download(address(), newFile(), { retries: 1, onProgress })).rejects.toMatchObject({
    code: 'ERR_DOWNLOAD',
  });
  expect(requests).toHaveLength(2);
});

test('another file than expected is refused: by its hash, by its length', async () => {
  const wrong = 'ab'.repeat(32);
  await expect(download(address(), newFile(), { sha256: wrong })).rejects.toMatchObject({
    code: 'ERR_CHECKSUM',
    message: expect.stringContaining(`SHA-256 ${SHA256}, expected ${wrong}`),
  });
  await expect(download(address(), newFile(), { bytes: 5 })).rejects.toMatchObject({
    code: 'ERR_DOWNLOAD',
    message: expect.stringContaining(`has ${CONTENT.length} bytes, expected 5`),
  });
});

test('a signal stops it', async () => {
  const stop = new AbortController();
  answers = [
    (_request, response) => {
      response.writeHead(200, { 'content-length': CONTENT.length });
      response.write(CONTENT.subarray(0, HALF)); // and never the rest
    },
  ];
  const running = download(address(), newFile(), { signal: stop.signal, onProgress: () => stop.abort() });
  await expect(running).rejects.toMatchObject({ name: 'AbortError', code: 'ERR_ABORTED' });
});

test('no server: the reason is told', async () => {
  const gone = address();
  await new Promise((resolve) => server.close(resolve));
  await expect(download(gone, newFile(), { retries: 0 })).rejects.toMatchObject({
    code: 'ERR_DOWNLOAD',
    message: expect.stringContaining('ECONNREFUSED'),
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

test('a file that exists is not overwritten', async () => {
  const target = newFile();
  await download(address(), target);
  await expect(download(address(), target)).rejects.toMatchObject({ code: 'EEXIST' });
  expect(existsSync(target)).toBe(true);
});

test('verifyFile tells a file of another length, and of another content', async () => {
  const target = newFile();
  await download(address(), target);
  await verifyFile(target, { sha256: SHA256, bytes: CONTENT.length });
  await expect(verifyFile(target, { bytes: 1 })).rejects.toMatchObject({ code: 'ERR_DOWNLOAD', file: target });
  await expect(verifyFile(target, { sha256: 'cd'.repeat(32) })).rejects.toMatchObject({ code: 'ERR_CHECKSUM' });
});

test('an address is shown without name, password and query', () => {
  expect(shown('https://me:secret@example.org/a/b.whl?token=1')).toBe('https://example.org/a/b.whl');
});
