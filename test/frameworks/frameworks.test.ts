import type { EmbeddingModel } from 'ai';
import { embed, embedMany } from 'ai-6';
import { Embeddings } from '@langchain/core/embeddings';
import { embeddingModel } from '../../lib/ai-sdk';
import { VectuneEmbeddings } from '../../lib/langchain';
import { fixture, PROBE_TEXTS, useModels } from '../public/models';

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
