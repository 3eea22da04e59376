import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { copyFixture, setFields } from '../unit/model/support/fixture';
import { removeFolders } from '../unit/native/support/folders';
import { useServers } from './servers';

/** The AI SDK's and LangChain's own clients of OpenAI's form, in a process of their own, with a server. */

const servers = useServers();
afterAll(removeFolders);

const TEXTS = ['the old stone bridge', 'rain fell on the boats', 'nobody remembers', 'bread', 'the miller'];

function near(found: readonly number[], expected: ArrayLike<number>): void {
  expect(found).toHaveLength(expected.length);
  found.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-6));
}

test('they get the vectors of the model that they name, with its prompt', async () => {
  const folder = copyFixture('mpnet-mean');
  setFields({ prompts: { query: 'who ', passage: 'the harbour: ' } }, folder, 'config_sentence_transformers.json');
  const tv = servers.open(folder);
  const models = { questions: { model: tv, prompt: 'query' }, passages: { model: tv, prompt: 'passage' } };
  const { url } = await servers.start(models, { apiKeys: ['my-key'] });
  const program = [join(__dirname, 'programs/clients.mjs'), `${url}/v1`, 'my-key'];
  const { stdout } = await promisify(execFile)(process.execPath, program, {
    env: { ...process.env, TEXTS: JSON.stringify(TEXTS) },
  });
  const told = JSON.parse(stdout);
  const question = await tv.embedQueries(TEXTS[0]!);
  const passages = await tv.embedDocuments(TEXTS);
  expect(Array.from(question)).not.toEqual(Array.from(passages[0]!));
  for (const client of ['sdk', 'langchain']) {
    near(told[`${client}One`], question);
    expect(told[`${client}Many`]).toHaveLength(TEXTS.length);
    passages.forEach((vector, i) => near(told[`${client}Many`][i], vector));
    near(told[`${client}Short`], await tv.embedQueries(TEXTS[0]!, { dimensions: 4 }));
    expect(told[`${client}Refused`]).toEqual({
      statusCode: 404,
      message: expect.stringMatching(/There is no model "nobody" here. There are: questions, passages/),
    });
  }
  expect(told.sdkTokens).toBeGreaterThan(TEXTS.length);
}, 120_000);
