import type { TrainingData } from '../data/form';

/** Rows by the texts that they name. */
export interface ValidationRows {
  data: TrainingData;
  rows: Int32Array;
  /** Rows whose texts are searched among, and vote; default: the same. */
  among?: Int32Array | null | undefined;
  columns: Int32Array;
  rowOffsets: Int32Array;
}

/** Numbers of a row's texts. */
export const textsOf = ({ columns, rowOffsets }: ValidationRows, row: number): Int32Array =>
  columns.subarray(rowOffsets[row]!, rowOffsets[row + 1]!);
