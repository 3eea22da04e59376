import type { LabelList, TextList } from '../data/lists';
import { fileOption, onBadRowOption } from '../data/read-options';
import { hubTable } from '../model/fetch/hub-options';
import type { ModelDownloadEvent } from '../model/types';
import { InvalidArgumentError } from '../system/errors';
import {
  callback,
  choice,
  optional,
  resolveTable,
  text,
  type OptionsOf,
  type ResolvedOf,
} from '../system/option-table';
import { option, say } from '../system/wording';
import { observeBinary } from './binary';
import { classTable, observeClasses } from './classes';
import { passed, type RowSource } from './collect';
import { openDataSet, type DataSet } from './data-set';
import type { EmbeddingModel } from './embedding';
import { evaluation, withoutIntervals, type Evaluation, type Observation } from './evaluation';
import type { EvaluateEvent } from './events';
import { evaluateTable } from './options';
import { labelAccuracyTable, observeLabelAccuracy } from './label-accuracy';
import { miningTable, observeParaphraseMining } from './paraphrase-mining';
import { observeReranking, rerankingTable } from './reranking';
import { observeRetrieval, retrievalTable } from './retrieval';
import { observeSimilarity } from './similarity';
import { evaluationTasks, type EvaluationTask } from './tasks';
import { observeTeacherAgreement } from './teacher';
import { observeTriplet, tripletTable } from './triplet';

/** What is told. */
type Progress = (event: EvaluateEvent | ModelDownloadEvent) => void;

export const evaluateDataTable = {
  ...evaluateTable,
  /** How a file is read; of lists and objects, which member is which column, and how scores are written. */
  file: fileOption,
  /**
   * Of a BEIR folder: whose judgements, `qrels/<split>.tsv`; of a data set of the hub: which split. Default: test, else
   * (validation,) dev, else the only one.
   */
  split: optional(text(), undefined, {
    flag: '--split <name>',
    help: 'of a BEIR folder: whose judgements, qrels/<name>.tsv; of a data set of the hub: which split',
    unset: 'test',
  }),
  ...hubTable,
  /** What happens to rows that cannot be used: 'refuse' all, or 'skip' those, which `notes` tells. Default 'refuse'. */
  onBadRow: onBadRowOption,
  /**
   * By which evaluator, where rows of the form can be measured by several (docs/evaluate.md): pairs with label 0/1 also as
   * 'paraphrase-mining' or 'similarity', pairs with one of several classes as 'label-accuracy', anchors and positives as 'paraphrase-mining', rows with negatives as 'triplet',
   * 'reranking' or 'retrieval'. Default: the form's own.
   */
  task: optional(choice(...evaluationTasks), undefined, {
    flag: '--task <name>',
    help: `the evaluator, where there are several for the data: ${evaluationTasks.join(', ')}`,
    unset: "by the data's form",
    aliases: ['evaluator'],
  }),
  /** Of triplets: by how much the positive must be nearer. Default 0. */
  margin: {
    ...tripletTable.margin,
    flag: '--margin <m>',
    help: 'of triplets: by how much the positive must be nearer',
  },
  /** Of retrieval: places at which is measured; see `evaluateRetrieval`. */
  cutoffs: retrievalTable.cutoffs,
  /** Of retrieval: whether a document with the query's own id is no answer. Default false. */
  ignoreSameId: retrievalTable.ignoreSameId,
  /** Of reranking: places of a list that MRR and nDCG look at. Default 10. */
  at: { ...rerankingTable.at, flag: '--at <n>', help: 'of reranking: places that MRR and nDCG look at' },
  /** Of classes: neighbours that vote. Default 5. */
  k: { ...classTable.k, flag: '--k <n>', help: 'of classes: neighbours that vote' },
  /** Of label-accuracy: parts of the pairs, each measured by a classifier that was fitted on the others. Default 5. */
  parts: {
    ...labelAccuracyTable.parts,
    flag: '--parts <n>',
    help: 'of label-accuracy: parts of the pairs, each measured by a classifier fitted on the others',
  },
  /** Of paraphrase mining: nearest texts of each text that may be its duplicates. Default 100. */
  topK: {
    ...miningTable.topK,
    flag: '--top-k <n>',
    help: 'of paraphrase mining: nearest texts of each that may be its duplicates',
  },
  /** Of paraphrase mining: pairs that are kept, the most similar. Default 500,000. */
  maxPairs: {
    ...miningTable.maxPairs,
    flag: '--max-pairs <n>',
    help: 'of paraphrase mining: pairs that are kept, the most similar',
  },
  /** Of paraphrase mining: whether duplicates of duplicates are duplicates too. Default false. */
  transitive: {
    ...miningTable.transitive,
    flag: '--transitive',
    help: 'of paraphrase mining: duplicates of duplicates are duplicates too',
  },
  /** Is told while a data set of the hub is fetched, and while the evaluation goes on. */
  onProgress: optional(callback<Progress>(), undefined, {
    aliases: ['callback', 'progress', 'onEvent', 'showProgressBar'],
  }),
};

