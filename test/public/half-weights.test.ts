import { spawn } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { merge, type TextVectorisation } from '../../lib';
import type { EngineAddon } from '../../lib/engine/addon';
import { loadEngine } from '../../lib/engine/load';
import { openModel } from '../../lib/model/open';
import { freed } from '../parity/cases';
import { changeRaw } from '../unit/model/support/raw-safetensors';
import { bits, editJson, Models, PROBE_TEXTS } from './models';
import { scoredRows } from './rows';
import { finish } from './runs';

/** A model whose folder has its weights in bf16 keeps them so, whatever is done with it; the numbers are those of F32. */

const LAYERS = 8;
/** Of the model below: a vocabulary of hardly anything, layers of 3.9 million numbers. */
const MATRICES = LAYERS * (3 * 512 * 2048 + 2 * 512 * 512 + 2 * 512 * 256);
const IN_BF16 = 2 * MATRICES;
const IN_FP32 = 4 * MATRICES;
/** Buffers of a pass, one matrix in fp32, what is written at once. */
const LITTLE = 20e6;

let addon: EngineAddon;
const models = new Models();
const running = new Models();
/** Of BF16 and of F32 tensors of the same values. */
let narrow: string, wide: string;

beforeAll(async () => {
  addon = await loadEngine();
  narrow = models.copy('qwen3-lasttoken', 'model');
  editJson<Record<string, unknown>>(join(narrow, 'config.json'), (config) => {
    Object.assign(config, {
      hidden_size: 512,
      intermediate_size: 2048,
      num_hidden_layers: LAYERS,
      num_attention_heads: 8,
      num_key_value_heads: 4,
      head_dim: 64,
      layer_types: Array.from({ length: LAYERS }, () => 'full_attention'),
      dtype: 'bfloat16',
    });
  });
  editJson<Record<string, unknown>>(join(narrow, '1_Pooling', 'config.json'), (config) => {
    config['word_embedding_dimension'] = 512;
  });
  wide = models.path('wide.safetensors');
  const weights = join(narrow, 'model.safetensors');
  const opened = await openModel(narrow);
  const random = await addon.createModel(opened.spec, [], 11);
  await addon.saveModel(random, [{ path: wide, module: 'encoder' }]);
  addon.disposeModel(random);
  copyFileSync(wide, weights);
  const halves = ({ buffer, byteOffset, length }: Buffer) => new Uint16Array(buffer, byteOffset, length / 2);
  changeRaw(weights, (tensors) => {
    for (const [name, { shape, bytes }] of tensors) {
      const kept = halves(bytes).filter((_, i) => i % 2 === 1);
      tensors.set(name, { dtype: 'BF16', shape, bytes: Buffer.from(kept.buffer) });
    }
  });
  changeRaw(wide, (tensors) => {
    for (const { bytes } of tensors.values()) {
      const words = halves(bytes);
      for (let i = 0; i < words.length; i += 2) words[i] = 0;
    }
  });
  await freed(addon);
});
afterEach(() => running.clear());
afterAll(() => models.clear());

/** The folder's model, with tensors of F32 in place of BF16 where `as` says so. */
function folderOf(as: 'narrow' | 'wide'): string {
  if (as === 'narrow') return narrow;
  const folder = models.copy('qwen3-lasttoken', 'wide');
  for (const file of ['config.json', join('1_Pooling', 'config.json')])
    copyFileSync(join(narrow, file), join(folder, file));
  copyFileSync(wide, join(folder, 'model.safetensors'));
  return folder;
}

/** Bytes beside what there was before: most at once and those that are kept, of the engine, and most of the process. */
interface Taken {
  most: number;
  kept: number;
  process: number | null;
}

/** Most bytes that the engine has at once, and those that it keeps, beside what it has before. */
async function taken(work: () => Promise<unknown>): Promise<{ most: number; kept: number }> {
  await freed(addon);
  const before = addon.memory().inUse;
  addon.resetPeak();
  await work();
  await freed(addon);
  const { peak, inUse } = addon.memory();
  return { most: peak - before, kept: inUse - before };
}

async function opened(
  as: 'narrow' | 'wide',
  precision: 'bf16' | 'fp32' | 'int8',
): Promise<{ model: TextVectorisation; vectors: string; most: number; kept: number }> {
  const model = running.open(folderOf(as), { precision });
  let vectors = '';
  const found = await taken(async () => {
    vectors = bits(await model.embed(PROBE_TEXTS));
  });
  return { model, vectors, ...found };
}

/** The files of a folder that hold weights, as bytes. */
function weightsIn(folder: string): Map<string, Buffer> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.(safetensors|onnx|gguf)$/.test(name),
  );
  return new Map(names.sort().map((name) => [name, readFileSync(join(folder, name))]));
}

function expectSame(found: Map<string, Buffer>, expected: Map<string, Buffer>): void {
  expect([...found.keys()]).toEqual([...expected.keys()]);
  for (const [name, bytes] of found)
    expect({ name, same: bytes.equals(expected.get(name)!) }).toEqual({ name, same: true });
}

test('it is embedded in bf16 in what it takes on disk', async () => {
  const { most, kept } = await opened('narrow', 'bf16');
  expect(kept).toBeGreaterThan(IN_BF16);
  expect(most).toBeLessThan(IN_BF16 + LITTLE);
});

