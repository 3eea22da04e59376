import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { FileError, ModelError, OutOfMemoryError, StateError } from '../../../lib/system/errors';
import { openModel } from '../../../lib/model/open';
import { saveModel } from '../../../lib/model/save/save';
import type { OpenedModel } from '../../../lib/model/types';
import type { EngineAddon } from '../../../lib/engine/addon';
import type { SaveFile } from '../../../lib/engine/weight-files';
import { removeFolders, temporaryFolder, writeTree } from '../native/support/folders';
import { folderVectors, inEngine } from './support/engine';
import { copyFixture, fixtureFolder, treeOf } from './support/fixture';
import { rejection } from './support/rejection';
import { save } from './support/saving';

/** Where a model may be saved, and that a folder there is replaced whole or not at all. */

afterAll(removeFolders);

let opened: OpenedModel;
let vectors: number[][];
beforeAll(async () => {
  opened = await openModel(fixtureFolder('bert-mean'));
  vectors = await folderVectors(fixtureFolder('bert-mean'));
});

/** Saves at `target` and checks that the model is there and nothing is left beside it. */
async function saves(target: string): Promise<void> {
  expect(await save(opened, target)).toBe(target);
  expect(await folderVectors(target)).toEqual(vectors);
}

describe('saves', () => {
  test('where there is nothing, nor parents', async () => {
    const root = temporaryFolder();
    await saves(join(root, 'a', 'b', 'model'));
    expect(readdirSync(join(root, 'a', 'b'))).toEqual(['model']);
  });

  test('a path relative to the working folder', async () => {
    const target = join(temporaryFolder(), 'model');
    expect(await save(opened, relative(process.cwd(), target))).toBe(target);
    expect(await folderVectors(target)).toEqual(vectors);
  });

  test('into an empty folder', async () => {
    const target = join(temporaryFolder(), 'model');
    mkdirSync(target);
    await saves(target);
    expect(readdirSync(dirname(target))).toEqual(['model']);
  });

  test('in the place of a model, with all that repositories of models hold', async () => {
    const target = copyFixture('roberta-dense');
    writeTree(target, {
      '.gitattributes': '*.bin filter=lfs',
      'README.md': '# old',
      LICENSE: 'x',
      'data_config.json': '[]',
      'onnx/model.onnx': 'x',
      'openvino/openvino_model.xml': 'x',
      'pytorch_model.bin': 'x',
      'rust_model.ot': 'x',
      'sentencepiece.bpe.model': 'x',
      'sentence_roberta_config.json': '{}',
      'train_script.py': 'pass',
      'vectune.json': '{}',
    });
    await saves(target);
    expect(readdirSync(dirname(target))).toEqual(['roberta-dense']);
    const fresh = join(temporaryFolder(), 'model');
    await save(opened, fresh);
    expect(treeOf(target)).toEqual(treeOf(fresh)); // nothing of the old model is left
  });

  test('over the folder that the model was opened from', async () => {
    const folder = copyFixture('bert-mean');
    const own = await openModel(folder);
    await inEngine(own, async (addon, handle) => {
      await saveModel(own, addon, handle, folder);
      await saveModel(own, addon, handle, folder);
    });
    expect(await folderVectors(folder)).toEqual(vectors);
    expect(readdirSync(dirname(folder))).toEqual(['bert-mean']);
  });

  test('several times at once to one place: all succeed, and one is there', async () => {
    const target = copyFixture('roberta-mean');
    await inEngine(opened, async (addon, handle) => {
      for (let round = 0; round < 5; ++round) {
        await Promise.all(Array.from({ length: 4 }, () => saveModel(opened, addon, handle, target)));
      }
    });
    expect(await folderVectors(target)).toEqual(vectors);
    expect(readdirSync(dirname(target))).toEqual(['roberta-mean']);
  });

  test('through a link, which stays one', async () => {
    const model = copyFixture('distilbert-mean');
    const root = temporaryFolder();
    symlinkSync(model, join(root, 'link'));
    await saves(join(root, 'link'));
    expect(treeOf(root)).toEqual({ link: `-> ${model}` });
    expect(await folderVectors(model)).toEqual(vectors);
    expect(readdirSync(dirname(model))).toEqual(['distilbert-mean']);
  });
});

