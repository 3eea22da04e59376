import type { FinetuneReport } from '../report';

/** The page that `report` asks for is written. */
export interface ReportEvent {
  /** Tells it from the other events. */
  type: 'report';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'report';
  /** The page's absolute path. */
  file: string;
}

/** The page that `report` asks for could not be written; the run is not harmed by it. */
export interface ReportFailedEvent {
  /** Tells it from the other events. */
  type: 'report-failed';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'report-failed';
  /** Where it was to be. */
  file: string;
  /** What went wrong. */
  error: Error;
  /** The same in a sentence. */
  message: string;
}

/** The run is over. */
export interface DoneEvent {
  /** Tells it from the other events. */
  type: 'done';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'done';
  /** What the run did, as its promise gives it. */
  report: FinetuneReport;
}
