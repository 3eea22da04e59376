// OpenAI's own client with a server of vectune, in CommonJS: npm install vectune fastify@5 prom-client@15 zod@4 openai
//   node openai.cjs [model]
const OpenAI = require('openai');
const { cosineSimilarity, models, TextVectorisation } = require('vectune');
const { createServer } = require('vectune/serve');

async function main() {
  const tv = new TextVectorisation(process.argv[2] ?? models.AllMiniLML6V2);
  const server = createServer({ live: tv }, { port: 0, apiKeys: ['my-key'] });
  const client = new OpenAI({ baseURL: `${await server.listen()}/v1`, apiKey: 'my-key' });

  const documents = ['Where is my parcel?', 'How do I reset my password?', 'The weather is lovely today.'];
  const { data } = await client.embeddings.create({ model: 'live', input: ['I forgot my login', ...documents] });
  const [question, ...others] = data.map(({ embedding }) => embedding);
  const similarities = others.map((one) => cosineSimilarity(question, one));
  console.log(documents[similarities.indexOf(Math.max(...similarities))]);
  await server.close();
  await tv.dispose();
}

void main();
