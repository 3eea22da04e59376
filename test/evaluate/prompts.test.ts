import {
  EmbeddingsEndpoint,
  evaluate,
  evaluateRetrieval,
  evaluateSimilarity,
  evaluateTriplet,
  mineHardNegatives,
  type EmbeddingModel,
} from '../../lib';
import { vectune } from '../checkpoint/vectune';
import { fixture, useModels } from '../public/models';
import { EmbeddingsServer } from './embeddings-server';

/** What stands before texts in an evaluation. */

const models = useModels();

/** Notes what it is asked, and with what. */
class Noting implements EmbeddingModel {
  readonly asked: { as: string; texts: readonly string[]; prompt: string | undefined }[] = [];
  constructor(readonly takesPrompts: boolean) {}
  #embed(as: string, texts: readonly string[], prompt: string | undefined): Promise<number[][]> {
    this.asked.push({ as, texts, prompt });
    return Promise.resolve(texts.map((text) => [text.length, 1]));
  }
  embed = (texts: readonly string[], options?: { prompt?: string }) => this.#embed('text', texts, options?.prompt);
  embedQueries = (texts: readonly string[], options?: { prompt?: string }) =>
    this.#embed('query', texts, options?.prompt);
  embedDocuments = (texts: readonly string[], options?: { prompt?: string }) =>
    this.#embed('document', texts, options?.prompt);
}

const found = {
  queries: [{ id: 'q', text: 'who' }],
  corpus: [
    { id: 'd', text: 'she' },
    { id: 'e', text: 'nobody' },
  ],
  relevant: { q: ['d'] },
};

test('by what a text is: queries, documents, and all others', async () => {
  const named = new Noting(true);
  await evaluateRetrieval(named, found, { queryPrompt: 'query', corpusPrompt: 'passage: ' });
  expect(named.asked).toEqual([
    { as: 'query', texts: ['who'], prompt: 'query' },
    { as: 'document', texts: ['she', 'nobody'], prompt: 'passage: ' },
  ]);
  // One prompt is for all that have none of their own.
  const one = new Noting(true);
  await evaluateTriplet(one, [{ anchor: 'a', positive: 'b', negative: 'c' }], { prompt: 'x: ', corpusPrompt: '' });
  expect(one.asked.map(({ as, prompt }) => [as, prompt])).toEqual([
    ['query', 'x: '],
    ['document', ''],
  ]);
  // Who knows no prompts gets texts that have them.
  const plain = new Noting(false);
  await evaluateRetrieval(plain, found, { queryPrompt: 'query: ', corpusPrompt: 'passage: ' });
  expect(plain.asked).toEqual([
    { as: 'query', texts: ['query: who'], prompt: undefined },
    { as: 'document', texts: ['passage: she', 'passage: nobody'], prompt: undefined },
  ]);
  const refused = evaluateRetrieval(plain, found, { queryPrompt: 'query' });
  await expect(refused).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message:
      "queryPrompt is 'query', but this model has no prompts by name. Give the text itself; it has a space or a colon in it, as in 'query: '.",
  });
});

test('where nothing is searched there are no queries to put one before', async () => {
  const model = new Noting(true);
  const rows = [
    { text1: 'a', text2: 'bb', score: 1 },
    { text1: 'a', text2: 'c', score: 0 },
  ];
  await expect(evaluateSimilarity(model, rows, { queryPrompt: 'query: ' })).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message: expect.stringMatching(
      /^queryPrompt is for queries, but the data is measured by similarity, .*prompt\.$/,
    ) as string,
  });
  expect(model.asked).toEqual([]);
  await evaluateSimilarity(model, rows, { prompt: 'x: ' });
  expect(model.asked).toEqual([{ as: 'text', texts: ['a', 'bb', 'c'], prompt: 'x: ' }]);
});

