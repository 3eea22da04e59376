import { stat } from 'node:fs/promises';
import { isBeir, openBeir } from '../data/formats/beir';
import { counted, formWords, widths, type TrainingData } from '../data/form';
import type { LabelList, TextList } from '../data/lists';
import type { ReadOptions } from '../data/read-options';
import { notAFile } from '../data/source';
import { understood } from '../data/understood';
import type { HubPlace } from '../model/fetch/hub-options';
import { InvalidArgumentError } from '../system/errors';
import { option, say } from '../system/wording';
import type { BinaryRow } from './binary';
import type { ClassRow } from './classes';
import { collect, type CollectOptions, type RowSource } from './collect';
import type { PairClassRow } from './label-accuracy';
import type { MiningData, MiningText } from './paraphrase-mining';
import type { RerankingSample } from './reranking';
import type { RetrievalData, RetrievalText } from './retrieval';
import type { SimilarityRow } from './similarity';
import { tasksOf, type EvaluationTask } from './tasks';
import type { TripletRow } from './triplet';
import type { TeacherRow } from './teacher';
import { inPieces, type Work } from './work';

/** How data was understood. */
interface Understood {
  /** Of each unit that is measured, the row of the data that it came of, the first of several; absent where they are the same. */
  sources?: ArrayLike<number> | undefined;
  /** What it is, in a line. */
  understood: string;
  /** What else is worth knowing: what was left out, which columns were not read. */
  notes: readonly string[];
}

/** Rows in the form that an evaluator takes. */
type Rows =
  | { form: 'similarity'; rows: readonly SimilarityRow[] }
  | { form: 'binary'; rows: readonly BinaryRow[] }
  | { form: 'triplet'; rows: readonly TripletRow[] }
  | { form: 'reranking'; rows: readonly RerankingSample[] }
  | { form: 'label-accuracy'; rows: readonly PairClassRow[] }
  | { form: 'classes'; rows: readonly ClassRow[] }
  | { form: 'retrieval'; data: RetrievalData; queries: readonly RetrievalText[] }
  | { form: 'teacher-agreement'; rows: readonly TeacherRow[] }
  | { form: 'paraphrase-mining'; data: MiningData; texts: readonly MiningText[] };

/** Data in the form that an evaluator takes. */
export type DataSet = Rows & Understood;

export interface DataSetOptions extends HubPlace {
  /** How a file is read. */
  file?: ReadOptions | undefined;
  /** Of a BEIR folder, or of a data set of the hub. */
  split?: string | undefined;
  onBadRow?: 'refuse' | 'skip' | undefined;
  /** Which of the evaluators of its form. Default: the first of `tasksOf`. */
  task?: EvaluationTask | undefined;
  /** Is told while a data set of the hub is fetched. */
  onProgress?: CollectOptions['onProgress'];
  signal?: AbortSignal | undefined;
}

/** Splits that evaluation is meant for, of a data set of the hub. */
const usualSplits = ['test', 'validation', 'dev'];
/** Rows that are put in form between two pauses. */
const AT_ONCE = 1 << 12;

/**
 * Opens data, understood as `finetune` understands it; the evaluator follows from the form of its rows (`tasksOf`). A folder in
 * BEIR's layout is retrieval in its own corpus, which is read as it is searched.
 *
 * @throws InvalidArgumentError names file and row of what is wrong, or says that rows of the form are not measured so;
 *   DownloadError: a data set of the hub; AbortError
 */
export async function openDataSet(
  source: RowSource | TextList,
  options: DataSetOptions = {},
  labels?: LabelList,
): Promise<DataSet> {
  const { file, split, task, onBadRow = 'refuse', onProgress, signal } = options;
  const { cacheFolder, hubUrl, accessToken, offline } = options;
  const hub = { cacheFolder, hubUrl, accessToken, offline };
  if (typeof source === 'string' && (await stat(source).catch(() => undefined))?.isDirectory() === true) {
    if (!(await isBeir(source))) {
      throw new InvalidArgumentError(
        'ERR_DATA_FILE',
        `${source} is a folder; a file of rows is wanted, or a folder with corpus.jsonl, queries.jsonl and qrels/*.tsv.`,
        { file: source },
      );
    }
    return openFolder(source, options);
  }
  const data = await collect(source, labels, {
    file,
    split,
    usual: usualSplits,
    onBadRow,
    hub,
    pairClasses: task === 'label-accuracy',
    onProgress,
    signal,
  });
  const name = typeof source === 'string' ? source : undefined;
  const chosen = taskOf(data, task, name);
  const notes = [...data.facts.notes];
  const rows = await inPieces(formed(chosen, data, notes), signal);
  return { ...rows, understood: understood(data), notes };
}

