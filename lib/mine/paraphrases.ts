import { checkText } from '../data/validate';
import { loadEngine } from '../engine/load';
import { BlockEmbedder, type EmbeddingModel } from '../evaluate/embedding';
import type { EmbeddingEvent } from '../evaluate/events';
import { searchedPairs } from '../evaluate/paraphrase-mining';
import { VectorSource, type Vectors } from '../search/matrix';
import type { SearchEvent } from '../search/vector-index';
import { InvalidArgumentError } from '../system/errors';
import {
  callback,
  choice,
  integer,
  numeric,
  optional,
  resolveTable,
  signal,
  signalNames,
  type OptionsOf,
  type ResolvedOf,
} from '../system/option-table';
import { show } from '../system/options';

const paraphraseTable = {
  /** Nearest texts of each text that may be its paraphrases. Default 100. */
  topK: optional(integer(1), 100),
  /** Most pairs. Default 500,000. */
  maxPairs: optional(integer(1, 1e7), 500_000),
  /** 'cosine' or 'dot'. Default 'cosine'. */
  similarity: optional(choice('cosine', 'dot'), 'cosine', { aliases: ['scoreFunction'] }),
  /** What is less similar is no pair. Default: everything is one. */
  scoreThreshold: optional(
    numeric('a number', () => true),
    undefined,
    { aliases: ['threshold', 'minScore', 'minimumScore', 'minSimilarity'] },
  ),
  /** Of texts: most tokens of one, special tokens included. Default: the model's own limit. */
  maxInputLength: optional(integer(3), undefined),
  /** Is told while texts are embedded, and while each is compared with every other. */
  onProgress: optional(callback<(event: EmbeddingEvent | SearchEvent) => void>(), undefined),
  /** Stops between small pieces; the promise rejects with an AbortError. */
  signal: optional(signal, undefined, signalNames),
};

/** Options of `paraphraseMining`. */
export interface ParaphraseOptions extends OptionsOf<typeof paraphraseTable> {}

/** Two texts that are alike. */
export interface ParaphrasePair {
  /** Number of the one that comes first in the list. */
  first: number;
  /** Number of the other. */
  second: number;
  /** How similar they are. */
  score: number;
}

/** Pairs that become objects before the event loop gets its turn. */
const AT_ONCE = 8192;

/**
 * The most similar pairs of texts, the most similar first, as sentence-transformers' `paraphrase_mining`: of each text its
 * `topK` nearest others, of all those the `maxPairs` most similar. Of vectors that are there already, as of
 * `embedMatrix`, the same (`paraphrase_mining_embeddings`).
 *
 * @throws InvalidArgumentError: the texts, the vectors or an option; AbortError; LibTorchError; what the model's `embed`
 *   rejects with
 */
export async function paraphraseMining(
  model: EmbeddingModel,
  texts: readonly string[],
  options?: ParaphraseOptions,
): Promise<ParaphrasePair[]>;
export async function paraphraseMining(vectors: Vectors, options?: ParaphraseOptions): Promise<ParaphrasePair[]>;
export async function paraphraseMining(
  given: EmbeddingModel | Vectors,
  second?: readonly string[] | ParaphraseOptions,
  third?: ParaphraseOptions,
): Promise<ParaphrasePair[]> {
  const model = isModel(given) ? given : undefined;
  const resolved = resolveTable(paraphraseTable, model === undefined ? second : third, {
    name: 'paraphraseMining',
    path: '',
  });
  if (model === undefined && resolved.maxInputLength !== undefined) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      'maxInputLength is for texts, but paraphraseMining was given vectors.',
    );
  }
  const vectors = model === undefined ? (given as Vectors) : await vectorsOf(model, second, resolved);
  const source = VectorSource.of(vectors, 'The vectors');
  if (source.count < 2) return [];
  const { similarity, topK, maxPairs, scoreThreshold, onProgress, signal } = resolved;
  const total = source.count * source.count;
  const pairs = await searchedPairs({ addon: await loadEngine(), similarity }, source, {
    topK,
    maxPairs,
    scoreThreshold,
    signal,
    onDone: (done) => onProgress?.({ type: 'searching', done, total }),
  });
  const found: ParaphrasePair[] = [];
  for (let i = 0; i < pairs.first.length; ++i) {
    found.push({ first: pairs.first[i]!, second: pairs.second[i]!, score: pairs.similarities[i]! });
    if (i % AT_ONCE === AT_ONCE - 1) await new Promise(setImmediate);
  }
  return found;
}

function isModel(given: unknown): given is EmbeddingModel {
  return typeof (given as Partial<EmbeddingModel> | null | undefined)?.embed === 'function';
}

async function vectorsOf(
  model: EmbeddingModel,
  texts: unknown,
  { maxInputLength, onProgress, signal }: ResolvedOf<typeof paraphraseTable>,
): Promise<Vectors> {
  if (!Array.isArray(texts)) {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `paraphraseMining takes a list of texts, but was given ${show(texts)}.`,
    );
  }
  texts.forEach((text, row) => checkText(text, 'text', { row }));
  if (texts.length < 2) return [];
  const embedder = new BlockEmbedder(model, {
    maxInputLength,
    signal,
    onTexts: (role, done, total) => onProgress?.({ type: 'embedding', role, done, total }),
  });
  embedder.expect('text', texts.length);
  return embedder.embed(texts as string[], 'text');
}
