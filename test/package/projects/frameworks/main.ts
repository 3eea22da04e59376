// A stranger's program with the AI SDK and LangChain: the adapters are what their packages declare.
import { embedMany, type EmbeddingModel } from 'ai';
import { Embeddings, type EmbeddingsInterface } from '@langchain/core/embeddings';
import { cosineSimilarity, TextVectorisation, VectuneError } from 'vectune';
import { embeddingModel, type EmbeddingModelOptions } from 'vectune/ai-sdk';
import { VectuneEmbeddings } from 'vectune/langchain';

const tv = new TextVectorisation(process.argv[2]!);
const options: EmbeddingModelOptions = { maxEmbeddingsPerCall: 1 };
const model: EmbeddingModel = embeddingModel(tv, options);
const { embeddings } = await embedMany({ model, values: ['rain', 'boats'] });
const langchain: EmbeddingsInterface & Embeddings = new VectuneEmbeddings(tv, { maxConcurrency: 2 });
const [vector] = await langchain.embedDocuments(['rain']);
const alike = Math.abs(cosineSimilarity(embeddings[0]!, vector!) - 1) < 1e-5;
await tv.dispose();
let code: string | undefined;
try {
  await langchain.embedQuery('rain');
} catch (error) {
  if (error instanceof VectuneError) code = error.code;
}
console.log(JSON.stringify({ many: embeddings.length, alike, extends: langchain instanceof Embeddings, code }));
