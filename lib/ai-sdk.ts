import { integer, optional, resolveTable, text, type OptionsOf } from './system/option-table';
import type { TextVectorisation } from './text-vectorisation';

const aiSdkTable = {
  /** Name of the model in logs and telemetry. Default 'vectune'. */
  modelId: optional(text(), 'vectune'),
  /** Most texts that the SDK gives at a time; `embedMany` divides longer lists. Default 2,048. */
  maxEmbeddingsPerCall: optional(integer(1), 2048, { aliases: ['batchSize', 'maxBatchSize'] }),
};

/** Options of `embeddingModel`. */
export interface EmbeddingModelOptions extends OptionsOf<typeof aiSdkTable> {}

/**
 * An EmbeddingModelV3 of @ai-sdk/provider 3 and 4, which the packages ai 6 and 7 take. Written out here, as the two declare
 * it differently where it holds nothing.
 */
export interface VectuneEmbeddingModel {
  readonly specificationVersion: 'v3';
  readonly provider: 'vectune';
  readonly modelId: string;
  readonly maxEmbeddingsPerCall: number;
  readonly supportsParallelCalls: true;
  /** Is called by the SDK. Rejects as TextVectorisation's `embed` does. */
  doEmbed(options: {
    values: string[];
    abortSignal?: AbortSignal | undefined;
  }): Promise<{ embeddings: number[][]; warnings: [] }>;
}

/**
 * A model for the AI SDK (`embed`, `embedMany` of the packages ai 6 and 7), in this process. The SDK's `abortSignal` stops it.
 * `usage` is not told: it counts what is paid for.
 *
 * ```ts
 * import { embedMany } from 'ai';
 * import { embeddingModel } from 'vectune/ai-sdk';
 *
 * const { embeddings } = await embedMany({ model: embeddingModel(tv), values: ['How old are you?'] });
 * ```
 *
 * @throws InvalidArgumentError: an option
 */
export function embeddingModel(
  tv: Pick<TextVectorisation, 'embed'>,
  options?: EmbeddingModelOptions,
): VectuneEmbeddingModel {
  const { modelId, maxEmbeddingsPerCall } = resolveTable(aiSdkTable, options, { name: 'embeddingModel', path: '' });
  return {
    specificationVersion: 'v3',
    provider: 'vectune',
    modelId,
    maxEmbeddingsPerCall,
    supportsParallelCalls: true,
    async doEmbed({ values, abortSignal }) {
      const vectors = await tv.embed(values, abortSignal === undefined ? {} : { signal: abortSignal });
      return { embeddings: vectors.map((vector) => Array.from(vector)), warnings: [] };
    },
  };
}
