import { performance } from 'node:perf_hooks';
import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import type { Vector } from '../embed/similarity';
import { throwIfAborted } from './work';

/** What is evaluated: a TextVectorisation, an address of embeddings, or any object with such an `embed`. */
export interface EmbeddingModel {
  /** A vector for each text, in order. */
  embed(texts: readonly string[], options?: ModelEmbedOptions): Promise<readonly Vector[]>;
  /** The same for what is searched with, where the model treats it in a way of its own. Default: `embed`. */
  embedQueries?(texts: readonly string[], options?: ModelEmbedOptions): Promise<readonly Vector[]>;
  /** The same for what is searched in. Default: `embed`. */
  embedDocuments?(texts: readonly string[], options?: ModelEmbedOptions): Promise<readonly Vector[]>;
}

/** What an evaluator passes on to the model. */
export interface ModelEmbedOptions {
  /** Most tokens of a text, special tokens included. */
  maxInputLength?: number;
  /** Stops the work. */
  signal?: AbortSignal;
}

/** What a text is in the data. */
export type TextRole = 'text' | 'query' | 'document';

/** Texts of one call of the model: few enough that progress and abort come soon. */
const TEXTS_AT_ONCE = 1024;

/** Texts that are embedded and then held at the same time; what is compared needs no more than its own block. */
export const BLOCK_TEXTS = 32768;

interface BlockOptions {
  maxInputLength?: number | undefined;
  /** Of each vector only the first so many numbers. */
  dimensions?: number | undefined;
  signal?: AbortSignal | undefined;
  /** So many more texts of this role are embedded. */
  onTexts?: (role: TextRole, texts: number) => void;
}

/** Embeds for an evaluator: each distinct text of a block once; counts texts and time. */
export class BlockEmbedder {
  /** Texts that went through the model. */
  texts = 0;
  /** Time in the model. */
  seconds = 0;
  /** Width of a vector; 0 before the first. */
  dimensions = 0;

  readonly #model: EmbeddingModel;
  readonly #options: BlockOptions;

  constructor(model: EmbeddingModel, options: BlockOptions) {
    this.#model = model;
    this.#options = options;
  }

  /** A vector for each text; equal texts share one. */
  async embed(texts: readonly string[], role: TextRole): Promise<Vector[]> {
    const places = new Map<string, number>();
    for (const text of texts) if (!places.has(text)) places.set(text, places.size);
    const distinct = [...places.keys()];
    const vectors: Vector[] = [];
    for (let start = 0; start < distinct.length; start += TEXTS_AT_ONCE) {
      const part = distinct.slice(start, start + TEXTS_AT_ONCE);
      for (const [i, vector] of (await this.#embedPart(part, role)).entries()) {
        vectors.push(this.#check(vector, part[i]!));
      }
      this.#options.onTexts?.(role, part.length);
    }
    return texts.map((text) => vectors[places.get(text)!]!);
  }

  async #embedPart(texts: readonly string[], role: TextRole): Promise<readonly Vector[]> {
    const { signal, maxInputLength } = this.#options;
    throwIfAborted(signal);
    const options = { ...(maxInputLength !== undefined && { maxInputLength }), ...(signal && { signal }) };
    const model = this.#model;
    const begun = performance.now();
    let vectors: readonly Vector[];
    if (role === 'query' && model.embedQueries !== undefined) vectors = await model.embedQueries(texts, options);
    else if (role === 'document' && model.embedDocuments !== undefined)
      vectors = await model.embedDocuments(texts, options);
    else vectors = await model.embed(texts, options);
    this.seconds += (performance.now() - begun) / 1000;
    this.texts += texts.length;
    if (vectors.length === texts.length) return vectors;
    throw new InvalidArgumentError(
      'ERR_LENGTH_MISMATCH',
      `The model must give one vector for each text, but gave ${vectors.length} for ${texts.length}.`,
    );
  }

  /** The vector, cut to the wanted dimensions. */
  #check(vector: Vector, text: string): Vector {
    if (this.dimensions === 0) this.dimensions = Math.min(vector.length, this.#options.dimensions ?? Infinity);
    const wanted = this.#options.dimensions;
    if (wanted !== undefined && wanted > vector.length) {
      throw new InvalidArgumentError(
        'ERR_INVALID_OPTION',
        `dimensions is ${wanted}, but the model's vectors have only ${vector.length}.`,
      );
    }
    const cut = wanted === undefined ? vector : Float32Array.from({ length: wanted }, (_, i) => vector[i]!);
    if (cut.length !== this.dimensions) {
      throw new InvalidArgumentError(
        'ERR_LENGTH_MISMATCH',
        `The model gave vectors of ${this.dimensions} and of ${cut.length} numbers, the latter for ${show(text)}.`,
      );
    }
    for (let i = 0; i < cut.length; ++i) {
      if (Number.isFinite(cut[i]!)) continue;
      throw new InvalidArgumentError(
        'ERR_INVALID_ARGUMENT',
        `The model gave a vector with ${cut[i]} in it for ${show(text)}, so that nothing can be measured. Was its ` +
          'training unstable?',
      );
    }
    return cut;
  }
}

/** Elements of a source in lists of `size`; a list is taken whole, an iterable is read as it is needed. */
export async function* blocks<T>(
  source: Iterable<T> | AsyncIterable<T>,
  size: number,
): AsyncGenerator<T[], void, undefined> {
  let block: T[] = [];
  for await (const element of source) {
    block.push(element);
    if (block.length < size) continue;
    yield block;
    block = [];
  }
  if (block.length > 0) yield block;
}
