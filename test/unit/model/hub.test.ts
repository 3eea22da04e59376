import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AbortError, DownloadError, InvalidArgumentError, ModelError } from '../../../lib/system/errors';
import { cachedModelFolder } from '../../../lib/model/fetch/cache';
import { fetchFromHub } from '../../../lib/model/fetch/hub';
import { openModel, type OpenOptions } from '../../../lib/model/open';
import type { ModelDownloadEvent, OpenedModel } from '../../../lib/model/types';
import { removeFolders } from '../native/support/folders';
import { folderVectors, vectorsOf } from './support/engine';
import { useCleanEnvironment } from './support/environment';
import { fixtureFolder, readJson, sha256, treeOf, writeJson } from './support/fixture';
import { filesBelow, notFound, type Fault, type Files, type HubRequest } from './support/hub-server';
import { cacheFolder, hub, useOwnHub } from './support/own-hub';
import { rejection } from './support/rejection';

/** Models are fetched whole, from one commit, once; whatever goes wrong leaves nothing behind. */

useCleanEnvironment();
afterAll(removeFolders);

const ID = 'owner/tiny';
const FILES = filesBelow(fixtureFolder('bert-dense'));
const WEIGHTS = 'model.safetensors';

useOwnHub();

const open = (options: OpenOptions = {}) => openModel(ID, { cacheFolder, hubUrl: hub.url, ...options });
const fetchModel = (
  options: {
    signal?: AbortSignal;
    onProgress?: (event: ModelDownloadEvent) => void;
    silenceMs?: number;
    firstPauseMs?: number;
  } = {},
) => fetchFromHub(ID, place(), { hubUrl: hub.url, revision: 'main', firstPauseMs: 5, ...options });
const place = (revision = 'main') => cachedModelFolder(cacheFolder, ID, revision);

/** No model, whole or half, is in the cache. */
function expectEmptyCache(): void {
  const models = join(cacheFolder, 'models');
  expect(existsSync(models) ? readdirSync(models) : []).toEqual([]);
}

/** Whether the content of a file of the root is asked for; the client asks for one byte before, to learn the size. */
const isBody = ({ path, range }: HubRequest, file: string) =>
  range === undefined && path.startsWith(`/${ID}/resolve/`) && path.split('/').slice(5).join('/') === file;

