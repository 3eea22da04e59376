import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { requireSpace } from '../../../lib/system/disk';
import type { LibTorchEvent } from '../../../lib/libtorch/events';
import { listLibTorch } from '../../../lib/libtorch/find';
import { MARKER_FILE } from '../../../lib/libtorch/folder';
import { installLibTorch, removeLibTorch } from '../../../lib/libtorch/install';
import type { InstallOptions } from '../../../lib/libtorch/job';
import type { LibTorchRelease, PinnedWheel } from '../../../lib/libtorch/release';
import { tarOf, zipOf } from './support/archives';
import { removeFolders, temporaryFolder, writeTorch, writeTree } from './support/folders';

// A release whose wheels are small: everything but the table is real.
const TORCH = zipOf([
  { name: 'torch/lib/libtorch_cpu.so', content: 'cpu' },
  { name: 'torch/lib/libc10.so', content: 'c10' },
  { name: 'torch/lib/libtorch_cuda.so', content: 'cuda' },
  { name: 'torch/version.py', content: "__version__ = '2.11.0+cu130'\n" },
  { name: 'torch/include/ATen/core/Tensor.h', content: '#pragma once' },
]);
const CUDART = zipOf([{ name: 'nvidia/cu13/lib/libcudart.so.13', content: 'cudart' }]);
const CUBLAS = zipOf([{ name: 'nvidia/cu13/lib/libcublas.so.13', content: 'cublas' }]);

function wheel(name: string, version: string, file: string, content: Buffer, more: Partial<PinnedWheel>): PinnedWheel {
  return {
    name,
    version,
    file,
    sha256: createHash('sha256').update(content).digest('hex'),
    bytes: content.length,
    memberBytes: 100,
    ...more,
  };
}

const WHEELS: Record<string, Buffer> = {
  'torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl': TORCH,
  'nvidia_cuda_runtime-13.0.96-py3-none-manylinux_2_17_x86_64.whl': CUDART,
  'nvidia_cublas-13.1.0.3-py3-none-manylinux_2_27_x86_64.whl': CUBLAS,
};
const [TORCH_FILE, CUDART_FILE, CUBLAS_FILE] = Object.keys(WHEELS) as [string, string, string];
const mockRelease: LibTorchRelease = {
  version: '2.11.0',
  python: '3.11',
  cudaDriver: 580,
  tested: 'here',
  wheels: [
    wheel('torch', '2.11.0', TORCH_FILE, TORCH, {
      members: ['torch/lib/libtorch_cpu.so', 'torch/lib/libc10.so', 'torch/version.py'],
      cudaMembers: ['torch/lib/libtorch_cuda.so'],
      headers: ['torch/include/'],
    }),
    wheel('nvidia-cuda-runtime', '13.0.96', CUDART_FILE, CUDART, { members: ['nvidia/cu13/lib/libcudart.so.13'] }),
    wheel('nvidia-cublas', '13.1.0.3', CUBLAS_FILE, CUBLAS, { cudaMembers: ['nvidia/cu13/lib/libcublas.so.13'] }),
  ],
};

jest.mock('../../../lib/libtorch/table', () => ({
  ...jest.requireActual<object>('../../../lib/libtorch/table'),
  releaseOf: () => mockRelease,
}));

let home: string;
let environment: NodeJS.ProcessEnv;
let events: LibTorchEvent[];
let server: Server;
let served: string[];

