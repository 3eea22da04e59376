import { Embeddings, type EmbeddingsParams } from '@langchain/core/embeddings';
import type { TextVectorisation } from './text-vectorisation';

/**
 * A model for LangChain, in this process: what is searched for and what is found each get the model's own prompt, where it
 * has one.
 *
 * ```ts
 * import { VectuneEmbeddings } from 'vectune/langchain';
 *
 * const embeddings = new VectuneEmbeddings(tv);
 * const vector = await embeddings.embedQuery('How old are you?');
 * ```
 */
export class VectuneEmbeddings extends Embeddings {
  readonly #model: Pick<TextVectorisation, 'embedQueries' | 'embedDocuments'>;

  /** @param params LangChain's own: `maxConcurrency`, `maxRetries` */
  constructor(tv: Pick<TextVectorisation, 'embedQueries' | 'embedDocuments'>, params: EmbeddingsParams = {}) {
    super({ maxRetries: 0, ...params });
    this.#model = tv;
  }

  /** A vector for each text that is to be found. Rejects as TextVectorisation's `embed` does. */
  override async embedDocuments(documents: string[]): Promise<number[][]> {
    const vectors = await this.caller.call(() => this.#model.embedDocuments(documents));
    return vectors.map((vector) => Array.from(vector));
  }

  /** The vector of a text that is searched for. Rejects as TextVectorisation's `embed` does. */
  override async embedQuery(document: string): Promise<number[]> {
    return Array.from(await this.caller.call(() => this.#model.embedQueries(document)));
  }
}
