// The AI SDK with a model in this process: npm install vectune ai
//   node ai-sdk.mjs [model]
import { cosineSimilarity, embed, embedMany } from 'ai';
import { models, TextVectorisation } from 'vectune';
import { embeddingModel } from 'vectune/ai-sdk';

const tv = new TextVectorisation(process.argv[2] ?? models.AllMiniLML6V2);
// With the model's own prompts, where it has any: one for what is to be found, one for what is searched for.
const model = embeddingModel(tv, { role: 'document' });

const values = ['Where is my parcel?', 'How do I reset my password?', 'The weather is lovely today.'];
const { embeddings } = await embedMany({ model, values });
const { embedding } = await embed({
  model,
  value: 'I forgot my login',
  providerOptions: { vectune: { role: 'query' } },
});
const similarities = embeddings.map((one) => cosineSimilarity(embedding, one));
console.log(values[similarities.indexOf(Math.max(...similarities))]);
await tv.dispose();