describe('fetching', () => {
  const OTHERS: Files = {
    'README.md': Buffer.from('# tiny'),
    '.gitattributes': Buffer.from('*.bin filter=lfs'),
    'pytorch_model.bin': Buffer.from('a pickle'),
    'onnx/model.onnx': Buffer.from('x'),
    'openvino/config.json': Buffer.from('{}'),
    '2_Dense/pytorch_model.bin': Buffer.from('a pickle'),
    '.eval/config.json': Buffer.from('{}'),
    'train_script.py': Buffer.from('pass'),
    'checkpoints/1_Pooling/config.json': Buffer.from('{}'),
  };

  test('gives the model as it is in the repository, and only the files that a model needs', async () => {
    const commit = hub.add(ID, { ...OTHERS, ...FILES });
    const opened = await open();
    expect(opened).toMatchObject({ id: ID, revision: commit, folder: place() });
    expect(await vectorsOf(opened)).toEqual(await folderVectors(fixtureFolder('bert-dense')));

    const wanted = Object.keys(FILES).sort();
    expect([...hub.fetched].sort()).toEqual(wanted);
    const { 'vectune.json': marker, ...tree } = treeOf(place());
    expect(marker).toBeDefined();
    expect(tree).toEqual(treeOf(fixtureFolder('bert-dense')));
    expect(readJson(place(), 'vectune.json')).toEqual({
      id: ID,
      source: 'hub',
      revision: commit,
      sha256: Object.fromEntries(wanted.map((path) => [path, sha256(FILES[path]!)])),
    });
    expect(readdirSync(join(cacheFolder, 'models'))).toEqual(['owner--tiny']);
  });

  test('tells how far each file is', async () => {
    hub.add(ID, FILES);
    const events: ModelDownloadEvent[] = [];
    await open({ onProgress: (event) => events.push(event) });
    const last = new Map(events.map((event) => [event.file, event]));
    expect([...last.keys()].sort()).toEqual(Object.keys(FILES).sort());
    for (const [file, event] of last) {
      const bytes = FILES[file]!.length;
      expect(event).toEqual({
        type: 'model-download',
        id: ID,
        source: 'hub',
        file,
        receivedBytes: bytes,
        totalBytes: bytes,
      });
    }
    const weights = events.filter(({ file }) => file === WEIGHTS).map(({ receivedBytes }) => receivedBytes);
    expect(weights).toEqual([...weights].sort((a, b) => a - b));
  });

  test('is done once: the second time asks nothing', async () => {
    const commit = hub.add(ID, FILES);
    await open();
    const asked = hub.requests.length;
    expect(asked).toBeGreaterThan(0);
    hub.add(ID, { ...FILES, 'modules.json': Buffer.from('[]') }, 'pushed later');
    expect(await open()).toMatchObject({ revision: commit, folder: place() });
    await hub.stop();
    expect(await open()).toMatchObject({ revision: commit });
    expect(await open({ offline: true })).toMatchObject({ revision: commit });
    expect(hub.requests).toHaveLength(asked);
  });

  test('takes every file from the commit that the branch had at the begin', async () => {
    const commit = hub.add(ID, FILES);
    hub.fault = ({ path }) => {
      if (path.includes('/tree/')) hub.add(ID, { 'modules.json': Buffer.from('[]') }, 'pushed meanwhile');
      return false;
    };
    expect(await open()).toMatchObject({ revision: commit });
    const asked = hub.requests.map(({ path }) => path).filter((path) => !path.includes('/revision/'));
    expect(asked.length).toBeGreaterThan(Object.keys(FILES).length);
    expect(asked.filter((path) => !path.includes(`/tree/${commit}`) && !path.includes(`/resolve/${commit}/`))).toEqual(
      [],
    );
    expect(await folderVectors(place())).toEqual(await folderVectors(fixtureFolder('bert-dense')));
  });

  test('of a tag, a branch and a commit: each has a folder of its own', async () => {
    const mean = filesBelow(fixtureFolder('bert-mean'));
    const old = hub.add(ID, mean, 'old');
    const main = hub.add(ID, FILES);
    Object.assign(hub.repositories.get(ID)!.references, { 'v1.0': old, 'pr/7': old });
    const asked = [undefined, 'v1.0', 'pr/7', old];
    const opened: OpenedModel[] = [];
    for (const revision of asked) opened.push(await open(revision === undefined ? {} : { revision }));
    expect(opened.map(({ revision }) => revision)).toEqual([main, old, old, old]);
    expect(opened.map(({ dimension }) => dimension)).toEqual([24, 32, 32, 32]);
    const names = ['owner--tiny', 'owner--tiny@v1.0', 'owner--tiny@pr--7', `owner--tiny@${old}`];
    expect(readdirSync(join(cacheFolder, 'models')).sort()).toEqual(names.sort());
  });

  test('replaces a folder in the cache that is not complete', async () => {
    hub.add(ID, FILES);
    mkdirSync(place(), { recursive: true });
    writeFileSync(join(place(), 'modules.json'), '[');
    await open();
    expect(treeOf(place())).toMatchObject(treeOf(fixtureFolder('bert-dense')));
  });

  test('by several callers at once gives all of them the model', async () => {
    const commit = hub.add(ID, FILES);
    const vectors = await folderVectors(fixtureFolder('bert-dense'));
    const all = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const opened = await open();
        return { revision: opened.revision, vectors: await vectorsOf(opened) };
      }),
    );
    expect(all).toEqual(all.map(() => ({ revision: commit, vectors })));
    expect(readdirSync(join(cacheFolder, 'models'))).toEqual(['owner--tiny']);
  });

  test('leaves a model that another process put there meanwhile: it may be in use', async () => {
    hub.add(ID, FILES);
    hub.fault = (request) => {
      if (isBody(request, WEIGHTS)) {
        cpSync(fixtureFolder('bert-mean'), place(), { recursive: true });
        writeJson({ id: ID, source: 'hub', revision: 'theirs', sha256: {} }, place(), 'vectune.json');
      }
      return false;
    };
    expect(await open()).toMatchObject({ revision: 'theirs', dimension: 32 });
    expect(treeOf(place())).toMatchObject(treeOf(fixtureFolder('bert-mean')));
    expect(readdirSync(join(cacheFolder, 'models'))).toEqual(['owner--tiny']);
  });

  test('writes nothing outside the folder, whatever the listing says', async () => {
    const evil = [
      '../config.json',
      '../../modules.json',
      '1_Pooling/../../config.json',
      '/config.json',
      'a/../config.json',
    ];
    hub.add(ID, { ...FILES, ...Object.fromEntries(evil.map((path) => [path, Buffer.from('{}')])) });
    await open();
    expect(hub.fetched.filter((path) => path.includes('..') || path.startsWith('/'))).toEqual([]);
    expect(Object.keys(treeOf(cacheFolder)).filter((path) => !path.startsWith('models'))).toEqual([]);
    expect(readdirSync(join(cacheFolder, 'models'))).toEqual(['owner--tiny']);
  });
});

