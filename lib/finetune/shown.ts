import type { Vector } from '../embed/similarity';
import { cosineSimilarity } from '../embed/similarity';
import { classPairs, nextOther, type PlacePair } from '../evaluate/others';
import type { Work } from '../evaluate/work';
import { textsOf, type ValidationRows } from './validation-rows';

/** What a page shows of validation rows that are no pairs with scores, beside their measures. */
export interface Shown {
  closeness?: Closeness | undefined;
  outcomes?: Outcomes | undefined;
}

/** Cosines of texts that belong together, and of texts that do not. */
export interface Closeness {
  /** Of anchors with their positives, of texts of one class, of queries with the candidate that the teacher finds best. */
  together: Float32Array;
  /** Of triplets with the row's own negatives, of positives each with the positive of another row, of texts of two classes, of queries with the other candidates. */
  apart: Float32Array;
}

/** What each row came to, by which is told which changed most. */
export interface Outcomes {
  /**
   * Which number stands for a row: of 'queries' the place of the first text that belongs to it, 0 where none of ten does;
   * of 'texts' with classes the silhouette; of 'vectors' the cosine with the teacher's; of 'pairs' with classes how likely their
   * class is held to be.
   */
  kind: 'queries' | 'texts' | 'vectors' | 'pairs';
  rows: Int32Array;
  values: Float32Array;
  /** Of queries: the text that was put first; '' where there is none. */
  first?: readonly string[];
}

/** Rows that are shown at most. */
const MOST_ROWS = 4096;

/** Of anchors and positives, as far as there are rows whose positive does not belong to an anchor. */
export function* anchorCloseness(
  given: ValidationRows,
  vectors: ReadonlyMap<number, Vector>,
  similarities: Float32Array,
): Work<Closeness> {
  const rows = given.rows.subarray(0, MOST_ROWS);
  const belongs = new Map<number, Set<number>>();
  for (const all of [rows, given.among ?? []])
    for (const row of all) {
      const [anchor, ...others] = textsOf(given, row);
      const known = belongs.get(anchor!) ?? new Set([anchor!]);
      belongs.set(anchor!, known.add(others[0]!));
    }
  const [together, apart]: [number[], number[]] = [[], []];
  let at = 0;
  for (const [i, row] of rows.entries()) {
    if (i % 256 === 255) yield;
    const [anchor, positive, ...negatives] = textsOf(given, row);
    if (positive === undefined) continue;
    together.push(similarities[at]!);
    apart.push(...similarities.subarray(at + 1, at + 1 + negatives.length));
    at += 1 + negatives.length;
    if (given.data.form === 'triplets') continue;
    const own = belongs.get(anchor!)!;
    const other = nextOther(rows, i, (next) => {
      const [, text] = textsOf(given, next);
      return text === undefined || own.has(text) ? undefined : text;
    });
    if (other !== undefined) apart.push(cosineSimilarity(vectors.get(anchor!)!, vectors.get(other)!));
  }
  return { together: Float32Array.from(together), apart: Float32Array.from(apart) };
}

/** Of each text with the next one of its class, and with the next one of another. */
export function* classCloseness(given: ValidationRows, vectors: ReadonlyMap<number, Vector>): Work<Closeness> {
  const { data } = given;
  const rows = given.rows.subarray(0, MOST_ROWS);
  const vectorOf = (place: number): Vector => vectors.get(textsOf(given, rows[place]!)[0]!)!;
  const { together, apart } = classPairs(Array.from(rows, (row) => data.labels[row]!));
  const cosines = function* (pairs: readonly PlacePair[]): Work<Float32Array> {
    const found = new Float32Array(pairs.length);
    for (const [i, [left, right]] of pairs.entries()) {
      if (i % 256 === 255) yield;
      found[i] = cosineSimilarity(vectorOf(left), vectorOf(right));
    }
    return found;
  };
  return { together: yield* cosines(together), apart: yield* cosines(apart) };
}

/** Of each query with the candidate that the teacher finds best, and with the others. */
export function candidateCloseness(
  { data, rows }: Pick<ValidationRows, 'data' | 'rows'>,
  similarities: Float32Array,
): Closeness {
  const { labels, labelWidth } = data;
  const [together, apart]: [number[], number[]] = [[], []];
  let at = 0;
  for (const row of rows.subarray(0, MOST_ROWS)) {
    const width = data.rows[row]!.length - 1;
    let best = 0;
    // Of margins the first is the positive.
    if (labelWidth === width)
      for (let i = 1; i < width; ++i) if (labels[row * labelWidth + i]! > labels[row * labelWidth + best]!) best = i;
    for (let i = 0; i < width; ++i) (i === best ? together : apart).push(similarities[at + i]!);
    at += width;
  }
  return { together: Float32Array.from(together), apart: Float32Array.from(apart) };
}