beforeEach(async () => {
  home = temporaryFolder();
  environment = { PATH: dirname(process.execPath), VECTUNE_CACHE: join(home, 'cache') };
  events = [];
  served = [];
  server = createServer((request, response) => {
    const name = request.url!.slice(1);
    served.push(name);
    const content = WHEELS[name] ?? ARCHIVES[name];
    if (content === undefined) response.writeHead(404).end();
    else response.writeHead(200, { 'content-length': content.length }).end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

afterAll(removeFolders);

const ARCHIVES: Record<string, Buffer> = {
  'libtorch-2.11.0.tar.gz': gzipSync(
    tarOf([
      { name: 'libtorch/lib/libtorch_cpu.so', content: 'cpu' },
      { name: 'libtorch/lib/libc10.so', content: 'c10' },
      { name: 'libtorch/build-version', content: '2.11.0+cpu\n' },
    ]),
  ),
  'libtorch-2.12.0.zip': zipOf([
    { name: 'libtorch/lib/libtorch_cpu.so', content: 'cpu' },
    { name: 'libtorch/build-version', content: '2.12.0+cpu\n' },
  ]),
};

const address = (name: string) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}`;
const target = () => join(home, 'cache/libtorch/2.11.0');
/** Without CUDA unless it is asked for, whatever machine the tests run on. */
const install = (options: InstallOptions = {}) =>
  installLibTorch({ environment, cuda: false, onEvent: (event) => events.push(event), ...options });
/** What of the installation is left in the cache, its own folder apart. */
const leftovers = () => readdirSync(join(home, 'cache/libtorch')).filter((name) => name !== '2.11.0');

/**
 * A pip whose answers are written down: `dry` is JavaScript that runs for `install --dry-run` with `report(map)`,
 * `download` what runs for `download` with `dest`, `log` what runs for that with `-vvv`. It keeps a log of its calls.
 */
function fakePip(
  dry: string,
  download = "fail('no matching distribution')",
  log = "fail('no link')",
): readonly string[] {
  const script = join(home, 'pip.cjs');
  writeFileSync(
    script,
    `
    const fs = require('node:fs'), path = require('node:path');
    const args = process.argv.slice(2);
    fs.appendFileSync(${JSON.stringify(join(home, 'pip.log'))}, args.join(' ') + '\\n');
    const asked = (name) => args.some((arg) => arg.startsWith(name.replaceAll('_', '-') + '=='));
    const fail = (text) => { console.error('ERROR: ' + text); process.exit(1); };
    const base = ${JSON.stringify(address(''))};
    const all = ${JSON.stringify(Object.fromEntries(mockRelease.wheels.map((item) => [item.file, item.sha256])))};
    const hashes = Object.fromEntries(Object.entries(all).filter(([file]) => asked(file.split('-')[0])));
    const report = (change = {}) => console.log(JSON.stringify({ version: '1', install: Object.entries(hashes).map(
      ([file, sha256]) => ({
        metadata: { name: file.split('-')[0] },
        download_info: {
          url: (change.base ?? base) + file, archive_info: { hashes: { sha256: change.sha256 ?? sha256 } } },
      })) }));
    const dest = args[args.indexOf('--dest') + 1];
    if (args[0] === 'install') { ${dry} }
    else if (args[0] === 'download' && args.includes('-vvv')) { ${log} }
    else if (args[0] === 'download') { ${download} }
  `,
  );
  return [process.execPath, script];
}
const pipCalls = () =>
  readFileSync(join(home, 'pip.log'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => (line.includes(' -vvv ') ? 'log' : line.split(' ')[0]));

function expectInstalled(): void {
  expect(readFileSync(join(target(), 'torch/lib/libtorch_cpu.so'), 'utf8')).toBe('cpu');
  expect(JSON.parse(readFileSync(join(target(), MARKER_FILE), 'utf8'))).toMatchObject({ version: '2.11.0' });
  expect(leftovers()).toEqual([]);
}

describe('through pip', () => {
  test('pip tells the addresses, vectune fetches', async () => {
    const folder = await install({ pip: fakePip('report()') });
    expectInstalled();
    expect(readFileSync(join(target(), 'nvidia/cu13/lib/libcudart.so.13'), 'utf8')).toBe('cudart');
    expect(existsSync(join(target(), 'torch/lib/libtorch_cuda.so'))).toBe(false);
    expect(folder).toMatchObject({ root: join(target(), 'torch'), version: '2.11.0', headers: false });
    expect(served.sort()).toEqual([CUDART_FILE, TORCH_FILE]);
    expect(events.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['libtorch-resolve', 'libtorch-download', 'libtorch-unpack', 'libtorch-installed']),
    );
    expect(readFileSync(join(home, 'pip.log'), 'utf8')).toMatch(
      /--only-binary=:all:.*--python-version 3\.11.*--platform manylinux_2_28_x86_64.*torch==2\.11\.0/,
    );
  });

  test('the second wheel cannot be fetched: what came is kept, and only the rest asked for', async () => {
    let broken = true;
    server.removeAllListeners('request');
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const name = request.url!.slice(1);
      const content = WHEELS[name]!;
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      served.push(`${name.split('-')[0]} from ${from}`);
      const range = { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` };
      response.writeHead(from > 0 ? 206 : 200, { 'content-length': content.length - from, ...(from > 0 && range) });
      if (!broken || name === TORCH_FILE) response.end(content.subarray(from));
      // A little of what is left comes, and then the connection breaks.
      else response.write(content.subarray(from, from + 10), () => setTimeout(() => response.destroy(), 20));
    });
    const pip = fakePip('report()');
    await expect(install({ pip })).rejects.toMatchObject({ code: 'ERR_DOWNLOAD' });
    const kept = mockRelease.wheels.map(({ sha256 }) => join(home, 'cache/libtorch/.parts', sha256));
    const received = statSync(kept[1]!).size;
    expect(statSync(kept[0]!).size).toBe(TORCH.length);
    expect(received).toBeGreaterThanOrEqual(10);
    expect(received).toBeLessThan(CUDART.length);
    broken = false;
    served = [];
    await install({ pip });
    expect(served).toEqual([`nvidia_cuda_runtime from ${received}`]);
    expectInstalled();
  });

  test('a second time nothing is done; for headers it is done again', async () => {
    const pip = fakePip('report()');
    await install({ pip });
    served = [];
    await install({ pip });
    expect(served).toEqual([]);
    expect(await install({ pip, headers: true })).toMatchObject({ headers: true });
    expect(served).not.toEqual([]);
    expectInstalled();
  });

  test('a pip that cannot report, or an address that cannot be fetched: pip fetches', async () => {
    const folder = join(home, 'index');
    writeTree(folder, WHEELS);
    const copy =
      `for (const file of Object.keys(hashes)) fs.copyFileSync(path.join(${JSON.stringify(folder)}, file), ` +
      'path.join(dest, file));';
    await install({ pip: fakePip("fail('no such option: --report')", copy) });
    expectInstalled();
    expect(pipCalls()).toEqual(['install', 'log', 'download']);
    await removeLibTorch('2.11.0', environment);
    await install({ pip: fakePip("report({ base: base + 'gone/' })", copy) });
    expectInstalled();
  });

  test('a pip that begins to download when it is asked for addresses is stopped, and then let', async () => {
    const folder = join(home, 'index');
    writeTree(folder, WHEELS);
    const download =
      `for (const file of Object.keys(hashes)) fs.copyFileSync(path.join(${JSON.stringify(folder)}, file), ` +
      'path.join(dest, file));';
    const endless =
      "fs.writeFileSync(path.join(process.env.TMPDIR, 'part'), ''); " +
      "fs.truncateSync(path.join(process.env.TMPDIR, 'part'), 1e8); setInterval(() => {}, 1000);";
    await install({ pip: fakePip(endless, download) });
    expectInstalled();
    expect(pipCalls()).toEqual(['install', 'log', 'download']);
  });

  test('where its index keeps no metadata, its log names the addresses, and it is stopped before it downloads', async () => {
    const log =
      "for (const file of Object.keys(hashes)) console.log('  Found link ' + base + file + '#sha256=0 (from x)'); " +
      "setTimeout(() => fail('let go on'), 60_000);";
    await install({ pip: fakePip("fail('would download')", undefined, log) });
    expectInstalled();
    expect(pipCalls()).toEqual(['install', 'log', 'log']);
    expect(served.sort()).toEqual([CUDART_FILE, TORCH_FILE]);
  });

  test('an index with another build is refused before anything is fetched', async () => {
    await expect(install({ pip: fakePip("report({ sha256: 'ab'.repeat(32) })") })).rejects.toMatchObject({
      code: 'ERR_CHECKSUM',
      message: expect.stringContaining(`expected ${mockRelease.wheels[0]!.sha256}`),
    });
    expect(served).toEqual([]);
    expect(readdirSync(join(home, 'cache/libtorch'))).toEqual([]);
  });

  test('a wheel that pip fetched with another content is refused, and nothing is left', async () => {
    const forge =
      "for (const file of Object.keys(hashes)) fs.writeFileSync(path.join(dest, file), 'x'.repeat(" +
      'file.startsWith("torch") ? ' +
      `${TORCH.length} : ${CUDART.length}));`;
    await expect(install({ pip: fakePip("fail('x')", forge) })).rejects.toMatchObject({ code: 'ERR_CHECKSUM' });
    expect(readdirSync(join(home, 'cache/libtorch'))).toEqual([]);
  });

  test('where pip fails too, its own words are told, and what else can be done', async () => {
    await expect(install({ pip: fakePip("fail('x')") })).rejects.toMatchObject({
      code: 'ERR_DOWNLOAD',
      message: expect.stringMatching(/no matching distribution\. .*libtorch install --from/),
    });
  });

  test('without pip the sentence names it and the command that installs it', async () => {
    environment['PATH'] = join(home, 'nothing');
    await expect(install()).rejects.toMatchObject({
      name: 'ToolError',
      code: 'ERR_TOOL_MISSING',
      message: expect.stringContaining('apt-get install python3-pip'),
    });
  });
});

