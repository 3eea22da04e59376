import { widths } from '../../data/form';
import type { RowSet } from '../../engine/addon';
import type { Turns } from '../../system/turns';
import { withRandomPairs } from '../random-pairs';
import type { TokenisedRows } from '../tokens';
import { amongAll, type TrainingSet } from './training-set';

/** Rows and labels as the engine's data set has them, the random pairs behind them. */
export interface EngineRows {
  columns: Int32Array;
  rowOffsets: Int32Array;
  labels: Float32Array;
  /** Of several sets; the random pairs are one of their own then. */
  sets: RowSet[] | undefined;
  /** Rows of random pairs, and pairs in each. */
  random: Int32Array;
  pairsOfRow: number;
}

export function* engineRows(sets: readonly TrainingSet[], tokens: TokenisedRows, seed: number): Turns<EngineRows> {
  if (sets.length === 1) {
    const { data, split } = sets[0]!;
    const { labels, labelWidth } = data;
    const width = widths(data.rows).least;
    yield;
    const rows = yield* withRandomPairs({ ...tokens, labels, labelWidth }, width, split.train, seed);
    return { ...rows, sets: undefined, pairsOfRow: width - 1 };
  }
  const training = new Int32Array(sets.reduce((sum, { split }) => sum + split.train.length, 0));
  let filled = 0;
  for (const set of sets) {
    training.set(amongAll(set.split.train, set), filled);
    filled += set.split.train.length;
  }
  const { columns, rowOffsets, random } = yield* withRandomPairs(
    { ...tokens, labels: [], labelWidth: 0 },
    2,
    training,
    seed,
  );
  const all: RowSet[] = sets.map(({ data: { rows, labelWidth } }) => ({ rows: rows.length, labelWidth }));
  if (random.length > 0) all.push({ rows: random.length, labelWidth: 1 });
  const labels = new Float32Array(all.reduce((sum, { rows, labelWidth }) => sum + rows * labelWidth, 0));
  let at = 0;
  for (const { data } of sets) {
    yield;
    labels.set(data.labels, at);
    at += data.rows.length * data.labelWidth;
  }
  return { columns, rowOffsets, labels, sets: all, random, pairsOfRow: 1 };
}
