// LangChain with a model in this process: npm install vectune @langchain/core
//   node langchain.mjs [model]
import { models, TextVectorisation, VectorIndex } from 'vectune';
import { VectuneEmbeddings } from 'vectune/langchain';

const tv = new TextVectorisation(process.argv[2] ?? models.AllMiniLML6V2);
// Whatever takes LangChain's Embeddings takes it: vector stores, retrievers, caches.
const embeddings = new VectuneEmbeddings(tv);

const documents = ['Where is my parcel?', 'How do I reset my password?', 'The weather is lovely today.'];
const index = await VectorIndex.of(await embeddings.embedDocuments(documents));
const [hits] = await index.search([await embeddings.embedQuery('I forgot my login')], { topK: 1 });
console.log(documents[hits[0].index]);
await index.dispose();
await tv.dispose();