describe('the hub is asked', () => {
  beforeEach(() => void hub.add(ID, FILES));
  const authorizations = () => [...new Set(hub.requests.map(({ authorization }) => authorization))];

  test('at HF_ENDPOINT, where no address is given', async () => {
    process.env['HF_ENDPOINT'] = `${hub.url}/`;
    await openModel(ID, { cacheFolder });
    expect(hub.requests.length).toBeGreaterThan(0);
    expect(authorizations()).toEqual([undefined]);
  });

  test('at the address given, whatever HF_ENDPOINT says', async () => {
    process.env['HF_ENDPOINT'] = 'http://127.0.0.1:9';
    await open({ hubUrl: `${hub.url}//` });
    expect(hub.requests.length).toBeGreaterThan(0);
  });

  test('with the token of HF_TOKEN, or with the one given', async () => {
    process.env['HF_TOKEN'] = 'hf_environment';
    await open();
    expect(authorizations()).toEqual(['Bearer hf_environment']);
    hub.requests.length = 0;
    await open({ accessToken: 'hf_given', revision: hub.repositories.get(ID)!.references['main']! });
    expect(authorizations()).toEqual(['Bearer hf_given']);
  });

  test.each(['1', 'true', 'YES', 'on'])('not at all with HF_HUB_OFFLINE=%s', async (value) => {
    process.env['HF_HUB_OFFLINE'] = value;
    const error = await rejection(open(), ModelError, 'ERR_MODEL_NOT_FOUND');
    expect(error.message).toMatch(/the hub: not asked, being offline.*Allow the hub, or pass a folder/s);
    expect(hub.requests).toEqual([]);
  });

  test('not at all with the option `offline`, which wins over the environment', async () => {
    await rejection(open({ offline: true }), ModelError, 'ERR_MODEL_NOT_FOUND');
    expect(hub.requests).toEqual([]);
    process.env['HF_HUB_OFFLINE'] = '1';
    expect(await open({ offline: false })).toMatchObject({ id: ID });
  });

  test('not at all for a revision that is none', async () => {
    for (const revision of ['../main', '', 'a b', '/main']) {
      await rejection(open({ revision }), InvalidArgumentError, 'ERR_INVALID_ARGUMENT');
    }
    expect(hub.requests).toEqual([]);
  });

  test('not at all with an option that is not there', async () => {
    const misspelt = { cacheFoldr: cacheFolder } as OpenOptions;
    const error = await rejection(openModel(ID, misspelt), InvalidArgumentError, 'ERR_UNKNOWN_OPTION');
    expect(error.message).toContain('Did you mean "cacheFolder"?');
  });
});

