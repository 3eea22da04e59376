import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { download } from '../../lib/system/download';
import type { LibTorchEvent } from '../../lib/libtorch/events';
import { MARKER_FILE } from '../../lib/libtorch/folder';
import { installLibTorch } from '../../lib/libtorch/install';
import { tarOf, zipOf } from '../unit/native/support/archives';
import { removeFolders, temporaryFolder, writeTorch } from '../unit/native/support/folders';
import { HostileServer, ranged, redirect, silent, stalled, status, truncated, whole, type Answer } from './server';

/**
 * LibTorch's installation from a server that does not do what it should, by several processes, and by one that is
 * killed: what stands in the cache is whole or is not there.
 */

const LIBRARIES = [
  { name: 'libtorch/lib/libtorch_cpu.so', content: Array.from({ length: 40_000 }, (_, i) => i * 7919).join() },
  { name: 'libtorch/lib/libc10.so', content: 'c10' },
  { name: 'libtorch/build-version', content: '2.11.0+cpu\n' },
];
const ARCHIVE = gzipSync(tarOf(LIBRARIES));
const sha256 = createHash('sha256').update(ARCHIVE).digest('hex');

let server: HostileServer;
let cache: string;
beforeEach(async () => {
  server = await HostileServer.start();
  cache = temporaryFolder();
});
afterEach(() => server.stop());
afterAll(removeFolders);

const from = () => server.address('libtorch.tar.gz');
const install = (hash: string | undefined = sha256) =>
  installLibTorch({ from: from(), sha256: hash, environment: { VECTUNE_CACHE: cache } });
const target = () => join(cache, 'libtorch', '2.11.0');
const inCache = () => (existsSync(join(cache, 'libtorch')) ? readdirSync(join(cache, 'libtorch')) : []);

function expectInstalled(): void {
  for (const { name, content } of LIBRARIES) {
    expect(readFileSync(join(target(), name.replace('libtorch/', 'torch/')), 'utf8') === content).toBe(true);
  }
  const { libraries } = JSON.parse(readFileSync(join(target(), MARKER_FILE), 'utf8')) as { libraries: object };
  expect(libraries).toEqual({
    'torch/lib/libtorch_cpu.so': LIBRARIES[0]!.content.length,
    'torch/lib/libc10.so': 3,
  });
}

