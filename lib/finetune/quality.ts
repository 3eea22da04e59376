import { isPairs } from '../data/form';
import type { Vector } from '../embed/similarity';
import { cosineSimilarity } from '../embed/similarity';
import { neighbourVotes } from '../evaluate/classes';
import { evenly } from '../evaluate/label-accuracy';
import { judged } from '../evaluate/label-classifier';
import { spearman } from '../evaluate/metrics/correlation';
import { rankingMetrics, type Cutoffs } from '../evaluate/metrics/ranking';
import { silhouettes } from '../evaluate/metrics/silhouette';
import { TopK } from '../evaluate/top-k';
import { inPieces, type Work } from '../evaluate/work';
import type { ValidationMetrics } from './metrics';
import { textsOf, type ValidationRows } from './validation-rows';
import { anchorCloseness, candidateCloseness, classCloseness, type Outcomes, type Shown } from './shown';

export type { ValidationRows } from './validation-rows';

/** What a validation came to: the measures, and one number of each unit (row, query, margin) for intervals. */
export interface Measured {
  metrics: ValidationMetrics;
  units: Float32Array;
  /** Of forms other than pairs. */
  shown?: Shown | undefined;
}

/** Neighbours that vote, and queries that are searched with at most: each meets every document. */
const NEIGHBOURS = 5;
const MOST_QUERIES = 4096;
const cutoffs: Cutoffs = { accuracy: [1], precision: [], recall: [1, 3, 5, 10], mrr: [10], ndcg: [10], map: [] };

/** The distinct texts that a measure of the rows' form needs the vectors of; none where similarities suffice. */
export function neededTexts(given: ValidationRows): Int32Array {
  const { form } = given.data;
  if (isPairs(form) || form === 'candidates') return new Int32Array(0);
  const needed = new Set<number>();
  if (form === 'classified-pairs') {
    const { fitted, measured } = classifiedRows(given);
    for (const row of [...fitted, ...measured]) for (const text of textsOf(given, row)) needed.add(text);
    return Int32Array.from(needed);
  }
  for (const row of given.rows) for (const text of textsOf(given, row)) needed.add(text);
  if (given.data.otherSpace)
    for (const row of given.rows) for (const text of textsOf(given, after(given, row))) needed.add(text);
  // What is searched among is all but the anchors.
  const first = form === 'positive-pairs' || form === 'triplets' ? 1 : 0;
  for (const row of given.among ?? []) for (const text of textsOf(given, row).subarray(first)) needed.add(text);
  return Int32Array.from(needed);
}

/**
 * Measures of rows that are no pairs with scores. `vectors` are those of `neededTexts`, by their number; `similarities`
 * those of each row's first text with its others, row after row.
 */
export async function qualityOf(
  given: ValidationRows,
  vectors: ReadonlyMap<number, Vector>,
  similarities: Float32Array,
  signal?: AbortSignal,
): Promise<Omit<Measured, 'metrics'> & { metrics: Partial<ValidationMetrics> }> {
  switch (given.data.form) {
    case 'positive-pairs':
    case 'triplets': {
      const { outcomes, ...found } = await inPieces(retrieval(given, vectors), signal);
      const closeness = await inPieces(anchorCloseness(given, vectors, similarities), signal);
      return { ...found, shown: { closeness, outcomes } };
    }
    case 'classes': {
      const { outcomes, ...found } = await inPieces(classes(given, vectors), signal);
      return { ...found, shown: { closeness: await inPieces(classCloseness(given, vectors), signal), outcomes } };
    }
    case 'classified-pairs':
      return inPieces(pairClasses(given, vectors), signal);
    case 'vectors':
      return given.data.otherSpace ? teachersSimilarities(given, vectors) : teachersVectors(given, vectors);
    case 'candidates': {
      const { units, wanted } = margins(given, similarities);
      const agreement = spearman(units, wanted);
      const shown = { closeness: candidateCloseness(given, similarities) };
      return { metrics: agreement === null ? {} : { teacherAgreement: agreement }, units, shown };
    }
    default:
      return { metrics: {}, units: similarities };
  }
}