describe('a failure leaves nothing in the cache:', () => {
  afterEach(expectEmptyCache);

  test('a file with another SHA-256 than the hub lists', async () => {
    hub.add(ID, FILES);
    const other = Buffer.from(FILES[WEIGHTS]!);
    other[other.length - 1]! ^= 1;
    hub.fault = (request, response) => {
      if (!isBody(request, WEIGHTS)) return false;
      response.writeHead(200, { 'content-length': other.length }).end(other);
      return true;
    };
    const error = await rejection(fetchModel(), DownloadError, 'ERR_CHECKSUM');
    const [found, expected] = [sha256(other), sha256(FILES[WEIGHTS]!)];
    expect(error.message).toContain(`${WEIGHTS} of ${ID} has SHA-256 ${found}, expected ${expected}.`);

    const told = await rejection(open(), ModelError, 'ERR_MODEL_NOT_FOUND');
    expect(told.message).toContain(`has SHA-256 ${found}`);
    expect(told.cause).toMatchObject({ code: 'ERR_CHECKSUM' });
  });

  test('a file that breaks off', async () => {
    hub.add(ID, FILES);
    hub.fault = (request, response) => {
      if (!isBody(request, WEIGHTS)) return false;
      response.writeHead(200, { 'content-length': FILES[WEIGHTS]!.length });
      response.write(FILES[WEIGHTS]!.subarray(0, 1000), () => response.destroy());
      return true;
    };
    const error = await rejection(fetchModel(), DownloadError, 'ERR_DOWNLOAD');
    expect(error.message).toContain(`${hub.url} did not give ${ID} at revision main: `);
    expect(error.message).not.toMatch(/undefined|\[object/);
  });

  test.each<[string, Fault, RegExp]>([
    [
      'stalls in its middle',
      (request, response) => {
        if (!isBody(request, WEIGHTS)) return false;
        response.writeHead(200, { 'content-length': FILES[WEIGHTS]!.length });
        response.write(FILES[WEIGHTS]!.subarray(0, 1000));
        return true;
      },
      /nothing came for 0\.1 seconds/,
    ],
    [
      'does not begin',
      (request, response) => {
        if (!isBody(request, WEIGHTS)) return false;
        response.writeHead(200, { 'content-length': FILES[WEIGHTS]!.length }).flushHeaders();
        return true;
      },
      /nothing came for 0\.1 seconds/,
    ],
    ['is not answered for', (request) => isBody(request, WEIGHTS), /no answer in 0\.1 seconds/],
  ])('a file that %s', async (_, fault, message) => {
    hub.add(ID, FILES);
    hub.fault = fault;
    const error = await rejection(fetchModel({ silenceMs: 100 }), DownloadError, 'ERR_DOWNLOAD');
    expect(error.message).toMatch(message);
  });

  test.each([
    ['shorter', (content: Buffer) => content.subarray(0, -7)],
    ['longer', (content: Buffer) => Buffer.concat([content, Buffer.alloc(7)])],
  ])('a file that is %s than listed', async (_, change) => {
    hub.add(ID, FILES);
    const content = change(FILES['vocab.txt']!);
    hub.fault = (request, response) => {
      if (!isBody(request, 'vocab.txt')) return false;
      response.writeHead(200, { 'content-length': content.length }).end(content);
      return true;
    };
    const error = await rejection(fetchModel(), DownloadError, 'ERR_DOWNLOAD');
    const expected = FILES['vocab.txt']!.length;
    expect(error.message).toContain(`vocab.txt of ${ID} came with ${content.length} bytes, expected ${expected}`);
  });

  const failing =
    (file: string, when: (range: string | undefined) => boolean, answer: Fault): Fault =>
    (request, response) =>
      request.path.endsWith(`/${file}`) && when(request.range) && answer(request, response);

  test('a file that is listed and not there', async () => {
    hub.add(ID, FILES);
    hub.fault = failing(
      'vocab.txt',
      () => true,
      (_, response) => {
        notFound(response, 'EntryNotFound', 'Entry not found');
        return true;
      },
    );
    const error = await rejection(fetchModel(), DownloadError, 'ERR_DOWNLOAD');
    expect(error.message).toBe(`${hub.url} lists vocab.txt of ${ID} but does not have it.`);
  });

  test.each([
    ['at once', () => true],
    ['when its content is asked for', (range: string | undefined) => range === undefined],
  ])('a file that the hub fails to give, %s', async (_, when) => {
    hub.add(ID, FILES);
    hub.fault = failing(WEIGHTS, when, (__, response) => {
      response.writeHead(503).end('busy');
      return true;
    });
    const error = await rejection(fetchModel(), DownloadError, 'ERR_HUB_BUSY');
    expect(error.message).toMatch(/did not give owner\/tiny at revision main: .*503/);
  });

  test('no such repository: everything that was tried is told', async () => {
    const error = await rejection(open(), ModelError, 'ERR_MODEL_NOT_FOUND');
    expect(error.message.split('\n')).toEqual([
      `The model ${ID} was not found. Tried:`,
      expect.stringMatching(/^ {2}- the folder \/.*\/owner\/tiny: there is none$/),
      `  - vectune's cache ${place()}: it is not there`,
      expect.stringMatching(/^ {2}- Hugging Face's cache .*models--owner--tiny: it is not there$/),
      `  - the hub: ${hub.url} did not give ${ID} at revision main: Repository not found.`,
      expect.stringMatching(/^Check the name and the network .*HF_ENDPOINT.*`hubUrl`.* or pass a folder/),
    ]);
    expect(error.cause).toMatchObject({ code: 'ERR_DOWNLOAD' });
  });

  test('no such revision', async () => {
    hub.add(ID, FILES);
    const error = await rejection(open({ revision: 'v9' }), ModelError, 'ERR_MODEL_NOT_FOUND');
    expect(error.message).toMatch(/did not give owner\/tiny at revision v9: Invalid rev id: v9/);
  });

  test('no hub at the address', async () => {
    await hub.stop();
    const error = await rejection(open(), ModelError, 'ERR_MODEL_NOT_FOUND');
    expect(error.message).toContain('ECONNREFUSED');
  });

  test('a token that is none', async () => {
    hub.add(ID, FILES);
    const error = await rejection(open({ accessToken: 'secret' }), ModelError, 'ERR_MODEL_NOT_FOUND');
    expect(error.message).toContain("must start with 'hf_'");
    expect(error.message).not.toContain('secret');
    expect(hub.requests).toEqual([]);
  });

  test('a repository of pickles that are no tensors: the way out is told', async () => {
    const pickles = Object.entries(FILES).map(([path, content]) => [
      path.replace(WEIGHTS, 'pytorch_model.bin'),
      content,
    ]);
    hub.add(ID, Object.fromEntries(pickles) as Files);
    const error = await rejection(open(), ModelError, 'ERR_PICKLE');
    expect(error.message).toMatch(
      /pytorch_model\.bin is a Python pickle, of which vectune reads tensors and nothing else/,
    );
    expect(error.message).toMatch(/\n {2}python -c "from sentence_transformers import SentenceTransformer; /);
    rmSync(join(cacheFolder, 'models', 'owner--tiny'), { recursive: true }); // it was fetched whole, and stays
  });

  test('a repository without weights', async () => {
    hub.add(ID, { 'README.md': Buffer.from('# nothing yet') });
    const error = await rejection(open(), ModelError, 'ERR_MODEL_FOLDER');
    expect(error.message).toContain(`The repository ${ID} holds no model.safetensors and no pytorch_model.bin`);
  });

  test('stopped before it begins', async () => {
    hub.add(ID, FILES);
    const reason = new Error('enough');
    const error = await rejection(open({ signal: AbortSignal.abort(reason) }), AbortError, 'ERR_ABORTED');
    expect(error).toMatchObject({ name: 'AbortError', message: `Fetching ${ID} was stopped.`, cause: reason });
    expect(hub.requests).toEqual([]);
  });

  test('stopped while the hub is silent', async () => {
    const stop = new AbortController();
    hub.fault = () => {
      stop.abort();
      return true; // and never an answer
    };
    await rejection(open({ signal: stop.signal }), AbortError, 'ERR_ABORTED');
  });

  test('stopped in the middle of a file', async () => {
    hub.add(ID, FILES);
    hub.fault = (request, response) => {
      if (!isBody(request, WEIGHTS)) return false;
      response.writeHead(200, { 'content-length': FILES[WEIGHTS]!.length });
      response.write(FILES[WEIGHTS]!.subarray(0, 1000)); // and never the rest
      return true;
    };
    const stop = new AbortController();
    const onProgress = ({ file }: ModelDownloadEvent) => file === WEIGHTS && stop.abort();
    const error = await rejection(open({ signal: stop.signal, onProgress }), AbortError, 'ERR_ABORTED');
    expect(error.name).toBe('AbortError');
  });

  test('a progress callback that throws', async () => {
    hub.add(ID, FILES);
    const onProgress = () => {
      throw new Error('my mistake');
    };
    const error = await rejection(fetchModel({ onProgress }), DownloadError, 'ERR_DOWNLOAD');
    expect(error.message).toContain('my mistake');
  });
});