describe('a server that', () => {
  test('sends elsewhere', async () => {
    server.answers = [redirect('/other'), redirect('/another'), whole(ARCHIVE)];
    await install();
    expect(server.requests.map(({ url }) => url)).toEqual(['/libtorch.tar.gz', '/other', '/another']);
    expectInstalled();
    expect(inCache()).toEqual(['2.11.0']);
  });

  test.each<[string, string, () => Answer[]]>([
    ['sends round and round', 'ERR_DOWNLOAD', () => [redirect('/again')]],
    ['sends to another protocol', 'ERR_DOWNLOAD', () => [redirect('file:///etc/passwd')]],
    ['has nothing', 'ERR_DOWNLOAD', () => [status(404)]],
    ['fails each time', 'ERR_DOWNLOAD', () => [status(500)]],
    ['breaks off each time', 'ERR_DOWNLOAD', () => [truncated(ARCHIVE, 3000)]],
    ['has another archive', 'ERR_CHECKSUM', () => [whole(gzipSync(tarOf(LIBRARIES.slice(1))))]],
    ['has no archive', 'ERR_CHECKSUM', () => [whole(Buffer.from('<html>'))]],
    ['has nothing but the begin, and says so', 'ERR_CHECKSUM', () => [whole(ARCHIVE.subarray(0, 5000))]],
  ])('%s: refused, and nothing is left', async (_, code, answers) => {
    server.answers = answers();
    await expect(install()).rejects.toMatchObject({ name: 'DownloadError', code });
    expect(inCache()).toEqual([]);
  });

  test.each<[string, Buffer]>([
    ['a member above its folder', tarOf([...LIBRARIES, { name: 'libtorch/lib/../../../../evil', content: 'evil' }])],
    ['a library above its folder', zipOf([{ name: '../lib/libtorch_cpu.so', content: 'evil' }, ...LIBRARIES])],
    ['a member with an absolute path', zipOf([{ name: '/lib/libtorch_cpu.so', content: 'evil' }, ...LIBRARIES])],
    ['the same member twice', tarOf([...LIBRARIES, ...LIBRARIES])],
    ['links in place of the libraries', tarOf(LIBRARIES.map((member) => ({ ...member, type: '2' })))],
    ['hard links in place of the libraries', tarOf(LIBRARIES.map((member) => ({ ...member, type: '1' })))],
    ['half of itself', gzipSync(tarOf(LIBRARIES)).subarray(0, 8000)],
    ['pages of a book', Buffer.from('x'.repeat(2000))],
  ])('has an archive, without a hash to know it by, of %s: nothing outside, and nothing half', async (_, archive) => {
    server.answers = [whole(archive)];
    const outcome = await install(undefined).catch((error: unknown) => error as { name: string; code: string });
    if ('code' in outcome) {
      expect(outcome.name).toMatch(/^(?:Download|LibTorch)Error$/);
      expect(outcome.code).toMatch(/^ERR_/);
      expect(inCache()).toEqual([]);
    } else {
      expectInstalled();
    }
    // The cache's folder stands alone in a folder for this test.
    expect(readdirSync(cache)).toEqual(['libtorch']);
    expect(existsSync(join(cache, '..', 'evil'))).toBe(false);
  });

  test('sends less than is known to be there, and does not say how much it sends', async () => {
    server.answers = [(_, response) => response.writeHead(200).end(ARCHIVE.subarray(0, 3000))];
    const fetching = download(from(), join(cache, 'file'), { bytes: ARCHIVE.length, retries: 0 });
    await expect(fetching).rejects.toThrow(`it broke off after 3000 of ${ARCHIVE.length} bytes`);
  });

  describe('stalls', () => {
    /** Longer than a busy machine takes to answer, so that what is stalled is what is meant to be. */
    const silenceMs = 500;
    const fetchFile = (options: Parameters<typeof download>[2] = {}) => {
      const file = join(cache, 'file');
      return download(from(), file, { sha256, silenceMs, retries: 1, ...options }).then(() => readFileSync(file));
    };

    test('in the middle, once: the rest is asked for', async () => {
      const rest: Answer = ({ headers }, response) => {
        expect(headers.range).toBe('bytes=3000-');
        const content = ARCHIVE.subarray(3000);
        const range = `bytes 3000-${ARCHIVE.length - 1}/${ARCHIVE.length}`;
        response
          .writeHead(206, { 'content-length': content.length, 'content-range': range, etag: '"one"' })
          .end(content);
      };
      server.answers = [stalled(ARCHIVE, 3000), rest];
      expect((await fetchFile()).equals(ARCHIVE)).toBe(true);
    });

    test.each<[string, () => Answer, RegExp]>([
      ['in the middle', () => stalled(ARCHIVE, 3000), /nothing came for 0\.5 seconds/],
      ['after its head', () => stalled(ARCHIVE, 0), /nothing came for 0\.5 seconds/],
      ['before its answer', () => silent, /no answer in 0\.5 seconds/],
    ])('%s, each time: given up', async (_, answer, message) => {
      server.answers = [answer()];
      await expect(fetchFile()).rejects.toMatchObject({ name: 'DownloadError', code: 'ERR_DOWNLOAD' });
      await expect(download(from(), join(cache, 'again'), { silenceMs, retries: 0 })).rejects.toThrow(message);
      expect(server.requests).toHaveLength(3);
    });
  });
});

