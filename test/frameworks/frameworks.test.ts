import type { EmbeddingModel } from 'ai';
import { embed, embedMany } from 'ai-6';
import { Embeddings } from '@langchain/core/embeddings';
import { join } from 'node:path';
import { cosineSimilarity } from '../../lib';
import { embeddingModel } from '../../lib/ai-sdk';
import { numberLists } from '../../lib/embed/number-lists';
import { VectuneEmbeddings } from '../../lib/langchain';
import { editJson, fixture, PROBE_TEXTS, useModels } from '../public/models';

/** The adapters, by the frameworks' own packages; ai 7, which is an ES module, by examples/frameworks. */

const models = useModels();

test("the AI SDK's embed and embedMany: vectors, batches, abort", async () => {
  const tv = models.open(fixture('bert-mean'));
  const expected = (await tv.embed(PROBE_TEXTS)).map((vector) => Array.from(vector));
  const model = embeddingModel(tv, { maxEmbeddingsPerCall: 3 });
  const ofTheCurrentSdk: EmbeddingModel = model;
  expect(ofTheCurrentSdk).toBe(model);
  const one = await embed({ model, value: PROBE_TEXTS[0]! });
  expect(one.embedding).toHaveLength(expected[0]!.length);
  const many = await embedMany({ model, values: PROBE_TEXTS });
  expect(many.embeddings).toHaveLength(PROBE_TEXTS.length);
  many.embeddings.forEach((vector, i) => {
    for (let at = 0; at < vector.length; ++at) expect(vector[at]).toBeCloseTo(expected[i]![at]!, 5);
  });
  await expect(embed({ model, value: 'a', abortSignal: AbortSignal.abort(), maxRetries: 0 })).rejects.toThrow();
  expect(() => embeddingModel(tv, { batch: 3 } as never)).toThrow(/no option "batch"/);
});

test("LangChain's Embeddings: documents and queries; one that fails rejects with vectune's error", async () => {
  const tv = models.open(fixture('bert-mean'));
  const embeddings = new VectuneEmbeddings(tv);
  expect(embeddings).toBeInstanceOf(Embeddings);
  const expected = await tv.embed(PROBE_TEXTS);
  const found = await embeddings.embedDocuments(PROBE_TEXTS);
  found.forEach((vector, i) => {
    for (let at = 0; at < vector.length; ++at) expect(vector[at]).toBeCloseTo(expected[i]![at]!, 5);
  });
  expect(await embeddings.embedQuery(PROBE_TEXTS[0]!)).toHaveLength(expected[0]!.length);
  await tv.dispose();
  await expect(embeddings.embedQuery('a')).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
});

/** A model with prompts that change its vectors. */
function prompted() {
  const folder = models.copy('bert-mean', 'prompted');
  editJson<Record<string, unknown>>(join(folder, 'config_sentence_transformers.json'), (config) => {
    config['prompts'] = { query: 'a question: ', passage: 'a text: ' };
  });
  return models.open(folder);
}

test('the AI SDK: a role or a prompt, dimensions and a limit, of the model and of a call', async () => {
  const tv = prompted();
  const text = PROBE_TEXTS[0]!;
  const [query, document, plain] = [await tv.embedQueries(text), await tv.embedDocuments(text), await tv.embed(text)];
  const near = (found: readonly number[], expected: Float32Array) => {
    expect(found).toHaveLength(expected.length);
    found.forEach((number, i) => expect(number).toBeCloseTo(expected[i]!, 5));
  };
  expect(cosineSimilarity(query, document)).toBeLessThan(0.9999);
  const passages = embeddingModel(tv, { role: 'document' });
  const of = async (model: EmbeddingModel, vectune?: Record<string, string | number>) =>
    (
      await embed({
        model: model as never,
        value: text,
        maxRetries: 0,
        ...(vectune && { providerOptions: { vectune } }),
      })
    ).embedding;
  near(await of(passages), document);
  near(await of(passages, { role: 'query' }), query);
  near(await of(passages, { prompt: '' }), plain);
  near(await of(passages, { prompt: 'query', dimensions: 4 }), await tv.embedQueries(text, { dimensions: 4 }));
  near(await of(embeddingModel(tv), { maxInputLength: 3 }), await tv.embed(text, { maxInputLength: 3 }));
  near(await of(embeddingModel(tv, { prompt: 'passage' })), document);
  near(await of(embeddingModel(tv)), plain);
  await expect(of(passages, { rol: 'query' })).rejects.toMatchObject({ code: 'ERR_UNKNOWN_OPTION' });
  await expect(of(passages, { role: 'query', prompt: 'query' })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  expect(() => embeddingModel({ embed: tv.embed.bind(tv) }, { role: 'query' })).toThrow(/has no embedQueries/);
});

test('LangChain: prompts, dimensions and a limit', async () => {
  const tv = prompted();
  const text = PROBE_TEXTS[0]!;
  const usual = new VectuneEmbeddings(tv, { dimensions: 5, maxConcurrency: 2 });
  expect(await usual.embedQuery(text)).toEqual(Array.from(await tv.embedQueries(text, { dimensions: 5 })));
  expect(await usual.embedDocuments([text])).toEqual([Array.from(await tv.embedDocuments(text, { dimensions: 5 }))]);
  const own = new VectuneEmbeddings(tv, { queryPrompt: 'passage', documentPrompt: '', maxInputLength: 6 });
  expect(await own.embedQuery(text)).toEqual(Array.from(await tv.embedDocuments(text, { maxInputLength: 6 })));
  expect(await own.embedDocuments([text])).toEqual([Array.from(await tv.embed(text, { maxInputLength: 6 }))]);
  expect(() => new VectuneEmbeddings(tv, { dimension: 5 } as never)).toThrow(/no option "dimension"/);
});

test('lists of numbers are made in turns', async () => {
  let turns = 0;
  const count = () => {
    ++turns;
    waiting = setImmediate(count);
  };
  let waiting = setImmediate(count);
  const vectors = Array.from({ length: 2048 }, () => new Float32Array(512));
  expect(await numberLists(vectors)).toHaveLength(2048);
  clearImmediate(waiting);
  expect(turns).toBeGreaterThanOrEqual(3);
});
