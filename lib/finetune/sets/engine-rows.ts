import type { RowSet } from '../../engine/training';
import type { Turns } from '../../system/turns';
import { amongAll, type TrainingSet } from './training-set';

/** Labels of all rows as the engine's data set has them. */
export interface EngineRows {
  labels: Float32Array;
  /** Of several sets. */
  sets: RowSet[] | undefined;
}

export function* engineRows(sets: readonly Pick<TrainingSet, 'data'>[]): Turns<EngineRows> {
  const all: RowSet[] = sets.map(({ data: { rows, labelWidth } }) => ({ rows: rows.length, labelWidth }));
  const labels = new Float32Array(all.reduce((sum, { rows, labelWidth }) => sum + rows * labelWidth, 0));
  let at = 0;
  for (const { data } of sets) {
    yield;
    labels.set(data.labels, at);
    at += data.rows.length * data.labelWidth;
  }
  return { labels, sets: sets.length === 1 ? undefined : all };
}

/** Rows to train on, of all sets. */
export function trainingRows(sets: readonly Pick<TrainingSet, 'first' | 'split'>[]): Int32Array {
  const rows = new Int32Array(sets.reduce((sum, { split }) => sum + split.train.length, 0));
  let filled = 0;
  for (const { first, split } of sets) {
    rows.set(amongAll(split.train, { first }), filled);
    filled += split.train.length;
  }
  return rows;
}
