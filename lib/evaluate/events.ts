import type { TextRole } from './embedding';

/** Texts were embedded. */
export interface EmbeddingEvent {
  /** Tells it from the other events. */
  type: 'embedding';
  /** What the texts are in the data. */
  role: TextRole;
  /** Distinct texts of this role so far. */
  done: number;
}

/** Every text is embedded and compared; measures and intervals follow. */
export interface MeasuringEvent {
  /** Tells it from the other events. */
  type: 'measuring';
}

/** What an evaluation tells while it goes on, told apart by `type`. */
export type EvaluateEvent = EmbeddingEvent | MeasuringEvent;
