import { extractAll, listPackage, statFile } from '@electron/asar';
import { execFile, fork } from 'node:child_process';
import { on, once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findAddons } from '../../lib/engine/addons';
import { inspectFolder } from '../../lib/libtorch/folder';
import { findWeights } from '../../lib/model/folder/weights';

/**
 * The example app in an archive, in plain Node: what the operating system maps is found outside of the archive. A real
 * Electron runs the same archive in .github/workflows/electron.yml.
 */

let folder: string;
let archive: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vectune-electron-'));
  await promisify(execFile)(process.execPath, [join(__dirname, 'stage.mjs'), folder]);
  archive = join(folder, 'app.asar');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MAPPED = /\.(?:node|safetensors)$/;

test('the archive has the app and its packages; only what is mapped lies beside it', () => {
  const files = listPackage(archive, { isPack: false }).map((path) => path.replace(/^[\\/]/, ''));
  for (const file of [
    'main.cjs',
    'worker.cjs',
    'node_modules/vectune/dist/index.js',
    'node_modules/tokenizers/index.js',
  ]) {
    expect(files).toContain(file);
  }
  let unpacked = 0;
  for (const file of files) {
    const entry = statFile(archive, file) as { unpacked?: boolean; files?: object };
    if (entry.files !== undefined) continue;
    expect([file, entry.unpacked === true]).toEqual([file, MAPPED.test(file)]);
    if (entry.unpacked) ++unpacked;
    expect(existsSync(join(`${archive}.unpacked`, file))).toBe(MAPPED.test(file));
  }
  expect(unpacked).toBeGreaterThanOrEqual(4); // loader, engine, tokenizers, the model's weights
});

test('addons, LibTorch and weights that are named inside the archive are found outside of it', async () => {
  const { loader, engines } = await findAddons(join(archive, 'node_modules', 'vectune'));
  for (const file of [loader, ...engines.values()]) {
    expect(file.startsWith(join(`${archive}.unpacked`, 'node_modules', 'vectune'))).toBe(true);
    expect(statSync(file).isFile()).toBe(true);
  }
  const model = join(archive, 'model');
  expect(await findWeights(model, model)).toEqual([
    { path: join(`${archive}.unpacked`, 'model', 'model.safetensors') },
  ]);
  const libtorch = join(`${archive}.unpacked`, 'libtorch', 'lib');
  mkdirSync(libtorch, { recursive: true });
  for (const name of ['libtorch_cpu.so', 'libc10.so']) writeFileSync(join(libtorch, name), name);
  expect((await inspectFolder(join(archive, 'libtorch')))?.libDir).toBe(libtorch);
});

/** As Electron shows it to JavaScript: a folder app.asar; what is mapped is not to be had in it. */
test('the utility process trains, is cancelled and embeds, its addons mapped from beside the archive', async () => {
  const shown = join(folder, 'shown', 'app.asar');
  mkdirSync(dirname(shown));
  extractAll(archive, shown);
  renameSync(`${archive}.unpacked`, `${shown}.unpacked`);
  for (const path of readdirSync(shown, { recursive: true, encoding: 'utf8' })) {
    // The tokenizers package asks for its addon beside itself, where Electron gives it the one outside.
    if (MAPPED.test(path) && !path.includes('tokenizers')) rmSync(join(shown, path));
  }
  const worker = fork(join(shown, 'worker.cjs'), [], {
    execArgv: ['--require', join(__dirname, 'plain-parent.cjs')],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  try {
    // Messages that come together are queued: `once` would lose the second.
    const messages = on(worker, 'message');
    const told = async (...kinds: string[]): Promise<Record<string, unknown>> => {
      for (;;) {
        const [message] = (await messages.next()).value as [{ kind: string }];
        if (kinds.includes(message.kind)) return message;
      }
    };
    worker.send({ kind: 'train', epochs: 2 });
    expect(await told('trained', 'failed')).toEqual({ kind: 'trained', epochs: 2 });
    worker.send({ kind: 'embed', texts: ['the old mill', 'rain'] });
    expect(await told('embedded', 'failed')).toMatchObject({ kind: 'embedded', finite: true });
    const maps = readFileSync(`/proc/${worker.pid}/maps`, 'utf8');
    const mapped = new Set(maps.match(/\/\S*(?:vectune\.node|model\.safetensors)/g));
    expect(mapped.size).toBeGreaterThanOrEqual(2);
    for (const path of mapped) expect(path.startsWith(`${shown}.unpacked`)).toBe(true);
    worker.send({ kind: 'train', epochs: 1e6 });
    expect(await told('progress', 'failed')).toMatchObject({ kind: 'progress' });
    worker.send({ kind: 'cancel' });
    expect(await told('trained', 'failed')).toMatchObject({ kind: 'failed', code: 'ERR_ABORTED' });
    worker.send({ kind: 'embed', texts: ['again'] });
    expect(await told('embedded', 'failed')).toMatchObject({ kind: 'embedded', finite: true });
  } finally {
    worker.kill();
    await once(worker, 'exit');
  }
});
