import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { cpSync } from 'node:fs';
import { TextVectorisation } from '../../lib';
import { fixture } from '../public/models';
import { copyFixture, setFields } from '../unit/model/support/fixture';
import { removeFolders, temporaryFolder } from '../unit/native/support/folders';
import { get, post } from './servers';

/** `vectune serve`: what is typed, what is printed, how it ends. */

const MAIN = join(__dirname, '../../dist/cli/main.js');
const running: ChildProcess[] = [];
afterAll(removeFolders);
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});

function serve(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [MAIN, 'serve', '--device', 'cpu', '--port', '0', ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  const told = { stdout: '', stderr: '' };
  child.stdout.on('data', (data: Buffer) => (told.stdout += data.toString()));
  const address = new Promise<string>((resolve) => {
    child.stderr.on('data', (data: Buffer) => {
      told.stderr += data.toString();
      const found = /^(http:\/\/\S+)$/m.exec(told.stderr)?.[1];
      if (found !== undefined) resolve(found);
    });
  });
  return { child, told, address, ended: once(child, 'close') as Promise<[number | null, string | null]> };
}

test('two models by name, keys of the environment, a line for each request; SIGTERM answers and ends with 0', async () => {
  const models = ['--model', `mean=${fixture('bert-mean')}`, `other=${fixture('roberta-mean')}`];
  const { child, told, address, ended } = serve([...models, '--log-requests'], { VECTUNE_API_KEYS: 'one, two' });
  const url = await address;
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  const headers = { authorization: 'Bearer two' };
  expect((await get(`${url}/v1/models`)).status).toBe(401);
  const { body } = await get(`${url}/v1/models`, headers);
  expect(body.data.map(({ id }: { id: string }) => id)).toEqual(['mean', 'other']);
  const inputs = Array.from({ length: 2000 }, (_, i) => `rain ${i} on the boats`);
  const answer = post(`${url}/v1/embeddings`, { model: 'other', input: inputs }, headers);
  while (!/te_queue_size [1-9]|te_embed_success [1-9]/.test((await get(`${url}/metrics`, headers)).body as string));
  child.kill('SIGTERM');
  expect((await answer).status).toBe(200);
  expect(await ended).toEqual([0, null]);
  const lines = told.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines).toContainEqual(
    expect.objectContaining({ path: '/v1/embeddings', status: 200, model: 'other', texts: 2000 }),
  );
  expect(lines[0]).toMatchObject({ method: 'GET', path: '/v1/models', status: 401 });
}, 120_000);

test('what cannot be meant is told, with exit code 2; what fails, with 1', async () => {
  const two = serve(['--model', fixture('bert-mean'), fixture('roberta-mean')]);
  expect(await two.ended).toEqual([2, null]);
  expect(two.told.stderr).toMatch(/Several models need a name each/);
  const none = serve(['--model', '/nowhere/at/all']);
  expect(await none.ended).toEqual([1, null]);
  expect(none.told.stderr).toMatch(/\[ERR_MODEL_FOLDER\]/);
  const wrong = serve(['--model', fixture('bert-mean'), '--max-texts', '0']);
  expect(await wrong.ended).toEqual([2, null]);
  expect(wrong.told.stderr).toMatch(/--max-texts must be an integer from 1, but is 0/);
}, 120_000);

/** Resolves when what was told on standard error has it. */
async function telling({ told, child }: ReturnType<typeof serve>, text: RegExp): Promise<void> {
  while (!text.test(told.stderr)) await once(child.stderr!, 'data');
}

async function vectorOf(url: string, model: string | undefined): Promise<number[]> {
  const { body } = await post(`${url}/embed`, { inputs: 'rain fell on the boats', model, normalize: false });
  return body[0];
}

/** Numbers as JSON has them. */
async function expected(folder: string, options: Parameters<TextVectorisation['embed']>[1] = {}): Promise<number[]> {
  const tv = new TextVectorisation(folder, { device: 'cpu' });
  try {
    return Array.from(await tv.embed('rain fell on the boats', options));
  } finally {
    await tv.dispose();
  }
}

const asFloats = (numbers: number[]) => Array.from(Float32Array.from(numbers));