test('a model that is opened here has them by name, and says which it has', async () => {
  const model = models.open(fixture('bert-mean'));
  const rows = ['rain', 'the boats', 'old bridge', 'stone', 'nobody', 'fell'].map((text, i, all) => ({
    text1: text,
    text2: all[(i + 1) % 6]!,
    score: i,
  }));
  const [with_, by] = await Promise.all([
    evaluateSimilarity(model, rows, { prompt: 'query: ', intervals: false }),
    evaluateSimilarity(
      model,
      rows.map(({ text1, text2, score }) => ({ text1: `query: ${text1}`, text2: `query: ${text2}`, score })),
      { intervals: false },
    ),
  ]);
  expect(with_.metrics.pearson).toBeCloseTo(by.metrics.pearson!, 5);
  const plain = await evaluateSimilarity(model, rows, { intervals: false });
  expect(with_.metrics.pearson).not.toBeCloseTo(plain.metrics.pearson!, 5);
  const data = [
    ['rain', 'the boats'],
    ['stone', 'bridge'],
  ];
  await expect(evaluate(model, data, { queryPrompt: 'question' })).rejects.toMatchObject({
    message: expect.stringMatching(/^queryPrompt is 'question', and the model .* has no prompts/) as string,
  });
  await expect(evaluate(model, data, { prompt: 'question' })).rejects.toThrow(/^prompt is 'question'/);
});

test('an address is sent texts that have them, and refuses what it is not asked', async () => {
  const server = new EmbeddingsServer((text) => [text.length, 1]);
  try {
    const address = await server.start();
    const peer = new EmbeddingsEndpoint(address, { environment: {} });
    await evaluateRetrieval(peer, found, { queryPrompt: 'query: ' });
    expect(server.received.flatMap(({ body }) => body.input ?? [])).toEqual(['query: who', 'she', 'nobody']);
    for (const options of [{ maxInputLength: 9 }, { dimensions: 2 }, { prompt: 'x: ' }]) {
      const [name] = Object.keys(options);
      await expect(peer.embed(['a'], options as object)).rejects.toMatchObject({
        code: 'ERR_INVALID_OPTION',
        message: expect.stringContaining(
          `${name} is for a model that is opened here, but ${address} is a server`,
        ) as string,
      });
    }
  } finally {
    await server.stop();
  }
});

test('mining puts them where the evaluators do', async () => {
  const model = new Noting(true);
  const pairs = [
    ['a', 'bb'],
    ['cc', 'ddd'],
  ];
  await mineHardNegatives(model, pairs, { queryPrompt: 'query', corpusPrompt: 'passage: ', numNegatives: 1 });
  expect(model.asked.map(({ as, prompt }) => [as, prompt])).toEqual([
    ['document', 'passage: '],
    ['query', 'query'],
  ]);
});

test('by flags, of compare for one side too', async () => {
  const server = new EmbeddingsServer((text) => [text.length, 1]);
  const address = await server.start();
  try {
    const file = models.write('found.csv', 'query,positive\nwho,she\nwhen,now\n');
    const flags = ['--query-prompt', 'query: ', '--corpus-prompt', 'passage: '];
    expect(await vectune(['evaluate', file, '--model', address, ...flags])).toMatchObject({ code: 0 });
    expect(server.received.flatMap(({ body }) => body.input ?? [])).toEqual([
      'query: who',
      'query: when',
      'passage: she',
      'passage: now',
    ]);
    server.received.length = 0;
    const own = ['--prompt', 'x: ', '--b-prompt', 'y: '];
    expect(await vectune(['compare', address, address, file, ...own])).toMatchObject({ code: 0 });
    const sent = server.received.flatMap(({ body }) => body.input ?? []);
    expect(sent.filter((text) => text.startsWith('x: '))).toHaveLength(4);
    expect(sent.filter((text) => text.startsWith('y: '))).toHaveLength(4);
    const named = await vectune(['evaluate', file, '--model', address, '--query-prompt', 'query']);
    expect(named).toMatchObject({ code: 2 });
    expect(named.stderr).toContain("--query-prompt is 'query', but this model has no prompts by name");
  } finally {
    await server.stop();
  }
}, 60_000);
