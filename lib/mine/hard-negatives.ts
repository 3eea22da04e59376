import { Random, Stream } from '../data/random';
import { formWords } from '../data/form';
import { openBeir } from '../data/formats/beir';
import type { LabelList, TextList } from '../data/lists';
import { checkText } from '../data/validate';
import { collect, passed, type RowSource } from '../evaluate/collect';
import { blocks, BlockEmbedder, type EmbeddingModel } from '../evaluate/embedding';
import { promptsOf } from '../evaluate/options';
import { throwIfAborted } from '../evaluate/work';
import { InvalidArgumentError } from '../system/errors';
import { resolveTable } from '../system/option-table';
import { option, say } from '../system/wording';
import { CorpusVectors } from './corpus-vectors';
import { mineTable, type MineOptions, type ResolvedMineOptions } from './options';
import { statisticsOf, type Dropped, type MineReport } from './report';

/**
 * A row that was mined, by `outputFormat`; all can be given to `finetune` and `evaluate`:
 * - 'triplet': `anchor`, `positive`, `negative`, and with `outputScores` `scores` of positive and negative
 * - 'n-tuple': `anchor`, `positive`, `negative_1` … `negative_n`, and `scores` of positive and negatives
 * - 'labeled-pair': `anchor`, `positive` (which may be a negative), and `label` 1 or 0, or `score`
 * - 'labeled-list': `query`, `candidates` (the positive first), and `labels` 1 or 0, or `scores`
 */
export type MinedRow = Record<string, string | number | string[] | number[]>;

/** What `mineHardNegatives` found. */
export interface MinedNegatives {
  /** Anchor by anchor, in the order in which anchors came. */
  rows: MinedRow[];
  /** What was found and what was dropped, and why. */
  report: MineReport;
}

/** Texts whose vectors are held at the same time, besides those that are searched. */
const TEXTS_AT_ONCE = 8192;
/** Queries after which the event loop gets its turn. */
const QUERIES_AT_ONCE = 64;

/** Anchors with their positives, by number. */
interface Groups {
  anchors: readonly string[];
  texts: readonly string[];
  /** Of each anchor the numbers of its positives among the texts, each once. */
  positives: readonly (readonly number[])[];
  /** Rows of the anchor that has the most. */
  mostPositives: number;
}

/** An anchor's negatives, the most similar first. */
interface Negatives {
  texts: number[];
  scores: number[];
}

/**
 * Hard negatives: of each anchor texts that are similar to it and do not belong to it, as sentence-transformers 6.2.0's
 * `mine_hard_negatives` finds them, by exact search with the cosine. Of equal similarities the text goes first that comes
 * first in the corpus (the texts of `corpus`, then the positives). An anchor's own positives are no negatives of it.
 *
 * ```ts
 * const { rows, report } = await mineHardNegatives(tv, 'questions-and-answers.csv', { relativeMargin: 0.05 });
 * await tv.finetune(rows);
 * ```
 *
 * @param model a TextVectorisation, an EmbeddingsEndpoint, or any object with such an `embed`
 * @param data rows of an anchor and a positive, as `finetune` takes them: a file, a BEIR folder (whose corpus is searched),
 *   `hub:owner/name`, rows `{ anchor, positive }`, or lists; of rows with label 0/1 those
 *   with 1; an anchor may have several. Negatives that rows have already are not used.
 * @throws InvalidArgumentError: the data or an option; DownloadError: a data set of the hub; AbortError; LibTorchError;
 *   OutOfMemoryError; what the model's `embed` rejects with
 */
