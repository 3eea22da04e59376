import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import type { TrainingData } from './form';
import type { FormPlan } from './form-columns';
import { FormReader } from './form-rows';
import { ScoredRows } from './scored-rows';
import { emptyData, pairRows } from './validate';

/** Texts, or rows of texts: what `finetune` takes as its first list. */
export type TextList = readonly string[] | readonly (readonly string[])[];
/** Of each row a score, a class, or a list of a teacher's numbers: what `finetune` takes as its second list. */
export type LabelList = ArrayLike<number> | readonly (string | number)[] | readonly ArrayLike<number>[];

/** Lists whose rows are read one by one, each when it is called. */
export interface ListRows {
  rows: Iterable<() => void>;
  finish(): TrainingData;
}

const isList = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));

/** Whether rows of texts stand alone: anchor, positive and any number of negatives. */
export function areTextRows(source: unknown): source is readonly (readonly string[])[] {
  if (!Array.isArray(source)) return false;
  const first: unknown = source[0];
  return Array.isArray(first) && first.length >= 2 && first.every((text) => typeof text === 'string');
}

/** Rows of texts alone: an anchor, a positive, and negatives, of which rows may have different numbers. */
export function textRows(source: readonly (readonly string[])[]): ListRows {
  return read(source.slice(), null, { kind: 'ranking', texts: [0, 1, 2], scores: null }, (row) =>
    Array.isArray(row) ? [row[0], row[1], row.slice(2)] : [row],
  );
}

/**
 * The rows of lists, by what stands first in them: pairs and scores; texts and classes, or vectors; rows of three texts and
 * margins; rows and lists of scores, or vectors. The lists are checked and copied at once, their rows
 * later: a million of them would keep the event loop waiting.
 *
 * @param pairClasses whether a label of two texts is one of several classes
 * @throws InvalidArgumentError ERR_INVALID_ARGUMENT, ERR_LENGTH_MISMATCH, ERR_EMPTY_DATA
 */
export function listRows(source: unknown, labels: unknown, pairClasses = false): ListRows {
  const first: unknown = Array.isArray(source) ? source[0] : undefined;
  const label: unknown = isList(labels) ? labels[0] : undefined;
  const width = typeof first === 'string' ? 1 : Array.isArray(first) ? first.length : 0;
  const plan = isList(labels) && label !== undefined ? planOfLists(width, label, pairClasses) : null;
  if (plan === null) {
    const scored = new ScoredRows();
    const rows = pairRows(source, labels);
    return { rows: map(rows, (row) => () => scored.add(...row())), finish: () => scored.finish() };
  }
  const texts = source as readonly unknown[];
  const list = Array.from(labels as ArrayLike<unknown>);
  if (texts.length !== list.length) {
    throw new InvalidArgumentError(
      'ERR_LENGTH_MISMATCH',
      `There must be one label for each row, but there are ${texts.length} rows and ${list.length} labels.`,
    );
  }
  return read(texts.slice(), list, plan, (row) => {
    if (typeof row === 'string') return [row];
    if (!Array.isArray(row)) return [];
    return plan.kind === 'candidates' ? [row[0], row.slice(1)] : row;
  });
}

function planOfLists(width: number, label: unknown, pairClasses: boolean): FormPlan | null {
  const texts = Array.from({ length: width }, (_, i) => i);
  if (isList(label)) {
    if (width === 0) return null;
    if (width > 2 && label.length === width - 1) return { kind: 'candidates', texts: [0, 1], label: 2 };
    return { kind: 'vectors', texts, label: width };
  }
  if (width === 1) return { kind: 'classes', texts: [0], label: 1 };
  if (width === 2 && pairClasses) return { kind: 'pairClasses', texts: [0, 1], label: 2 };
  return width === 3 ? { kind: 'labelled', texts, label: 3 } : null;
}

function* map<A, B>(values: Iterable<A>, change: (value: A) => B): Generator<B, void, undefined> {
  for (const value of values) yield change(value);
}

function read(
  rows: readonly unknown[],
  labels: readonly unknown[] | null,
  plan: FormPlan,
  cellsOf: (row: unknown) => readonly unknown[],
): ListRows {
  if (rows.length === 0) throw emptyData('the list is empty');
  const columns = plan.kind === 'pairs' ? 2 : plan.texts.length;
  const names = Array.from({ length: columns }, (_, i) => `text ${i}`);
  if (labels !== null) names.push('the label');
  const reader = new FormReader({ plan, names, score: { range: [0, 1], labels: null } });
  return {
    rows: map(rows.keys(), (row) => () => {
      const cells = cellsOf(rows[row]);
      if (cells.length === 0 || cells.length > columns) {
        const wanted = columns === 1 ? 'a text' : `a list of ${columns} texts`;
        throw new InvalidArgumentError(
          'ERR_INVALID_ARGUMENT',
          `A row must be ${wanted}, but row ${row} (counted from 0) is ${show(rows[row])}.`,
          { row },
        );
      }
      const filled = Array.from({ length: columns }, (_, i) => cells[i]);
      reader.read(labels === null ? filled : [...filled, labels[row]], { row });
    }),
    finish: () => reader.finish(),
  };
}