test('in int8 it takes the integers beside, in fp32 its matrices, and gives the vectors of F32', async () => {
  const exact = await opened('narrow', 'fp32');
  expect(exact.most).toBeLessThan(1.05 * (IN_BF16 + IN_FP32) + LITTLE);
  expect(exact.vectors === (await opened('wide', 'fp32')).vectors).toBe(true);
  if (!addon.info().int8) return;
  const integers = await opened('narrow', 'int8');
  expect(integers.most).toBeLessThan(1.05 * (IN_BF16 + MATRICES) + LITTLE);
  expect(integers.vectors === (await opened('wide', 'int8')).vectors).toBe(true);
}, 120_000);

test('save writes the file of F32, a piece at a time, and the model stays as it is', async () => {
  const { model, vectors } = await opened('narrow', 'bf16');
  const { most, kept } = await taken(() => model.save(running.path('narrow')));
  expect(most).toBeLessThan(LITTLE / 2);
  expect(kept).toBe(0);
  expect(bits(await model.embed(PROBE_TEXTS)) === vectors).toBe(true);
  const file = readFileSync(join(running.path('narrow'), 'model.safetensors'));
  expect(file.equals(readFileSync(wide))).toBe(true);
}, 120_000);

test.each(['linear', 'spherical'] as const)(
  'merged (%s), the models stay as they are',
  async (method) => {
    const [one, other] = [await opened('narrow', 'bf16'), await opened('narrow', 'bf16')];
    let merged: TextVectorisation | undefined;
    const { most } = await taken(async () => {
      merged = await merge([one.model, other.model], [0.5, 0.5], { method });
    });
    try {
      expect(most).toBeLessThan(1.02 * IN_FP32 + 2 * LITTLE);
      for (const { model, vectors } of [one, other])
        expect(bits(await model.embed(PROBE_TEXTS)) === vectors).toBe(true);
      const folder = await merged!.save(running.path('merged'));
      expect(readFileSync(join(folder, 'model.safetensors')).equals(readFileSync(wide))).toBe(true);
    } finally {
      await merged?.dispose();
    }
  },
  120_000,
);

test('a run in which all layers but the last are frozen leaves them in bf16, and learns what it learns of F32', async () => {
  const freeze = ['embed_tokens', 'norm', ...Array.from({ length: LAYERS - 1 }, (_, i) => `layers.${i}`)];
  const run = async (as: 'narrow' | 'wide') => {
    const model = running.open(folderOf(as), { precision: 'bf16' });
    await model.embed(PROBE_TEXTS);
    const checkpoints = running.path(`checkpoints-${as}`);
    const found = await taken(() =>
      finish(model, scoredRows(12), {
        epochs: 1,
        batchSize: 4,
        effectiveBatchSize: 4,
        validationSplit: 0,
        earlyStopping: false,
        learningRate: 1e-4,
        freeze,
        checkpoint: { folder: checkpoints, everySteps: 1 },
      }),
    );
    const folder = await model.save(running.path(`saved-${as}`));
    return { ...found, checkpoints, saved: readFileSync(join(folder, 'model.safetensors')) };
  };
  const of = { narrow: await run('narrow'), wide: await run('wide') };
  expect(of.narrow.saved.equals(of.wide.saved)).toBe(true);
  expect(of.narrow.saved.equals(readFileSync(wide))).toBe(false);
  // Weights, gradients, two moments and a copy for the checkpoint of the last layer, and its weights in the model.
  const last = IN_FP32 / LAYERS;
  expect(of.narrow.most).toBeLessThan(9 * last + 2 * LITTLE);
  expect(of.narrow.kept).toBeLessThan(last);
  expect(of.wide.most).toBeGreaterThan(IN_FP32);
  const [checkpoint] = readdirSync(of.narrow.checkpoints).filter((name) => name.startsWith('step-'));
  const state = readFileSync(join(of.narrow.checkpoints, checkpoint!, 'state.safetensors'));
  expect(state.length).toBeLessThan(4 * last);
}, 240_000);

/** What test/public/programs/half-weights.cjs says of the model in `narrow`. */
async function inProcess(out: string): Promise<{ same: boolean; taken: Record<'save' | 'onnx' | 'gguf', Taken> }> {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const program = join(__dirname, 'programs', 'half-weights.cjs');
  const child = spawn(process.execPath, ['--expose-gc', program, narrow, out], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 200_000,
    killSignal: 'SIGKILL',
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
  return JSON.parse(text) as Awaited<ReturnType<typeof inProcess>>;
}

test('what is exported is that of F32, and takes neither engine nor process a copy', async () => {
  const found = await inProcess(running.path('of-bf16'));
  expect(found.same).toBe(true);
  for (const { most, kept } of Object.values(found.taken)) {
    expect(most).toBeLessThan(LITTLE / 2);
    expect(kept).toBe(0);
  }
  // The weights in fp32 are 126 MB, and 63 more than in bf16. Of others than Linux the process does not know.
  if (process.platform === 'linux') {
    expect(found.taken.save.process).toBeLessThan(25e6);
    expect(found.taken.onnx.process).toBeLessThan(IN_BF16);
    expect(found.taken.gguf.process).toBeLessThan(IN_BF16);
  }
  // A GGUF has the model's id in it, which is its folder: the same one has the other weights then.
  const weights = join(narrow, 'model.safetensors');
  copyFileSync(weights, running.path('aside'));
  copyFileSync(wide, weights);
  try {
    await inProcess(running.path('of-fp32'));
  } finally {
    copyFileSync(running.path('aside'), weights);
  }
  const expected = weightsIn(running.path('of-fp32'));
  expect(expected.size).toBe(7);
  expectSame(weightsIn(running.path('of-bf16')), expected);
}, 480_000);
