import { performance } from 'node:perf_hooks';
import { counted } from '../data/form';
import { checkText } from '../data/validate';
import { InvalidArgumentError } from '../system/errors';
import { checkInteger, checkOptionNames, invalidOption, show } from '../system/options';
import { custom, flag, optional, resolveTable, type OptionsOf, type ResolvedOf } from '../system/option-table';
import type { Vector } from '../embed/similarity';
import { blocks, BLOCK_TEXTS, lengthOf, type EmbeddingModel } from './embedding';
import { embedderOf, evaluation, Means, type Answer, type Evaluation, type Observation } from './evaluation';
import { evaluateTable } from './options';
import { compareIds, defaultCutoffs, rankingMetrics, type Cutoffs, type RetrievalMetrics } from './metrics/ranking';
import { asObject, tooFew } from './similarity';
import type { SimilarityName } from './similarities';
import { blockSearch, type BlockSearch } from './block-search';
import { atOnce, inPieces, type Work } from './work';

/** A text to search with or in, and the name by which judgements know it. */
export interface RetrievalText {
  /** Its own among queries, or among documents. */
  id: string;
  /** The text. */
  text: string;
}

/** What is searched, with what, and what should be found. */
export interface RetrievalData {
  /** Texts to search with. */
  queries: Iterable<RetrievalText> | AsyncIterable<RetrievalText>;
  /** Texts to search in; may be larger than memory: it is read once, in blocks. */
  corpus: Iterable<RetrievalText> | AsyncIterable<RetrievalText>;
  /** By the id of a query, the ids of the documents that are relevant. A query without any is left out. */
  relevant: ReadonlyMap<string, Iterable<string>> | Readonly<Record<string, Iterable<string>>>;
}

export const retrievalTable = {
  ...evaluateTable,
  /**
   * Places at which is measured: by measure, or a list for all of them, of which the largest is that of the primary measure.
   * Default: accuracy, precision and recall at 1, 3, 5, 10 and 100, mrr and ndcg at 10, map at 100.
   */
  cutoffs: optional(
    custom<Partial<Cutoffs> | readonly number[], Cutoffs>('numbers', (_, value) => resolveCutoffs(value)),
    defaultCutoffs,
    {
      flag: '--cutoffs <n,…>',
      help: 'of retrieval: places at which every measure is taken, as 1,10,100; the largest is that of the primary measure',
      unset: '1,3,5,10,100; MRR and nDCG at 10, MAP at 100',
      aliases: ['kValues'],
    },
  ),
  /** Whether a document with the query's own id is no answer, as in BEIR. Default false, as in sentence-transformers. */
  ignoreSameId: optional(flag, false, {
    flag: '--ignore-same-id',
    help: "a document with the query's own id is no answer",
    aliases: ['ignoreIdenticalIds'],
  }),
};

/** Options of `evaluateRetrieval`. */
export interface RetrievalEvaluateOptions extends OptionsOf<typeof retrievalTable> {}

/** What `evaluateRetrieval` found. */
export interface RetrievalEvaluation extends Evaluation<RetrievalMetrics> {
  /** Documents that were searched. */
  documents: number;
  /** Queries that were left out since nothing is relevant to them. */
  withoutRelevant: number;
  /** Relevant documents that the corpus does not have; they count as not found. */
  missingDocuments: number;
}

function resolveCutoffs(value: unknown): Cutoffs {
  const names = Object.keys(defaultCutoffs) as (keyof Cutoffs)[];
  if (Array.isArray(value)) {
    if (value.length === 0) throw invalidOption('cutoffs', 'a list of at least one integer from 1', value);
    const list = value.map((k, i) => checkInteger(`cutoffs[${i}]`, k, 1, 1e6));
    return Object.fromEntries(names.map((name) => [name, list])) as unknown as Cutoffs;
  }
  const given = checkOptionNames(value, names, 'cutoffs');
  const cutoffs = { ...defaultCutoffs };
  for (const name of names) {
    const list: unknown = given[name];
    if (list === undefined) continue;
    if (!Array.isArray(list)) throw invalidOption(`cutoffs.${name}`, 'a list of integers from 1', list);
    cutoffs[name] = list.map((k, i) => checkInteger(`cutoffs.${name}[${i}]`, k, 1, 1e6));
  }
  if (cutoffs.ndcg.length === 0) throw invalidOption('cutoffs.ndcg', 'a list of at least one integer from 1', []);
  return cutoffs;
}

function largest(cutoffs: Cutoffs): number {
  return Math.max(...Object.values(cutoffs).flat());
}

function primaryOf(cutoffs: Cutoffs): `ndcg@${number}` {
  return `ndcg@${Math.max(...cutoffs.ndcg)}`;
}

