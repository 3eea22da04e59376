import { performance } from 'node:perf_hooks';
import { checkText } from '../data/validate';
import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import { integer, optional, resolveTable, type OptionsOf, type ResolvedOf } from '../system/option-table';
import { blocks, lengthOf, type EmbeddingModel } from './embedding';
import { embedderOf, evaluation, Means, type Answer, type Evaluation, type Observation } from './evaluation';
import { evaluateTable } from './options';
import { LabelledSimilarities } from './metrics/classification';
import { reciprocalRank, tieAveragedNdcg } from './metrics/ranking';
import { asObject, tooFew } from './similarity';
import { comparePairs, type SimilarityName } from './similarities';
import { atOnce, inPieces } from './work';

/** A query with candidates, of which some are right. */
export interface RerankingSample {
  /** What is searched with. */
  query: string;
  /** The candidates that are right. */
  positive: string | readonly string[];
  /** The candidates that are wrong. */
  negative: string | readonly string[];
}

/** Measures of one list of candidates in the order that similarity gives it, 0 to 1 each; the mean over samples. */
export type RerankingMetrics = {
  /** Mean of the average precision. */
  map: number;
} & Record<`${'mrr' | 'ndcg'}@${number}`, number>;

export const rerankingTable = {
  ...evaluateTable,
  /** Places of a list that MRR and nDCG look at. Default 10. */
  at: optional(integer(1), 10, { aliases: ['atK', 'mrrAtK'] }),
};

/** Options of `evaluateReranking`. */
export interface RerankingEvaluateOptions extends OptionsOf<typeof rerankingTable> {}

/** What `evaluateReranking` found. */
export interface RerankingEvaluation extends Evaluation<RerankingMetrics> {
  /** Samples that were left out for want of a positive or of a negative. */
  withoutBoth: number;
}

/** Samples whose vectors are held at the same time. */
const SAMPLES_AT_ONCE = 512;

/**
 * Measures of one sample: `map` is the average precision, where candidates of equal similarity fall together; nDCG
 * averages over their orders; for MRR, of equal candidates the one goes first that comes first in the lists. As
 * scikit-learn's functions in sentence-transformers 6.2.0.
 */
export function rerankingMetrics(
  similarities: ArrayLike<number>,
  relevant: readonly boolean[],
  at = 10,
): RerankingMetrics {
  const order = bestFirst(similarities);
  const hits = order.map((i) => relevant[i]!);
  const map = atOnce(atOnce(LabelledSimilarities.of(similarities, relevant)).metrics())?.averagePrecision;
  return {
    // Where all candidates are right, every order is.
    map: map ?? (relevant.includes(true) ? 1 : 0),
    [`mrr@${at}`]: reciprocalRank(hits, at),
    [`ndcg@${at}`]: tieAveragedNdcg(similarities, relevant, at),
  } as RerankingMetrics;
}

/** Candidates by their similarity; of equal ones the first in the lists goes first. */
function bestFirst(similarities: ArrayLike<number>): number[] {
  return Array.from(similarities, (_, i) => i).sort((a, b) => similarities[b]! - similarities[a]! || a - b);
}

function textList(value: unknown, name: string, row: number): string[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return value.map((text: unknown, i) => checkText(text, `${name}[${i}]`, { row }));
  throw new InvalidArgumentError(
    'ERR_TEXT_TYPE',
    `${name} must be a text or a list of texts, but that of row ${row} (counted from 0) is ${show(value)}.`,
    { row },
  );
}

/**
 * Order of given candidates: MAP, MRR@10 and nDCG@10 (the primary measure), as sentence-transformers 6.2.0's
 * RerankingEvaluator. Samples without a positive or without a negative are left out.
 *
 * @throws InvalidArgumentError: a sample or an option; AbortError; and what the model's `embed` rejects with
 */
export async function evaluateReranking(
  model: EmbeddingModel,
  samples: Iterable<RerankingSample> | AsyncIterable<RerankingSample>,
  options?: RerankingEvaluateOptions,
): Promise<RerankingEvaluation> {
  const resolved = resolveTable(rerankingTable, options, { name: 'evaluateReranking', path: '' });
  const { withoutBoth, ...observation } = await observeReranking(model, samples, resolved);
  return { ...(await evaluation(observation, resolved)), withoutBoth };
}

export async function observeReranking(
  model: EmbeddingModel,
  samples: Iterable<RerankingSample> | AsyncIterable<RerankingSample>,
  resolved: ResolvedOf<typeof rerankingTable>,
): Promise<Observation<RerankingMetrics> & { withoutBoth: number }> {
  const { at } = resolved;
  const begun = performance.now();
  const embedder = embedderOf(model, resolved, 'reranking');
  if (Array.isArray(samples)) {
    const both = (samples as readonly Partial<RerankingSample>[]).map((sample) => {
      const [right, wrong] = [lengthOf(sample?.positive) ?? 1, lengthOf(sample?.negative) ?? 1];
      return right > 0 && wrong > 0 ? right + wrong : 0;
    });
    embedder.expect('query', both.filter((count) => count > 0).length);
    embedder.expect(
      'document',
      both.reduce((sum, count) => sum + count, 0),
    );
  }
  const values = new Map<SimilarityName, Record<string, number[]>>();
  let row = 0;
  let withoutBoth = 0;
  const units: number[] = [];
  const answers: Answer[] = [];
  for await (const block of blocks(samples, SAMPLES_AT_ONCE)) {
    const checked = block.flatMap((sample) => {
      const { query, positive, negative } = asObject(sample, '{ query, positive, negative }', row);
      const text = checkText(query, 'query', { row });
      const right = textList(positive, 'positive', row);
      const wrong = textList(negative, 'negative', row);
      if (right.length > 0 && wrong.length > 0) units.push(row);
      else ++withoutBoth;
      ++row;
      return right.length > 0 && wrong.length > 0 ? [{ text, right, wrong }] : [];
    });
    const queries = await embedder.embed(
      checked.map(({ text }) => text),
      'query',
    );
    const documents = await embedder.embed(
      checked.flatMap(({ right, wrong }) => [...right, ...wrong]),
      'document',
    );
    let first = 0;
    for (const [i, { right, wrong }] of checked.entries()) {
      const candidates = documents.slice(first, (first += right.length + wrong.length));
      const relevant = candidates.map((_, candidate) => candidate < right.length);
      const query = candidates.map(() => queries[i]!);
      for (const name of resolved.similarity) {
        const similarities = await inPieces(comparePairs(query, candidates, name), resolved.signal);
        if (name === resolved.similarity[0]) {
          const order = bestFirst(similarities);
          answers.push({ place: order.findIndex((candidate) => candidate < right.length) + 1, first: order[0]! });
        }
        let lists = values.get(name);
        if (lists === undefined) values.set(name, (lists = {}));
        for (const [measure, value] of Object.entries(rerankingMetrics(similarities, relevant, at))) {
          (lists[measure] ??= []).push(value);
        }
      }
      if (i % 32 === 0) await new Promise(setImmediate);
    }
  }
  if (values.size === 0) throw tooFew('samples with a positive and a negative', 1, 0);
  const observed = new Map(
    [...values].map(([name, lists]) => {
      const arrays = Object.fromEntries(
        Object.entries(lists).map(([measure, list]) => [measure, Float64Array.from(list)]),
      );
      return [name, new Means<RerankingMetrics>('reranking', 'queries', `ndcg@${at}`, arrays)] as const;
    }),
  );
  return { observed, embedder, begun, units, answers: (unit) => answers[unit]!, withoutBoth };
}
