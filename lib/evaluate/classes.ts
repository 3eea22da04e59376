import { performance } from 'node:perf_hooks';
import { checkText } from '../data/validate';
import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import { integer, optional, resolveTable, type OptionsOf, type ResolvedOf } from '../system/option-table';
import type { Vector } from '../embed/similarity';
import { ClassNumbers } from './class-numbers';
import { blocks, BLOCK_TEXTS, lengthOf, type EmbeddingModel } from './embedding';
import { embedderOf, evaluation, Means, type Evaluation, type Observation } from './evaluation';
import { evaluateTable } from './options';
import { silhouettes } from './metrics/silhouette';
import { asObject, tooFew } from './similarity';
import type { SimilarityName } from './similarities';
import { TopK } from './top-k';
import { inPieces, type Work } from './work';

/** A text and its class. */
export interface ClassRow {
  /** The text. */
  text: string;
  /** Its class; equal labels are one class. */
  label: string | number;
}

/** How well classes lie apart. */
export interface ClassMetrics {
  /** Share of texts whose class most of their k nearest other texts have, 0 to 1. */
  knnAccuracy: number;
  /** Mean silhouette coefficient under cosine distance, -1 to 1: how much nearer texts are to their class than to the next. */
  silhouette: number;
}

export const classTable = {
  ...evaluateTable,
  /** Neighbours that vote. Default 5. */
  k: optional(integer(1), 5, { aliases: ['neighbours', 'neighbors'] }),
};

/** Options of `evaluateClasses`. */
export interface ClassEvaluateOptions extends OptionsOf<typeof classTable> {}

/** The class that most of `neighbours` have; of equally many, the one whose first neighbour is nearest. */
function vote(neighbours: readonly number[]): number | undefined {
  const counts = new Map<number, number>();
  for (const label of neighbours) counts.set(label, (counts.get(label) ?? 0) + 1);
  let best: number | undefined;
  for (const [label, count] of counts) if (best === undefined || count > counts.get(best)!) best = label;
  return best;
}

/** 1 where the neighbours of a text vote for its class, else 0; each text is left out of its own vote. */
export function* neighbourVotes(
  vectors: readonly Vector[],
  classes: ArrayLike<number>,
  k: number,
  similarity: SimilarityName,
  onDone?: (comparisons: number) => void,
): Work<Float64Array> {
  const search = yield* TopK.of(
    vectors,
    k,
    similarity,
    (a, b) => a - b,
    (query, document) => query === document,
  );
  yield* search.add(vectors, 0, onDone);
  const right = new Float64Array(vectors.length);
  for (let i = 0; i < right.length; ++i) {
    const neighbours = search.hits(i).map(({ document }) => classes[document]!);
    right[i] = vote(neighbours) === classes[i] ? 1 : 0;
    if (i % 256 === 0) yield;
  }
  return right;
}

/**
 * How well classes lie apart: accuracy of the vote of the k nearest other texts (the primary measure) and silhouette.
 * Every text is compared with every other; the vectors of all are held. Intervals are over texts, their neighbours as
 * they are.
 *
 * @throws InvalidArgumentError ERR_SINGLE_CLASS; a row or an option; AbortError; and what the model's `embed` rejects with
 */
export async function evaluateClasses(
  model: EmbeddingModel,
  rows: Iterable<ClassRow> | AsyncIterable<ClassRow>,
  options?: ClassEvaluateOptions,
): Promise<Evaluation<ClassMetrics>> {
  const resolved = resolveTable(classTable, options, { name: 'evaluateClasses', path: '' });
  return evaluation(await observeClasses(model, rows, resolved), resolved);
}

export async function observeClasses(
  model: EmbeddingModel,
  rows: Iterable<ClassRow> | AsyncIterable<ClassRow>,
  resolved: ResolvedOf<typeof classTable>,
): Promise<Observation<ClassMetrics>> {
  const { k } = resolved;
  const begun = performance.now();
  const embedder = embedderOf(model, resolved, 'classes');
  embedder.expect('text', lengthOf(rows));
  const numbers = new ClassNumbers();
  const classes = numbers.ofRows;
  const vectors: Vector[] = [];
  for await (const block of blocks(rows, BLOCK_TEXTS)) {
    const texts = block.map((element) => {
      const row = classes.length;
      const { text, label } = asObject(element, '{ text, label }', row);
      numbers.add(label);
      return checkText(text, 'text', { row });
    });
    for (const vector of await embedder.embed(texts, 'text')) vectors.push(vector);
  }
  if (classes.length < 2) throw tooFew('texts with classes', 2, classes.length);
  if (numbers.count < 2) {
    throw new InvalidArgumentError(
      'ERR_SINGLE_CLASS',
      `All ${classes.length} texts are of the class ${show(numbers.first)}, so that there is nothing to tell apart. ` +
        'Add texts of other classes.',
    );
  }
  const silhouette = await inPieces(silhouettes(vectors, classes, numbers.count), resolved.signal);
  const observed = new Map<SimilarityName, Means<ClassMetrics>>();
  for (const name of resolved.similarity) {
    const told = (done: number): void => resolved.onProgress?.({ type: 'searching', done, total: vectors.length ** 2 });
    const knnAccuracy = await inPieces(neighbourVotes(vectors, classes, k, name, told), resolved.signal);
    observed.set(
      name,
      new Means<ClassMetrics>('classes', 'texts', 'knnAccuracy', { knnAccuracy, silhouette }, silhouette),
    );
  }
  return { observed, embedder, begun };
}
