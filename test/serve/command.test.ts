import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fixture } from '../public/models';
import { get, post } from './servers';

/** `vectune serve`: what is typed, what is printed, how it ends. */

const MAIN = join(__dirname, '../../dist/cli/main.js');
const running: ChildProcess[] = [];
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

test('two models by name, keys of the environment, a line for each request; SIGTERM answers and ends with 143', async () => {
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
  expect(await ended).toEqual([143, null]);
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
