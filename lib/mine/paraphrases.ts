import { checkText } from '../data/validate';
import { loadEngine } from '../engine/load';
import { BlockEmbedder, type EmbeddingModel } from '../evaluate/embedding';
import type { EvaluateEvent } from '../evaluate/events';
import { minePairs } from '../evaluate/paraphrase-mining';
import { InvalidArgumentError } from '../system/errors';
import { callback, choice, integer, optional, resolveTable, signal, type OptionsOf } from '../system/option-table';
import { show } from '../system/options';

const paraphraseTable = {
  /** Nearest texts of each text that may be its paraphrases. Default 100. */
  topK: optional(integer(1), 100),
  /** Most pairs. Default 500,000. */
  maxPairs: optional(integer(1, 1e7), 500_000),
  /** 'cosine' or 'dot'. Default 'cosine'. */
  similarity: optional(choice('cosine', 'dot'), 'cosine', { aliases: ['scoreFunction'] }),
  /** Most tokens of a text, special tokens included. Default: the model's own limit. */
  maxInputLength: optional(integer(3), undefined),
  /** Is told while texts are embedded. */
  onProgress: optional(callback<(event: EvaluateEvent) => void>(), undefined),
  /** Stops between small pieces; the promise rejects with an AbortError. */
  signal: optional(signal, undefined),
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

/** Texts of one call of the model, and pairs that become objects, before the event loop gets its turn. */
const AT_ONCE = 8192;

/**
 * The most similar pairs of texts, the most similar first, as sentence-transformers' `paraphrase_mining`: of each text its
 * `topK` nearest others, of all those the `maxPairs` most similar.
 *
 * @throws InvalidArgumentError: the texts or an option; AbortError; LibTorchError; what the model's `embed` rejects with
 */
export async function paraphraseMining(
  model: EmbeddingModel,
  texts: readonly string[],
  options?: ParaphraseOptions,
): Promise<ParaphrasePair[]> {
  const { topK, maxPairs, similarity, maxInputLength, onProgress, signal } = resolveTable(paraphraseTable, options, {
    name: 'paraphraseMining',
    path: '',
  });
  if (!Array.isArray(texts)) {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `paraphraseMining takes a list of texts, but was given ${show(texts)}.`,
    );
  }
  texts.forEach((text, row) => checkText(text, 'text', { row }));
  if (texts.length < 2) return [];
  let done = 0;
  const embedder = new BlockEmbedder(model, {
    maxInputLength,
    signal,
    onTexts: (role, some) => onProgress?.({ type: 'embedding', role, done: (done += some) }),
  });
  const vectors = await embedder.embed(texts, 'text');
  await loadEngine();
  const pairs = await minePairs(vectors, similarity, topK, maxPairs, signal);
  const found: ParaphrasePair[] = [];
  for (let i = 0; i < pairs.first.length; ++i) {
    found.push({ first: pairs.first[i]!, second: pairs.second[i]!, score: pairs.similarities[i]! });
    if (i % AT_ONCE === AT_ONCE - 1) await new Promise(setImmediate);
  }
  return found;
}
