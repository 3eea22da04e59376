import { cpSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { cosineSimilarity } from '../../lib';
import { bits, fixture } from '../public/models';
import { temporaryFolder, removeFolders } from '../unit/native/support/folders';
import { get, post, useServers } from './servers';

/** Each endpoint, by HTTP, with its numbers beside those of `embed`. */

const servers = useServers();
afterAll(removeFolders);
const TEXTS = ['the old stone bridge', 'rain fell on the boats', 'nobody remembers'];

function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return vector.map((value) => value / length);
}

const fromBase64 = (text: string) => {
  const bytes = Buffer.from(text, 'base64');
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
};

function near(found: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(found.length).toBe(expected.length);
  for (let i = 0; i < expected.length; ++i) expect(Math.abs(found[i]! - expected[i]!)).toBeLessThan(1e-5);
}

test('/v1/embeddings: a text, texts, token ids of both; float and base64; dimensions; usage', async () => {
  const tv = servers.model();
  const { url } = await servers.start({ tuned: tv });
  const expected = (await tv.embed(TEXTS)).map(unit);
  const one = await post(`${url}/v1/embeddings`, { model: 'tuned', input: TEXTS[0] });
  expect(one.status).toBe(200);
  expect(one.headers.get('content-type')).toMatch(/^application\/json/);
  expect(one.body).toMatchObject({ object: 'list', model: 'tuned', data: [{ object: 'embedding', index: 0 }] });
  near(one.body.data[0].embedding, expected[0]!);

  const many = await post(`${url}/v1/embeddings`, { model: 'tuned', input: TEXTS, encoding_format: 'base64' });
  const data = many.body.data as { index: number; embedding: string }[];
  expect(data.map(({ index }) => index)).toEqual([0, 1, 2]);
  data.forEach(({ embedding }, i) => near(fromBase64(embedding), expected[i]!));

  const tokens = (await post(`${url}/tokenize`, { inputs: TEXTS })).body as { id: number }[][];
  const ids = tokens.map((text) => text.map(({ id }) => id));
  expect(many.body.usage).toEqual({ prompt_tokens: ids.flat().length, total_tokens: ids.flat().length });
  const byIds = await post(`${url}/v1/embeddings`, { model: 'tuned', input: ids });
  byIds.body.data.forEach(({ embedding }: { embedding: number[] }, i: number) => near(embedding, expected[i]!));
  const byOne = await post(`${url}/v1/embeddings`, { model: 'tuned', input: ids[1] });
  near(byOne.body.data[0].embedding, expected[1]!);

  const short = await post(`${url}/v1/embeddings`, { model: 'tuned', input: TEXTS[0], dimensions: 4 });
  near(short.body.data[0].embedding, unit(expected[0]!.slice(0, 4)));
});

test('a model without a name of its own answers to its hub id, with or without sentence-transformers as the owner', async () => {
  const folder = join(temporaryFolder(), 'models--sentence-transformers--tiny-bert', 'snapshots', '0123abc');
  cpSync(fixture('bert-mean'), folder, { recursive: true });
  const { url, server } = await servers.start(servers.open(folder));
  expect(server.models).toEqual(['sentence-transformers/tiny-bert']);
  const embed = (model: string) => post(`${url}/v1/embeddings`, { model, input: TEXTS });
  const whole = await embed('sentence-transformers/tiny-bert');
  expect(await embed('tiny-bert')).toMatchObject({ status: 200, body: whole.body });
  expect(whole.body.model).toBe('sentence-transformers/tiny-bert');
  expect((await get(`${url}/v1/models/tiny-bert`)).body.id).toBe('sentence-transformers/tiny-bert');
  for (const other of ['other/tiny-bert', 'bert', '']) expect((await embed(other)).status).toBe(404);
  // It is swapped and taken out by either, and a name that is another model's own goes before.
  await server.swap('tiny-bert', servers.open(folder));
  expect(server.models).toEqual(['sentence-transformers/tiny-bert']);
  await server.add('tiny-bert', servers.model('roberta-mean'));
  expect((await embed('tiny-bert')).body.model).toBe('tiny-bert');
  await server.remove('tiny-bert');
  expect(await embed('tiny-bert')).toMatchObject({ status: 200, body: whole.body });
  await server.add('more', servers.model());
  await server.remove('tiny-bert');
  expect(server.models).toEqual(['more']);
});

