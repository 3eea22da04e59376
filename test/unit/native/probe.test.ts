import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runsAsNode } from '../../../lib/system/electron';
import { open, probed, type Choice } from '../../../lib/engine/load';
import { probe, subjectOf, type ProbeRequest } from '../../../lib/engine/probe';
import * as platform from '../../../lib/system/platform';
import { VerdictStore, type Verdict } from '../../../lib/engine/verdicts';
import { removeFolders, temporaryFolder, writeTorch, writeTree } from './support/folders';

// The child loads its two addons by `require`; these two are scripts that say what happened to them.
const LOADER = "module.exports = { open: async () => ({ version: '2.11.0', paths: [] }) };";
const ENGINE = (what: string) => `
  require('node:fs').appendFileSync(require('node:path').join(__dirname, 'loads'), 'x');
  ${what}
`;
const INFO = { libtorch: '2.11.0', addon: '0.1.0', simd: 'plain', gemm: 'aten', bf16: false, int8: false, threads: 1 };
const GOOD = `module.exports = { info: () => (${JSON.stringify(INFO)}), devices: async () => ({ gpus: [] }) };`;

let home: string;
let store: VerdictStore;
let request: ProbeRequest;

beforeEach(() => {
  home = temporaryFolder();
  store = new VerdictStore(join(home, 'probes'));
  writeTorch(join(home, 'torch'), '2.11.0');
  request = {
    loader: join(home, 'loader.cjs'),
    engine: join(home, 'engine.cjs'),
    libDir: join(home, 'torch/lib'),
    cuda: false,
    addonVersion: '0.1.0',
  };
  writeFileSync(request.loader, LOADER);
  setEngine(GOOD);
});

afterAll(removeFolders);

const setEngine = (what: string) => writeFileSync(request.engine, ENGINE(what));
const loads = () => (existsSync(join(home, 'loads')) ? readFileSync(join(home, 'loads'), 'utf8').length : 0);

/** For the tests of a `describe` that find the verdicts by themselves. */
function useHomeAsCache(): void {
  const cache = process.env['VECTUNE_CACHE'];
  beforeEach(() => {
    process.env['VECTUNE_CACHE'] = home;
  });
  afterEach(() => {
    if (cache === undefined) delete process.env['VECTUNE_CACHE'];
    else process.env['VECTUNE_CACHE'] = cache;
  });
}

/** Id of a process that has ended. */
function deadProcess(): number {
  return spawnSync(process.execPath, ['-e', '']).pid;
}

/** Puts a marker beside the verdict as a process with these properties would have left it. */
async function leaveMarker(owner: { pid: number; started: number }): Promise<void> {
  let marker = '';
  await store.marked(await subjectOf(request), async () => {
    marker = readdirSync(join(home, 'probes')).find((name) => name.includes('.loading'))!;
  });
  expect(readdirSync(join(home, 'probes'))).not.toContain(marker);
  writeFileSync(join(home, 'probes', `${marker.replace(/-.*$/, '')}-${owner.pid}-9`), JSON.stringify(owner));
}

test("the verdict is the engine's own and is kept", async () => {
  expect(await probe(request, store)).toMatchObject({ version: '2.11.0', info: INFO });
  expect(await probe(request, store)).toMatchObject({ version: '2.11.0', info: INFO });
  expect(loads()).toBe(1);
});

test.each([
  ['the library changed', () => writeFileSync(join(home, 'torch/lib/libtorch_cpu.so'), 'another')],
  ['the engine was built anew', () => utimesSync(request.engine, new Date(0), new Date(0))],
  [
    'the package is of another version',
    () => {
      request.addonVersion = '0.2.0';
    },
  ],
  [
    'CUDA is wanted',
    () => {
      request.cuda = true;
    },
  ],
])('a new probe where %s', async (_what, change) => {
  await probe(request, store);
  change();
  await probe(request, store);
  expect(loads()).toBe(2);
});