/** Queries that are measured between two pauses. */
const AT_ONCE = 32;

/** Means over queries, from the ids that each found (best first) and those that are relevant to it (at least one). */
function* observedOf(
  ranking: (query: number) => readonly string[],
  relevant: readonly ReadonlySet<string>[],
  cutoffs: Cutoffs,
): Work<Means<RetrievalMetrics>> {
  const values: Record<string, Float64Array> = {};
  for (const [query, wanted] of relevant.entries()) {
    const hits = ranking(query).map((id) => wanted.has(id));
    for (const [name, value] of Object.entries(rankingMetrics(hits, wanted.size, cutoffs))) {
      (values[name] ??= new Float64Array(relevant.length))[query] = value;
    }
    if (query % AT_ONCE === 0) yield;
  }
  return new Means<RetrievalMetrics>('retrieval', 'queries', primaryOf(cutoffs), values);
}

/**
 * Measures of rankings: of each query the ids that were found, best first, and those that are relevant. Queries to which
 * nothing is relevant are left out.
 *
 * @throws InvalidArgumentError ERR_LENGTH_MISMATCH; ERR_EMPTY_DATA: no query has a relevant document
 */
export function retrievalMetrics(
  rankings: readonly (readonly string[])[],
  relevant: readonly Iterable<string>[],
  cutoffs?: Partial<Cutoffs> | readonly number[],
): RetrievalMetrics {
  if (rankings.length !== relevant.length) {
    throw new InvalidArgumentError(
      'ERR_LENGTH_MISMATCH',
      `There must be as many rankings as sets of relevant ids, but there are ${rankings.length} and ${relevant.length}.`,
    );
  }
  const sets = relevant.map((ids) => new Set(ids));
  const kept = sets.flatMap((set, i) => (set.size > 0 ? [i] : []));
  if (kept.length === 0) throw tooFew('queries with relevant documents', 1, 0);
  const resolved = resolveCutoffs(cutoffs);
  const observed = observedOf(
    (query) => rankings[kept[query]!]!,
    kept.map((i) => sets[i]!),
    resolved,
  );
  return atOnce(atOnce(observed).measure());
}

/**
 * Search by exact comparison of each query with each document: accuracy, precision, recall, MRR, nDCG@10 (the primary
 * measure) and MAP, as sentence-transformers 6.2.0's InformationRetrievalEvaluator: of documents of equal similarity the
 * one whose id is lower goes first, whatever the order of the corpus. Memory is for the queries, their hits, the ids of
 * the corpus and one block of its vectors.
 *
 * @throws InvalidArgumentError: the data or an option; AbortError; and what the model's `embed` rejects with
 */
export async function evaluateRetrieval(
  model: EmbeddingModel,
  data: RetrievalData,
  options?: RetrievalEvaluateOptions,
): Promise<RetrievalEvaluation> {
  const resolved = resolveTable(retrievalTable, options, { name: 'evaluateRetrieval', path: '' });
  const { facts, ...observation } = await observeRetrieval(model, data, resolved);
  return { ...(await evaluation(observation, resolved)), ...facts };
}

/** What is relevant to a query: the ids of documents. */
export function relevantIds(judgements: RetrievalData['relevant'], id: string): Iterable<string> {
  const known =
    judgements instanceof Map || typeof (judgements as Map<string, Iterable<string>>).get === 'function'
      ? (judgements as ReadonlyMap<string, Iterable<string>>).get(id)
      : Object.hasOwn(judgements, id)
        ? (judgements as Readonly<Record<string, Iterable<string>>>)[id]
        : undefined;
  return known ?? [];
}

/** What an evaluation of retrieval tells beside its measures. */
type RetrievalFacts = Omit<RetrievalEvaluation, keyof Evaluation<RetrievalMetrics>>;

