import { EmbeddingsEndpoint } from '../../../lib';
import { EmbeddingsServer } from '../../evaluate/embeddings-server';

const server = () => new EmbeddingsServer((text) => [text.length, text.charCodeAt(0), 0.5]);
let running: EmbeddingsServer;
let address: string;
beforeEach(async () => {
  running = server();
  address = await running.start();
});
afterEach(() => running.stop());

const quiet = { environment: {} };
const numbers = (vectors: readonly Float32Array[]) => vectors.map((vector) => [...vector]);

test('texts go in requests of some, vectors come back in order, as base64 or as lists', async () => {
  running.order = (list) => [...list].reverse();
  const endpoint = new EmbeddingsEndpoint(address, { ...quiet, batchSize: 2 });
  const expected = [
    [1, 97, 0.5],
    [2, 98, 0.5],
    [3, 99, 0.5],
  ];
  expect(numbers(await endpoint.embed(['a', 'bb', 'ccc']))).toEqual(expected);
  running.base64 = false;
  expect(numbers(await endpoint.embed(['a', 'bb', 'ccc']))).toEqual(expected);
  const posts = running.received.filter(({ path }) => path === '/v1/embeddings');
  expect(posts.map(({ body }) => body.input)).toEqual([['a', 'bb'], ['ccc'], ['a', 'bb'], ['ccc']]);
  expect(posts[0]!.body).toMatchObject({ model: 'only', encoding_format: 'base64' });
  expect(running.received.filter(({ path }) => path === '/v1/models')).toHaveLength(1);
});

test.each<[string, string[] | undefined, string, string | undefined]>([
  ['the fragment names it', ['a', 'b'], '#org/b%20c', 'org/b c'],
  ['a server without a list wants none', undefined, '', undefined],
])('the model: %s', async (_, models, fragment, sent) => {
  running.models = models;
  await new EmbeddingsEndpoint(address + fragment, quiet).embed(['x']);
  expect(running.received.at(-1)!.body.model).toBe(sent);
  expect(running.received.at(-1)!.path).toBe('/v1/embeddings');
});

test('of several models one must be named', async () => {
  running.models = ['first', 'second'];
  await expect(new EmbeddingsEndpoint(address, quiet).embed(['x'])).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    message: expect.stringContaining(`${address}#first`) as string,
  });
});

test('the key comes from the environment, or from the option, and stands in no message', async () => {
  const environment = { VECTUNE_API_KEY: 'secret-1', OPENAI_API_KEY: 'secret-2' };
  await new EmbeddingsEndpoint(address, { environment }).embed(['x']);
  expect(running.received.map(({ authorization }) => authorization)).toEqual(['Bearer secret-1', 'Bearer secret-1']);
  running.answers.push({ status: 401, body: '{"error": {"message": "Incorrect API key provided"}}' });
  const refused = new EmbeddingsEndpoint(address, { environment, apiKey: 'secret-3' }).embed(['x']);
  const error = await refused.then(
    () => undefined,
    (reason: Error) => reason,
  );
  expect(error).toMatchObject({ code: 'ERR_DOWNLOAD' });
  expect(error!.message).toContain('answered 401: Incorrect API key provided');
  expect(error!.message).toContain('VECTUNE_API_KEY');
  expect(error!.message).not.toContain('secret');
});

test('a busy server is asked again, another refusal is not', async () => {
  const endpoint = new EmbeddingsEndpoint(`${address}#m`, quiet);
  running.answers.push(
    { status: 429, headers: { 'retry-after': '0' } },
    { status: 503, headers: { 'retry-after': '0' } },
  );
  expect(numbers(await endpoint.embed(['a']))).toEqual([[1, 97, 0.5]]);
  expect(running.received).toHaveLength(3);
  running.answers.push({ status: 400, body: '{"message": "too long"}' });
  await expect(endpoint.embed(['a'])).rejects.toThrow('answered 400: too long.');
  expect(running.received).toHaveLength(4);
  running.answers.push({ status: 429, headers: { 'retry-after': '3600' } });
  await expect(endpoint.embed(['a'])).rejects.toMatchObject({ code: 'ERR_DOWNLOAD' });
});

test.each<[string, string]>([
  ['no JSON', '<html>sign in</html>'],
  ['fewer vectors', '{"data": []}'],
  ['something that is no vector', '{"data": [{"embedding": "abc"}]}'],
  ['an empty vector', '{"data": [{"embedding": []}]}'],
  ['a place outside', '{"data": [{"embedding": [1], "index": 7}]}'],
])('an answer with %s is refused', async (_, body) => {
  running.answers.push({ body });
  await expect(new EmbeddingsEndpoint(`${address}#m`, quiet).embed(['x'])).rejects.toMatchObject({
    code: 'ERR_DOWNLOAD',
    message: expect.stringContaining('127.0.0.1') as string,
  });
});

test('a server that is not there is named; abort ends the waiting for a busy one', async () => {
  running.answers.push({ status: 429, headers: { 'retry-after': '30' } });
  const stop = new AbortController();
  const waiting = new EmbeddingsEndpoint(`${address}#m`, quiet).embed(['x'], { signal: stop.signal });
  while (running.received.length === 0) await new Promise(setImmediate);
  stop.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  await running.stop();
  await expect(new EmbeddingsEndpoint(`${address}#m`, quiet).embed(['x'])).rejects.toMatchObject({
    code: 'ERR_DOWNLOAD',
    message: expect.stringContaining('cannot be reached') as string,
  });
});

test.each(['localhost:8080', 'ftp://host/v1/embeddings', '', 7])('%p is no address', (wrong) => {
  expect(() => new EmbeddingsEndpoint(wrong as string, quiet)).toThrow('https://host/v1/embeddings');
});
