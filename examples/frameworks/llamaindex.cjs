// LlamaIndex with a model in this process, in CommonJS: npm install vectune @llamaindex/core
//   node llamaindex.cjs [model]
const { BaseEmbedding } = require('@llamaindex/core/embeddings');
const { models, TextVectorisation } = require('vectune');

/** What LlamaIndex takes as Settings.embedModel. */
class VectuneEmbedding extends BaseEmbedding {
  constructor(tv) {
    super();
    this.tv = tv;
    this.embedBatchSize = 256;
  }

  /** Of texts that are to be found. */
  getTextEmbeddings = async (texts) => (await this.tv.embedDocuments(texts)).map((vector) => Array.from(vector));

  async getTextEmbedding(text) {
    return (await this.getTextEmbeddings([text]))[0];
  }

  /** Of a question. */
  async getQueryEmbedding({ text }) {
    return Array.from(await this.tv.embedQueries(text));
  }
}

async function main() {
  const tv = new TextVectorisation(process.argv[2] ?? models.AllMiniLML6V2);
  const embedModel = new VectuneEmbedding(tv);

  const documents = ['Where is my parcel?', 'How do I reset my password?', 'The weather is lovely today.'];
  const vectors = await embedModel.getTextEmbeddingsBatch(documents);
  const question = await embedModel.getQueryEmbedding({ type: 'text', text: 'I forgot my login' });
  const similarities = vectors.map((vector) => embedModel.similarity(question, vector));
  console.log(documents[similarities.indexOf(Math.max(...similarities))]);
  await tv.dispose();
}

void main();
