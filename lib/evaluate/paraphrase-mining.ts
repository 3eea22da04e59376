import { performance } from 'node:perf_hooks';
import { checkText } from '../data/validate';
import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import { flag, integer, optional, resolveTable, type OptionsOf, type ResolvedOf } from '../system/option-table';
import type { Vector } from '../embed/similarity';
import { blocks, BLOCK_TEXTS, lengthOf, type EmbeddingModel } from './embedding';
import { embedderOf, evaluation, type Evaluation, type Observed, type Observation } from './evaluation';
import { evaluateTable } from './options';
import { asObject, tooFew } from './similarity';
import type { SimilarityName } from './similarities';
import { ascending } from './metrics/order';
import { VectorSource } from '../search/matrix';
import { NativeVectors } from '../search/native-vectors';
import { searchEngine } from './block-search';
import { TopK } from './top-k';
import { inPieces, throwIfAborted, type Work } from './work';

/** A text and the name by which the pairs know it. */
export interface MiningText {
  /** Its own. */
  id: string;
  /** The text. */
  text: string;
}

/** Texts, and which pairs of them mean the same. */
export interface MiningData {
  /** All texts; each id once. */
  texts: Iterable<MiningText> | AsyncIterable<MiningText>;
  /** Pairs of ids, in either order; those that name an unknown text, or one text twice, count for nothing. */
  duplicates: Iterable<readonly [string, string]>;
}

/** How well the most similar pairs of all texts are the duplicates. */
export interface MiningMetrics {
  /** Σ precision over the duplicates found, from the most similar pair down, divided by all duplicates; 0 to 1. */
  averagePrecision: number;
  /** Best F1 over all thresholds, 0 to 1. */
  f1: number;
  /** At the threshold. */
  precision: number;
  /** At the threshold; of all duplicates. */
  recall: number;
  /** Pairs above this similarity are named duplicates. */
  threshold: number;
}

export const miningTable = {
  ...evaluateTable,
  /** Nearest texts of each text that may be its duplicates. Default 100. */
  topK: optional(integer(1), 100),
  /** Pairs that are kept, the most similar. Default 500,000. */
  maxPairs: optional(integer(1, 1e7), 500_000),
  /** Whether duplicates of duplicates are duplicates too. Default false. */
  transitive: optional(flag, false, { aliases: ['addTransitiveClosure'] }),
};

/** Options of `evaluateParaphraseMining`. */
export interface MiningEvaluateOptions extends OptionsOf<typeof miningTable> {}

/** What `evaluateParaphraseMining` found. */
export interface MiningEvaluation extends Evaluation<MiningMetrics> {
  /** Pairs that were compared with the duplicates. */
  candidates: number;
  /** Duplicates that there are to find. */
  duplicates: number;
}

/** Texts whose neighbours are searched for at the same time. */
const QUERIES_AT_ONCE = 4096;
/** Pairs that are moved between two pauses. */
const AT_ONCE = 1 << 13;

/** Pairs of texts, best first: of pair i the numbers of its texts, the lower first, and their similarity. */
export interface MinedPairs {
  first: Uint32Array;
  second: Uint32Array;
  similarities: Float32Array;
}

/** Grows while pairs are found; cut down to the best. */
class PairList {
  #keys: number[] = [];
  #similarities: number[] = [];
  #known = new Set<number>();
  /** What is less similar is not among the best. */
  least = -Infinity;

  readonly #texts: number;
  readonly #most: number;

  constructor(texts: number, most: number) {
    this.#texts = texts;
    this.#most = most;
  }

  get size(): number {
    return this.#keys.length;
  }

