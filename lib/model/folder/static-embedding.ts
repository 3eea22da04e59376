import { open } from 'node:fs/promises';
import type { EncoderSpec, TensorPlace } from '../../engine/addon';
import { ModelError } from '../../system/errors';
import { isObject, parseJson } from '../../system/json';
import type { WeightSource } from './weights';

/** The engine's name of a table of words without an encoder; `model_type` of model2vec's config.json. */
export const STATIC = 'static-embedding';
export const MODEL2VEC = 'model2vec';

/** Tokens of a text are not bounded by the model; the engine counts so far. */
export const NO_POSITIONS = 2 ** 28;

/** Headers of tables are some hundred bytes; the engine checks files of weights whole. */
const MOST_HEADER = 2 ** 20;

type Shapes = ReadonlyMap<string, readonly number[]>;

/** Names and shapes of the tensors of a safetensors file. */
async function shapesOf(path: string): Promise<Shapes> {
  const file = await open(path, 'r');
  try {
    const length = Buffer.alloc(8);
    const { bytesRead } = await file.read(length, 0, 8, 0);
    const bytes = bytesRead < 8 ? 0n : length.readBigUInt64LE(0);
    if (bytes === 0n || bytes > BigInt(MOST_HEADER)) throw new Error('it does not begin as a safetensors file does');
    const header = Buffer.alloc(Number(bytes));
    const { bytesRead: read } = await file.read(header, 0, header.length, 8);
    const value = parseJson(header.subarray(0, read).toString('utf8'));
    if (!isObject(value)) throw new Error('its header is no object');
    return new Map(
      Object.entries(value).flatMap(([name, entry]) => {
        const shape = isObject(entry) ? entry['shape'] : undefined;
        const sizes =
          Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && (size as number) >= 0);
        return sizes ? [[name, shape as number[]] as const] : [];
      }),
    );
  } catch (error) {
    throw new ModelError(
      'ERR_SAFETENSORS',
      `${path} is not a safetensors file that can be read: ${(error as Error).message}. Fetch the model folder again.`,
      { file: path, cause: error },
    );
  } finally {
    await file.close();
  }
}

function placed(tensors: readonly TensorPlace[]): Shapes {
  return new Map(tensors.map(({ name, shape }) => [name, shape]));
}

/**
 * The shape of a table of words, which only its weights tell: sentence-transformers' `embedding.weight`, or model2vec's
 * `embeddings`, of whose rows `mapping` makes one for each token.
 *
 * @throws ModelError ERR_SAFETENSORS, ERR_MODEL_FOLDER: there is no such table
 */
export async function readStaticSpec(weights: readonly WeightSource[]): Promise<EncoderSpec> {
  const shapes = new Map<string, readonly number[]>();
  for (const { path, tensors } of weights)
    for (const [name, shape] of tensors === undefined ? await shapesOf(path) : placed(tensors)) shapes.set(name, shape);
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