async function openFolder(folder: string, options: DataSetOptions): Promise<DataSet> {
  const { file, split, task, onBadRow, signal } = options;
  if (file !== undefined && Object.keys(file).some((name) => name !== 'signal')) throw notAFile(folder);
  if (onBadRow === 'skip') {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('onBadRow', 'skip')} is for rows, but ${folder} is a folder in BEIR's layout, which is measured whole or not at all.`,
      { file: folder },
    );
  }
  if (task !== undefined && task !== 'retrieval')
    throw notMeasuredSo(task, ['retrieval'], "a folder in BEIR's layout is");
  const data = await openBeir(folder, { split, signal });
  const queries: RetrievalText[] = [];
  for await (const query of data.queries) queries.push(query);
  return {
    form: 'retrieval',
    data: { ...data, queries },
    queries,
    understood: `${counted(queries.length, 'query', 'queries')} and a corpus in BEIR's layout, judgements of ${data.split}`,
    notes: [],
  };
}

function taskOf(data: TrainingData, task: EvaluationTask | undefined, file: string | undefined): EvaluationTask {
  const { form } = data;
  const tasks = tasksOf(form, widths(data.rows).most, data.positiveFirst === true);
  if (task === undefined) return tasks[0]!;
  if (tasks.includes(task)) return task;
  throw notMeasuredSo(task, tasks, `${formWords[form]} are`, file);
}