/** A process that installs from the server; gives what it printed once it has ended. */
function installer(): { ended: Promise<string>; kill: () => void } {
  const request = JSON.stringify({ from: from(), sha256, cache });
  const child = spawn(process.execPath, [join(__dirname, 'programs', 'install.cjs'), request], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const ended = new Promise<string>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(signal ?? `${code}: ${output.trim()}`));
  });
  return { ended, kill: () => child.kill('SIGKILL') };
}

/** Waits for something to be there; jest's own limit ends it. */
async function until<T>(look: () => T[]): Promise<T[]> {
  for (;;) {
    const found = look();
    if (found.length > 0) return found;
    await sleep(20);
  }
}

/** Answers when as many have asked, so that all are at it at the same time. */
function together(count: number): Answer {
  const waiting: (() => void)[] = [];
  return (request, response) => {
    waiting.push(() => whole(ARCHIVE)(request, response));
    if (waiting.length === count) for (const answer of waiting) answer();
  };
}

test('three processes at once: each ends well, and one whole LibTorch is there', async () => {
  server.answers = [together(3)];
  const processes = [installer(), installer(), installer()];
  expect(await Promise.all(processes.map(({ ended }) => ended))).toEqual(Array(3).fill('0: installed 2.11.0'));
  expectInstalled();
  expect(inCache()).toEqual(['2.11.0']);
});

test('eight at once in one process', async () => {
  server.answers = [together(8)];
  const folders = await Promise.all(Array.from({ length: 8 }, () => install()));
  expect(new Set(folders.map(({ root }) => root)).size).toBe(1);
  expectInstalled();
  expect(inCache()).toEqual(['2.11.0']);
});

test('one that was killed in the middle of the download, and is run again: the rest is asked for', async () => {
  server.answers = [stalled(ARCHIVE, 3000), ranged(ARCHIVE)];
  const killed = installer();
  const [own] = await until(() => inCache().filter((name) => /^\.install-/.test(name)));
  const part = join(cache, 'libtorch', own!, sha256, 'libtorch.tar.gz');
  await until(() => (existsSync(part) && statSync(part).size === 3000 ? [part] : []));
  killed.kill();
  expect(await killed.ended).toBe('SIGKILL');
  expect(inCache()).toEqual([own]);
  expect(await installer().ended).toBe('0: installed 2.11.0');
  expect(server.requests.map(({ headers }) => headers.range)).toEqual([undefined, 'bytes=3000-']);
  expectInstalled();
  expect(inCache()).toEqual(['2.11.0']);
});

test('one that is stopped keeps what came; a part that is not of the file is not used', async () => {
  const part = join(cache, 'libtorch', '.parts', sha256);
  server.answers = [stalled(ARCHIVE, 3000), ranged(ARCHIVE)];
  const stop = new AbortController();
  const options = { from: from(), sha256, environment: { VECTUNE_CACHE: cache } };
  const onEvent = ({ type }: LibTorchEvent): void => {
    if (type === 'libtorch-download') stop.abort();
  };
  await expect(installLibTorch({ ...options, signal: stop.signal, onEvent })).rejects.toMatchObject({
    code: 'ERR_ABORTED',
  });
  expect(statSync(part).size).toBeGreaterThan(0);
  writeFileSync(part, 'something else');
  await installLibTorch(options);
  expect(server.requests.map(({ headers }) => headers.range)).toEqual([undefined, 'bytes=14-', undefined]);
  expectInstalled();
  expect(inCache()).toEqual(['2.11.0']);
});

test('a folder of another installation in its place is replaced, a part of one too', async () => {
  writeTorch(join(target(), 'torch'), '2.11.0');
  mkdirSync(join(target(), 'more'));
  server.answers = [whole(ARCHIVE)];
  await install();
  expectInstalled();
  expect(readdirSync(target()).sort()).toEqual(['torch', MARKER_FILE].sort());
  expect(inCache()).toEqual(['2.11.0']);
});