test('names of hub repositories, a folder with = in its name, prompts by name of the model, what to know at the start', async () => {
  const folder = join(temporaryFolder(), 'lr=1e-5');
  cpSync(copyFixture('mpnet-mean'), folder, { recursive: true });
  setFields({ prompts: { query: 'who ', passage: 'the harbour: ' } }, folder, 'config_sentence_transformers.json');
  const names = ['BAAI/bge-small-en-v1.5', 'passages', 'plain'];
  const more = ['--prompt', `${names[0]}=query`, 'passages=passage', '--dimensions', '8', 'plain=4'];
  const running = serve(['--model', ...names.map((name) => `${name}=${folder}`), ...more]);
  const url = await running.address;
  await telling(
    running,
    /^Model "plain": lr=1e-5 was trained with a prompt before each text \(query: 'who ', passage: 'the harbour: '\)/m,
  );
  expect(running.told.stderr.match(/was trained with a prompt/g)).toHaveLength(1);
  expect(asFloats(await vectorOf(url, names[0]))).toEqual(await expected(folder, { prompt: 'query', dimensions: 8 }));
  expect(asFloats(await vectorOf(url, 'passages'))).toEqual(
    await expected(folder, { prompt: 'passage', dimensions: 8 }),
  );
  expect(asFloats(await vectorOf(url, 'plain'))).toEqual(await expected(folder, { dimensions: 4 }));
  // A folder alone, though it has a = in it.
  const alone = serve(['--model', folder, '--prompt', 'query', '--max-input-length', '5']);
  const { body } = await get(`${await alone.address}/info`);
  expect(body).toMatchObject({ served_model_name: 'lr=1e-5', default_prompt: 'who ', max_input_length: 5 });
  expect(alone.told.stderr).not.toMatch(/was trained with a prompt/);
}, 120_000);

test('SIGHUP opens a model anew whose folder has changed, under all of its names; SIGTERM ends with 0', async () => {
  const folder = copyFixture('bert-mean');
  const running = serve(['--model', `live=${folder}`, `again=${folder}`, `other=${fixture('bert-mean')}`]);
  const url = await running.address;
  const before = await expected(folder);
  expect(asFloats(await vectorOf(url, 'again'))).toEqual(before);
  running.child.kill('SIGHUP');
  await telling(running, /^no folder of a model has changed$/m);
  const next = copyFixture('roberta-mean');
  cpSync(next, folder, { recursive: true });
  let stop = false;
  const asked = (async () => {
    for (let i = 0; !stop; ++i) expect(await vectorOf(url, ['live', 'again'][i % 2])).toHaveLength(before.length);
  })();
  running.child.kill('SIGHUP');
  await telling(running, /^"again" is now what .*bert-mean holds$/m);
  stop = true;
  await asked;
  const after = await expected(folder);
  expect(after).not.toEqual(before);
  for (const name of ['live', 'again']) expect(asFloats(await vectorOf(url, name))).toEqual(after);
  expect(asFloats(await vectorOf(url, 'other'))).toEqual(before);
  // What cannot be opened is told, and the model stays.
  setFields({ model_type: 'nothing' }, folder, 'config.json');
  running.child.kill('SIGHUP');
  await telling(running, /^"again" stays as it was: .*nothing/m);
  expect(asFloats(await vectorOf(url, 'live'))).toEqual(after);
  running.child.kill('SIGTERM');
  expect(await running.ended).toEqual([0, null]);
}, 120_000);

test('a request that the server fails to answer is a line on standard error, and in the log with its stack', async () => {
  const running = serve(['--model', fixture('bert-mean'), '--answer-timeout', '0.001', '--log-requests']);
  const url = await running.address;
  const { status } = await post(`${url}/embed`, { inputs: Array(2000).fill('rain fell on the boats') });
  expect(status).toBe(503);
  await telling(running, /^POST \/embed 503: The vectors were not there within 0.001 s\.$/m);
  running.child.kill('SIGINT');
  expect(await running.ended).toEqual([0, null]);
  expect(JSON.parse(running.told.stdout)).toMatchObject({ status: 503, stack: expect.stringMatching(/at /) });
}, 120_000);

test('an empty variable of keys starts no server', async () => {
  const { ended, told } = serve(['--model', fixture('bert-mean')], { VECTUNE_API_KEYS: '' });
  expect(await ended).toEqual([2, null]);
  expect(told.stderr).toMatch(/VECTUNE_API_KEYS is set and has no key in it/);
}, 120_000);
