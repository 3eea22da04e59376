import OpenAI from 'openai';
import { TextVectorisation } from '../../lib';
import { createServer } from '../../lib/serve/create-server';
import { bits, fixture } from '../public/models';
import { copyFixture, setFields } from '../unit/model/support/fixture';
import { filesBelow, HubServer } from '../unit/model/support/hub-server';
import { removeFolders, temporaryFolder } from '../unit/native/support/folders';
import { get, post, useServers } from './servers';

/** What stands before texts, how many numbers a vector has and how long a text may be: by model, and by request. */

const servers = useServers();
afterAll(removeFolders);

const PROMPTS = { query: 'who ', passage: 'the harbour: ' };
const TEXTS = ['the old stone bridge', 'rain fell on the boats', 'nobody remembers'];

/** Of a model that gives vectors of length 1. */
function withPrompts(more: object = {}): string {
  const folder = copyFixture('mpnet-mean');
  setFields({ prompts: PROMPTS, ...more }, folder, 'config_sentence_transformers.json');
  return folder;
}

const vectors = (answer: { body: { data: { embedding: number[] }[] } }) =>
  bits(answer.body.data.map(({ embedding }) => Float32Array.from(embedding)));
const expected = async (tv: TextVectorisation, prompt: string) => bits(await tv.embed(TEXTS, { prompt }));

test('one model under two names, each with its prompt: clients choose by the name', async () => {
  const tv = servers.open(withPrompts());
  const { url, server } = await servers.start({
    questions: { model: tv, prompt: 'query' },
    passages: { model: tv, prompt: 'passage', dimensions: 8, maxInputLength: 6 },
    plain: tv,
    own: { model: tv, prompt: 'a prompt: ' },
  });
  expect(server.models).toEqual(['questions', 'passages', 'plain', 'own']);
  const ask = (model: string, more: object = {}) =>
    post(`${url}/v1/embeddings`, { model, input: TEXTS, encoding_format: 'float', ...more });
  expect(vectors(await ask('questions'))).toBe(await expected(tv, 'query'));
  expect(vectors(await ask('plain'))).toBe(await expected(tv, ''));
  expect(vectors(await ask('own'))).toBe(await expected(tv, 'a prompt: '));
  const short = bits(await tv.embed(TEXTS, { prompt: 'passage', dimensions: 8, maxInputLength: 6 }));
  expect(short).not.toBe(bits(await tv.embed(TEXTS, { prompt: 'passage', dimensions: 8 })));
  expect(vectors(await ask('passages'))).toBe(short);
  // A request goes before what the model is served with.
  expect(vectors(await ask('questions', { prompt_name: 'passage' }))).toBe(await expected(tv, 'passage'));
  expect(vectors(await ask('plain', { input_type: 'query' }))).toBe(await expected(tv, 'query'));
  for (const input_type of ['document', 'passage'])
    expect(vectors(await ask('plain', { input_type }))).toBe(await expected(tv, 'passage'));
  const wide = await ask('passages', { dimensions: 16 });
  expect(wide.body.data[0].embedding).toHaveLength(16);
  // OpenAI's client, which knows of no prompts.
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
  const { data } = await client.embeddings.create({ model: 'questions', input: TEXTS });
  expect(bits(data.map(({ embedding }) => Float32Array.from(embedding)))).toBe(await expected(tv, 'query'));

  expect((await get(`${url}/info`)).body.models).toMatchObject([
    { served_model_name: 'questions', default_prompt: 'who ', prompts: ['query', 'passage'] },
    { served_model_name: 'passages', default_prompt: 'the harbour: ', dimension: 8, max_input_length: 6 },
    { served_model_name: 'plain', default_prompt: '' },
    { served_model_name: 'own', default_prompt: 'a prompt: ' },
  ]);
  expect(await ask('plain', { input_type: 'query', prompt_name: 'query' })).toMatchObject({
    status: 400,
    body: { error: { param: 'input_type' } },
  });
  expect(await ask('plain', { prompt_name: 'document' })).toMatchObject({
    status: 400,
    body: { error: { param: 'prompt_name', message: expect.stringMatching(/It has: query, passage/) } },
  });
  const ids = { input: [[5, 6]], input_type: 'query' };
  expect(await ask('plain', ids)).toMatchObject({ status: 400, body: { error: { param: 'input_type' } } });
});

test('input_type cuts by the limits that the folder has of queries and documents, as embedQueries and embedDocuments do', async () => {
  const folder = withPrompts();
  setFields({ query_length: 5, document_length: 8 }, folder, 'sentence_bert_config.json');
  const tv = servers.open(folder);
  const { url } = await servers.start({ own: tv, given: { model: tv, maxInputLength: 7 } });
  const input = ['the old stone bridge and the river that runs past the mill', 'rain'];
  const ask = async (model: string, more: object = {}) =>
    vectors(await post(`${url}/v1/embeddings`, { model, input, encoding_format: 'float', ...more }));
  const query = bits(await tv.embedQueries(input)),
    document = bits(await tv.embedDocuments(input));
  expect(query).not.toBe(bits(await tv.embed(input, { prompt: 'query' })));
  expect(document).not.toBe(bits(await tv.embed(input, { prompt: 'passage' })));
  expect(await ask('own', { input_type: 'query' })).toBe(query);
  for (const input_type of ['document', 'passage']) expect(await ask('own', { input_type })).toBe(document);
  expect(await ask('own')).toBe(bits(await tv.embed(input, { prompt: '' })));
  // An own limit goes before the folder's, in both.
  expect(await ask('given', { input_type: 'query' })).toBe(bits(await tv.embedQueries(input, { maxInputLength: 7 })));

  const strict = await servers.start(tv, { truncate: false });
  const refused = await post(`${strict.url}/v1/embeddings`, { input, input_type: 'query' });
  expect(refused).toMatchObject({
    status: 400,
    body: {
      error: {
        code: 'context_length_exceeded',
        message: expect.stringMatching(/more than the 5 tokens .* of a query/),
      },
    },
  });
});

