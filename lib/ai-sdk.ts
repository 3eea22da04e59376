import { embedOf } from './embed/batches';
import { numberLists } from './embed/number-lists';
import { choice, integer, optional, resolveTable, text, type OptionsOf, type ResolvedOf } from './system/option-table';
import type { TextVectorisation } from './text-vectorisation';
import { embedTable, type EmbedOptions } from './text-vectorisation-options';

const { prompt, dimensions, maxInputLength } = embedTable;

const callTable = {
  /**
   * What the texts are in a search: 'query' is what is searched for, 'document' what is to be found; each has the prompt that
   * the model has for such. Default: neither, and the model's default prompt, mostly none.
   */
  role: optional(choice('query', 'document'), undefined, { aliases: ['kind', 'inputType', 'taskType', 'task'] }),
  /** In place of a role: a prompt of the model by its name, or a text that is put before every text. */
  prompt,
  dimensions,
  maxInputLength,
};

const aiSdkTable = {
  /** Name of the model in logs and telemetry. Default 'vectune'. */
  modelId: optional(text(), 'vectune'),
  /** Most texts that the SDK gives at a time; `embedMany` divides longer lists. Default 2,048. */
  maxEmbeddingsPerCall: optional(integer(1), 2048, { aliases: ['batchSize', 'maxBatchSize'] }),
  ...callTable,
};

/** Options of `embeddingModel`. */
export interface EmbeddingModelOptions extends OptionsOf<typeof aiSdkTable> {}

/** What one call may ask for, as `providerOptions: { vectune: … }`; what it leaves out is as the model was made. */
export interface EmbeddingCallOptions extends OptionsOf<typeof callTable> {}

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
    /** Of `vectune`: EmbeddingCallOptions. */
    providerOptions?: Record<string, unknown> | undefined;
  }): Promise<{ embeddings: number[][]; warnings: [] }>;
}

type Model = Pick<TextVectorisation, 'embed'> & Partial<Pick<TextVectorisation, 'embedQueries' | 'embedDocuments'>>;

/**
 * A model for the AI SDK (`embed`, `embedMany` of the packages ai 6 and 7), in this process. The SDK's `abortSignal` stops it.
 * `usage` is not told: it counts what is paid for.
 *
 * ```ts
 * import { embed, embedMany } from 'ai';
 * import { embeddingModel } from 'vectune/ai-sdk';
 *
 * const passages = embeddingModel(tv, { role: 'document' });
 * const { embeddings } = await embedMany({ model: passages, values: ['I am forty.'] });
 * const question = { role: 'query' };
 * const { embedding } = await embed({ model: passages, value: 'How old are you?', providerOptions: { vectune: question } });
 * ```
 *
 * @throws InvalidArgumentError: an option
 */
export function embeddingModel(tv: Model, options?: EmbeddingModelOptions): VectuneEmbeddingModel {
  const { modelId, maxEmbeddingsPerCall, ...made } = resolveTable(aiSdkTable, options, {
    name: 'embeddingModel',
    path: '',
  });
  const embedWith = (asked: ResolvedOf<typeof callTable>) => {
    const own: EmbedOptions = {
      ...(asked.prompt !== undefined && { prompt: asked.prompt }),
      ...(asked.dimensions !== undefined && { dimensions: asked.dimensions }),
      ...(asked.maxInputLength !== null && { maxInputLength: asked.maxInputLength }),
    };
    const embed = embedOf(tv, { role: asked.role, embed: own });
    return (values: string[], signal: AbortSignal | undefined) => embed(values, { ...own, ...(signal && { signal }) });
  };
  const usual = embedWith(made);
  return {
    specificationVersion: 'v3',
    provider: 'vectune',
    modelId,
    maxEmbeddingsPerCall,
    supportsParallelCalls: true,
    async doEmbed({ values, abortSignal, providerOptions }) {
      const given = providerOptions?.['vectune'];
      const embed = given === undefined ? usual : embedWith(ofCall(made, given));
      return { embeddings: await numberLists(await embed(values, abortSignal)), warnings: [] };
    },
  };
}

/** What a call asks for, and else what the model was made with; a role or a prompt takes the place of either. */
function ofCall(made: ResolvedOf<typeof callTable>, given: unknown): ResolvedOf<typeof callTable> {
  const asked = resolveTable(callTable, given, { name: 'providerOptions.vectune', path: '' });
  const another = asked.role !== undefined || asked.prompt !== undefined;
  return {
    role: another ? asked.role : made.role,
    prompt: another ? asked.prompt : made.prompt,
    dimensions: asked.dimensions ?? made.dimensions,
    maxInputLength: asked.maxInputLength ?? made.maxInputLength,
  };
}