test("a failure is told in the linker's words and is not kept", async () => {
  setEngine("throw new Error('libcupti.so.13: cannot open shared object file');");
  for (const count of [1, 2]) {
    await expect(probe(request, store)).rejects.toMatchObject({
      code: 'ERR_LIBTORCH_LOAD',
      message: expect.stringMatching(/torch\/lib cannot be loaded: libcupti\.so\.13: cannot open/),
    });
    expect(loads()).toBe(count);
  }
});

test('an engine that refuses the version says so under its own code', async () => {
  setEngine("throw Object.assign(new Error('built for 2.11.0, loaded 2.12.0'), { code: 'ERR_LIBTORCH_VERSION' });");
  await expect(probe(request, store)).rejects.toMatchObject({ code: 'ERR_LIBTORCH_VERSION' });
});

test('a crash happens to the child only, and is told', async () => {
  setEngine("process.kill(process.pid, 'SIGSEGV'); for (;;);");
  await expect(probe(request, store)).rejects.toMatchObject({
    code: 'ERR_LIBTORCH_LOAD',
    message: expect.stringContaining('SIGSEGV'),
  });
  setEngine('process.exit(3);');
  await expect(probe(request, store)).rejects.toMatchObject({ code: 'ERR_LIBTORCH_LOAD' });
});

describe('with CUDA, the driver is started where a crash does no harm', () => {
  useHomeAsCache();
  afterEach(() => jest.restoreAllMocks());
  const CRASHES = GOOD.replace(
    'async () => ({ gpus: [] })',
    "() => { process.kill(process.pid, 'SIGSEGV'); for (;;); }",
  );

  test('in the child, and not without CUDA', async () => {
    setEngine(CRASHES);
    expect(await probe(request, store)).toMatchObject({ info: INFO });
    await expect(probe({ ...request, cuda: true }, store)).rejects.toMatchObject({
      code: 'ERR_LIBTORCH_LOAD',
      message: expect.stringContaining('SIGSEGV'),
    });
  });

  test('the processor is used then, and the reason is told', async () => {
    setEngine(CRASHES);
    jest.spyOn(platform, 'hasNvidiaDriver').mockReturnValue(true);
    writeFileSync(join(request.libDir, platform.libraryFile('torch_cuda')), '');
    const addons = { loader: request.loader, engines: new Map([['2.11.0', request.engine]]) };
    const choice = await probed(addons, { libDir: request.libDir, version: '2.11.0' }, undefined, true);
    expect(choice).toMatchObject({ cuda: false, noCuda: expect.stringContaining('SIGSEGV'), verdict: { info: INFO } });
  });

  test('a verdict holds for the driver that there was', async () => {
    const subject = await subjectOf({ ...request, cuda: true });
    await store.write(subject, { version: '2.11.0', info: INFO as Verdict['info'] });
    expect(subject.driver).toEqual(expect.any(String));
    expect((await subjectOf(request)).driver).toBeNull();
    expect(await store.read(subject)).toBeDefined();
    expect(await store.read({ ...subject, driver: 'NVRM version: another' })).toBeUndefined();
  });

  test.each([true, false])('in this process under the marker, with CUDA: %s', async (cuda) => {
    writeFileSync(request.loader, `${LOADER} module.exports.mapped = () => [];`);
    setEngine(`module.exports = { devices: async () => {
      module.exports.markers = require('node:fs').readdirSync(${JSON.stringify(join(home, 'probes'))});
      throw new Error('busy');
    } };`);
    const { addon } = await open({
      ...request,
      cuda,
      noCuda: null,
      verdict: { version: '2.11.0', info: INFO },
    } as Choice);
    const { markers } = addon as unknown as { markers?: string[] };
    expect(markers?.filter((name) => name.includes('.loading')).length).toBe(cuda ? 1 : undefined);
    expect(readdirSync(join(home, 'probes')).filter((name) => name.includes('.loading'))).toEqual([]);
  });
});

test('a library that prints does not disturb the answer', async () => {
  setEngine(`console.log('Intel MKL WARNING'); ${GOOD}`);
  expect(await probe(request, store)).toMatchObject({ info: INFO });
});