describe('from what is named', () => {
  test('a folder that holds the wheels', async () => {
    writeTree(home, Object.fromEntries(Object.entries(WHEELS).map(([name, content]) => [`wheels/${name}`, content])));
    await install({ from: join(home, 'wheels'), headers: true });
    expectInstalled();
    expect(existsSync(join(target(), 'torch/include/ATen/core/Tensor.h'))).toBe(true);
  });

  test('a wheel of the release: the CUDA package that it names is taken from beside it', async () => {
    writeTree(home, Object.fromEntries(Object.entries(WHEELS).map(([name, content]) => [`wheels/${name}`, content])));
    await install({ from: join(home, 'wheels', TORCH_FILE) });
    expectInstalled();
    expect(existsSync(join(target(), 'nvidia/cu13/lib/libcudart.so.13'))).toBe(true);
  });

  test('a wheel of the release with another content', async () => {
    writeTree(home, { [TORCH_FILE]: Buffer.concat([TORCH.subarray(0, 50), Buffer.from('!'), TORCH.subarray(51)]) });
    await expect(install({ from: join(home, TORCH_FILE) })).rejects.toMatchObject({ code: 'ERR_CHECKSUM' });
  });

  test('an unpacked LibTorch', async () => {
    writeTorch(join(home, 'mine/torch'), '2.11.0+cpu', true);
    await install({ from: join(home, 'mine') });
    expectInstalled();
  });

  test('an address of an archive, with its hash', async () => {
    const name = 'libtorch-2.11.0.tar.gz';
    const sha256 = createHash('sha256').update(ARCHIVES[name]!).digest('hex');
    await expect(install({ from: address(name), sha256: 'ab'.repeat(32) })).rejects.toMatchObject({
      code: 'ERR_CHECKSUM',
    });
    await install({ from: address(name), sha256 });
    expectInstalled();
  });

  test('another version is refused, and what was there stays', async () => {
    writeTorch(join(home, 'mine'), '2.11.0');
    await install({ from: join(home, 'mine') });
    await expect(install({ from: address('libtorch-2.12.0.zip') })).rejects.toMatchObject({
      code: 'ERR_LIBTORCH_VERSION',
      message: expect.stringMatching(/holds LibTorch 2\.12\.0\+cpu, expected 2\.11\.0/),
    });
    expectInstalled();
  });

  test('what is not there, is no LibTorch, or has no headers where they are needed', async () => {
    await expect(install({ from: join(home, 'gone') })).rejects.toMatchObject({ code: 'ERR_LIBTORCH_MISSING' });
    mkdirSync(join(home, 'empty'));
    await expect(install({ from: join(home, 'empty') })).rejects.toMatchObject({ code: 'ERR_LIBTORCH_MISSING' });
    writeTorch(join(home, 'mine'), '2.11.0');
    await expect(install({ from: join(home, 'mine'), headers: true })).rejects.toMatchObject({
      message: expect.stringContaining('no header files'),
    });
    expect(existsSync(target())).toBe(false);
  });
});

