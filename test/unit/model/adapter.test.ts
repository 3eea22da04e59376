import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openModel } from '../../../lib/model/open';
import { saveModel } from '../../../lib/model/save/save';
import { fromNative, ModelError } from '../../../lib/system/errors';
import type { CaseName } from '../../parity/cases';
import { largestDifference } from '../../parity/measure';
import { readTensors, type Tensor } from '../../parity/safetensors';
import { removeFolders, temporaryFolder } from '../native/support/folders';
import { folderVectors, inEngine, vectorsOf } from './support/engine';
import { useCleanEnvironment } from './support/environment';
import { copyFixture, fixtureFolder, setFields, TEXTS, writeJson, type Json } from './support/fixture';
import { filesBelow, HubServer } from './support/hub-server';
import { narrowTensors } from './support/narrow';
import { changeRaw, renameTensors, writeRaw } from './support/raw-safetensors';
import { rejection } from './support/rejection';

/** Folders of peft's: opened as the model that they adapt, with what they add (generate.py, --only-adapters). */

useCleanEnvironment();
afterAll(removeFolders);

const FIXTURES = join(__dirname, '../../parity/fixtures/adapters');
const WEIGHTS = 'adapter_model.safetensors';

/** A copy of what peft wrote, of a base at that place. */
function adapterFolder(name: string, base: string): string {
  const folder = join(temporaryFolder(), name);
  cpSync(join(FIXTURES, name), folder, { recursive: true });
  setFields({ base_model_name_or_path: base }, folder, 'adapter_config.json');
  return folder;
}

const bertLora = () => adapterFolder('bert-lora', fixtureFolder('bert-mean'));

/** An adapter of one matrix, of numbers that are few enough to see. */
function ownAdapter(base: string, module: string, [out, into]: [number, number], config: Json = {}): string {
  const folder = join(temporaryFolder(), 'own');
  mkdirSync(folder);
  const fields = { peft_type: 'LORA', base_model_name_or_path: base, r: 2, lora_alpha: 3, bias: 'none', ...config };
  writeJson(fields, folder, 'adapter_config.json');
  const numbers = (count: number, seed: number) =>
    Buffer.from(Float32Array.from({ length: count }, (_, i) => Math.sin(seed + i)).buffer);
  const name = `base_model.model.${module}`;
  writeRaw(
    join(folder, WEIGHTS),
    new Map([
      [`${name}.lora_A.weight`, { dtype: 'F32', shape: [2, into], bytes: numbers(2 * into, 1) }],
      [`${name}.lora_B.weight`, { dtype: 'F32', shape: [out, 2], bytes: numbers(out * 2, 2) }],
    ]),
  );
  return folder;
}

/** The encoder's tensors as they are saved. */
async function savedTensors(folder: string): Promise<Map<string, Tensor>> {
  const opened = await openModel(folder);
  const target = join(temporaryFolder(), 'saved');
  await inEngine(opened, (addon, handle) => saveModel(opened, addon, handle, target));
  return readTensors(join(target, 'model.safetensors'));
}

/** W + scale · B · A of what `ownAdapter` writes, in double. */
function expected(w: Tensor, scale: number): Float32Array {
  const [, into] = w.shape as [number, number];
  const at = (seed: number, i: number) => Math.fround(Math.sin(seed + i));
  return w.data.map((value, place) => {
    const [row, column] = [Math.floor(place / into), place % into];
    return value + scale * [0, 1].reduce((sum, r) => sum + at(2, 2 * row + r) * at(1, r * into + column), 0);
  });
}

test.each([
  ['bert-lora', 'bert-mean'],
  ['qwen3-lora', 'qwen3-lasttoken'],
] as [string, CaseName][])('%s: the vectors of peft', async (name, base) => {
  const folder = adapterFolder(name, fixtureFolder(base));
  const opened = await openModel(folder);
  expect(opened).toMatchObject({ id: name, folder, architecture: base.split('-')[0] });
  expect(opened.layout.notes.join('\n')).toContain(`an adapter of ${fixtureFolder(base)}`);
  const vectors = await vectorsOf(opened);
  const shape = [TEXTS.length, opened.dimension];
  const found = { shape, data: Float32Array.from(vectors.flat()) };
  expect(largestDifference(found, readTensors(join(FIXTURES, `${name}.safetensors`)).get('embedding')!)).toBeLessThan(
    1e-5,
  );
  expect(vectors).not.toEqual(await folderVectors(fixtureFolder(base)));

  // Saved, it is a folder like any other.
  const target = join(temporaryFolder(), 'merged');
  await inEngine(opened, (addon, handle) => saveModel(opened, addon, handle, target));
  rmSync(folder, { recursive: true });
  expect(await folderVectors(target)).toEqual(vectors);
  expect((await openModel(target)).layout.notes).toEqual([]);
});

