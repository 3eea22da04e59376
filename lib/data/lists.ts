import { InvalidArgumentError } from '../system/errors';
import { custom } from '../system/option-table';
import { invalidOption, show } from '../system/options';
import { option, say } from '../system/wording';
import { isList } from './cells';
import type { TrainingData } from './form';
import type { FormPlan } from './form-columns';
import { FormReader } from './form-rows';
import { resolveRowOptions, type ReadOptions, type RowOptions } from './read-options';
import { checkLists, checkPair, emptyData } from './validate';

/** Texts, or rows of texts: what `finetune` takes as its first list. */
export type TextList = readonly string[] | readonly (readonly string[])[];
/**
 * Of each row a score (a number, true or false, or one of two words, as files have it), a class, or a list of a teacher's
 * numbers: what `finetune` takes as its second list.
 */
export type LabelList =
  | ArrayLike<number>
  | readonly (string | number | bigint | boolean)[]
  | readonly ArrayLike<number>[];

/** The second of two lists, as an option. */
export const labelsCheck = custom<LabelList, LabelList>('program', (path, value) => {
  if (isList(value)) return value as LabelList;
  throw invalidOption(path, 'a list of scores, classes or lists of numbers, one for each row', value);
});

/** Lists whose rows are read one by one, each when it is called. */
export interface ListRows {
  rows: Iterable<() => void>;
  finish(): TrainingData;
  /** What is worth knowing of the rows, when all are read. */
  notes(): string[];
  /** Of the options of the reading. */
  signal: AbortSignal | undefined;
}

/** Whether rows of texts stand alone: anchor, positive and any number of negatives. */
export function areTextRows(source: unknown): source is readonly (readonly string[])[] {
  if (!Array.isArray(source)) return false;
  const first: unknown = source[0];
  return Array.isArray(first) && first.length >= 2 && first.every((text) => typeof text === 'string');
}

/**
 * Rows of texts alone: an anchor, a positive, and negatives, of which rows may have different numbers.
 *
 * @throws InvalidArgumentError ERR_INVALID_OPTION, ERR_EMPTY_DATA
 */
export function textRows(source: readonly (readonly string[])[], file?: ReadOptions): ListRows {
  return read(source.slice(), null, { kind: 'ranking', texts: [0, 1, 2], scores: null }, file, (row) =>
    Array.isArray(row) ? [row[0], row[1], row.slice(2)] : [row],
  );
}

/**
 * The rows of lists, by what stands first in them: pairs and scores; texts and classes, or vectors; rows of three texts and
 * margins; rows and lists of scores, or vectors. The lists are checked and copied at once, their rows
 * later: a million of them would keep the event loop waiting.
 *
 * @param pairClasses whether a label of two texts is one of several classes
 * @param file how scores are written
 * @throws InvalidArgumentError ERR_INVALID_ARGUMENT, ERR_INVALID_OPTION, ERR_LENGTH_MISMATCH, ERR_EMPTY_DATA
 */
export function listRows(source: unknown, labels: unknown, pairClasses = false, file?: ReadOptions): ListRows {
  checkLists(source, labels);
  const rows = (source as readonly unknown[]).slice();
  const list = (labels as unknown[]).slice();
  const plan = planOfLists(rows[0], list[0], pairClasses);
  const pairs = plan.kind === 'pairs';
  if (rows.length !== list.length) {
    throw new InvalidArgumentError(
      'ERR_LENGTH_MISMATCH',
      pairs
        ? `There must be one score for each pair, but there are ${rows.length} pairs and ${list.length} scores.`
        : `There must be one label for each row, but there are ${rows.length} rows and ${list.length} labels.`,
    );
  }
  return read(rows, list, plan, file, (row, number) => {
    if (pairs) checkPair(row, number);
    if (typeof row === 'string') return [row];
    if (!Array.isArray(row)) return [];
    return plan.kind === 'candidates' ? [row[0], row.slice(1)] : row;
  });
}

/** By the first row and its label; two texts and a score where they do not say it. */
function planOfLists(first: unknown, label: unknown, pairClasses: boolean): FormPlan {
  // A row of two texts and its score is told of as what it is.
  const isRow = Array.isArray(first) && !(first.length === 3 && ['number', 'boolean'].includes(typeof first[2]));
  const width = typeof first === 'string' ? 1 : isRow ? first.length : 0;
  const texts = Array.from({ length: width }, (_, i) => i);
  if (isList(label) && width > 0) {
    if (width > 2 && label.length === width - 1) return { kind: 'candidates', texts: [0, 1], label: 2 };
    return { kind: 'vectors', texts, label: width };
  }
  if (width === 1 && label !== undefined) return { kind: 'classes', texts: [0], label: 1 };
  if (width === 2 && pairClasses) return { kind: 'pairClasses', texts: [0, 1], label: 2 };
  if (width === 3) return { kind: 'labelled', texts, label: 3 };
  return { kind: 'pairs', text1: 0, text2: 1, score: 2 };
}

/** @throws InvalidArgumentError ERR_INVALID_OPTION: how scores are written was said, but there are none */
function checkScored(file: ReadOptions | undefined, plan: FormPlan): void {
  const given = (['scoreRange', 'labels'] as const).find((name) => file?.[name] !== undefined);
  if (given === undefined || plan.kind === 'pairs') return;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option(`file.${given}`)} tells how the scores of two texts are written, but the lists have none.`,
  );
}

function* map<A, B>(values: Iterable<A>, change: (value: A) => B): Generator<B, void, undefined> {
  for (const value of values) yield change(value);
}

function read(
  rows: readonly unknown[],
  labels: readonly unknown[] | null,
  plan: FormPlan,
  file: ReadOptions | undefined,
  cellsOf: (row: unknown, number: number) => readonly unknown[],
): ListRows {
  const { score, signal }: RowOptions = resolveRowOptions(file, 'lists');
  checkScored(file, plan);
  if (rows.length === 0) throw emptyData(plan.kind === 'pairs' ? 'the list of pairs is empty' : 'the list is empty');
  const columns = plan.kind === 'pairs' ? 2 : plan.texts.length;
  const names = Array.from({ length: columns }, (_, i) => `text ${i}`);
  if (labels !== null) names.push('the label');
  const reader = new FormReader({ plan, names, score });
  return {
    rows: map(rows.keys(), (row) => () => {
      const cells = cellsOf(rows[row], row);
      if (cells.length === 0 || cells.length > columns) {
        const wanted = columns === 1 ? 'a text' : `a list of ${columns} texts`;
        throw new InvalidArgumentError(
          'ERR_INVALID_ARGUMENT',
          `A row must be ${wanted}, but row ${row} (counted from 0) is ${show(rows[row])}.`,
          { row },
        );
      }
      const filled: unknown[] = [];
      for (let i = 0; i < columns; ++i) filled.push(cells[i]);
      if (labels !== null) filled.push(labels[row]);
      reader.read(filled, { row });
    }),
    finish: () => reader.finish(),
    notes: () => reader.notes(),
    signal,
  };
}