describe('the marker of a load', () => {
  test('stands while the libraries are loaded, and goes, whether that succeeds or fails', async () => {
    const subject = await subjectOf(request);
    const markers = () => readdirSync(join(home, 'probes')).filter((name) => name.includes('.loading'));
    await store.marked(subject, async () => {
      expect(markers()).toHaveLength(1);
    });
    expect(markers()).toHaveLength(0);
    await expect(
      store.marked(subject, async () => {
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(markers()).toHaveLength(0);
  });

  test('left by a process that died asks for a new probe, once', async () => {
    await probe(request, store);
    await leaveMarker({ pid: deadProcess(), started: Date.now() });
    await probe(request, store);
    expect(loads()).toBe(2);
    await probe(request, store);
    expect(loads()).toBe(2);
  });

  test('left by an earlier process with our id (containers give it again) asks too', async () => {
    await probe(request, store);
    await leaveMarker({ pid: process.pid, started: Date.now() - 3600_000 });
    await probe(request, store);
    expect(loads()).toBe(2);
  });

  test('of a process that lives asks for nothing', async () => {
    await probe(request, store);
    await leaveMarker({ pid: process.ppid, started: Date.now() });
    await probe(request, store);
    expect(loads()).toBe(1);
  });

  test('of other files asks for nothing', async () => {
    await probe(request, store);
    const other = { ...request, cuda: true };
    await store.marked(await subjectOf(other), async () => {
      await probe(request, store);
    });
    expect(loads()).toBe(1);
  });
});

test('a folder that cannot be written costs a probe at each start and nothing else', async () => {
  writeTree(home, { file: '' });
  const useless = new VerdictStore(join(home, 'file', 'probes'));
  await probe(request, useless);
  await probe(request, useless);
  expect(loads()).toBe(2);
  expect(await useless.marked(await subjectOf(request), async () => 7)).toBe(7);
});

describe('of a LibTorch that does not tell its version', () => {
  useHomeAsCache();

  const other = () => join(home, 'other.cjs');
  const choose = () => {
    const engines = new Map([
      ['2.11.0', request.engine],
      ['2.15.0', other()],
    ]);
    return probed({ loader: request.loader, engines }, { libDir: request.libDir, version: undefined }, undefined);
  };
  const refuses = "throw Object.assign(new Error('built for another'), { code: 'ERR_LIBTORCH_VERSION' });";

  test('each engine is tried, and the one that takes it is used', async () => {
    setEngine(refuses);
    writeFileSync(other(), GOOD);
    expect(await choose()).toMatchObject({ engine: other(), verdict: { info: INFO } });
  });

  test('where none takes it, the refusal is told', async () => {
    setEngine(refuses);
    writeFileSync(other(), refuses);
    await expect(choose()).rejects.toMatchObject({ code: 'ERR_LIBTORCH_VERSION', message: 'built for another' });
  });

  test('where it cannot be loaded, no other engine is tried', async () => {
    setEngine("throw new Error('broken');");
    writeFileSync(other(), GOOD);
    await expect(choose()).rejects.toMatchObject({ code: 'ERR_LIBTORCH_LOAD' });
  });
});

describe('an Electron app whose executable cannot do as Node (fuse RunAsNode off)', () => {
  const SENTINEL = 'dL7pKGdnNz796PbbjQWNKmHXBZaB9tsX';
  const real = Object.getOwnPropertyDescriptor(process, 'execPath')!;

  /** This process as one of Electron's of a type, of an executable with such fuses after `before` bytes. */
  function asElectron(type: string, fuses: string, before = 100): string {
    const executable = join(home, 'app');
    // What it would do besides: another start of the app must never be tried.
    writeFileSync(executable, `#!/bin/sh\necho started >> ${join(home, 'started')}\n`, { mode: 0o755 });
    writeFileSync(
      executable,
      Buffer.concat([Buffer.alloc(before, 'x'), Buffer.from(fuses, 'latin1'), Buffer.alloc(50)]),
      { flag: 'a' },
    );
    Object.defineProperty(process, 'execPath', { ...real, value: executable });
    Object.defineProperty(process.versions, 'electron', { value: '30.0.0', configurable: true, enumerable: true });
    Object.defineProperty(process, 'type', { value: type, configurable: true });
    return executable;
  }
  afterEach(() => {
    Object.defineProperty(process, 'execPath', real);
    delete (process.versions as Record<string, string>)['electron'];
    delete (process as { type?: string }).type;
  });
  const OFF = `${SENTINEL}\u0001\u00080011rr01`;
  const ON = `${SENTINEL}\u0001\u00081011rr01`;
  const MAPPING = (paths: string[]) => `
    module.exports = { open: async () => ({ version: '2.11.0', paths: [] }), mapped: () => ${JSON.stringify(paths)} };`;

  test('the main process refuses and says what to do; the app is not started once more', async () => {
    asElectron('browser', OFF);
    await expect(probe(request, store)).rejects.toMatchObject({
      name: 'ToolError',
      code: 'ERR_TOOL_MISSING',
      message: expect.stringMatching(/fuse RunAsNode is off.*utilityProcess\.fork/),
    });
    expect([loads(), existsSync(join(home, 'started'))]).toEqual([0, false]);
  });

  test('a utility process tries for itself, and the verdict is kept', async () => {
    writeFileSync(request.loader, MAPPING([]));
    asElectron('utility', OFF);
    expect(await probe(request, store)).toMatchObject({ version: '2.11.0', info: INFO });
    expect(await probe(request, store)).toMatchObject({ info: INFO });
    expect([loads(), existsSync(join(home, 'started'))]).toEqual([1, false]);
    expect(readdirSync(join(home, 'probes')).filter((name) => name.includes('.loading'))).toEqual([]);
  });

  test('with CUDA it starts the driver under the marker', async () => {
    writeFileSync(request.loader, MAPPING([]));
    setEngine(`module.exports = { info: () => (${JSON.stringify(INFO)}), devices: async () => {
      require('node:fs').writeFileSync(${JSON.stringify(join(home, 'seen'))},
        require('node:fs').readdirSync(${JSON.stringify(join(home, 'probes'))}).join());
    } };`);
    asElectron('utility', OFF);
    await probe(request, store);
    expect(existsSync(join(home, 'seen'))).toBe(false);
    expect(await probe({ ...request, cuda: true }, store)).toMatchObject({ info: INFO });
    expect(readFileSync(join(home, 'seen'), 'utf8')).toContain('.loading');
  });

  test('but not beside another LibTorch, and what does not load is told as ever', async () => {
    const other = join(home, 'torch/libc10-of-another.so');
    writeFileSync(other, '');
    writeFileSync(request.loader, MAPPING([other]));
    asElectron('utility', OFF);
    await expect(probe(request, store)).rejects.toMatchObject({
      code: 'ERR_LIBTORCH_LOAD',
      message: expect.stringContaining('libc10-of-another.so already'),
    });
    expect(loads()).toBe(0);
    writeFileSync(join(home, 'loader2.cjs'), MAPPING([]));
    const next = { ...request, loader: join(home, 'loader2.cjs') };
    setEngine("throw Object.assign(new Error('built for 2.11.0, loaded 2.12.0'), { code: 'ERR_LIBTORCH_VERSION' });");
    await expect(probe(next, store)).rejects.toMatchObject({ code: 'ERR_LIBTORCH_VERSION' });
  });

  test.each([
    ['on', ON, 100, true],
    ['off', OFF, 100, false],
    ['removed', OFF.replace('0011', 'r011'), 100, true],
    ['off, across two parts of the file', OFF, (1 << 22) - 80, false],
    ['off, at the very end of a part', OFF, (1 << 22) - 34 - 60, false],
    ['none', '', 100, true],
  ])('the fuse is read: %s', async (_, fuses, before, expected) => {
    expect(await runsAsNode(asElectron('browser', fuses, before))).toBe(expected);
  });

  test('an executable that cannot be read is taken to do as Node', async () => {
    asElectron('browser', OFF);
    expect(await runsAsNode(join(home, 'none'))).toBe(true);
  });
});