/** Each row's first text searches among all other texts of the rows, or of `among`; what any row with it calls positive belongs to it. */
function* retrieval(
  given: ValidationRows,
  vectors: ReadonlyMap<number, Vector>,
): Work<{ metrics: Partial<ValidationMetrics>; units: Float32Array; outcomes: Outcomes }> {
  const relevant = new Map<number, Set<number>>();
  const queryRows: number[] = [];
  // With its text.
  const corpus = new Map<number, string>();
  for (const row of given.rows) {
    const [anchor, positive] = textsOf(given, row);
    if (positive === undefined || relevant.size >= MOST_QUERIES) continue;
    if (!relevant.has(anchor!)) queryRows.push(row);
    relevant.set(anchor!, new Set());
  }
  for (const row of given.among ?? given.rows) {
    const [anchor, positive, ...rest] = textsOf(given, row);
    if (positive === undefined) continue;
    for (const [i, text] of [positive, ...rest].entries()) corpus.set(text, given.data.rows[row]![i + 1]!);
    relevant.get(anchor!)?.add(positive);
  }
  const queries = [...relevant.keys()];
  const documents = [...corpus.keys()];
  const search = yield* TopK.of(
    queries.map((text) => vectors.get(text)!),
    10,
    'cosine',
    (a, b) => a - b,
    (query, document) => queries[query] === documents[document],
  );
  yield* search.add(
    documents.map((text) => vectors.get(text)!),
    0,
  );
  const units = new Float32Array(queries.length);
  const places = new Float32Array(queries.length);
  const first: string[] = [];
  const sums = { mrr10: 0, ndcg10: 0, recall1: 0, recall3: 0, recall5: 0, recall10: 0, accuracy1: 0 };
  for (const [i, query] of queries.entries()) {
    const wanted = relevant.get(query)!;
    const hits = search.hits(i).map(({ document }) => documents[document]!);
    const found = hits.map((document) => wanted.has(document));
    places[i] = found.indexOf(true) + 1;
    first.push(corpus.get(hits[0] ?? -1) ?? '');
    const one = rankingMetrics(found, wanted.size, cutoffs);
    units[i] = one['mrr@10']!;
    sums.mrr10 += one['mrr@10']!;
    sums.ndcg10 += one['ndcg@10']!;
    sums.recall1 += one['recall@1']!;
    sums.recall3 += one['recall@3']!;
    sums.recall5 += one['recall@5']!;
    sums.recall10 += one['recall@10']!;
    sums.accuracy1 += one['accuracy@1']!;
    if (i % 256 === 0) yield;
  }
  const outcomes: Outcomes = { kind: 'queries', rows: Int32Array.from(queryRows), values: places, first };
  if (queries.length === 0) return { metrics: {}, units, outcomes };
  const mean = (sum: number): number => sum / queries.length;
  return {
    metrics: {
      retrieval: {
        mrr10: mean(sums.mrr10),
        ndcg10: mean(sums.ndcg10),
        recall1: mean(sums.recall1),
        recall3: mean(sums.recall3),
        recall5: mean(sums.recall5),
        recall10: mean(sums.recall10),
        accuracy1: mean(sums.accuracy1),
        queries: queries.length,
        documents: documents.length,
      },
    },
    units,
    outcomes,
  };
}

function* classes(
  given: ValidationRows,
  vectors: ReadonlyMap<number, Vector>,
): Work<{ metrics: Partial<ValidationMetrics>; units: Float32Array; outcomes?: Outcomes }> {
  const numbers = new Map<number, number>();
  const among = given.among ?? given.rows;
  const labels = Array.from(among, (row) => {
    const label = given.data.labels[row]!;
    if (!numbers.has(label)) numbers.set(label, numbers.size);
    return numbers.get(label)!;
  });
  // There is nothing to tell apart, or no neighbour that could be right.
  if (numbers.size < 2 || labels.length === numbers.size) return { metrics: {}, units: new Float32Array(0) };
  const all = Array.from(among, (row) => vectors.get(textsOf(given, row)[0]!)!);
  const measured = new Set(given.rows);
  const own = (values: Float64Array): Float64Array => values.filter((_, i) => measured.has(among[i]!));
  const votes = own(yield* neighbourVotes(all, labels, NEIGHBOURS, 'cosine'));
  const silhouette = own(yield* silhouettes(all, labels, numbers.size));
  const mean = (values: Float64Array): number => values.reduce((sum, one) => sum + one, 0) / values.length;
  const outcomes: Outcomes = {
    kind: 'texts',
    rows: among.filter((row) => measured.has(row)),
    values: Float32Array.from(silhouette),
  };
  return {
    metrics: { knnAccuracy: mean(votes), silhouette: mean(silhouette) },
    units: Float32Array.from(votes),
    outcomes,
  };
}

/** Training rows that a classifier is fitted on, and validation rows that it judges, evenly spaced where there are many. */
function classifiedRows({ rows, among }: ValidationRows): { fitted: Int32Array; measured: Int32Array } {
  const own = new Set(rows);
  return {
    fitted: (among ?? new Int32Array(0)).filter((row) => !own.has(row)),
    measured: evenly(rows, MOST_QUERIES),
  };
}

