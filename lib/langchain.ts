import { Embeddings, type EmbeddingsParams } from '@langchain/core/embeddings';
import { numberLists } from './embed/number-lists';
import { callback, custom, optional, resolveTable, type OptionsOf } from './system/option-table';
import type { TextVectorisation } from './text-vectorisation';
import { embedTable, type EmbedOptions } from './text-vectorisation-options';

const theirs = custom<number>('program', (_, value) => value as number);

const langchainTable = {
  dimensions: embedTable.dimensions,
  maxInputLength: embedTable.maxInputLength,
  /** What is put before what is searched for: a prompt of the model by its name, or a text. Default: the model's own. */
  queryPrompt: embedTable.prompt,
  /** What is put before what is to be found. Default: the model's own. */
  documentPrompt: embedTable.prompt,
  /** LangChain's: calls at the same time. */
  maxConcurrency: optional(theirs, undefined),
  /** LangChain's: how often a call that failed is made again. Default 0: what fails here fails again. */
  maxRetries: optional(theirs, 0),
  /** LangChain's: is told of a call that failed. */
  onFailedAttempt: optional(callback<NonNullable<EmbeddingsParams['onFailedAttempt']>>(), undefined),
};

/** Options of `VectuneEmbeddings`: LangChain's own, and how texts are embedded. */
export interface VectuneEmbeddingsParams extends OptionsOf<typeof langchainTable> {}

/**
 * A model for LangChain, in this process: what is searched for and what is found each get the model's own prompt, where it
 * has one. Runs with @langchain/core 0.3 and 1.
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
  readonly #ofQueries: EmbedOptions;
  readonly #ofDocuments: EmbedOptions;

  /** @throws InvalidArgumentError: an option */
  constructor(tv: Pick<TextVectorisation, 'embedQueries' | 'embedDocuments'>, params?: VectuneEmbeddingsParams) {
    const given = resolveTable(langchainTable, params, { name: 'VectuneEmbeddings', path: '' });
    const { maxConcurrency, maxRetries, onFailedAttempt, dimensions, maxInputLength } = given;
    super({
      maxRetries,
      ...(maxConcurrency !== undefined && { maxConcurrency }),
      ...(onFailedAttempt !== undefined && { onFailedAttempt }),
    });
    const options = (prompt: string | undefined): EmbedOptions => ({
      ...(prompt !== undefined && { prompt }),
      ...(dimensions !== undefined && { dimensions }),
      ...(maxInputLength !== null && { maxInputLength }),
    });
    this.#model = tv;
    this.#ofQueries = options(given.queryPrompt);
    this.#ofDocuments = options(given.documentPrompt);
  }

  /** A vector for each text that is to be found. Rejects as TextVectorisation's `embed` does. */
  override async embedDocuments(documents: string[]): Promise<number[][]> {
    return numberLists(await this.caller.call(() => this.#model.embedDocuments(documents, this.#ofDocuments)));
  }

  /** The vector of a text that is searched for. Rejects as TextVectorisation's `embed` does. */
  override async embedQuery(document: string): Promise<number[]> {
    return Array.from(await this.caller.call(() => this.#model.embedQueries(document, this.#ofQueries)));
  }
}
