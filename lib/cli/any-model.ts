import { EmbeddingsEndpoint } from '../embed/endpoint';
import type { EmbeddingModel } from '../evaluate/embedding';
import { TextVectorisation } from '../text-vectorisation';
import type { TextVectorisationOptions } from '../text-vectorisation-options';

/** A model that a command was given, and what frees it. */
export interface AnyModel {
  model: EmbeddingModel;
  dispose(): Promise<void>;
}

/** A hub id or folder, or an address of embeddings as `https://host/v1/embeddings#name`. */
export function openAny(named: string, options: TextVectorisationOptions): AnyModel {
  if (/^https?:\/\//i.test(named)) {
    return { model: new EmbeddingsEndpoint(named), dispose: () => Promise.resolve() };
  }
  const model = new TextVectorisation(named, options);
  return { model, dispose: () => model.dispose() };
}