/** Options of `evaluate`. */
export interface EvaluateDataOptions extends OptionsOf<typeof evaluateDataTable> {}
export type ResolvedEvaluateData = ResolvedOf<typeof evaluateDataTable>;

/** Options that one evaluator has, and the data that it is for. */
const ownOptions: Partial<Record<keyof EvaluateDataOptions, EvaluationTask>> = {
  margin: 'triplet',
  cutoffs: 'retrieval',
  ignoreSameId: 'retrieval',
  at: 'reranking',
  k: 'classes',
  parts: 'label-accuracy',
  topK: 'paraphrase-mining',
  maxPairs: 'paraphrase-mining',
  transitive: 'paraphrase-mining',
};

/** Numbers by the name of a measure; null where one is not defined. */
export type Measures = Record<string, number | null>;

/** What `evaluate` found. */
export interface DataEvaluation extends Evaluation<Measures> {
  /** What the data is, in a line. */
  understood: string;
  /** What else is worth knowing: what was left out, which columns were not read. */
  notes: readonly string[];
}

/**
 * Measures a model on data by the evaluator that its form asks for: pairs with scores or labels 0 and 1, anchors with
 * positives and perhaps negatives, texts with classes, queries with scored candidates, a folder in BEIR's layout. The data is
 * understood as `finetune` understands it: the path of a file or folder, `hub:owner/name`, rows as objects, lists of texts,
 * or texts and their labels. docs/evaluate.md tells which evaluator is for what.
 *
 * @throws InvalidArgumentError: the data or an option; DownloadError: a data set of the hub; AbortError; and what the model's
 *   `embed` rejects with
 */
export function evaluate(
  model: EmbeddingModel,
  data: RowSource,
  options?: EvaluateDataOptions,
): Promise<DataEvaluation>;
export function evaluate(
  model: EmbeddingModel,
  texts: TextList,
  labels: LabelList,
  options?: EvaluateDataOptions,
): Promise<DataEvaluation>;
export async function evaluate(
  model: EmbeddingModel,
  source: RowSource | TextList,
  second?: LabelList | EvaluateDataOptions,
  third?: EvaluateDataOptions,
): Promise<DataEvaluation> {
  const { labels, options } = passed<EvaluateDataOptions>('evaluate', second, third);
  const resolved = resolveTable(evaluateDataTable, options, { name: 'evaluate', path: '' });
  const set = await openFor(source, labels, resolved, options);
  const observation = await observe(model, set, resolved);
  const notes = notesOf(set, observation, resolved);
  return { ...(await evaluation(observation, resolved)), understood: set.understood, notes };
}

/** What is worth knowing of the data, and why there are no intervals that were wanted. */
export function notesOf(
  set: DataSet,
  { observed, notes = [] }: Pick<Observation<Measures>, 'observed' | 'notes'>,
  { intervals }: Pick<ResolvedEvaluateData, 'intervals'>,
): string[] {
  const none = withoutIntervals([...observed.values()][0]!, intervals);
  return [...set.notes, ...notes, ...(none === undefined ? [] : [none])];
}

/**
 * Opens data to be measured.
 *
 * @param options as they were given: an evaluator's own are refused with data of another
 */
export async function openFor(
  source: RowSource | TextList,
  labels: LabelList | undefined,
  resolved: ResolvedEvaluateData,
  options: EvaluateDataOptions | undefined,
): Promise<DataSet> {
  const set = await openDataSet(source, resolved, labels);
  for (const [name, task] of Object.entries(ownOptions)) {
    if (options?.[name as keyof EvaluateDataOptions] === undefined || task === set.form) continue;
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option(name)} is an option of ${task}, but the data (${set.understood}) is measured by ${set.form}.`,
    );
  }
  if (set.form === 'label-accuracy' && options?.similarity !== undefined) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('similarity')} tells how vectors are compared, but label-accuracy has a classifier of them.`,
      { remedy: say`Leave it out.` },
    );
  }
  return set;
}

/** What a model does on data of any form. */
export async function observe(
  model: EmbeddingModel,
  set: DataSet,
  resolved: ResolvedEvaluateData,
): Promise<Observation<Measures>> {
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
    case 'teacher-agreement':
      return (await observeTeacherAgreement(model, set.rows, resolved)) as unknown as Observation<Measures>;
    case 'label-accuracy':
      return (await observeLabelAccuracy(model, set.rows, resolved)) as unknown as Observation<Measures>;
    case 'paraphrase-mining':
      return (await observeParaphraseMining(model, set.data, resolved)) as unknown as Observation<Measures>;
  }
}
