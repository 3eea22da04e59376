import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { removeFolders, temporaryFolder } from '../unit/native/support/folders';
import { fixture } from '../public/models';
import { HostileServer, whole } from './server';

/** Disks that are too small, or become full: a file system in memory, which only the program under test sees. */

const possible = spawnSync('unshare', ['-rm', 'true']).status === 0;
if (!possible) console.warn('the tests of full disks are skipped: this user may not mount a file system of his own');
const testFull = possible ? test : test.skip;

const CONTENT = Buffer.alloc(3_000_000, 'x');

let server: HostileServer;
let folder: string;
beforeEach(async () => {
  server = await HostileServer.start();
  server.answers = [whole(CONTENT)];
  folder = temporaryFolder();
});
afterEach(() => server.stop());
afterAll(removeFolders);

/** Runs a program of test/hostile/programs with a file system of so many bytes in `folder`; gives what it printed. */
function onSmallDisk(bytes: number, program: string, request: object): Promise<string> {
  const mount = 'mount -t tmpfs -o "size=$1" tmpfs "$2" && shift 2 && exec "$@"';
  const command = [process.execPath, join(__dirname, 'programs', program), JSON.stringify(request)];
  const child = spawn('unshare', ['-rm', 'sh', '-c', mount, 'sh', String(bytes), folder, ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => resolve(output.trim()));
  });
}

testFull('an installation that has no room says so before it asks for anything', async () => {
  const request = { from: server.address('libtorch.zip'), cache: join(folder, 'cache') };
  expect(await onSmallDisk(50 * 2 ** 20, 'install.cjs', request)).toMatch(
    /^failed DownloadError ERR_DISK_SPACE The installation of LibTorch 2\.11\.0 needs \d+ MB under .*cache.*, which has 52 MB left\. .*VECTUNE_CACHE/,
  );
  expect(server.requests).toEqual([]);
});

testFull('a disk that becomes full while a file comes is told as that, and not tried again', async () => {
  const request = { from: server.address('file'), to: join(folder, 'file') };
  expect(await onSmallDisk(2 ** 20, 'download.cjs', request)).toMatch(
    /^failed DownloadError ERR_DISK_SPACE The download of .* found no more room under .*file\. Make room/,
  );
  expect(server.requests).toHaveLength(1);
});

testFull('where there is room, the same ends well', async () => {
  const request = { from: server.address('file'), to: join(folder, 'file') };
  expect(await onSmallDisk(5 * 2 ** 20, 'download.cjs', request)).toBe('fetched');
});

describe.each(['onnx', 'gguf'])('an export to %s', (format) => {
  const request = () => ({ model: fixture('bert-unigram'), to: join(folder, 'out'), format });

  testFull('that has no room is told as that, and leaves nothing', async () => {
    expect(await onSmallDisk(2 ** 16, 'export.cjs', request())).toMatch(
      /^failed FileError ERR_FILE .* the disk is full \(ENOSPC\)\. What was there is unchanged\. left:$/,
    );
  });

  testFull('where there is room ends well', async () => {
    expect(await onSmallDisk(5 * 2 ** 20, 'export.cjs', request())).toBe('exported out');
  });
});