export async function observeRetrieval(
  model: EmbeddingModel,
  data: RetrievalData,
  resolved: ResolvedOf<typeof retrievalTable>,
): Promise<Observation<RetrievalMetrics> & { facts: RetrievalFacts }> {
  const { signal, similarity: similarities, cutoffs, ignoreSameId } = resolved;
  const begun = performance.now();
  const embedder = embedderOf(model, resolved, 'retrieval');

  const relevantTo = (id: string): Iterable<string> => relevantIds(data.relevant, id);
  if (Array.isArray(data.queries)) {
    const answered = (data.queries as readonly Partial<RetrievalText>[]).filter(
      (query) => typeof query?.id === 'string' && !isEmpty(relevantTo(query.id)),
    );
    embedder.expect('query', answered.length);
  }
  const corpusLength = lengthOf(data.corpus);
  embedder.expect('document', corpusLength);
  const queryIds: string[] = [];
  const relevant: Set<string>[] = [];
  const queries: Vector[] = [];
  const seen = new Set<string>();
  const units: number[] = [];
  let withoutRelevant = 0;
  for await (const block of blocks(checkedTexts(data.queries, 'query', seen), BLOCK_TEXTS)) {
    const kept: string[] = [];
    for (const { id, text } of block) {
      const wanted = new Set(relevantTo(id));
      const number = units.length + withoutRelevant;
      if (wanted.size === 0) {
        ++withoutRelevant;
        continue;
      }
      units.push(number);
      queryIds.push(id);
      relevant.push(wanted);
      kept.push(text);
    }
    for (const vector of await embedder.embed(kept, 'query')) queries.push(vector);
  }
  if (queries.length === 0) throw tooFew('queries with relevant documents', 1, 0);

  const ids: string[] = [];
  const tie = (a: number, b: number): number => compareIds(ids[a]!, ids[b]!);
  const skip = ignoreSameId ? (query: number, document: number) => queryIds[query] === ids[document] : undefined;
  const searches = new Map<SimilarityName, BlockSearch>();
  for (const name of similarities) {
    searches.set(name, await blockSearch(queries, largest(cutoffs), name, tie, skip, signal));
  }
  const documentIds = new Set<string>();
  for await (const block of blocks(checkedTexts(data.corpus, 'document', documentIds), BLOCK_TEXTS)) {
    const first = ids.length;
    for (const { id } of block) ids.push(id);
    const vectors = await embedder.embed(
      block.map(({ text }) => text),
      'document',
    );
    for (const search of searches.values()) {
      await search.add(vectors, first, (done) =>
        resolved.onProgress?.({
          type: 'searching',
          done: queries.length * first + done,
          total: corpusLength === null ? null : queries.length * corpusLength,
        }),
      );
    }
  }
  if (ids.length === 0) throw tooFew('documents', 1, 0);

  const observed = new Map<SimilarityName, Means<RetrievalMetrics>>();
  const [firstSearch] = searches.values();
  const answers = (unit: number): Answer => answerOf(firstSearch!.hits(unit), ids, relevant[unit]!);
  for (const [name, search] of searches) {
    const ranking = (query: number): string[] => search.hits(query).map(({ document }) => ids[document]!);
    observed.set(name, await inPieces(observedOf(ranking, relevant, cutoffs), signal));
  }
  const missing = new Set(relevant.flatMap((set) => [...set].filter((id) => !documentIds.has(id))));
  const facts = { documents: ids.length, withoutRelevant, missingDocuments: missing.size };
  const notes: string[] = [];
  if (withoutRelevant > 0)
    notes.push(
      `${counted(withoutRelevant, 'query has', 'queries have')} no relevant document and ${withoutRelevant === 1 ? 'is' : 'are'} left out.`,
    );
  if (missing.size > 0)
    notes.push(
      `${counted(missing.size, 'relevant document is', 'relevant documents are')} not in the corpus and ${missing.size === 1 ? 'counts' : 'count'} as not found.`,
    );
  return { observed, embedder, begun, units, answers, facts, notes };
}

/** Where a query found what belongs to it, and what it found first. */
function answerOf(
  hits: ReturnType<BlockSearch['hits']>,
  ids: readonly string[],
  relevant: ReadonlySet<string>,
): Answer {
  const found = hits.map(({ document }) => ids[document]!);
  const place = found.findIndex((id) => relevant.has(id));
  return { place: place < 0 ? null : place + 1, first: found[0] ?? null };
}

function isEmpty(ids: Iterable<string>): boolean {
  return ids[Symbol.iterator]().next().done === true;
}

/** Texts with ids that are strings and occur once. */
async function* checkedTexts(
  source: Iterable<RetrievalText> | AsyncIterable<RetrievalText>,
  what: 'query' | 'document',
  seen: Set<string>,
): AsyncGenerator<RetrievalText, void, undefined> {
  let row = 0;
  for await (const element of source) {
    const { id, text } = asObject(element, '{ id, text }', row);
    if (typeof id !== 'string') {
      throw new InvalidArgumentError(
        'ERR_INVALID_ARGUMENT',
        `The id of a ${what} must be a string, but that of number ${row} (counted from 0) is ${show(id)}.`,
        { row },
      );
    }
    if (seen.has(id)) {
      throw new InvalidArgumentError(
        'ERR_INVALID_ARGUMENT',
        `The id of a ${what} must be its own, but ${show(id)} of number ${row} (counted from 0) was there before.`,
        { row },
      );
    }
    seen.add(id);
    yield { id, text: checkText(text, `the ${what} ${show(id)}`, { row }) };
    ++row;
  }
}
