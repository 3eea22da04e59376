import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { DownloadError, FileError, ModelError } from '../../../lib/system/errors';
import { cachedModelFolder } from '../../../lib/model/fetch/cache';
import { fetchFromHub } from '../../../lib/model/fetch/hub';
import { hubCacheFolder } from '../../../lib/model/fetch/hub-cache';
import { openModel, type OpenOptions } from '../../../lib/model/open';
import { removeFolders, temporaryFolder } from '../native/support/folders';
import { useCleanEnvironment } from './support/environment';
import { fixtureFolder } from './support/fixture';
import { filesBelow, type Fault, type Files } from './support/hub-server';
import { cacheFolder, hub, useOwnHub } from './support/own-hub';
import { rejection } from './support/rejection';

/** What a hub, a proxy or a network says beside the model is told as what it is; a busy hub is asked again. */

useCleanEnvironment();
afterAll(removeFolders);

const ID = 'owner/tiny';
const FILES = filesBelow(fixtureFolder('bert-dense'));

useOwnHub();
beforeEach(() => void hub.add(ID, FILES));

const place = () => cachedModelFolder(cacheFolder, ID, 'main');
const fetchModel = (more: object = {}) =>
  fetchFromHub(ID, place(), { hubUrl: hub.url, revision: 'main', firstPauseMs: 2, ...more });
const open = (options: OpenOptions = {}) => openModel(ID, { cacheFolder, hubUrl: hub.url, ...options });

/** All requests, or the first few, get this answer. */
const answers = (status: number, headers: Record<string, string>, body: string, times = Infinity): Fault => {
  let left = times;
  return (_, response) => {
    if (--left < 0) return false;
    response.writeHead(status, headers).end(body);
    return true;
  };
};
const json = { 'content-type': 'application/json' };
const said = (error: string) => JSON.stringify({ error });