test('/tokenize puts before a text what /embed does: the ids of one give the vector of the other', async () => {
  const tv = servers.open(withPrompts({ default_prompt_name: 'query' }));
  const { url } = await servers.start(tv);
  for (const more of [{}, { prompt_name: 'passage' }]) {
    const tokens = (await post(`${url}/tokenize`, { inputs: TEXTS, ...more })).body as { id: number }[][];
    const inputs = tokens.map((text) => text.map(({ id }) => id));
    const [byIds, byText] = [
      await post(`${url}/embed`, { inputs }),
      await post(`${url}/embed`, { inputs: TEXTS, ...more }),
    ];
    expect(byIds.body).toEqual(byText.body);
  }
  const [plain, prompted] = await Promise.all(
    ['', 'query'].map(async (prompt) => bits(await tv.embed(TEXTS, { prompt }))),
  );
  const byDefault = await post(`${url}/embed`, { inputs: TEXTS, normalize: false });
  expect(bits(byDefault.body.map((vector: number[]) => Float32Array.from(vector)))).toBe(prompted);
  expect(prompted).not.toBe(plain);
});

test('a model that has prompts and is served without is told of; with one, or without by intent, it is not', async () => {
  const tv = servers.open(withPrompts());
  const notes = async (models: Parameters<typeof createServer>[0]) => (await servers.start(models)).server.notes;
  const told = expect.stringMatching(
    /^mpnet-mean was trained with a prompt before each text \(query: 'who ', passage: 'the harbour: '\), and a request that says neither prompt_name nor/,
  );
  expect(await notes(tv)).toEqual([told]);
  const other = servers.open(withPrompts({ prompts: { title: 'a title: ' } }));
  expect(await notes(other)).toEqual([
    expect.stringMatching(/^mpnet-mean has prompts \(title: 'a title: '\), and a request/),
  ]);
  expect(await notes({ model: tv, prompt: 'query' })).toEqual([]);
  expect(await notes({ model: tv, prompt: '' })).toEqual([]);
  expect(await notes({ a: { model: tv, prompt: 'query' }, b: tv })).toEqual([
    expect.stringMatching(/^Model "b": mpnet-mean/),
  ]);
  expect(await notes(servers.open(withPrompts({ default_prompt_name: 'query' })))).toEqual([]);
  expect(await notes(servers.model())).toEqual([]);
});

test('one that its authors trained with prompts is told of in other words', async () => {
  const hub = await HubServer.start();
  try {
    hub.add('intfloat/e5-small-v2', filesBelow(fixture('mpnet-mean')));
    const tv = new TextVectorisation('intfloat/e5-small-v2', {
      device: 'cpu',
      hubUrl: hub.url,
      cacheFolder: temporaryFolder(),
    });
    const { server } = await servers.start(tv);
    expect(server.notes).toEqual([
      expect.stringMatching(
        /^intfloat\/e5-small-v2 was trained with a prompt before each text \(query: 'query: ', document/,
      ),
    ]);
    await server.close();
    await tv.dispose();
  } finally {
    await hub.stop();
  }
});

test('what a model does not have, and what is no model, is refused by its name', async () => {
  const tv = servers.open(withPrompts());
  const refused = async (settings: object, message: RegExp) => {
    const server = createServer({ live: { model: tv, ...settings } }, { port: 0 });
    await expect(server.listen()).rejects.toThrow(message);
    await server.close();
  };
  await refused({ prompt: 'document' }, /prompt is 'document', and the model .* has the prompts 'query', 'passage'/);
  await refused({ dimensions: 10_000 }, /dimensions must be an integer from 1 to \d+/);
  await refused({ maxInputLength: 10_000 }, /maxInputLength is 10000, but .* has positions for/);
  expect(() => createServer({ live: { model: tv, promt: 'query' } } as never)).toThrow(
    /The model "live" has no option "promt". Did you mean "prompt"\?/,
  );
  expect(() => createServer({ live: { prompt: 'query' } } as never)).toThrow(/model is missing/);
  expect(() => createServer({ live: { model: 'all-MiniLM-L6-v2' } } as never)).toThrow(
    /model must be a TextVectorisation/,
  );
  // One model with what it is served with goes by its own id.
  const { url } = await servers.start({ model: tv, prompt: 'query' });
  expect((await get(`${url}/info`)).body).toMatchObject({
    served_model_name: (await tv.info()).id,
    default_prompt: 'who ',
  });
  const { server } = await servers.start({ model: tv });
  expect(server.models).toEqual(['model']);
});

test("pooling has text-embeddings-inference's name", async () => {
  const { url } = await servers.start(servers.model('qwen3-lasttoken'));
  expect((await get(`${url}/info`)).body.model_type).toEqual({ embedding: { pooling: 'last_token' } });
});
