// The frameworks' own clients of OpenAI's form with a server: node clients.mjs BASE_URL KEY. Prints what they got as JSON.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { OpenAIEmbeddings } from '@langchain/openai';
import { embed, embedMany } from 'ai';

const [baseURL, apiKey] = process.argv.slice(2);
const texts = JSON.parse(process.env.TEXTS);
const told = {};

const sdk = createOpenAICompatible({ name: 'vectune', baseURL, apiKey });
const questions = sdk.embeddingModel('questions');
told.sdkOne = (await embed({ model: questions, value: texts[0] })).embedding;
const many = await embedMany({ model: sdk.embeddingModel('passages'), values: texts });
told.sdkMany = many.embeddings;
told.sdkTokens = many.usage.tokens;
const short = { vectune: { dimensions: 4 } };
told.sdkShort = (await embed({ model: questions, value: texts[0], providerOptions: short })).embedding;
told.sdkRefused = await embed({ model: sdk.embeddingModel('nobody'), value: 'a', maxRetries: 0 }).catch(
  ({ statusCode, message }) => ({ statusCode, message }),
);

const langchain = (model, more = {}) =>
  new OpenAIEmbeddings({ model, apiKey, configuration: { baseURL }, maxRetries: 0, ...more });
told.langchainOne = await langchain('questions').embedQuery(texts[0]);
told.langchainMany = await langchain('passages', { batchSize: 2 }).embedDocuments(texts);
told.langchainShort = await langchain('questions', { dimensions: 4 }).embedQuery(texts[0]);
told.langchainRefused = await langchain('nobody')
  .embedQuery('a')
  .catch(({ status, message }) => ({ statusCode: status, message }));
console.log(JSON.stringify(told));
