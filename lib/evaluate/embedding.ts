import { performance } from 'node:perf_hooks';
import { InvalidArgumentError, rementioned } from '../system/errors';
import { show } from '../system/options';
import { option, say } from '../system/wording';
import type { Vector } from '../embed/similarity';
import { throwIfAborted } from './work';

/** What is evaluated: a TextVectorisation, an address of embeddings, or any object with such an `embed`. */
export interface EmbeddingModel {
  /** Whether `embed` takes the option `prompt`, and knows prompts by their names. Else prompts are put before texts here. */
  readonly takesPrompts?: boolean;
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
  /** Put before each text: a prompt's name or a text. Given to models that say they take it. */
  prompt?: string;
  /** Stops the work. */
  signal?: AbortSignal;
}

/** What a text is in the data. */
export type TextRole = 'text' | 'query' | 'document';

/** Texts of one call of the model: few enough that progress and abort come soon. */
const TEXTS_AT_ONCE = 1024;

/** Texts that are embedded and then held at the same time; what is compared needs no more than its own block. */
export const BLOCK_TEXTS = 32768;

/** What is put before texts, and the option that said so. */
export interface AskedPrompt {
  option: string;
  text: string;
}

/** By the role of the texts; those that are not there are the model's to say. */
export type Prompts = Partial<Record<TextRole, AskedPrompt>>;

interface BlockOptions {
  maxInputLength?: number | undefined;
  prompts?: Prompts | undefined;
  /** Of each vector only the first so many numbers. */
  dimensions?: number | undefined;
  signal?: AbortSignal | undefined;
  /** So many distinct texts of this role are embedded; see `EmbeddingEvent`. */
  onTexts?: (role: TextRole, done: number, total: number | null) => void;
}

/** Texts of a role. */
interface RoleCount {
  /** That will come, equal ones too; null where that is not known. */
  expected: number | null;
  /** That came, equal ones too. */
  asked: number;
  /** Of those, each once a block. */
  distinct: number;
  /** That went through the model. */
  done: number;
}

const unknownCount = (): RoleCount => ({ expected: null, asked: 0, distinct: 0, done: 0 });

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
  readonly #counts: Record<TextRole, RoleCount> = {
    text: unknownCount(),
    query: unknownCount(),
    document: unknownCount(),
  };

  constructor(model: EmbeddingModel, options: BlockOptions) {
    this.#model = model;
    this.#options = options;
  }

  /** So many texts of a role will come, equal ones too; null where that is not known. */
  expect(role: TextRole, texts: number | null): void {
    this.#counts[role].expected = texts;
  }

  /** A vector for each text; equal texts share one. */
  async embed(texts: readonly string[], role: TextRole): Promise<Vector[]> {
    const places = new Map<string, number>();
    for (const text of texts) if (!places.has(text)) places.set(text, places.size);
    const distinct = [...places.keys()];
    const count = this.#counts[role];
    count.asked += texts.length;
    count.distinct += distinct.length;
    const { expected } = count;
    const total =
      expected === null ? null : Math.round((count.distinct / count.asked) * Math.max(expected, count.asked));
    const vectors: Vector[] = [];
    for (let start = 0; start < distinct.length; start += TEXTS_AT_ONCE) {
      const part = distinct.slice(start, start + TEXTS_AT_ONCE);
      for (const [i, vector] of (await this.#embedPart(part, role)).entries()) {
        vectors.push(this.#check(vector, part[i]!));
      }
      this.#options.onTexts?.(role, (count.done += part.length), total);
    }
    return texts.map((text) => vectors[places.get(text)!]!);
  }

  async #embedPart(asked: readonly string[], role: TextRole): Promise<readonly Vector[]> {
    const { signal, maxInputLength, prompts } = this.#options;
    throwIfAborted(signal);
    const model = this.#model;
    const prompt = prompts?.[role];
    const known = prompt === undefined || model.takesPrompts === true;
    const texts = known ? asked : asked.map((text) => textOf(prompt) + text);
    const options = {
      ...(maxInputLength !== undefined && { maxInputLength }),
      ...(known && prompt !== undefined && { prompt: prompt.text }),
      ...(signal && { signal }),
    };
    const begun = performance.now();
    const vectors = await embedAs(role, model, texts, options).catch((error: unknown) => {
      throw prompt === undefined ? error : errorOfPrompt(error, prompt);
    });
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
        say`${option('dimensions')} is ${wanted}, but the model's vectors have only ${vector.length}.`,
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

async function embedAs(
  role: TextRole,
  model: EmbeddingModel,
  texts: readonly string[],
  options: ModelEmbedOptions,
): Promise<readonly Vector[]> {
  if (role === 'query' && model.embedQueries !== undefined) return model.embedQueries(texts, options);
  if (role === 'document' && model.embedDocuments !== undefined) return model.embedDocuments(texts, options);
  return model.embed(texts, options);
}

/** @throws InvalidArgumentError ERR_INVALID_OPTION: what can only be the name of a prompt, for a model that knows none */
function textOf({ option: path, text }: AskedPrompt): string {
  if (text === '' || /[\s:]/.test(text)) return text;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option(path)} is ${show(text)}, but this model has no prompts by name.`,
    { remedy: say`Give the text itself; it has a space or a colon in it, as in 'query: '.` },
  );
}

/** What a model says of its option `prompt`, of the option that it was given for. */
function errorOfPrompt(error: unknown, { option: path }: AskedPrompt): unknown {
  if (path === 'prompt' || !(error instanceof InvalidArgumentError) || error.code !== 'ERR_INVALID_OPTION')
    return error;
  return rementioned(error, (mention) =>
    mention.type === 'option' && mention.path === 'prompt' ? { ...mention, path } : mention,
  );
}

/** How many elements a source has, where it says so. */
export function lengthOf(source: unknown): number | null {
  return Array.isArray(source) ? source.length : null;
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