describe('no access:', () => {
  test.each<[string, number, Record<string, string>, string, string | undefined, RegExp]>([
    [
      'no token for a private one',
      401,
      { 'x-error-code': 'RepoNotFound' },
      'Invalid username or password.',
      undefined,
      /owner\/tiny is private or is not there \(401: Invalid .*\)\.\s+Check the name; .* `accessToken` or HF_TOKEN\./s,
    ],
    [
      'a token that is not valid',
      401,
      {},
      'Invalid credentials in Authorization header',
      'hf_old',
      /the hub does not accept the token \(401: Invalid cred.*It may be mistyped, expired/s,
    ],
    [
      'a gated one, by the code',
      403,
      { 'x-error-code': 'GatedRepo' },
      'Access to model owner/tiny is restricted',
      'hf_other',
      /owner\/tiny is gated, .*\(403: Access to .*Ask for access at http:\/\/127\.0\.0\.1:\d+\/owner\/tiny, and pass/s,
    ],
    [
      'a gated one, without a token',
      401,
      { 'x-error-code': 'GatedRepo' },
      'Access to model owner/tiny is restricted',
      undefined,
      /owner\/tiny is gated/,
    ],
    ['a token without the right', 403, {}, 'Forbidden', 'hf_other', /refuses access .*may lack the right/s],
    ['no token and 403', 403, {}, '', undefined, /refuses access to owner\/tiny \(403.*Pass a token/s],
  ])('%s', async (_, status, headers, error, accessToken, message) => {
    hub.fault = answers(status, { ...json, ...headers }, said(error));
    const given = accessToken === undefined ? {} : { accessToken };
    const direct = await rejection(fetchModel(given), DownloadError, 'ERR_HUB_ACCESS');
    expect(direct.message).toMatch(message);
    const requests = hub.requests.length;
    expect(requests).toBe(1); // it would not help to ask again
    const told = await rejection(open(given), DownloadError, 'ERR_HUB_ACCESS');
    expect(told.message).toMatch(message);
    expect(told.message).toMatch(/^The model owner\/tiny could not be fetched\. Tried:\n/);
    expect(told.message).not.toMatch(/not found|Check the name and the network|hf_(?:old|other)/);
    expect(told.remedy).toBeDefined();
  });
});

describe('a busy hub', () => {
  test.each([429, 500, 502, 503, 504])('that answers %d twice is asked again', async (status) => {
    hub.fault = answers(status, {}, 'busy', 2);
    await fetchModel();
    expect(existsSync(join(place(), 'model.safetensors'))).toBe(true);
  });

  test('is asked again in the middle of a model too', async () => {
    let left = 2;
    hub.fault = ({ path, range }, response) => {
      if (range !== undefined || !path.endsWith('/model.safetensors') || --left < 0) return false;
      response.writeHead(503).end('busy');
      return true;
    };
    await fetchModel();
    expect(left).toBeLessThan(0);
  });

  test('says how long it wants to be left alone, and is', async () => {
    hub.fault = answers(429, { 'retry-after': '1' }, '', 1);
    const began = performance.now();
    await fetchModel();
    expect(performance.now() - began).toBeGreaterThanOrEqual(950);
    hub.fault = answers(429, { 'retry-after': new Date(Date.now() + 3_600_000).toUTCString() }, '');
    rmSync(place(), { recursive: true });
    const error = await rejection(fetchModel(), DownloadError, 'ERR_HUB_BUSY');
    expect(error.message).toMatch(
      /takes no more requests .*asked 1 time, and wants to be asked again in 3[56]\d\d sec/s,
    );
  });

  test.each([
    [429, /takes no more requests from here for a while \(429: slow down; asked 4 times\).*with a token/s],
    [503, /the hub has trouble of its own \(503: slow down; asked 4 times\)\. Try again later\./s],
  ])('that goes on answering %d is told', async (status, message) => {
    hub.fault = answers(status, json, said('slow down'));
    const error = await rejection(fetchModel(), DownloadError, 'ERR_HUB_BUSY');
    expect(error.message).toMatch(message);
    expect(hub.requests).toHaveLength(4);
  });

  test('is not waited for once the caller stops', async () => {
    const stop = new AbortController();
    hub.fault = (_, response) => {
      response.writeHead(503, { 'retry-after': '50' }).end();
      setTimeout(() => stop.abort(), 20);
      return true;
    };
    await expect(fetchModel({ signal: stop.signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

describe('a page instead of data:', () => {
  const page = '<!DOCTYPE html><html><head><title>Sign in to Guest WiFi</title></head></html>';
  const html = { 'content-type': 'text/html; charset=utf-8' };

  test('of a captive portal, at once', async () => {
    hub.fault = answers(200, html, page);
    const error = await rejection(open(), ModelError, 'ERR_MODEL_NOT_FOUND');
    expect(error.message).toMatch(
      /answered with a web page \("Sign in to Guest WiFi"\) where a hub answers with data\./,
    );
    expect(error.message).toMatch(/sign-in page of a network/);
    expect(error.message).not.toContain('Unexpected token');
  });

  test('behind a redirect, and in the place of a file', async () => {
    const portal = createServer((_, response) => response.writeHead(200, html).end(page));
    await new Promise<void>((resolve) => portal.listen(0, '127.0.0.1', resolve));
    const location = `http://127.0.0.1:${(portal.address() as AddressInfo).port}/login`;
    try {
      hub.fault = answers(302, { location }, '');
      expect((await rejection(fetchModel(), DownloadError, 'ERR_DOWNLOAD')).message).toContain('web page ("Sign in');
      hub.fault = ({ path }, response) => {
        if (!path.includes('/resolve/')) return false;
        response.writeHead(200, html).end(page);
        return true;
      };
      expect((await rejection(fetchModel(), DownloadError, 'ERR_DOWNLOAD')).message).toContain('web page ("Sign in');
    } finally {
      portal.close();
    }
  });
});

describe('a proxy', () => {
  /** Answers every CONNECT, and every plain request, with the status. */
  async function refusing(status: number, work: (proxy: string) => Promise<void>): Promise<void> {
    const server = createServer((_, response) => response.writeHead(status, { 'proxy-authenticate': 'Basic' }).end());
    server.on('connect', (_: unknown, socket: Socket) => socket.end(`HTTP/1.1 ${status} No\r\n\r\n`));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      await work(proxy);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  test.each<[number, RegExp]>([
    [
      407,
      /The proxy 127\.0\.0\.1:\d+ wants a name and a password \(407\).*Put them into HTTPS_PROXY: http:\/\/name:pass/s,
    ],
    [403, /The proxy 127\.0\.0\.1:\d+ does not let anyone reach hub\.example \(403\).*name a mirror/s],
    [502, /The proxy 127\.0\.0\.1:\d+ could not reach hub\.example \(502\)/],
  ])('that answers %d', async (status, message) => {
    await refusing(status, async (proxy) => {
      process.env['HTTPS_PROXY'] = `http://someone:secret@${proxy}`;
      const error = await rejection(open({ hubUrl: 'https://hub.example' }), ModelError, 'ERR_MODEL_NOT_FOUND');
      expect(error.message).toMatch(message);
      expect(error.message).not.toMatch(/cancelled|secret/);
    });
  });

  test('that wants a password for a plain address', async () => {
    await refusing(407, async (proxy) => {
      process.env['HTTP_PROXY'] = proxy;
      const error = await rejection(open({ hubUrl: 'http://hub.example' }), ModelError, 'ERR_MODEL_NOT_FOUND');
      expect(error.message).toMatch(/wants a name and a password \(407\).*HTTP_PROXY/s);
    });
  });

  test('that is not there', async () => {
    process.env['HTTPS_PROXY'] = 'http://127.0.0.1:9';
    const error = await rejection(open({ hubUrl: 'https://hub.example' }), ModelError, 'ERR_MODEL_NOT_FOUND');
    expect(error.message).toMatch(/The proxy 127\.0\.0\.1:9 cannot be reached .*NO_PROXY/s);
  });
});

describe('the cache', () => {
  test('that cannot be written is told as that, whatever is in the way', async () => {
    writeFileSync(join(cacheFolder, 'models'), 'a file');
    const error = await rejection(open(), FileError, 'ERR_FILE');
    expect(error.message).toMatch(/owner\/tiny cannot be kept in vectune's cache, .*owner--tiny: .*(?:ENOTDIR|EEXIST)/);
    expect(error.message).toMatch(/with the option `cacheFolder` or VECTUNE_CACHE\.$/);
    expect(error.message).not.toContain(hub.url);
  });

  const asOther = process.platform === 'linux' && process.getuid!() === 0 ? test : test.skip;
  asOther('that another user owns', async () => {
    chmodSync(cacheFolder, 0o555);
    process.seteuid!(65534);
    try {
      const error = await rejection(open(), FileError, 'ERR_FILE');
      expect(error.message).toMatch(/cannot be kept in vectune's cache, .*EACCES/);
    } finally {
      process.seteuid!(0);
    }
  });
});

describe('a repository with a pickled Dense', () => {
  const { '2_Dense/model.safetensors': dense, ...rest } = FILES;
  const pickled: Files = { ...rest, '2_Dense/pytorch_model.bin': dense! };

  test('is fetched with it, and refused where that is no file of tensors', async () => {
    hub.add(ID, pickled);
    const error = await rejection(open(), ModelError, 'ERR_PICKLE');
    expect(error.message).toContain(join('2_Dense', 'pytorch_model.bin'));
    expect(error.message).toContain('.save(');
    expect(hub.fetched).toContain('2_Dense/pytorch_model.bin');
  });

  test('comes as safetensors where there are both', async () => {
    hub.add(ID, { ...FILES, '2_Dense/pytorch_model.bin': Buffer.from('x'), 'pytorch_model.bin': Buffer.from('x') });
    await open();
    expect(hub.fetched.filter((path) => path.endsWith('.bin'))).toEqual([]);
  });

  test('that an earlier version kept is no model in the cache: it is asked for again', async () => {
    for (const [path, content] of Object.entries(rest)) {
      mkdirSync(dirname(join(place(), path)), { recursive: true });
      writeFileSync(join(place(), path), content);
    }
    writeFileSync(join(place(), 'vectune.json'), JSON.stringify({ id: ID, source: 'hub', revision: 'x', sha256: {} }));
    expect((await open()).revision).not.toBe('x'); // it has safetensors by now
  });
});

test('a damaged file of the cache: the folder to remove is named', async () => {
  await open();
  writeFileSync(join(place(), 'tokenizer_config.json'), '{"cut');
  const error = await rejection(open(), ModelError, 'ERR_TOKENIZER');
  expect(error.message).toMatch(/tokenizer_config\.json is not valid JSON/);
  expect(error.message).toMatch(new RegExp(`vectune's own copy: remove ${place()}, and it is fetched again\\.$`));
  expect(error.message).not.toContain('folder again');
  rmSync(place(), { recursive: true });
  expect(await open()).toMatchObject({ id: ID });
});

describe("Hugging Face's cache", () => {
  const COMMIT = 'c'.repeat(40);

  /** The layout of huggingface_hub: blobs, and links to them in the snapshot of a commit. */
  function keep(files: Files, folder: string): string {
    const repository = join(folder, 'models--owner--tiny');
    const snapshot = join(repository, 'snapshots', COMMIT);
    Object.entries(files).forEach(([path, content], i) => {
      const blob = join(repository, 'blobs', String(i));
      for (const file of [blob, join(snapshot, path)]) mkdirSync(dirname(file), { recursive: true });
      writeFileSync(blob, content);
      symlinkSync(blob, join(snapshot, path));
    });
    mkdirSync(join(repository, 'refs'), { recursive: true });
    writeFileSync(join(repository, 'refs', 'main'), COMMIT);
    return snapshot;
  }

  test.each<[string, (root: string) => NodeJS.ProcessEnv, string]>([
    ['HF_HOME', (root) => ({ HF_HOME: root }), 'hub'],
    ['HF_HUB_CACHE', (root) => ({ HF_HUB_CACHE: root, HF_HOME: '/other' }), ''],
    ['HUGGINGFACE_HUB_CACHE', (root) => ({ HUGGINGFACE_HUB_CACHE: root, HF_HOME: '/other' }), ''],
    ['XDG_CACHE_HOME', (root) => ({ XDG_CACHE_HOME: root }), 'huggingface/hub'],
  ])('of %s is used where it has the model, without asking the hub, and offline', async (_, environment, below) => {
    const root = temporaryFolder();
    const snapshot = keep(FILES, join(root, below));
    delete process.env['HF_HOME'];
    Object.assign(process.env, environment(root));
    expect(hubCacheFolder()).toBe(join(root, below));
    for (const options of [{}, { offline: true }, { revision: COMMIT }]) {
      expect(await open(options)).toMatchObject({ id: ID, folder: snapshot, revision: COMMIT, dimension: 24 });
    }
    expect(hub.requests).toEqual([]);
    expect(readdirSync(cacheFolder)).toEqual([]);
  });

  test.each<[string, string, RegExp]>([
    ['the weights', 'model.safetensors', /snapshots\/c{40}: model\.safetensors was not fetched/],
    ['a Dense’s weights', '2_Dense/model.safetensors', /2_Dense\/model\.safetensors was not fetched/],
    ['a pooling', '1_Pooling/config.json', /1_Pooling\/config\.json was not fetched/],
    ['modules.json', 'modules.json', /modules\.json was not fetched/],
  ])('without %s is not used', async (_, path, reason) => {
    const { [path]: left, ...rest } = FILES;
    expect(left).toBeDefined();
    process.env['HF_HUB_CACHE'] = temporaryFolder();
    keep(rest, process.env['HF_HUB_CACHE']);
    const error = await rejection(open({ offline: true }), ModelError, 'ERR_MODEL_NOT_FOUND');
    expect(error.message).toMatch(reason);
    expect(await open()).toMatchObject({ folder: place() });
  });

  test('without modules.json is used where it is known that there is none', async () => {
    const plain = filesBelow(fixtureFolder('bert-mean'));
    const { 'modules.json': _, ...rest } = plain;
    process.env['HF_HUB_CACHE'] = temporaryFolder();
    keep(rest, process.env['HF_HUB_CACHE']);
    const absent = join(process.env['HF_HUB_CACHE'], 'models--owner--tiny', '.no_exist', COMMIT);
    mkdirSync(absent, { recursive: true });
    writeFileSync(join(absent, 'modules.json'), '');
    const opened = await open({ offline: true });
    expect(opened.layout.notes).toEqual([expect.stringContaining('no modules.json')]);
  });

  test('of another revision, or leading out of it, is not used', async () => {
    process.env['HF_HUB_CACHE'] = temporaryFolder();
    keep(FILES, process.env['HF_HUB_CACHE']);
    const error = await rejection(open({ offline: true, revision: 'v2' }), ModelError, 'ERR_MODEL_NOT_FOUND');
    expect(error.message).toContain('it has no snapshot of revision v2');
    writeFileSync(join(process.env['HF_HUB_CACHE'], 'models--owner--tiny', 'refs', 'main'), '../../..');
    await rejection(open({ offline: true }), ModelError, 'ERR_MODEL_NOT_FOUND');
  });
});