test('a hash without an archive that could have it is refused', async () => {
  writeTorch(join(home, 'mine'), '2.11.0');
  for (const from of [undefined, join(home, 'mine')]) {
    await expect(install({ from, sha256: 'ab'.repeat(32), pip: fakePip('report()') })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
    });
  }
  expect(existsSync(target())).toBe(false);
});

test('a signal stops it and leaves nothing', async () => {
  const stop = new AbortController();
  const running = install({
    pip: fakePip('setInterval(() => {}, 1000)'),
    signal: stop.signal,
    onEvent: () => stop.abort(),
  });
  await expect(running).rejects.toMatchObject({ name: 'AbortError', code: 'ERR_ABORTED' });
  expect(readdirSync(join(home, 'cache/libtorch'))).toEqual([]);
});

test('what a killed process left a day ago is removed; what is younger may be at work', async () => {
  const old = new Date(Date.now() - 2 * 24 * 3600 * 1000);
  writeTree(home, { 'cache/libtorch/.install-old/x': 'x', 'cache/libtorch/.install-young/x': 'x' });
  utimesSync(join(home, 'cache/libtorch/.install-old'), old, old);
  await install({ pip: fakePip('report()') });
  expect(leftovers()).toEqual(['.install-young']);
});

test('an install that was broken off before its marker is done again', async () => {
  await install({ pip: fakePip('report()') });
  chmodSync(join(target(), MARKER_FILE), 0o644);
  writeFileSync(join(target(), 'torch/lib/libtorch_cpu.so'), 'cut off');
  await install({ pip: fakePip('report()') });
  expectInstalled();
});