function notMeasuredSo(
  task: EvaluationTask,
  tasks: readonly EvaluationTask[],
  what: string,
  file?: string,
): InvalidArgumentError {
  return new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option('task')} is ${task}, but ${what} measured by ${tasks.join(', ')}.`,
    { file },
  );
}

type Formed = Rows & Pick<Understood, 'sources'>;

function* formed(task: EvaluationTask, data: TrainingData, notes: string[]): Work<Formed> {
  switch (task) {
    case 'similarity':
      return { form: task, ...(yield* scoredPairs(data)) };
    case 'binary': {
      const { rows } = yield* scoredPairs(data);
      return { form: task, rows: yield* each(rows, ({ text1, text2, score }) => ({ text1, text2, label: score })) };
    }
    case 'triplet':
      return { form: task, ...(yield* triplets(data, notes)) };
    case 'reranking':
      return { form: task, ...(yield* samples(data, notes)) };
    case 'classes': {
      const { rows, labels, classes } = data;
      return { form: task, rows: yield* each(rows, ([text], i) => ({ text: text!, label: classes![labels[i]!]! })) };
    }
    case 'label-accuracy': {
      const { rows, labels } = data;
      const pair = ([text1, text2]: readonly string[], i: number) => ({
        text1: text1!,
        text2: text2!,
        label: labels[i]!,
      });
      return { form: task, rows: yield* each(rows, pair) };
    }
    case 'retrieval':
      return yield* amongTexts(data);
    case 'paraphrase-mining':
      return yield* duplicates(data);
    case 'teacher-agreement':
      return { form: task, ...(yield* taught(data)) };
  }
}

function* each<A, B>(rows: readonly A[], change: (row: A, i: number) => B): Work<B[]> {
  const changed: B[] = [];
  for (const [i, row] of rows.entries()) {
    changed.push(change(row, i));
    if (i % AT_ONCE === 0) yield;
  }
  return changed;
}

/** Two texts and a score; of a query with candidates a row for each of them. */
function* scoredPairs({
  form,
  rows,
  labels,
  labelWidth,
}: TrainingData): Work<{ rows: SimilarityRow[]; sources?: number[] }> {
  if (form !== 'candidates')
    return {
      rows: yield* each(rows, ([text1, text2], i) => ({ text1: text1!, text2: text2!, score: labels[i]! })),
    };
  const pairs: SimilarityRow[] = [];
  const sources: number[] = [];
  for (const [i, [query, ...candidates]] of rows.entries()) {
    candidates.forEach((text, c) => {
      pairs.push({ text1: query!, text2: text, score: labels[i * labelWidth + c]! });
      sources.push(i);
    });
    if (i % AT_ONCE === 0) yield;
  }
  return { rows: pairs, sources };
}

/** Each negative with its row's anchor and positive. */
function* triplets({ form, rows }: TrainingData, notes: string[]): Work<{ rows: TripletRow[]; sources: number[] }> {
  const found: TripletRow[] = [];
  const sources: number[] = [];
  let without = 0;
  for (const [i, [anchor, positive, ...negatives]] of rows.entries()) {
    if (negatives.length === 0) ++without;
    for (const negative of negatives) {
      found.push({ anchor: anchor!, positive: positive!, negative });
      sources.push(i);
    }
    if (i % AT_ONCE === 0) yield;
  }
  if (without > 0) notes.push(`${counted(without, 'row has', 'rows have')} no negative and ${left(without)}.`);
  if (form === 'candidates') notes.push(unusedScores);
  return { rows: found, sources };
}

const unusedScores = "The teacher's scores were not used, only which text is the positive.";
const left = (count: number): string => `${count === 1 ? 'is' : 'are'} left out`;

/** An anchor's positives and negatives, of all rows that have it. */
function* samples({ form, rows }: TrainingData, notes: string[]): Work<{ rows: RerankingSample[]; sources: number[] }> {
  const found = new Map<string, { positive: Set<string>; negative: Set<string>; source: number }>();
  for (const [i, [anchor, positive, ...negatives]] of rows.entries()) {
    let of = found.get(anchor!);
    if (of === undefined) found.set(anchor!, (of = { positive: new Set(), negative: new Set(), source: i }));
    of.positive.add(positive!);
    for (const negative of negatives) of.negative.add(negative);
    if (i % AT_ONCE === 0) yield;
  }
  let both = 0;
  const all = yield* each([...found], ([query, { positive, negative, source }]) => {
    const wrong = [...negative].filter((text) => !positive.has(text));
    both += negative.size - wrong.length;
    return { source, sample: { query, positive: [...positive], negative: wrong } };
  });
  const kept = all.filter(({ sample }) => sample.negative.length > 0);
  const without = all.length - kept.length;
  if (both > 0)
    notes.push(
      `${counted(both, 'text is', 'texts are')} both positive and negative of the same anchor, and counted as positive.`,
    );
  if (without > 0) notes.push(`${counted(without, 'anchor has', 'anchors have')} no negative and ${left(without)}.`);
  if (form === 'candidates') notes.push(unusedScores);
  return { rows: kept.map(({ sample }) => sample), sources: kept.map(({ source }) => source) };
}

/**
 * Each anchor is searched with among all positives and negatives; equal texts are one, and have one id, so that
 * `ignoreSameId` leaves out the document that is the query itself.
 */
function* amongTexts({ rows }: TrainingData): Work<Formed> {
  const corpus = new Map<string, RetrievalText>();
  const positives = new Map<string, Set<string>>();
  const sources: number[] = [];
  for (const [i, [anchor, positive, ...negatives]] of rows.entries()) {
    for (const text of [positive!, ...negatives])
      if (!corpus.has(text)) corpus.set(text, { id: `${corpus.size}`, text });
    const of = positives.get(anchor!);
    if (of === undefined) {
      positives.set(anchor!, new Set([positive!]));
      sources.push(i);
    } else of.add(positive!);
    if (i % AT_ONCE === 0) yield;
  }
  const relevant = new Map<string, string[]>();
  const queries = yield* each([...positives], ([text, of], i) => {
    const id = corpus.get(text)?.id ?? `q${i}`;
    relevant.set(
      id,
      [...of].map((one) => corpus.get(one)!.id),
    );
    return { id, text };
  });
  return { form: 'retrieval', data: { queries, corpus: [...corpus.values()], relevant }, queries, sources };
}

/** Each text with its teacher's vector, which all texts of a row share. */
function* taught({ rows, labels, labelWidth }: TrainingData): Work<{ rows: TeacherRow[]; sources: number[] }> {
  const found: TeacherRow[] = [];
  const sources: number[] = [];
  for (const [i, texts] of rows.entries()) {
    for (const text of texts) {
      const vector = Float32Array.from({ length: labelWidth }, (_, at) => labels[i * labelWidth + at]!);
      found.push({ text, vector });
      sources.push(i);
    }
    if (i % AT_ONCE === 0) yield;
  }
  return { rows: found, sources };
}

/** All texts of the pairs, and which pairs of them mean the same: those with label 1, or all where there are no labels. */
function* duplicates({ rows, labels, labelWidth }: TrainingData): Work<Formed> {
  const texts = new Map<string, MiningText>();
  const same: (readonly [string, string])[] = [];
  for (const [i, row] of rows.entries()) {
    const [a, b] = row.slice(0, 2).map((text) => {
      let known = texts.get(text);
      if (known === undefined) texts.set(text, (known = { id: `${texts.size}`, text }));
      return known.id;
    });
    if (labelWidth === 0 || labels[i] === 1) same.push([a!, b!]);
    if (i % AT_ONCE === 0) yield;
  }
  const all = [...texts.values()];
  return { form: 'paraphrase-mining', data: { texts: all, duplicates: same }, texts: all };
}
