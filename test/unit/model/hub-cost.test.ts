import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ModelError, type ModelErrorCode } from '../../../lib/system/errors';
import { openModel, type OpenOptions } from '../../../lib/model/open';
import { removeFolders, temporaryFolder } from '../native/support/folders';
import { folderVectors, vectorsOf } from './support/engine';
import { useCleanEnvironment } from './support/environment';
import { fixtureFolder } from './support/fixture';
import { filesBelow, type Files } from './support/hub-server';
import { cacheFolder, hub, useOwnHub } from './support/own-hub';
import { rejection } from './support/rejection';

/** Of a model that cannot be used no weights are fetched; of one that can, all that its index names. */

useCleanEnvironment();
afterAll(removeFolders);

const ID = 'owner/tiny';
useOwnHub();

const open = (options: OpenOptions = {}) => openModel(ID, { cacheFolder, hubUrl: hub.url, ...options });
const tiny = (): Files => filesBelow(fixtureFolder('bert-dense'));
const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const changed = (file: string, fields: object): Files => {
  const files = tiny();
  return { ...files, [file]: json({ ...(JSON.parse(files[file]!.toString()) as object), ...fields }) };
};
const without = (...names: string[]): Files =>
  Object.fromEntries(Object.entries(tiny()).filter(([name]) => !names.includes(name)));

describe('before any weights are fetched it is refused', () => {
  test.each<[string, ModelErrorCode, () => Files, RegExp]>([
    [
      'an architecture',
      'ERR_UNKNOWN_ARCHITECTURE',
      () => changed('config.json', { model_type: 't5' }),
      /^owner\/tiny\/config\.json describes .*"t5"/,
    ],
    [
      'a cross-encoder',
      'ERR_UNKNOWN_ARCHITECTURE',
      () => {
        const files = { ...changed('config.json', { architectures: ['BertForSequenceClassification'] }) };
        delete files['modules.json'];
        return files;
      },
      /SentenceTransformer\('owner\/tiny', device='cpu'\)\.save\('owner\/tiny-encoder'\)/,
    ],
    [
      'a module',
      'ERR_UNKNOWN_MODULE',
      () => ({ ...tiny(), 'modules.json': json([{ type: 'custom.Module', path: '' }]) }),
      /^owner\/tiny\/modules\.json names the module "custom\.Module"/,
    ],
    [
      'a head',
      'ERR_MODEL_FOLDER',
      () => changed('2_Dense/config.json', { in_features: 7 }),
      /^owner\/tiny\/2_Dense\/config\.json: "in_feat/,
    ],
    [
      'a tokenizer without its vocabulary',
      'ERR_TOKENIZER',
      () => without('tokenizer.json', 'vocab.txt'),
      /^owner\/tiny holds no tokenizer: expected tokenizer\.json, or vocab\.txt\.$/,
    ],
    [
      'a tokenizer class without a tokenizer.json: a folder is to be written, and not that of the cache',
      'ERR_TOKENIZER',
      () => {
        const files = changed('tokenizer_config.json', { tokenizer_class: 'T5Tokenizer' });
        delete files['tokenizer.json'];
        return files;
      },
      /owner\/tiny has none\. Write the model .*\n {2}python -c .*SentenceTransformer\('owner\/tiny', device='cpu'\)\.save\('tiny'\)/s,
    ],
    [
      'JSON that is none',
      'ERR_MODEL_FOLDER',
      () => ({ ...tiny(), 'config.json': Buffer.from('{') }),
      /^owner\/tiny\/config\.json is not .*cut off\.$/,
    ],
  ])('%s', async (_, code, files, message) => {
    hub.add(ID, files());
    const error = await rejection(open(), ModelError, code);
    expect(error.message).toMatch(message);
    expect(hub.fetched).toContain('config.json');
    expect(hub.fetched.filter((path) => /safetensors|\.bin$/.test(path))).toEqual([]);
    expect(existsSync(join(cacheFolder, 'models')) ? readdirSync(join(cacheFolder, 'models')) : []).toEqual([]);
  });
});

test('the files of an index are fetched under whatever names it has, and no others', async () => {
  const { 'model.safetensors': weights, ...files } = tiny();
  const index = { weight_map: { a: 'part-one.safetensors' } };
  hub.add(ID, {
    ...files,
    'model.safetensors.index.json': json(index),
    'part-one.safetensors': weights!,
    'model-00001-of-00002.safetensors': Buffer.from('an old one'),
    'pytorch_model.bin': Buffer.from('a pickle'),
  });
  const opened = await open();
  expect(await vectorsOf(opened)).toEqual(await folderVectors(fixtureFolder('bert-dense')));
  expect(hub.fetched.filter((path) => /^[^/]+\.(safetensors|bin)$/.test(path))).toEqual(['part-one.safetensors']);
});

test('an index that names what the repository does not have, or a path', async () => {
  for (const name of ['part-two.safetensors', '../model.safetensors']) {
    const { 'model.safetensors': _, ...files } = tiny();
    hub.add(ID, { ...files, 'model.safetensors.index.json': json({ weight_map: { a: name } }) }, name);
    const error = await rejection(open(), ModelError, 'ERR_MODEL_FOLDER');
    expect(error.message).toContain(
      `of owner/tiny names the file ${JSON.stringify(name)}, which the repository does not`,
    );
  }
});

describe("Hugging Face's cache", () => {
  const snapshot = (files: Files): string => {
    const home = temporaryFolder();
    process.env['HF_HUB_CACHE'] = home;
    const place = join(home, 'models--owner--tiny');
    mkdirSync(join(place, 'refs'), { recursive: true });
    writeFileSync(join(place, 'refs', 'main'), 'c0ffee');
    for (const [name, content] of Object.entries(files)) {
      const path = join(place, 'snapshots', 'c0ffee', name);
      mkdirSync(join(path, '..'), { recursive: true });
      writeFileSync(path, content);
    }
    return join(place, 'snapshots', 'c0ffee');
  };

  test('has a model of static embeddings whole without a config.json in its module', async () => {
    const folder = snapshot(filesBelow(fixtureFolder('static-dense' as never)));
    expect(await open({ offline: true })).toMatchObject({ folder, revision: 'c0ffee' });
    rmSync(join(folder, '0_StaticEmbedding', 'model.safetensors'));
    const error = await rejection(open({ offline: true }), ModelError, 'ERR_MODEL_NOT_FOUND');
    expect(error.message).toContain(`${join('0_StaticEmbedding', 'model.safetensors')} was not fetched`);
  });

  test('with an index and not all of its files: the model is fetched', async () => {
    const files = tiny();
    const weights = files['model.safetensors']!;
    delete files['model.safetensors'];
    const index = json({
      weight_map: { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' },
    });
    const folder = snapshot({
      ...files,
      'model.safetensors.index.json': index,
      'model-00001-of-00002.safetensors': weights,
    });
    const missing = await rejection(open({ offline: true }), ModelError, 'ERR_MODEL_NOT_FOUND');
    expect(missing.message).toContain('model-00002-of-00002.safetensors was not fetched');
    hub.add(ID, tiny());
    expect((await open()).folder).not.toBe(folder);
    expect(hub.fetched).toContain('model.safetensors');
    expect(readFileSync(join((await open()).folder, 'model.safetensors')).equals(weights)).toBe(true);
  });
});
