import type { EncoderSpec } from '../../engine/model-spec';
import { ModelError } from '../../system/errors';
import { tensorShapes } from './tensor-shapes';
import type { WeightSource } from './weights';

/** The engine's name of a table of words without an encoder; `model_type` of model2vec's config.json. */
export const STATIC = 'static-embedding';
export const MODEL2VEC = 'model2vec';

/** Tokens of a text are not bounded by the model; the engine counts so far. */
export const NO_POSITIONS = 2 ** 28;

/**
 * The shape of a table of words, which only its weights tell: sentence-transformers' `embedding.weight`, or model2vec's
 * `embeddings`, of whose rows `mapping` makes one for each token.
 *
 * @throws ModelError ERR_SAFETENSORS, ERR_MODEL_FOLDER: there is no such table
 */
export async function readStaticSpec(weights: readonly WeightSource[]): Promise<EncoderSpec> {
  const shapes = new Map<string, readonly number[]>();
  for (const source of weights) for (const [name, shape] of await tensorShapes(source)) shapes.set(name, shape);
  const table = shapes.get('embedding.weight') ?? shapes.get('embeddings');
  if (table?.length !== 2 || table.includes(0)) {
    const { path } = weights[0]!;
    throw new ModelError(
      'ERR_MODEL_FOLDER',
      `${path}: static embeddings are a tensor "embedding.weight" or "embeddings" of two dimensions, ` +
        `but it has ${[...shapes].map(([name, shape]) => `"${name}" [${shape.join(', ')}]`).join(', ') || 'none'}.`,
      { file: path },
    );
  }
  const [rows, width] = table as [number, number];
  const folded = shapes.get('embedding.weight') === undefined ? shapes.get('mapping')?.[0] : undefined;
  return {
    architecture: STATIC,
    vocabSize: folded ?? rows,
    hiddenSize: width,
    layers: 0,
    heads: 1,
    intermediateSize: 1,
    positions: NO_POSITIONS,
    typeVocabSize: 0,
    positionOffset: 0,
    padTokenId: null,
    layerNormEps: 1e-12,
    hiddenActivation: 'gelu',
    hiddenDropout: 0,
    attentionDropout: 0,
  };
}
