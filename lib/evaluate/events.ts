import type { TextRole } from './embedding';

/** Texts were embedded. */
export interface EmbeddingEvent {
  /** Tells it from the other events. */
  type: 'embedding';
  /** What the texts are in the data. */
  role: TextRole;
  /** Distinct texts of this role so far. */
  done: number;
  /**
   * How many there will be, where the data is a list; of more than one block of some ten thousand an estimate by what was
   * read so far, as equal texts of a block are embedded once. null where texts come one by one.
   */
  total: number | null;
}

/** Vectors are compared with each other. */
export interface ComparingEvent {
  /** Tells it from the other events. */
  type: 'searching';
  /** Comparisons of two vectors so far. */
  done: number;
  /** All of them; null where texts come one by one. */
  total: number | null;
}

/** Every text is embedded and compared; measures and intervals follow. */
export interface MeasuringEvent {
  /** Tells it from the other events. */
  type: 'measuring';
  /** Resamples, from which the intervals come, so far. */
  done: number;
  /** All of them; 0 where there are no intervals. */
  total: number;
}

/** What an evaluation tells while it goes on, told apart by `type`. */
export type EvaluateEvent = EmbeddingEvent | ComparingEvent | MeasuringEvent;