describe('refuses', () => {
  type Making = (root: string) => void;
  const model: Making = (root) => void writeTree(root, { 'target/modules.json': '[]', 'target/config.json': '{}' });
  const holding =
    (files: Record<string, string>): Making =>
    (root) => {
      model(root);
      writeTree(join(root, 'target'), files);
    };
  test.each<[string, Making, RegExp]>([
    ['a file', (root) => writeFileSync(join(root, 'target'), 'mine'), /it is a file/],
    [
      'a link to a file',
      (root) => {
        writeFileSync(join(root, 'file'), 'mine');
        symlinkSync(join(root, 'file'), join(root, 'target'));
      },
      /it is a file/,
    ],
    ['a link that leads nowhere', (root) => symlinkSync(join(root, 'none'), join(root, 'target')), /leads nowhere/],
    [
      'a folder of other things',
      (root) => writeTree(root, { 'target/a.txt': '1', 'target/b.txt': '2' }),
      /is not a model folder \(it holds "a\.txt", "b\.txt"\)/,
    ],
    [
      'a folder with a configuration of something else',
      (root) => writeTree(root, { 'target/config.json': '{}' }),
      /is not a model folder \(it holds "config\.json"\)/,
    ],
    [
      'a model with other files',
      holding({ 'notes.txt': 'mine', 'data/a.csv': '1' }),
      /besides a model the folder holds "data", "notes\.txt", which would be lost/,
    ],
    ['a model under version control', holding({ '.git/HEAD': 'ref: x' }), /holds "\.git"/],
    [
      'many other files, of which it names five',
      holding(Object.fromEntries('abcdefg'.split('').map((c) => [`${c}.md`, c]))),
      /"a\.md", "b\.md", "c\.md", "d\.md", "e\.md" and 2 more/,
    ],
  ])('%s', async (_, make, message) => {
    const root = temporaryFolder();
    make(root);
    const before = treeOf(root);
    const target = join(root, 'target');
    const error = await rejection(save(opened, target), ModelError, 'ERR_SAVE_TARGET');
    expect(error.message).toMatch(message);
    expect(error.message).toContain(`Cannot save to ${target}: `);
    expect(error.file).toBe(target);
    expect(treeOf(root)).toEqual(before);
  });

  test('a path below a file', async () => {
    const root = temporaryFolder();
    writeFileSync(join(root, 'file'), 'mine');
    const target = join(root, 'file', 'model');
    const error = await rejection(save(opened, target), ModelError, 'ERR_SAVE_TARGET');
    expect(error).toMatchObject({ file: target, message: expect.stringContaining('a part of the path is a file') });
    expect(readFileSync(join(root, 'file'), 'utf8')).toBe('mine');
  });
});

describe('a save that fails leaves the old folder as it was, and nothing beside it', () => {
  type Saving = EngineAddon['saveModel'];
  /** Runs a save whose engine is `broken`, a wrapper of the real one; gives what was there after it, and before. */
  async function attempt<T>(
    broken: (addon: EngineAddon) => Saving,
    expectation: (saving: Promise<unknown>, target: string) => Promise<T>,
  ): Promise<T> {
    const target = copyFixture('distilbert-dense');
    const root = dirname(target);
    const before = treeOf(root);
    const result = await inEngine(opened, (addon, handle) =>
      expectation(saveModel(opened, { saveModel: broken(addon) }, handle, target), target),
    );
    expect(treeOf(root)).toEqual(before);

    const fresh = join(temporaryFolder(), 'deep', 'model');
    await inEngine(opened, (addon, handle) =>
      expectation(saveModel(opened, { saveModel: broken(addon) }, handle, fresh), fresh),
    );
    expect(readdirSync(dirname(fresh))).toEqual([]);
    return result;
  }

  const coded = (code: string) => Object.assign(new Error('the engine says no'), { code });

  test('out of memory, after a part of the weights is on disk', async () => {
    const broken =
      (addon: EngineAddon): Saving =>
      async (handle, files) => {
        await addon.saveModel(handle, files.slice(0, 1));
        throw coded('ERR_OUT_OF_MEMORY');
      };
    const error = await attempt(broken, (saving) => rejection(saving, OutOfMemoryError, 'ERR_OUT_OF_MEMORY'));
    expect(error.message).toBe('the engine says no');
  });

  test('an error that the engine did not code is given on', async () => {
    const error = coded('ELSE');
    await attempt(
      () => () => Promise.reject(error),
      (saving) => expect(saving).rejects.toBe(error),
    );
  });

  test('the engine cannot write', async () => {
    const elsewhere = (files: SaveFile[]) => files.map((file) => ({ ...file, path: join(file.path, 'none', 'file') }));
    const broken =
      (addon: EngineAddon): Saving =>
      (handle, files) =>
        addon.saveModel(handle, elsewhere(files));
    const error = await attempt(broken, (saving) => rejection(saving, FileError, 'ERR_FILE'));
    expect(error.message).toMatch(/Cannot write '.*model\.safetensors/);
  });

  test('the new folder is taken away while it is filled', async () => {
    const broken =
      (addon: EngineAddon): Saving =>
      async (handle, files) => {
        await addon.saveModel(handle, files);
        rmSync(dirname(files[0]!.path), { recursive: true });
      };
    await attempt(broken, async (saving, target) => {
      const error = await rejection(saving, FileError, 'ERR_FILE');
      expect(error.message).toMatch(/ENOENT.*What was there is unchanged\.$/s);
      expect(error).toMatchObject({ file: target, cause: expect.objectContaining({ code: 'ENOENT' }) });
    });
  });

  test('the model is disposed already', async () => {
    const target = copyFixture('distilbert-dense');
    const before = treeOf(dirname(target));
    const late = await inEngine(opened, (addon, handle) =>
      Promise.resolve(() => saveModel(opened, addon, handle, target)),
    );
    await rejection(late(), StateError, 'ERR_DISPOSED');
    expect(treeOf(dirname(target))).toEqual(before);
  });
});

test('while it is written, the folder is the old one, whole', async () => {
  const target = copyFixture('distilbert-dense');
  const before = treeOf(target);
  let seen: unknown;
  await inEngine(opened, (addon, handle) => {
    const watched: EngineAddon['saveModel'] = async (...parameters) => {
      await addon.saveModel(...parameters);
      seen = treeOf(target);
    };
    return saveModel(opened, { saveModel: watched }, handle, target);
  });
  expect(seen).toEqual(before);
  expect(await folderVectors(target)).toEqual(vectors);
});