export function mineHardNegatives(
  model: EmbeddingModel,
  data: RowSource,
  options?: MineOptions,
): Promise<MinedNegatives>;
export function mineHardNegatives(
  model: EmbeddingModel,
  pairs: TextList,
  labels: LabelList,
  options?: MineOptions,
): Promise<MinedNegatives>;
export async function mineHardNegatives(
  model: EmbeddingModel,
  source: RowSource | TextList,
  second?: LabelList | MineOptions,
  third?: MineOptions,
): Promise<MinedNegatives> {
  const { labels, options } = passed<MineOptions>('mineHardNegatives', second, third);
  const resolved = resolveTable(mineTable, options, { name: 'mineHardNegatives', path: '' });
  const { signal, onProgress, numNegatives, rangeMin } = resolved;
  if (resolved.includePositives && resolved.outputFormat !== undefined && resolved.outputFormat !== 'n-tuple') {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('includePositives')} makes whole rankings, for which ${option('outputFormat')} must be n-tuple, but is ${resolved.outputFormat}.`,
    );
  }
  throwIfAborted(signal);
  const { pairs, notes, corpus } = await readPairs(source, labels, resolved);
  const groups = await group(pairs, resolved.corpus ?? corpus);
  const rangeMax = rangeOf(resolved, groups.mostPositives);

  const embedder = new BlockEmbedder(model, {
    maxInputLength: resolved.maxInputLength,
    prompts: promptsOf(resolved),
    signal,
    onTexts: (role, done, total) => onProgress?.({ type: 'embedding', role, done, total }),
  });
  embedder.expect('document', groups.texts.length);
  embedder.expect('query', groups.anchors.length);

  // What a search has room for: the range, and as many positives as may stand in it.
  const wanted = rangeMax + groups.mostPositives;
  const filter = new Filter(resolved, groups.anchors.length * wanted);
  const random = Random.of(resolved.seed, Stream.Mining);
  const found: Negatives[] = [];
  const positiveScores: number[][] = [];
  const choose = (query: number, texts: Int32Array, scores: Float32Array): void => {
    const kept = filter.negatives(texts, scores, groups.positives[query]!, Math.min(...positiveScores[query]!));
    const candidates = Math.min(kept.texts.length, rangeMax);
    const order = range(Math.min(rangeMin, candidates), candidates);
    const chosen =
      resolved.samplingStrategy === 'top' ? order.slice(0, numNegatives) : draw(order, numNegatives, random);
    found.push({ texts: chosen.map((i) => kept.texts[i]!), scores: chosen.map((i) => kept.scores[i]!) });
  };

  const vectors = new CorpusVectors(resolved.vectorPrecision, signal);
  try {
    for await (const block of blocks(groups.texts, TEXTS_AT_ONCE)) {
      await vectors.append(await embedder.embed(block, 'document'));
    }
    const total = groups.anchors.length * groups.texts.length;
    for (let first = 0; first < groups.anchors.length; first += TEXTS_AT_ONCE) {
      const anchors = groups.anchors.slice(first, first + TEXTS_AT_ONCE);
      const queries = await embedder.embed(anchors, 'query');
      const own = groups.positives.slice(first, first + TEXTS_AT_ONCE);
      for await (const scores of vectors.similarities(queries, own)) positiveScores.push(scores);
      const told = (comparisons: number) =>
        onProgress?.({ type: 'searching', done: first * groups.texts.length + comparisons, total });
      for await (const hits of vectors.search(queries, wanted, told)) {
        for (let q = 0; q < hits.queries; ++q) {
          const [from, to] = [q * hits.k, (q + 1) * hits.k];
          choose(first + hits.first + q, hits.rows.subarray(from, to), hits.similarities.subarray(from, to));
          if (q % QUERIES_AT_ONCE !== 0) continue;
          await new Promise(setImmediate);
          throwIfAborted(signal);
        }
      }
    }
  } finally {
    vectors.dispose();
  }
  const made = rowsOf(groups, found, positiveScores, resolved, pairs.length);
  return {
    rows: made.rows,
    report: {
      pairs: pairs.length,
      anchors: groups.anchors.length,
      corpus: groups.texts.length,
      rangeMax,
      rows: made.rows.length,
      positive: statisticsOf(positiveScores.flat()),
      negative: statisticsOf(made.negative),
      difference: statisticsOf(made.difference),
      dropped: filter.dropped(),
      missing: Math.max(0, made.possible - made.rows.length),
      possible: made.possible,
      notes,
    },
  };
}

/** Anchors with their positives, in the order of the data. */
async function readPairs(
  source: RowSource | TextList,
  given: LabelList | undefined,
  { file, split, onBadRow, onProgress, signal, ...hub }: ResolvedMineOptions,
): Promise<{ pairs: (readonly [string, string])[]; notes: string[]; corpus?: AsyncIterable<string> }> {
  const { form, rows, labels, facts } = await collect(source, given, {
    file,
    split,
    onBadRow,
    hub,
    onProgress,
    signal,
  });
  const notes = [...facts.notes];
  if (form === 'positive-pairs' || form === 'triplets') {
    if (form === 'triplets') notes.push('Negatives that rows have already were not used.');
    const pairs = rows.map((row) => [row[0]!, row[1]!] as const);
    if (facts.file?.format !== 'beir') return { pairs, notes };
    return { pairs, notes, corpus: corpusOf(source as string, split, signal) };
  }
  if (form !== 'labelled-pairs') {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `Negatives are mined for pairs of anchor and positive, or pairs with label 0/1, but these are ${formWords[form]}.`,
    );
  }
  const pairs = rows.flatMap((row, i) => (labels[i] === 1 ? [[row[0]!, row[1]!] as const] : []));
  if (pairs.length === 0) {
    throw new InvalidArgumentError('ERR_EMPTY_DATA', 'No row has the label 1, so that there are no positives.');
  }
  if (pairs.length < rows.length) {
    notes.push(`Of ${rows.length} pairs the ${pairs.length} with label 1 are positives; the others were not used.`);
  }
  return { pairs, notes };
}

/** All documents of a BEIR folder, as its positives are: with their titles. */
async function* corpusOf(
  folder: string,
  split: string | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<string, void, undefined> {
  const { corpus } = await openBeir(folder, { split, usual: ['train'], signal });
  for await (const { text } of corpus) yield text;
}

async function group(
  pairs: readonly (readonly [string, string])[],
  corpus: Iterable<string> | AsyncIterable<string> | undefined,
): Promise<Groups> {
  const texts = new Map<string, number>();
  const number = (text: string): number => {
    const known = texts.get(text);
    if (known !== undefined) return known;
    texts.set(text, texts.size);
    return texts.size - 1;
  };
  let row = 0;
  for await (const block of blocks(corpus ?? [], TEXTS_AT_ONCE)) {
    for (const text of block) number(checkText(text, 'a text of the corpus', { row: row++ }));
    await new Promise(setImmediate);
  }
  for (const [, positive] of pairs) number(positive);
  const anchors = new Map<string, { positives: Set<number>; rows: number }>();
  for (const [anchor, positive] of pairs) {
    const of = anchors.get(anchor) ?? { positives: new Set<number>(), rows: 0 };
    anchors.set(anchor, of);
    of.positives.add(number(positive));
    ++of.rows;
  }
  let mostPositives = 0;
  for (const { rows } of anchors.values()) mostPositives = Math.max(mostPositives, rows);
  return {
    anchors: [...anchors.keys()],
    texts: [...texts.keys()],
    positives: Array.from(anchors.values(), ({ positives }) => [...positives]),
    mostPositives,
  };
}

function rangeOf(options: ResolvedMineOptions, mostPositives: number): number {
  const { rangeMin, numNegatives, absoluteMargin, relativeMargin, maxScore } = options;
  const drops = absoluteMargin !== undefined || relativeMargin !== undefined || maxScore !== undefined;
  const rangeMax = options.rangeMax ?? rangeMin + numNegatives * (drops ? 10 : 1) + mostPositives;
  if (numNegatives <= rangeMax - rangeMin) return rangeMax;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option('rangeMax')} must leave ${numNegatives} negatives after ${option('rangeMin')}, but from ${rangeMin} to ${rangeMax} there ${rangeMax - rangeMin === 1 ? 'is' : 'are'} ${Math.max(0, rangeMax - rangeMin)}.`,
  );
}

