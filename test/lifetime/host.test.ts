import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findAddons } from '../../lib/engine/addons';
import { listLibTorch } from '../../lib/libtorch/find';
import { runProgram } from './run-program';

/** Names of Node-API's functions by version. */
const { symbols } = require('node-api-headers') as {
  symbols: Record<string, { js_native_api_symbols: string[]; node_api_symbols: string[] }>;
};

/** What the addons ask of the host that loads them, and what they bear in it. */

async function addonFiles(): Promise<string[]> {
  const { loader, engines } = await findAddons();
  return [loader, ...engines.values()];
}

/** Functions of Node-API that a file names. Strings of others' do not look like them. */
function nodeApiNames(file: string): Set<string> {
  const names = readFileSync(file, 'latin1').matchAll(/\0((?:napi|node_api)_[a-z0-9_]+)(?=\0)/g);
  return new Set([...names].map((match) => match[1]!));
}

/** What a module defines itself. */
const DEFINED = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];

test('the addons use Node-API 8 and nothing newer', async () => {
  const { js_native_api_symbols: js, node_api_symbols: node } = symbols['v8']!;
  for (const file of await addonFiles()) {
    const names = nodeApiNames(file);
    expect(names.has('napi_create_function')).toBe(true);
    expect([...names].filter((name) => ![...js, ...node, ...DEFINED].includes(name))).toEqual([]);
  }
});

test('the addons make no external array buffers, which hosts with a memory cage forbid', async () => {
  for (const file of await addonFiles()) {
    const external = [...nodeApiNames(file)].filter((name) => /external.*buffer/.test(name));
    expect(external).toEqual([]);
  }
  const settings = readFileSync(join(__dirname, '../../native/binding/napi_setup.h'), 'utf8');
  expect(settings).toMatch(/^#define NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED$/m);
});

test('the addons are context-aware: they register themselves by a symbol, not when they are mapped', async () => {
  for (const file of await addonFiles()) {
    const names = nodeApiNames(file);
    for (const name of DEFINED) expect(names.has(name)).toBe(true);
    expect(names.has('napi_module_register')).toBe(false);
  }
});

describe('another OpenMP in the process', () => {
  let folder: string;
  let runtime: string;
  let library: string;
  let alone: { losses: number[]; mapped: string[] };

  /** A library that uses OpenMP when it is mapped, against the runtime of this file name in `folder`. */
  function compile(name: string, against: string): string {
    const source = join(folder, `${name}.c`);
    writeFileSync(
      source,
      `int count; __attribute__((constructor)) static void use(void) {
        _Pragma("omp parallel") { _Pragma("omp atomic") ++count; }
      }`,
    );
    const target = join(folder, `${name}.so`);
    // Never unmapped, as Node does with what is no addon: the runtime's threads would run on without their code.
    const linker = `-Wl,-z,nodelete,--no-as-needed,-rpath,${folder}`;
    execFileSync('cc', ['-shared', '-fPIC', '-fopenmp', '-nostdlib', source, '-o', target, linker, against, '-lc']);
    return target;
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vectune-openmp-'));
    const { engines } = await findAddons();
    const usable = (await listLibTorch({ versions: [...engines.keys()] })).find(
      ({ rejected }) => rejected === undefined,
    );
    const { libDir } = usable!.found!;
    // The same runtime under another name is another runtime to the linker, as those that packages bring are.
    const original = readFileSync(
      realpathSync(join(libDir, readdirSync(libDir).find((name) => name.startsWith('libgomp'))!)),
    );
    runtime = join(folder, 'libfomp.so.1');
    writeFileSync(
      runtime,
      Buffer.from(original.toString('latin1').replaceAll('libgomp.so.1', 'libfomp.so.1'), 'latin1'),
      { mode: 0o755 },
    );
    library = compile('other', runtime);
    alone = await run();
    expect(alone.mapped).toEqual([expect.stringMatching(/^libgomp/)]);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function run(args: string[] = [], environment: NodeJS.ProcessEnv = {}): Promise<typeof alone> {
    const { stdout, ...ended } = await runProgram('openmp.cjs', args, [], environment);
    expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
    const { live, ...result } = JSON.parse(stdout) as typeof alone & { live: object };
    expect(live).toEqual({ models: 0, datasets: 0, trainers: 0, vectors: 0, searches: 0 });
    return result;
  }

  test('that another library brought before: training is what it is alone', async () => {
    const { losses, mapped } = await run([library]);
    expect(mapped).toEqual(['libfomp.so.1', expect.stringMatching(/^libgomp/)]);
    expect(losses).toEqual(alone.losses);
  });

  test('that stands before all other libraries: training is what it is alone', async () => {
    const { losses, mapped } = await run([], { LD_PRELOAD: runtime });
    expect(mapped).toContain('libfomp.so.1');
    expect(losses).toEqual(alone.losses);
  });

  test("that is the system's, under the same name as LibTorch's", async () => {
    const { losses, mapped } = await run([compile('system', '-lgomp')]);
    expect(mapped).toEqual([expect.stringMatching(/^libgomp/)]);
    expect(losses).toEqual(alone.losses);
  });
});
