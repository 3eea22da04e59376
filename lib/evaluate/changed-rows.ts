import type { DataSet } from './data-set';
import type { Change } from './differences';
import type { Answer, Observation } from './evaluation';
import type { Measures } from './evaluate';
import { relevantIds } from './retrieval';
import { throwIfAborted } from './work';

/** A row that the second model answers otherwise than the first. */
export interface ChangedRow {
  /**
   * Its number in the data, from 0, of the rows that were taken: of a query that several have the first; of a folder in
   * BEIR's layout the query's number.
   */
  row: number;
  /**
   * How much better the second model answers it: of places among all rows for pairs, of the distance between the positive's
   * and the negative's similarity for triplets, of the silhouette for texts with classes, of the own class's
   * probability for pairs with classes, of the primary measure else.
   */
  change: number;
  /** Its texts: what is compared or searched with. */
  texts: string[];
  /** Its score, label or class; of a query a text that belongs to it; null where it has none. */
  wanted: number | string | null;
  /** Of a query: how each model answered it. Absent else. */
  answers?: {
    /** By the first model. */
    a: RowAnswer;
    /** By the second. */
    b: RowAnswer;
  };
}

/** How a model answered a query. */
export interface RowAnswer {
  /** The place of the first text that belongs to it, from 1; null where it is not among those that were looked at. */
  place: number | null;
  /** The text that was put first; null where there was none. */
  first: string | null;
}

/** What is told of units that changed. */
export async function rowsOf(
  set: DataSet,
  changes: readonly Change[],
  before: Observation<Measures>,
  after: Observation<Measures>,
  signal: AbortSignal | undefined,
): Promise<ChangedRow[]> {
  const { units, answers: asked } = before;
  const answers = changes.map(({ unit }) => [asked?.(unit), after.answers?.(unit)] as const);
  const places = changes.map(({ unit }) => units?.[unit] ?? unit);
  const textOf = await answerTexts(set, places, answers.flat(), signal);
  return changes.map(({ change }, i) => {
    const place = places[i]!;
    const [a, b] = answers[i]!;
    const answer = ({ place: at, first }: Answer): RowAnswer => ({
      place: at,
      first: first === null ? null : textOf(place, first),
    });
    return {
      row: set.sources?.[place] ?? place,
      change,
      ...contentOf(set, place, textOf),
      ...(a !== undefined && b !== undefined && { answers: { a: answer(a), b: answer(b) } }),
    };
  });
}

/** The text of what stands in an answer; null where the corpus does not have it. */
type TextOf = (row: number, named: string | number) => string | null;

/** A corpus is read once more for the few texts that are told. */
async function answerTexts(
  set: DataSet,
  places: readonly number[],
  answers: readonly (Answer | undefined)[],
  signal: AbortSignal | undefined,
): Promise<TextOf> {
  if (set.form === 'reranking') {
    return (row, candidate) => {
      const { positive, negative } = set.rows[row]!;
      return [positive, negative].flat()[candidate as number] ?? null;
    };
  }
  if (set.form !== 'retrieval') return () => null;
  const wanted = new Set(answers.flatMap((answer) => (typeof answer?.first === 'string' ? [answer.first] : [])));
  for (const row of places) {
    const [first] = relevantTo(set, row);
    if (first !== undefined) wanted.add(first);
  }
  const found = new Map<string, string>();
  let read = 0;
  for await (const { id, text } of wanted.size === 0 ? [] : set.data.corpus) {
    if (wanted.has(id)) found.set(id, text);
    if (found.size === wanted.size) break;
    if (++read % (1 << 14) !== 0) continue;
    await new Promise(setImmediate);
    throwIfAborted(signal);
  }
  return (_, id) => found.get(id as string) ?? null;
}

function relevantTo({ data, queries }: DataSet & { form: 'retrieval' }, row: number): readonly string[] {
  return [...relevantIds(data.relevant, queries[row]!.id)];
}

function contentOf(set: DataSet, row: number, textOf: TextOf): Pick<ChangedRow, 'texts' | 'wanted'> {
  switch (set.form) {
    case 'similarity': {
      const { text1, text2, score } = set.rows[row]!;
      return { texts: [text1, text2], wanted: score };
    }
    case 'binary': {
      const { text1, text2, label } = set.rows[row]!;
      return { texts: [text1, text2], wanted: Number(label) };
    }
    case 'triplet': {
      const { anchor, positive, negative } = set.rows[row]!;
      return { texts: [anchor, positive, negative], wanted: null };
    }
    case 'reranking':
      return { texts: [set.rows[row]!.query], wanted: textOf(row, 0) };
    case 'label-accuracy': {
      const { text1, text2, label } = set.rows[row]!;
      return { texts: [text1, text2], wanted: label };
    }
    case 'classes':
      return { texts: [set.rows[row]!.text], wanted: set.rows[row]!.label };
    case 'retrieval': {
      const [id] = relevantTo(set, row);
      return { texts: [set.queries[row]!.text], wanted: id === undefined ? null : textOf(row, id) };
    }
    case 'teacher-agreement':
      return { texts: [set.rows[row]!.text], wanted: null };
    case 'paraphrase-mining':
      return { texts: [set.texts[row]!.text], wanted: null };
  }
}
