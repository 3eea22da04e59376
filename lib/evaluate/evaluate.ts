import { readTable, type ReadOptions } from '../data/read-options';
import { custom, optional, resolveTable, text, type OptionsOf, type ResolvedOf } from '../system/option-table';
import { observeBinary } from './binary';
import { classTable, observeClasses } from './classes';
import { openDataSet, type DataSet } from './data-set';
import type { EmbeddingModel } from './embedding';
import { evaluation, type Evaluation, type Observation } from './evaluation';
import { evaluateTable } from './options';
import { observeReranking, rerankingTable } from './reranking';
import { observeRetrieval, retrievalTable } from './retrieval';
import { observeSimilarity } from './similarity';
import { observeTriplet, tripletTable } from './triplet';

export const evaluateDataTable = {
  ...evaluateTable,
  /** How the file is read. */
  file: optional(
    custom<ReadOptions, ReadOptions>('program', (_, value) => value as ReadOptions, readTable),
    undefined,
  ),
  /** Of a BEIR folder: whose judgements, `qrels/<split>.tsv`. Default: test, else dev, else the only one. */
  split: optional(text(), undefined, {
    flag: '--split <name>',
    help: 'of a BEIR folder: whose judgements, qrels/<name>.tsv',
    unset: 'test',
  }),
  /** Of triplets: by how much the positive must be nearer. Default 0. */
  margin: {
    ...tripletTable.margin,
    flag: '--margin <m>',
    help: 'of triplets: by how much the positive must be nearer',
  },
  /** Of retrieval: whether a document with the query's own id is no answer. Default false. */
  ignoreSameId: retrievalTable.ignoreSameId,
};

/** Options of `evaluate`. */
export interface EvaluateDataOptions extends OptionsOf<typeof evaluateDataTable> {}
export type ResolvedEvaluateData = ResolvedOf<typeof evaluateDataTable>;

/** Numbers by the name of a measure; null where one is not defined. */
export type Measures = Record<string, number | null>;

/**
 * Measures a model on a data file or folder by the evaluator that its form asks for: two texts with scores, with labels 0
 * and 1; anchor, positive and negative; anchor and positive; text and label; a folder in BEIR's layout.
 *
 * @throws InvalidArgumentError: the data or an option; AbortError; and what the model's `embed` rejects with
 */
export async function evaluate(
  model: EmbeddingModel,
  path: string,
  options?: EvaluateDataOptions,
): Promise<Evaluation<Measures>> {
  const resolved = resolveTable(evaluateDataTable, options, { name: 'evaluate', path: '' });
  const set = await openDataSet(path, resolved);
  return evaluation(await observe(model, set, resolved), resolved);
}

/** What a model does on data of any form. */
export async function observe(
  model: EmbeddingModel,
  set: DataSet,
  options: ResolvedEvaluateData,
): Promise<Observation<Measures>> {
  const own = { cutoffs: retrievalTable.cutoffs.default, k: classTable.k.default, at: rerankingTable.at.default };
  const resolved = { ...options, ...own };
  switch (set.form) {
    case 'similarity':
      return (await observeSimilarity(model, set.rows, resolved)) as unknown as Observation<Measures>;
    case 'binary':
      return (await observeBinary(model, set.rows, resolved)) as unknown as Observation<Measures>;
    case 'triplet':
      return (await observeTriplet(model, set.rows, resolved)) as unknown as Observation<Measures>;
    case 'reranking':
      return (await observeReranking(model, set.rows, resolved)) as unknown as Observation<Measures>;
    case 'classes':
      return (await observeClasses(model, set.rows, resolved)) as unknown as Observation<Measures>;
    case 'retrieval':
      return (await observeRetrieval(model, set.data, resolved)) as unknown as Observation<Measures>;
  }
}
