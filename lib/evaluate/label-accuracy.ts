import { performance } from 'node:perf_hooks';
import { rowFamilies } from '../data/families';
import { foldsOf } from '../data/folds';
import { counted } from '../data/form';
import { groupTexts } from '../data/groups';
import { checkText } from '../data/validate';
import { InvalidArgumentError } from '../system/errors';
import { integer, optional, resolveTable, type OptionsOf, type ResolvedOf } from '../system/option-table';
import { show } from '../system/options';
import { option, say } from '../system/wording';
import { inTurns } from '../system/turns';
import { ClassNumbers } from './class-numbers';
import { blocks, BLOCK_TEXTS, lengthOf, type EmbeddingModel } from './embedding';
import { embedderOf, evaluation, Means, type Evaluation, type Observation } from './evaluation';
import { judged, MOST_CLASSES, type VectorPair } from './label-classifier';
import { evaluateTable } from './options';
import { asObject, tooFew } from './similarity';
import { inPieces, throwIfAborted } from './work';

/** Two texts and the class of the pair. */
export interface PairClassRow {
  /** The first text: a premise, say. */
  text1: string;
  /** The second: a hypothesis. */
  text2: string;
  /** Its class; equal labels are one class. */
  label: string | number;
}

/** How well the class of two texts can be read from their vectors. */
export interface LabelAccuracyMetrics {
  /** Share of pairs whose class is found by a linear classifier that was fitted on other pairs, 0 to 1. */
  labelAccuracy: number;
}

const { similarity: _, ...table } = evaluateTable;

export const labelAccuracyTable = {
  ...table,
  /** Parts of the pairs, each of which is measured by a classifier that was fitted on the others. Default 5. */
  parts: optional(integer(2, 100), 5),
};

/** Options of `evaluateLabelAccuracy`. */
export interface LabelAccuracyOptions extends OptionsOf<typeof labelAccuracyTable> {}

/** Of the parts: the same pairs are always divided in the same way, so that two models can be compared. */
const SEED = 1;
/** Pairs that a classifier is fitted on at most. */
const MOST_FITTED = 10_000;

/**
 * How well the class of two texts can be told from their vectors u and v: accuracy of a linear softmax classifier of u, v and
 * |u - v|, as sentence-transformers' LabelAccuracyEvaluator has, whose classifier is that of training. Here it is fitted for
 * the evaluation, on vectors of the model as it is: the pairs are divided into parts, and each is measured by a classifier
 * that was fitted on the others, 10,000 of their pairs at most. Pairs that share a text are in one part, unless all hang
 * together so. The classifier is deterministic: numbers brought to mean 0 and variance 1, an L2 penalty that weighs as many
 * rows as it has numbers. The vectors of all texts are held.
 *
 * @throws InvalidArgumentError ERR_SINGLE_CLASS; more than 100 classes; a row or an option; AbortError; and what the model's
 *   `embed` rejects with
 */
export async function evaluateLabelAccuracy(
  model: EmbeddingModel,
  rows: Iterable<PairClassRow> | AsyncIterable<PairClassRow>,
  options?: LabelAccuracyOptions,
): Promise<Evaluation<LabelAccuracyMetrics>> {
  const resolved = resolveTable(labelAccuracyTable, options, { name: 'evaluateLabelAccuracy', path: '' });
  return evaluation(await observeLabelAccuracy(model, rows, resolved), resolved);
}