/** Which of the texts that an anchor found may be its negatives. Scores are float32, as in sentence-transformers. */
class Filter {
  readonly #options: ResolvedMineOptions;
  /** Places for candidates, as sentence-transformers counts them: also those of positives, and where there was no text. */
  readonly #places: number;
  readonly #counts = { absoluteMargin: 0, relativeMargin: 0, maxScore: 0, minScore: 0 };

  constructor(options: ResolvedMineOptions, places: number) {
    this.#options = options;
    this.#places = places;
  }

  negatives(
    texts: ArrayLike<number>,
    scores: ArrayLike<number>,
    own: readonly number[],
    leastPositive: number,
  ): Negatives {
    const { absoluteMargin, relativeMargin, maxScore, minScore, includePositives } = this.#options;
    const relative =
      relativeMargin === undefined
        ? Infinity
        : Math.fround(leastPositive - Math.fround(Math.abs(leastPositive) * relativeMargin));
    const most = maxScore === undefined ? Infinity : Math.fround(maxScore);
    const least = minScore === undefined ? -Infinity : Math.fround(minScore);
    const kept: Negatives = { texts: [], scores: [] };
    for (let i = 0; i < texts.length; ++i) {
      const text = texts[i]!;
      const score = scores[i]!;
      if (!includePositives && own.includes(text)) continue;
      if (absoluteMargin !== undefined && Math.fround(score + absoluteMargin) > leastPositive) {
        ++this.#counts.absoluteMargin;
      } else if (score > relative) ++this.#counts.relativeMargin;
      else if (score > most) ++this.#counts.maxScore;
      else if (score < least) ++this.#counts.minScore;
      else {
        kept.texts.push(text);
        kept.scores.push(score);
      }
    }
    return kept;
  }

