// The AI SDK with a model in this process, in CommonJS: npm install vectune ai
//   node ai-sdk.cjs [model]
const { cosineSimilarity, embed, embedMany } = require('ai');
const { models, TextVectorisation } = require('vectune');
const { embeddingModel } = require('vectune/ai-sdk');

async function main() {
  const tv = new TextVectorisation(process.argv[2] ?? models.AllMiniLML6V2);
  const model = embeddingModel(tv);

  const values = ['Where is my parcel?', 'How do I reset my password?', 'The weather is lovely today.'];
  const { embeddings } = await embedMany({ model, values });
  const { embedding } = await embed({ model, value: 'I forgot my login' });
  const similarities = embeddings.map((one) => cosineSimilarity(embedding, one));
  console.log(values[similarities.indexOf(Math.max(...similarities))]);
  await tv.dispose();
}

void main();
