import { architectureNamed } from './folder/encoder-config';
import { MODEL2VEC } from './folder/static-embedding';
import { models } from './presets';
import type { ModelPreset } from './types';

/** A model that many use. */
export interface ListedModel extends Required<Omit<ModelPreset, 'wheel'>> {
  /** Its name in `models`. */
  name: string;
  /** Whether this version of vectune runs it. */
  runs: boolean;
}

/** Whether there is an encoder for a `model_type`, or none is needed. */
function runs(modelType: string): boolean {
  return modelType === MODEL2VEC || architectureNamed(modelType) !== undefined;
}

/** The twenty models that most use, in the order of `models`: what each is, and whether this version runs it. */
export function listModels(): ListedModel[] {
  return Object.entries(models).flatMap(([name, { wheel: _, ...model }]) => {
    const { modelType, parameters, languages, license, goodFor, prompts = {} } = model;
    if (modelType === undefined || parameters === undefined) return [];
    return [
      {
        ...model,
        name,
        modelType,
        parameters,
        languages: languages!,
        license: license!,
        goodFor: goodFor!,
        prompts,
        runs: runs(modelType),
      },
    ];
  });
}