test("the openai package's own client, with its default base64", async () => {
  const tv = servers.model();
  const { url } = await servers.start({ tuned: tv }, { apiKeys: ['first', 'second'] });
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'second', maxRetries: 0 });
  const expected = (await tv.embed(TEXTS)).map(unit);
  const { data, usage } = await client.embeddings.create({ model: 'tuned', input: TEXTS });
  data.forEach(({ embedding }, i) => near(embedding, expected[i]!));
  expect(usage.total_tokens).toBeGreaterThan(TEXTS.length);
  const floats = await client.embeddings.create({
    model: 'tuned',
    input: TEXTS[0]!,
    encoding_format: 'float',
    dimensions: 8,
  });
  expect(floats.data[0]!.embedding).toHaveLength(8);
  const names: string[] = [];
  for await (const model of client.models.list()) names.push(model.id);
  expect(names).toEqual(['tuned']);
  expect(await client.models.retrieve('tuned')).toMatchObject({ id: 'tuned', object: 'model' });
  await expect(client.models.retrieve('BAAI/bge')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  await expect(client.embeddings.create({ model: 'text-embedding-3-small', input: 'a' })).rejects.toMatchObject({
    status: 404,
    code: 'model_not_found',
    param: 'model',
    type: 'invalid_request_error',
  });
  const wrong = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'third', maxRetries: 0 });
  await expect(wrong.models.list()).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
});

test('/embed: normalised unless told, prompts, dimensions, truncation and its side', async () => {
  const tv = servers.model();
  const { url } = await servers.start(tv);
  const plain = await tv.embed(TEXTS);
  const raw = await post(`${url}/embed`, { inputs: TEXTS, normalize: false });
  expect(bits(raw.body.map((vector: number[]) => Float32Array.from(vector)))).toBe(bits(plain));
  const unitary = await post(`${url}/embed`, { inputs: TEXTS[0] });
  near(unitary.body[0], unit(plain[0]!));
  expect((await post(`${url}/embed`, { inputs: 'a', prompt_name: 'query' })).body).toMatchObject({
    error_type: 'Validation',
    error: expect.stringMatching(/no prompt of the name "query"/),
  });
  const { maxInputLength } = await tv.info();
  const words = Array.from({ length: maxInputLength + 40 }, (_, i) => TEXTS[i % 3]!.split(' ')[0]!);
  const long = words.join(' ');
  expect((await post(`${url}/embed`, { inputs: ['a', long], truncate: false })).body.error).toMatch(
    /^inputs\[1\] has more/,
  );
  const tokens = (await post(`${url}/tokenize`, { inputs: long })).body[0] as { id: number; special: boolean }[];
  expect(tokens.length).toBeGreaterThan(maxInputLength);
  const own = tokens.filter(({ special }) => !special).map(({ id }) => id);
  const [first, last] = [tokens[0]!.id, tokens.at(-1)!.id];
  const kept = maxInputLength - 2;
  for (const [truncation_direction, part] of [
    ['Right', own.slice(0, kept)],
    ['Left', own.slice(-kept)],
  ] as const) {
    const byText = await post(`${url}/embed`, { inputs: long, truncation_direction });
    const byIds = await post(`${url}/embed`, { inputs: [[first, ...part, last]] });
    near(byText.body[0], byIds.body[0]);
  }
  // Ids without the special tokens are cut as they are.
  const bare = await post(`${url}/embed`, { inputs: [own] });
  near(bare.body[0], (await post(`${url}/embed`, { inputs: [own.slice(0, maxInputLength)] })).body[0]);
  const whole = tokens.map(({ id }) => id);
  for (const truncation_direction of ['Right', 'Left']) {
    const [byText, byIds] = await Promise.all(
      [long, [whole]].map((inputs) => post(`${url}/embed`, { inputs, truncation_direction })),
    );
    near(byIds!.body[0], byText!.body[0]);
  }
  const strict = await servers.start(tv, { truncate: false });
  expect(await post(`${strict.url}/v1/embeddings`, { input: whole })).toMatchObject({
    status: 400,
    body: { error: { code: 'context_length_exceeded', param: 'input' } },
  });
  expect(await post(`${strict.url}/embed`, { inputs: long })).toMatchObject({ status: 422 });
  expect(await post(`${strict.url}/v1/embeddings`, { input: long })).toMatchObject({
    status: 400,
    body: { error: { code: 'context_length_exceeded', param: 'input' } },
  });
});