test("a folder of sentence-transformers' with an adapter in the encoder's place: its own modules and tokenizer", async () => {
  const folder = bertLora();
  cpSync(fixtureFolder('bert-dense'), folder, {
    recursive: true,
    filter: (source) => !/model\/(?:config\.json|model\.safetensors)$/.test(source),
  });
  const opened = await openModel(folder);
  expect(opened.spec.head.map(({ kind }) => kind)).toEqual(['pooling', 'dense']);
  const merged = await savedTensors(bertLora());
  expect(merged.size).toBeGreaterThan(30);
  const target = join(temporaryFolder(), 'saved');
  await inEngine(opened, (addon, handle) => saveModel(opened, addon, handle, target));
  expect(readTensors(join(target, 'model.safetensors'))).toEqual(merged);
});

test('alpha over the rank, or over its root; a tensor that several parameters are', async () => {
  const base = fixtureFolder('bert-mean');
  const module = 'encoder.layer.1.attention.self.key';
  const was = readTensors(join(base, 'model.safetensors')).get(`${module}.weight`)!;
  for (const [config, scale] of [
    [{}, 1.5],
    [{ use_rslora: true }, 3 / Math.sqrt(2)],
    [{ alpha_pattern: { 'layer.1.attention.self.key': 5 } }, 2.5],
    [{ alpha_pattern: { 'layer.0.attention.self.key': 5 }, fan_in_fan_out: true }, 1.5],
  ] as [Json, number][]) {
    const all = await savedTensors(ownAdapter(base, module, [32, 32], config));
    const [found, wanted] = [all.get(`${module}.weight`)!.data, expected(was, scale)];
    expect(Math.max(...found.map((value, i) => Math.abs(value - wanted[i]!)))).toBeLessThan(1e-6);
    for (const [name, { data }] of readTensors(join(base, 'model.safetensors')))
      if (name !== `${module}.weight` && all.has(name)) expect(all.get(name)!.data).toEqual(data);
  }
  const former = join(__dirname, '../../parity/fixtures/former/nomic_bert-mean');
  const joined = 'encoder.layers.0.attn.Wqkv';
  const all = await savedTensors(ownAdapter(former, joined, [48, 16]));
  const before = readTensors(join(former, 'model.safetensors')).get(`${joined}.weight`)!;
  const [found, wanted] = [all.get(`${joined}.weight`)!.data, expected(before, 1.5)];
  expect(Math.max(...found.map((value, i) => Math.abs(value - wanted[i]!)))).toBeLessThan(1e-6);
});

test('a base in bf16 stays so, with sums rounded once', async () => {
  const base = copyFixture('qwen3-lasttoken');
  changeRaw(join(base, 'model.safetensors'), (tensors) => void narrowTensors(tensors, 'BF16'));
  const module = 'layers.0.mlp.up_proj';
  const folder = ownAdapter(base, module, [24, 16]);
  const before = await savedTensors(base);
  const wanted = expected(before.get(`${module}.weight`)!, 1.5);
  const found = (await savedTensors(folder)).get(`${module}.weight`)!.data;
  found.forEach((value, i) => {
    expect(new Uint32Array(Float32Array.of(value).buffer)[0]! & 0xffff).toBe(0);
    expect(Math.abs(value - wanted[i]!)).toBeLessThanOrEqual(Math.abs(wanted[i]!) / 256 + 1e-6);
  });
});

test('from the hub: the adapter and then its base, by the same cache; without a network afterwards', async () => {
  const hub = await HubServer.start();
  try {
    const cacheFolder = temporaryFolder();
    const adapter = filesBelow(adapterFolder('bert-lora', 'owner/base'));
    hub.add('owner/base', filesBelow(fixtureFolder('bert-mean')));
    hub.add('owner/adapter', adapter);
    const opened = await openModel('owner/adapter', { cacheFolder, hubUrl: hub.url });
    const vectors = await vectorsOf(opened);
    expect(vectors).toEqual(await folderVectors(bertLora()));
    const asked = hub.requests.length;
    const again = await openModel('owner/adapter', { cacheFolder, hubUrl: hub.url, offline: true });
    expect(hub.requests.length).toBe(asked);
    expect(await vectorsOf(again)).toEqual(vectors);
  } finally {
    await hub.stop();
  }
});

test('a folder with weights of its own is opened as it is, whatever lies beside them', async () => {
  const folder = copyFixture('bert-mean');
  writeJson({ peft_type: 'IA3' }, folder, 'adapter_config.json');
  expect(await folderVectors(folder)).toEqual(await folderVectors(fixtureFolder('bert-mean')));
});