export async function observeLabelAccuracy(
  model: EmbeddingModel,
  rows: Iterable<PairClassRow> | AsyncIterable<PairClassRow>,
  resolved: ResolvedOf<typeof labelAccuracyTable>,
): Promise<Observation<LabelAccuracyMetrics>> {
  const { parts, signal, onProgress } = resolved;
  const begun = performance.now();
  const embedder = embedderOf(model, { ...resolved, similarity: ['cosine'] }, 'label-accuracy');
  const expected = lengthOf(rows);
  embedder.expect('text', expected === null ? null : 2 * expected);
  const classes = new ClassNumbers();
  const labels = classes.ofRows;
  const texts: (readonly [string, string])[] = [];
  const pairs: VectorPair[] = [];
  for await (const block of blocks(rows, BLOCK_TEXTS / 2)) {
    const own = block.map((element): readonly [string, string] => {
      const row = labels.length;
      const { text1, text2, label } = asObject(element, '{ text1, text2, label }', row);
      classes.add(label);
      return [checkText(text1, 'text1', { row }), checkText(text2, 'text2', { row })];
    });
    const vectors = await embedder.embed(own.flat(), 'text');
    own.forEach((pair, i) => {
      texts.push(pair);
      pairs.push([vectors[2 * i]!, vectors[2 * i + 1]!]);
    });
  }
  if (labels.length < 2) throw tooFew('pairs with classes', 2, labels.length);
  checkClasses(classes);
  const check = (): void => throwIfAborted(signal);
  const { folds, together } = await dividedPairs(texts, parts, check);
  const found = { labelAccuracy: new Float64Array(labels.length), probability: new Float64Array(labels.length) };
  for (const [part, fold] of folds.entries()) {
    onProgress?.({ type: 'searching', done: part, total: folds.length });
    const held = new Set(fold);
    const others = evenly(
      labels.flatMap((_, row) => (held.has(row) ? [] : [row])),
      MOST_FITTED,
    );
    const of = (some: ArrayLike<number>) => ({
      pairs: Array.from(some, (row) => pairs[row]!),
      labels: Array.from(some, (row) => labels[row]!),
    });
    const told = await inPieces(judged(of(others), of(fold)), signal);
    if (told === null)
      throw new InvalidArgumentError(
        'ERR_INVALID_ARGUMENT',
        "The model's vectors hold numbers that are not finite: no classifier can be fitted on them.",
      );
    fold.forEach((row, i) => {
      found.labelAccuracy[row] = told.right[i]!;
      found.probability[row] = told.probability[i]!;
    });
  }
  onProgress?.({ type: 'searching', done: folds.length, total: folds.length });
  const { labelAccuracy, probability } = found;
  const measured = new Means<LabelAccuracyMetrics>(
    'label-accuracy',
    'pairs',
    'labelAccuracy',
    { labelAccuracy },
    probability,
  );
  const notes = [
    `The class of each pair is found by a linear classifier of both vectors and their difference that was fitted on other pairs (${counted(folds.length, 'part')}).`,
    mostFrequent(labels),
    ...(together ? [] : ['Pairs that share a text may be in different parts: too many hang together by their texts.']),
  ];
  return { observed: new Map([['cosine', measured]]), embedder, begun, notes };
}

function checkClasses(classes: ClassNumbers): void {
  if (classes.count < 2) {
    throw new InvalidArgumentError(
      'ERR_SINGLE_CLASS',
      `All ${classes.ofRows.length} pairs are of the class ${show(classes.first)}, so that there is nothing to tell apart.`,
      { remedy: say`Add pairs of other classes.` },
    );
  }
  if (classes.count <= MOST_CLASSES) return;
  throw new InvalidArgumentError(
    'ERR_INVALID_ARGUMENT',
    `The pairs have ${classes.count} classes, but label-accuracy takes at most ${MOST_CLASSES}.`,
    { remedy: say`Where the label is a score, evaluate with ${option('task', 'similarity')}.` },
  );
}

/** What is right of a classifier that always says the same. */
function mostFrequent(labels: readonly number[]): string {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const share = Math.max(...counts.values()) / labels.length;
  return `The most frequent class has ${(100 * share).toFixed(1)} % of the pairs.`;
}

/** At most as many of the rows' numbers, evenly spaced. */
export function evenly(rows: ArrayLike<number>, most: number): Int32Array {
  const count = Math.min(rows.length, most);
  return Int32Array.from({ length: count }, (_, i) => rows[Math.floor((i * rows.length) / count)]!);
}

/**
 * Parts of the pairs, none empty. Pairs that share a text are in one part; where more than half of all hang together so,
 * those that share the first text, else each by itself.
 */
async function dividedPairs(
  texts: readonly (readonly [string, string])[],
  parts: number,
  check: () => void,
): Promise<{ folds: Int32Array[]; together: boolean }> {
  const rows = Int32Array.from(texts, (_, row) => row);
  const { columns, offsets } = await groupTexts(texts, check);
  for (const width of [2, 1]) {
    const families = await inTurns(rowFamilies({ columns, offsets }, width), check);
    const sizes = new Map<number, number>();
    for (const family of families) sizes.set(family, (sizes.get(family) ?? 0) + 1);
    if ([...sizes.values()].reduce((a, b) => Math.max(a, b), 0) > texts.length / 2) continue;
    const folds = foldsOf(rows, families, parts, SEED).filter(({ length }) => length > 0);
    return { folds, together: width === 2 };
  }
  return { folds: foldsOf(rows, rows, parts, SEED).filter(({ length }) => length > 0), together: false };
}