test('/similarity, /tokenize, /info, /health, /metrics, /v1/models, /openapi.json', async () => {
  const tv = servers.model();
  const { url } = await servers.start({ tuned: tv });
  const [first, ...others] = await tv.embed(TEXTS);
  const similar = await post(`${url}/similarity`, {
    inputs: { source_sentence: TEXTS[0], sentences: TEXTS.slice(1) },
  });
  near(similar.body, cosineSimilarity(first!, others));

  const text = '😀 the old bridge';
  const [tokens] = (await post(`${url}/tokenize`, { inputs: text })).body;
  expect(tokens[0]).toMatchObject({ special: true, start: null, stop: null });
  for (const { special, start, stop, text: part } of tokens) {
    if (!special) expect(part).toBe([...text].slice(start, stop).join(''));
  }
  const [bare] = (await post(`${url}/tokenize`, { inputs: text, add_special_tokens: false })).body;
  expect(bare).toEqual(tokens.slice(1, -1));

  const { dimension, maxInputLength } = await tv.info();
  expect((await get(`${url}/info`)).body).toMatchObject({
    served_model_name: 'tuned',
    model_dtype: 'float32',
    model_type: { embedding: { pooling: 'mean' } },
    max_input_length: maxInputLength,
    dimension,
    max_client_batch_size: 2048,
    tokenization_workers: availableParallelism(),
    auto_truncate: true,
  });
  expect((await get(`${url}/health`)).status).toBe(200);
  expect((await get(`${url}/v1/models`)).body).toMatchObject({
    object: 'list',
    data: [{ id: 'tuned', object: 'model' }],
  });
  const metrics = (await get(`${url}/metrics`)).body as string;
  expect(metrics).toMatch(/^te_request_count\{model="tuned",method="batch"\} 1$/m);
  expect(metrics).toMatch(/^te_embed_success\{model="tuned"\} 3$/m);
  for (const name of ['te_request_success', 'te_request_duration_bucket', 'te_request_tokenization_duration_sum'])
    expect(metrics).toContain(name);
  for (const name of ['te_request_queue_duration', 'te_request_inference_duration', 'te_batch_next_tokens'])
    expect(metrics).toContain(`${name}_count{model="tuned"} 1\n`);
  for (const name of ['te_queue_size', 'vectune_queue_tokens', 'vectune_held_bytes'])
    expect(metrics).toContain(`${name} 0\n`);
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(metrics)?.[1]);
  expect(Math.abs(value('process_start_time_seconds') - (Date.now() / 1000 - process.uptime()))).toBeLessThan(5);
  expect(value('process_cpu_seconds_total')).toBeGreaterThan(0);
  expect(value('process_resident_memory_bytes')).toBeGreaterThan(value('nodejs_heap_size_used_bytes'));

  const { body: api } = await get(`${url}/openapi.json`);
  expect(api.openapi).toBe('3.1.0');
  expect(Object.keys(api.paths).sort()).toEqual([
    '/embed',
    '/health',
    '/info',
    '/metrics',
    '/similarity',
    '/tokenize',
    '/v1/embeddings',
    '/v1/models',
    '/v1/models/{model}',
  ]);
  const { properties, required } = api.paths['/v1/embeddings'].post.requestBody.content['application/json'].schema;
  expect(Object.keys(properties)).toEqual([
    'input',
    'model',
    'encoding_format',
    'dimensions',
    'prompt_name',
    'input_type',
    'user',
  ]);
  expect(required).toEqual(['input']);
  expect(properties.input.oneOf).toHaveLength(4);
});

test('several models, each by its name; an answer of many vectors comes in parts and is whole', async () => {
  const [mean, cls] = [servers.model('bert-mean'), servers.model('roberta-mean')];
  const { url } = await servers.start({ mean, cls });
  for (const [name, tv] of [
    ['mean', mean],
    ['cls', cls],
  ] as const) {
    const { body } = await post(`${url}/v1/embeddings`, { model: name, input: TEXTS[0] });
    near(body.data[0].embedding, unit(await tv.embed(TEXTS[0]!)));
  }
  const texts = Array.from({ length: 300 }, (_, i) => `${TEXTS[i % 3]} ${i}`);
  const { body } = await post(`${url}/v1/embeddings`, { model: 'cls', input: texts });
  const expected = (await cls.embed(texts)).map(unit);
  expect(body.data).toHaveLength(300);
  body.data.forEach(({ embedding }: { embedding: number[] }, i: number) => near(embedding, expected[i]!));
});