  /** The two directions of a pair may differ in the last bit; as in the reference, the one that is found first stays. */
  add(a: number, b: number, similarity: number): void {
    const key = Math.min(a, b) * this.#texts + Math.max(a, b);
    if (this.#known.has(key)) return;
    this.#known.add(key);
    this.#keys.push(key);
    this.#similarities.push(similarity);
  }

  /** Keeps the best, in their order. */
  *cut(): Work<void> {
    const order = (yield* ascending(this.#similarities)).reverse().subarray(0, this.#most);
    const [keys, similarities] = [this.#keys, this.#similarities];
    [this.#keys, this.#similarities, this.#known] = [[], [], new Set()];
    for (const [i, pair] of order.entries()) {
      this.#keys.push(keys[pair]!);
      this.#similarities.push(similarities[pair]!);
      this.#known.add(keys[pair]!);
      if (i % AT_ONCE === 0) yield;
    }
    if (order.length === this.#most) this.least = this.#similarities.at(-1)!;
  }

  *sorted(): Work<MinedPairs> {
    yield* this.cut();
    const first = new Uint32Array(this.size);
    const second = new Uint32Array(this.size);
    for (let i = 0; i < this.size; ++i) {
      first[i] = Math.floor(this.#keys[i]! / this.#texts);
      second[i] = this.#keys[i]! % this.#texts;
      if (i % AT_ONCE === 0) yield;
    }
    return { first, second, similarities: Float32Array.from(this.#similarities) };
  }
}

/**
 * The most similar pairs of all texts: of each text its `topK` nearest others, of all those the `maxPairs` most similar,
 * a pair once. By the engine where it is loaded.
 */
async function minePairs(
  vectors: readonly Vector[],
  similarity: SimilarityName,
  topK: number,
  maxPairs: number,
  signal: AbortSignal | undefined,
  /** Hears of the comparisons so far, of all vectors with all. */
  onDone: (comparisons: number) => void,
): Promise<MinedPairs> {
  const engine = searchEngine(similarity);
  if (engine === undefined) return inPieces(minePairsHere(vectors, similarity, topK, maxPairs, onDone), signal);
  return searchedPairs(engine, VectorSource.of(vectors, 'The vectors'), { topK, maxPairs, signal, onDone });
}

/** How pairs are searched for. */
interface PairSearch {
  topK: number;
  maxPairs: number;
  /** What is less similar is no pair. */
  scoreThreshold?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Hears of each two vectors that were compared. */
  onDone?: (comparisons: number) => void;
}

/** The same of vectors, by the engine. */
export async function searchedPairs(
  { addon, similarity }: NonNullable<ReturnType<typeof searchEngine>>,
  source: VectorSource,
  { topK, maxPairs, scoreThreshold = -Infinity, signal, onDone }: PairSearch,
): Promise<MinedPairs> {
  const pairs = new PairList(source.count, maxPairs);
  const all = await NativeVectors.of(addon, source.width, source.type, similarity);
  try {
    for await (const { numbers } of source.pieces()) {
      throwIfAborted(signal);
      await all.append(numbers);
    }
    // One more than wanted: a text finds itself, unless so many that are equal to it come first.
    for await (const found of all.search(source, topK + 1, signal, onDone)) {
      for (let q = 0; q < found.queries; ++q) {
        const text = found.first + q;
        let others = 0;
        for (let i = q * found.k; i < (q + 1) * found.k && others < topK; ++i) {
          const other = found.rows[i]!;
          const score = found.similarities[i]!;
          if (score < scoreThreshold) break;
          if (other === text) continue;
          ++others;
          if (score <= pairs.least) break;
          pairs.add(text, other, score);
        }
        if (pairs.size > 2 * maxPairs) await inPieces(pairs.cut(), signal);
        if (q % 32 !== 0) continue;
        await new Promise(setImmediate);
        throwIfAborted(signal);
      }
    }
  } finally {
    all.dispose();
  }
  return inPieces(pairs.sorted(), signal);
}

function* minePairsHere(
  vectors: readonly Vector[],
  similarity: SimilarityName,
  topK: number,
  maxPairs: number,
  onDone: (comparisons: number) => void,
): Work<MinedPairs> {
  const pairs = new PairList(vectors.length, maxPairs);
  for (let from = 0; from < vectors.length; from += QUERIES_AT_ONCE) {
    const part = vectors.slice(from, from + QUERIES_AT_ONCE);
    const search = yield* TopK.of(
      part,
      topK,
      similarity,
      (a, b) => a - b,
      (query, document) => from + query === document,
    );
    yield* search.add(vectors, 0, (done) => onDone(from * vectors.length + done));
    for (let query = 0; query < part.length; ++query) {
      for (const hit of search.hits(query)) {
        if (hit.similarity <= pairs.least) break;
        pairs.add(from + query, hit.document, hit.similarity);
      }
      if (pairs.size > 2 * maxPairs) yield* pairs.cut();
      if (query % 32 === 0) yield;
    }
  }
  return yield* pairs.sorted();
}

/** Measures of pairs, best first, of which some are duplicates, out of `total` duplicates. Equal similarities fall together. */
export function miningMetrics(
  similarities: ArrayLike<number>,
  isDuplicate: ArrayLike<boolean>,
  total: number,
): MiningMetrics {
  const best: MiningMetrics = { averagePrecision: 0, f1: 0, precision: 0, recall: 0, threshold: 0 };
  if (total === 0) return best;
  let found = 0;
  let before = 0;
  for (let i = 0; i < similarities.length; ++i) {
    if (isDuplicate[i]) ++found;
    if (i + 1 < similarities.length && similarities[i + 1] === similarities[i]) continue;
    if (found > before) {
      const precision = found / (i + 1);
      const recall = found / total;
      const f1 = (2 * precision * recall) / (precision + recall);
      best.averagePrecision += precision * (found - before);
      if (f1 > best.f1) {
        const next = similarities[Math.min(i + 1, similarities.length - 1)]!;
        Object.assign(best, { f1, precision, recall, threshold: (similarities[i]! + next) / 2 });
      }
    }
    before = found;
  }
  best.averagePrecision /= total;
  return best;
}

/** One number for a pair of texts, whichever comes first. */
class PairSet {
  readonly #keys = new Set<number>();
  readonly #texts: number;

  constructor(texts: number) {
    this.#texts = texts;
  }

  add(a: number, b: number): void {
    if (a !== b) this.#keys.add(this.#key(a, b));
  }

  has(a: number, b: number): boolean {
    return this.#keys.has(this.#key(a, b));
  }

  get size(): number {
    return this.#keys.size;
  }

  #key(a: number, b: number): number {
    return Math.min(a, b) * this.#texts + Math.max(a, b);
  }
}

function duplicateSet(pairs: Iterable<readonly [string, string]>, numbers: ReadonlyMap<string, number>): PairSet {
  const set = new PairSet(numbers.size);
  let row = 0;
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw new InvalidArgumentError(
        'ERR_INVALID_ARGUMENT',
        `Duplicates must be pairs of ids, but number ${row} (counted from 0) is ${show(pair)}.`,
        { row },
      );
    }
    const [a, b] = (pair as readonly [string, string]).map((id) => numbers.get(id));
    if (a !== undefined && b !== undefined) set.add(a, b);
    ++row;
  }
  return set;
}

function* duplicateFlags(pairs: MinedPairs, duplicates: PairSet): Work<boolean[]> {
  const flags: boolean[] = [];
  for (let i = 0; i < pairs.first.length; ++i) {
    flags.push(duplicates.has(pairs.first[i]!, pairs.second[i]!));
    if (i % AT_ONCE === 0) yield;
  }
  return flags;
}

/** All pairs of texts that a chain of duplicates joins. */
function closure(pairs: Iterable<readonly [string, string]>, numbers: ReadonlyMap<string, number>): PairSet {
  const parent = Array.from({ length: numbers.size }, (_, i) => i);
  const root = (text: number): number => {
    while (parent[text] !== text) text = parent[text] = parent[parent[text]!]!;
    return text;
  };
  for (const [one, other] of pairs) {
    const [a, b] = [numbers.get(one), numbers.get(other)];
    if (a !== undefined && b !== undefined) parent[root(a)] = root(b);
  }
  const groups = new Map<number, number[]>();
  parent.forEach((_, text) => {
    const of = root(text);
    const group = groups.get(of);
    if (group === undefined) groups.set(of, [text]);
    else group.push(text);
  });
  const set = new PairSet(numbers.size);
  for (const group of groups.values()) group.forEach((a, i) => group.slice(i + 1).forEach((b) => set.add(a, b)));
  return set;
}

/**
 * Finding of duplicates among all texts: average precision over all duplicates (the primary measure) and best F1 of the
 * most similar pairs, as sentence-transformers 6.2.0's ParaphraseMiningEvaluator. Every text is compared with every
 * other; the vectors of all are held. There are no intervals: pairs share texts and are not drawn one by one.
 *
 * @throws InvalidArgumentError: the data or an option; AbortError; and what the model's `embed` rejects with
 */
export async function evaluateParaphraseMining(
  model: EmbeddingModel,
  data: MiningData,
  options?: MiningEvaluateOptions,
): Promise<MiningEvaluation> {
  const resolved = resolveTable(miningTable, options, { name: 'evaluateParaphraseMining', path: '' });
  const { facts, ...observation } = await observeParaphraseMining(model, data, resolved);
  return { ...(await evaluation(observation, resolved)), ...facts };
}

/** What an evaluation of mining tells beside its measures. */
type MiningFacts = Omit<MiningEvaluation, keyof Evaluation<MiningMetrics>>;

export async function observeParaphraseMining(
  model: EmbeddingModel,
  data: MiningData,
  resolved: ResolvedOf<typeof miningTable>,
): Promise<Observation<MiningMetrics> & { facts: MiningFacts }> {
  const { topK, maxPairs, transitive } = resolved;
  const begun = performance.now();
  const embedder = embedderOf(model, resolved, 'paraphrase-mining');
  embedder.expect('text', lengthOf(data.texts));
  const numbers = new Map<string, number>();
  const vectors: Vector[] = [];
  for await (const block of blocks(data.texts, BLOCK_TEXTS)) {
    const texts = block.map((element) => {
      const row = numbers.size;
      const { id, text } = asObject(element, '{ id, text }', row);
      if (typeof id !== 'string' || numbers.has(id)) {
        throw new InvalidArgumentError(
          'ERR_INVALID_ARGUMENT',
          `The id of a text must be a string of its own, but that of number ${row} (counted from 0) is ${show(id)}.`,
          { row },
        );
      }
      numbers.set(id, row);
      return checkText(text, `the text ${show(id)}`, { row });
    });
    for (const vector of await embedder.embed(texts, 'text')) vectors.push(vector);
  }
  if (vectors.length < 2) throw tooFew('texts', 2, vectors.length);
  const duplicates = (transitive ? closure : duplicateSet)([...data.duplicates], numbers);
  if (duplicates.size === 0) throw tooFew('pairs of duplicates among the texts', 1, 0);

  let candidates = 0;
  const observed = new Map<SimilarityName, Observed<MiningMetrics>>();
  for (const name of resolved.similarity) {
    const told = (done: number): void => resolved.onProgress?.({ type: 'searching', done, total: vectors.length ** 2 });
    const pairs = await minePairs(vectors, name, topK, maxPairs, resolved.signal, told);
    if (observed.size === 0) candidates = pairs.similarities.length;
    const right = await inPieces(duplicateFlags(pairs, duplicates), resolved.signal);
    const metrics = miningMetrics(pairs.similarities, right, duplicates.size);
    observed.set(name, {
      form: 'paraphrase-mining',
      unit: 'texts',
      count: vectors.length,
      primary: 'averagePrecision',
      resampled: 0,
      // biome-ignore lint/correctness/useYield: nothing to interrupt
      *measure() {
        return metrics;
      },
      // biome-ignore lint/correctness/useYield: nothing to interrupt
      *goodness() {
        return new Float64Array(0);
      },
    });
  }
  return { observed, embedder, begun, facts: { candidates, duplicates: duplicates.size } };
}