  dropped(): Dropped[] {
    let places = this.#places;
    const all: Dropped[] = [];
    for (const name of ['absoluteMargin', 'relativeMargin', 'maxScore', 'minScore'] as const) {
      const count = this.#counts[name];
      if (count === 0) continue;
      all.push({ option: name, value: this.#options[name]!, count, share: count / places });
      // As there: the margins' are no candidates for what follows.
      if (name === 'absoluteMargin' || name === 'relativeMargin') places -= count;
    }
    return all;
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

/** So many of them, or all, in their order. */
function draw(from: readonly number[], count: number, random: Random): number[] {
  const left = [...from];
  const drawn = Math.min(count, left.length);
  for (let i = 0; i < drawn; ++i) {
    const other = i + random.below(left.length - i);
    [left[i], left[other]] = [left[other]!, left[i]!];
  }
  return left.slice(0, drawn).sort((a, b) => a - b);
}

/** The rows of a format, and the similarities that are told of them. */
function rowsOf(
  { anchors, texts, positives }: Groups,
  found: readonly Negatives[],
  positiveScores: readonly (readonly number[])[],
  { outputFormat, includePositives, outputScores, numNegatives }: ResolvedMineOptions,
  pairs: number,
): { rows: MinedRow[]; negative: number[]; difference: number[]; possible: number } {
  const format = outputFormat ?? (includePositives ? 'n-tuple' : 'triplet');
  const rows: MinedRow[] = [];
  const negative: number[] = [];
  const difference: number[] = [];
  let ofAnchors = 0;
  for (const [q, anchor] of anchors.entries()) {
    const { texts: numbers, scores } = found[q]!;
    const negatives = numbers.map((number) => texts[number]!);
    const own = positives[q]!.map((number) => texts[number]!);
    ofAnchors += own.length;
    if (format === 'labeled-pair') {
      own.forEach((positive, i) =>
        rows.push({ anchor, positive, ...(outputScores ? { score: positiveScores[q]![i]! } : { label: 1 }) }),
      );
      negatives.forEach((positive, i) =>
        rows.push({ anchor, positive, ...(outputScores ? { score: scores[i]! } : { label: 0 }) }),
      );
    }
    for (const [i, positive] of own.entries()) {
      const score = positiveScores[q]![i]!;
      if (format === 'n-tuple' && negatives.length < numNegatives) continue;
      for (const one of scores) {
        negative.push(one);
        difference.push(score - one);
      }
      if (format === 'triplet') {
        negatives.forEach((one, n) =>
          rows.push({ anchor, positive, negative: one, ...(outputScores && { scores: [score, scores[n]!] }) }),
        );
      } else if (format === 'n-tuple') {
        const named = Object.fromEntries(negatives.map((one, n) => [`negative_${n + 1}`, one]));
        rows.push({ anchor, positive, ...named, ...(outputScores && { scores: [score, ...scores] }) });
      } else if (format === 'labeled-list' && negatives.length > 0) {
        const candidates = [positive, ...negatives];
        rows.push({
          query: anchor,
          candidates,
          ...(outputScores ? { scores: [score, ...scores] } : { labels: candidates.map((_, n) => (n === 0 ? 1 : 0)) }),
        });
      }
    }
  }
  const possible = {
    triplet: ofAnchors * numNegatives,
    'n-tuple': ofAnchors,
    'labeled-list': ofAnchors,
    'labeled-pair': anchors.length * numNegatives + pairs,
  }[format];
  return { rows, negative, difference, possible };
}