/** Of each pair whether a classifier that is fitted on training rows, as their vectors are now, finds its class. */
function* pairClasses(
  given: ValidationRows,
  vectors: ReadonlyMap<number, Vector>,
): Work<{ metrics: Partial<ValidationMetrics>; units: Float32Array; shown?: Shown }> {
  const { fitted, measured } = classifiedRows(given);
  const of = (rows: Int32Array) => ({
    pairs: Array.from(rows, (row) => {
      const [u, v] = textsOf(given, row);
      return [vectors.get(u!)!, vectors.get(v!)!] as const;
    }),
    labels: Array.from(rows, (row) => given.data.labels[row]!),
  });
  const found = measured.length === 0 ? null : yield* judged(of(fitted), of(measured));
  if (found === null) return { metrics: {}, units: new Float32Array(0) };
  const { right, probability } = found;
  return {
    metrics: { labelAccuracy: right.reduce((sum, one) => sum + one, 0) / right.length },
    units: Float32Array.from(right),
    shown: { outcomes: { kind: 'pairs', rows: measured, values: Float32Array.from(probability) } },
  };
}

/** Mean cosine of a row's texts with the vector that the teacher gave them, one for all or one for each. */
function teachersVectors(
  given: ValidationRows,
  vectors: ReadonlyMap<number, Vector>,
): { metrics: Partial<ValidationMetrics>; units: Float32Array; shown?: Shown } {
  const { labels, labelWidth } = given.data;
  const { length } = vectors.values().next().value ?? [];
  const widthOf = (row: number) => (labelWidth === length ? 1 : textsOf(given, row).length) * (length ?? 0);
  if (given.rows.some((row) => widthOf(row) !== labelWidth)) return { metrics: {}, units: new Float32Array(0) };
  const units = Float32Array.from(given.rows, (row) => {
    const texts = textsOf(given, row);
    let sum = 0;
    for (const [i, text] of texts.entries()) {
      const first = row * labelWidth + (labelWidth === length ? 0 : i * length!);
      const teacher = Float32Array.from({ length: length! }, (_, at) => labels[first + at]!);
      sum += cosineSimilarity(vectors.get(text)!, teacher);
    }
    return sum / texts.length;
  });
  const agreement = units.reduce((sum, one) => sum + one, 0) / units.length;
  const outcomes: Outcomes = { kind: 'vectors', rows: given.rows, values: units };
  return { metrics: { teacherAgreement: agreement }, units, shown: { outcomes } };
}

/** The row that a row is compared with where a teacher's vectors are of another space: the next, of the last the first. */
const after = ({ data }: Pick<ValidationRows, 'data'>, row: number): number => (row + 1) % data.rows.length;

/** Spearman of how alike rows are, each with the row after it, under the model and under the teacher. */
function teachersSimilarities(
  given: ValidationRows,
  vectors: ReadonlyMap<number, Vector>,
): { metrics: Partial<ValidationMetrics>; units: Float32Array } {
  const units = Float32Array.from(given.rows, (row) => {
    const [own, other] = [textsOf(given, row), textsOf(given, after(given, row))];
    const count = Math.min(own.length, other.length);
    let sum = 0;
    for (let i = 0; i < count; ++i) sum += cosineSimilarity(vectors.get(own[i]!)!, vectors.get(other[i]!)!);
    return sum / count;
  });
  const agreement = spearman(units, alikeToTeacher(given));
  return { metrics: agreement === null ? {} : { teacherAgreement: agreement }, units };
}

/** Cosine of the teacher's vectors of each row and the row after it. */
export function alikeToTeacher(given: Pick<ValidationRows, 'data' | 'rows'>): Float32Array {
  const { labels, labelWidth } = given.data;
  const vectorOf = (row: number) => Float32Array.from({ length: labelWidth }, (_, i) => labels[row * labelWidth + i]!);
  return Float32Array.from(given.rows, (row) => cosineSimilarity(vectorOf(row), vectorOf(after(given, row))));
}

/**
 * By how much a query's first candidate is nearer than each other one, and by how much the teacher finds it so. (Rows of
 * margins have one number less than candidates.)
 */
export function margins(
  { data, rows }: Pick<ValidationRows, 'data' | 'rows'>,
  similarities: Float32Array,
): { units: Float32Array; wanted: Float32Array } {
  const { labels, labelWidth } = data;
  const units: number[] = [];
  const wanted: number[] = [];
  let at = 0;
  for (const row of rows) {
    const width = data.rows[row]!.length - 1;
    const scores = labelWidth === width;
    for (let i = 1; i < width; ++i) {
      units.push(similarities[at]! - similarities[at + i]!);
      const of = (k: number): number => labels[row * labelWidth + k]!;
      wanted.push(scores ? of(0) - of(i) : of(i - 1));
    }
    at += width;
  }
  return { units: Float32Array.from(units), wanted: Float32Array.from(wanted) };
}