test('remove says whether there was anything', async () => {
  await install({ pip: fakePip('report()') });
  expect(await removeLibTorch('2.11.0', environment)).toBe(true);
  expect(await removeLibTorch('2.11.0', environment)).toBe(false);
});

test('too little room is told with what is needed and what is there', async () => {
  await requireSpace(join(home, 'not', 'yet'), 1, 'It');
  await expect(requireSpace(join(home, 'not', 'yet'), 1e18, 'The installation')).rejects.toMatchObject({
    code: 'ERR_DISK_SPACE',
    message: expect.stringMatching(/^The installation needs \d+ MB under .* has \d+ MB left\..*VECTUNE_CACHE/),
  });
});

describe('with CUDA', () => {
  test("its part of torch and the further wheels come too; without it they don't", async () => {
    const pip = fakePip('report()');
    expect(await install({ pip, cuda: true })).toMatchObject({ cuda: true, headers: false });
    expectInstalled();
    expect(readFileSync(join(target(), 'torch/lib/libtorch_cuda.so'), 'utf8')).toBe('cuda');
    expect(readFileSync(join(target(), 'nvidia/cu13/lib/libcublas.so.13'), 'utf8')).toBe('cublas');
    await removeLibTorch('2.11.0', environment);
    served = [];
    expect(await install({ pip })).toMatchObject({ cuda: false });
    expect(served).not.toContain(CUBLAS_FILE);
    expect(readFileSync(join(home, 'pip.log'), 'utf8').split('\n').at(-2)).not.toMatch(/cublas|manylinux_2_27/);
  });

  test('it is added to an installation without it, whose headers stay, and is not taken away', async () => {
    const pip = fakePip('report()');
    await install({ pip, headers: true });
    expect(await install({ pip, cuda: true })).toMatchObject({ cuda: true, headers: true });
    served = [];
    expect(await install({ pip })).toMatchObject({ cuda: true, headers: true });
    expect(served).toEqual([]);
  });

  test('a wheel of the release: the further wheels are taken from beside it', async () => {
    writeTree(home, Object.fromEntries(Object.entries(WHEELS).map(([name, content]) => [`wheels/${name}`, content])));
    await install({ from: join(home, 'wheels', TORCH_FILE), cuda: true });
    expect(existsSync(join(target(), 'nvidia/cu13/lib/libcublas.so.13'))).toBe(true);
  });

  test('a source without it is refused where it was asked for, and taken where a driver alone spoke for it', async () => {
    writeTorch(join(home, 'mine'), '2.11.0+cpu');
    await expect(install({ from: join(home, 'mine'), cuda: true })).rejects.toMatchObject({
      code: 'ERR_LIBTORCH_MISSING',
      message: expect.stringMatching(/no CUDA libraries .*--cpu/),
    });
    expect(await install({ from: join(home, 'mine'), cuda: undefined })).toMatchObject({ cuda: false });
  });
});

test("an existing Python's torch, named by its packages' folder: its libraries and CUDA's, not Python's", async () => {
  writeTorch(join(home, 'site/torch'), '2.11.0+cu130');
  writeTree(join(home, 'site'), {
    'torch/lib/libtorch_python.so': 'python',
    'nvidia/cu13/lib/libcudart.so.13': 'cudart',
  });
  await install({ from: join(home, 'site') });
  expectInstalled();
  expect(readFileSync(join(target(), 'nvidia/cu13/lib/libcudart.so.13'), 'utf8')).toBe('cudart');
  expect(existsSync(join(target(), 'torch/lib/libtorch_python.so'))).toBe(false);
});

test('a cache that is carried to another place, without its downloads or a network, is found whole there', async () => {
  await install({ pip: fakePip('report()') });
  const carried = join(home, 'carried');
  cpSync(join(home, 'cache'), carried, { recursive: true });
  await removeLibTorch('2.11.0', environment);
  const found = await listLibTorch({ versions: ['2.11.0'], environment: { ...environment, VECTUNE_CACHE: carried } });
  expect(found[0]).toMatchObject({ origin: 'cache', rejected: undefined, found: { version: '2.11.0' } });
  // Asked to install there, it neither calls pip nor fetches.
  served = [];
  const pip = fakePip("fail('no network')");
  const { root } = await install({ pip, environment: { ...environment, VECTUNE_CACHE: carried } });
  expect(root).toBe(join(carried, 'libtorch/2.11.0/torch'));
  expect(served).toEqual([]);
});