const set = (fields: Json) => (folder: string) => setFields(fields, folder, 'adapter_config.json');

test.each<[string, (folder: string) => void, string, RegExp]>([
  [
    'another kind',
    set({ peft_type: 'IA3' }),
    'ERR_UNKNOWN_ARCHITECTURE',
    /"peft_type" is 'IA3'.*another kind than LoRA/s,
  ],
  ['DoRA', set({ use_dora: true }), 'ERR_UNKNOWN_ARCHITECTURE', /"use_dora" is true.*merge_and_unload/s],
  ['biases', set({ bias: 'all' }), 'ERR_UNKNOWN_ARCHITECTURE', /"bias" is 'all'/],
  [
    'PiSSA',
    set({ init_lora_weights: 'pissa_niter_4' }),
    'ERR_UNKNOWN_ARCHITECTURE',
    /"init_lora_weights" is 'pissa_niter_4'/,
  ],
  [
    'a classifier',
    set({ task_type: 'SEQ_CLS' }),
    'ERR_UNKNOWN_ARCHITECTURE',
    /"task_type" is 'SEQ_CLS'.*Choose an adapter of an encoder/s,
  ],
  ['tokens', set({ trainable_token_indices: [3] }), 'ERR_UNKNOWN_ARCHITECTURE', /"trainable_token_indices" is \[/],
  [
    'no base',
    set({ base_model_name_or_path: null }),
    'ERR_MODEL_FOLDER',
    /does not name the model that it adapts.*base_model_name_or_path/s,
  ],
  [
    'a base that is not there',
    set({ base_model_name_or_path: '/nowhere/model' }),
    'ERR_MODEL_FOLDER',
    /holds an adapter of \/nowhere\/model, and that cannot be opened.*Write the base's id, or its folder/s,
  ],
  [
    'a base that is an adapter',
    (folder) => set({ base_model_name_or_path: bertLora() })(folder),
    'ERR_MODEL_FOLDER',
    /it is an adapter itself/,
  ],
  [
    'a base that is a table of words',
    set({ base_model_name_or_path: fixtureFolder('static-dense') }),
    'ERR_UNKNOWN_ARCHITECTURE',
    /a table of words/,
  ],
  [
    'no tensors',
    (folder) => rmSync(join(folder, WEIGHTS)),
    'ERR_MODEL_FOLDER',
    /adapter_model\.safetensors is missing/,
  ],
  [
    'tensors cut off',
    (folder) => writeFileSync(join(folder, WEIGHTS), readFileSync(join(folder, WEIGHTS)).subarray(0, 100)),
    'ERR_SAFETENSORS',
    /is not a safetensors file/,
  ],
  [
    'one matrix of two',
    (folder) =>
      changeRaw(join(folder, WEIGHTS), (tensors) => {
        for (const name of tensors.keys())
          if (name.includes('layer.0.attention.self.query.lora_B')) tensors.delete(name);
      }),
    'ERR_MODEL_FOLDER',
    /and not the other of the two matrices of "encoder\.layer\.0\.attention\.self\.query"/,
  ],
  [
    'a magnitude',
    (folder) =>
      renameTensors(join(folder, WEIGHTS), (name) => name.replace(/lora_A\.weight$/, 'lora_magnitude_vector')),
    'ERR_UNKNOWN_ARCHITECTURE',
    /lora_magnitude_vector" is none of LoRA's/,
  ],
  [
    'a module that the base does not have',
    (folder) =>
      renameTensors(join(folder, WEIGHTS), (name) =>
        name.replace('layer.1.attention.self.value', 'layer.7.attention.self.value'),
      ),
    'ERR_SAFETENSORS',
    /is for 'encoder\.layer\.7\.attention\.self\.value\.weight', which the model that it adapts does not have/,
  ],
  [
    'matrices of another base',
    (folder) =>
      changeRaw(join(folder, WEIGHTS), (tensors) => {
        for (const tensor of tensors.values()) if (tensor.shape[1] === 32) tensor.shape = [tensor.shape[0]! * 2, 16];
      }),
    'ERR_SAFETENSORS',
    /must have shape \[\d+, 32\] for '.*'; found \[\d+, 16\]/,
  ],
])('refused: %s', async (_, change, code, message) => {
  const folder = bertLora();
  change(folder);
  const error = await rejection(
    openModel(folder)
      .then((opened) => inEngine(opened, () => Promise.resolve()))
      .catch((error: unknown) => {
        throw fromNative(error);
      }),
    ModelError,
    code as ModelError['code'],
  );
  expect(error.message).toMatch(message);
});
