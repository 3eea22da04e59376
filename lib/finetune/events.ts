import type { CrossCheckEvent, GainNotShownEvent, SettingsSearchEvent, TrialStepEvent } from './events/beforehand';
import type { DeviceEvent, DeviceMemoryEvent, FinderEvent, SummaryEvent } from './events/begin';
import type {
  CheckpointDamagedEvent,
  CheckpointEvent,
  CheckpointFailedEvent,
  RestoredEvent,
} from './events/checkpoints';
import type {
  CollapseEvent,
  EarlyStopEvent,
  EpochStartEvent,
  KeepFailedEvent,
  OutOfMemoryEvent,
  PausedEvent,
  ResumedEvent,
  StepEvent,
  ValidatingEvent,
  ValidationEvent,
} from './events/course';
import type { DataEvent, DataWarningEvent, TeacherEvent } from './events/data';
import type { DoneEvent, ReportEvent, ReportFailedEvent } from './events/end';

/** What a run tells while it goes on, told apart by `type`. */
export type FinetuneEvent =
  | DataEvent
  | DataWarningEvent
  | TeacherEvent
  | DeviceEvent
  | DeviceMemoryEvent
  | SummaryEvent
  | FinderEvent
  | EpochStartEvent
  | StepEvent
  | ValidatingEvent
  | ValidationEvent
  | KeepFailedEvent
  | CrossCheckEvent
  | TrialStepEvent
  | GainNotShownEvent
  | SettingsSearchEvent
  | OutOfMemoryEvent
  | CollapseEvent
  | EarlyStopEvent
  | RestoredEvent
  | CheckpointDamagedEvent
  | CheckpointEvent
  | CheckpointFailedEvent
  | PausedEvent
  | ResumedEvent
  | ReportEvent
  | ReportFailedEvent
  | DoneEvent;

/** An event as it is made: `kind` is added where it is told. */
export type EventContent = FinetuneEvent extends infer Event
  ? Event extends FinetuneEvent
    ? Omit<Event, 'kind'>
    : never
  : never;

/** The event with `kind`, by which events were told apart before they all had `type`. */
export function told(event: EventContent): FinetuneEvent {
  const { type, ...rest } = event;
  return { type, kind: type, ...rest } as FinetuneEvent;
}

/** Bytes in millions with three decimals. */
export function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(3);
}
