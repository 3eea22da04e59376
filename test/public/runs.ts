import type {
  DataSets,
  FinetuneEvent,
  FinetuneOptions,
  FinetuneReport,
  FinetuneRun,
  ScoredRow,
  TrainingRow,
  TextVectorisation,
} from '../../lib';
import { loadEngine } from '../../lib/engine/load';
import { lists } from './rows';

type Of<K extends FinetuneEvent['type']> = Extract<FinetuneEvent, { type: K }>;

export interface Observed {
  run: FinetuneRun;
  events: FinetuneEvent[];
  of<K extends FinetuneEvent['type']>(kind: K): Of<K>[];
  /** The first event of a kind, as soon as it is there; rejects where the run ends without one. */
  first<K extends FinetuneEvent['type']>(kind: K): Promise<Of<K>>;
}

/** Starts a run on two lists, on rows that are no scored pairs, or on sets, and keeps its events; in fp32, whatever the processor multiplies faster. */
export function start(
  model: TextVectorisation,
  rows: readonly TrainingRow[] | DataSets,
  options: FinetuneOptions = {},
): Observed {
  const events: FinetuneEvent[] = [];
  const given: FinetuneOptions = {
    precision: 'fp32',
    recipe: 'notebook',
    ...options,
    onProgress: (event) => {
      events.push(event);
      return options.onProgress?.(event);
    },
  };
  const scored = Array.isArray(rows) && rows.every((row): row is ScoredRow => 'text1' in row);
  const { pairs, scores } = lists(scored ? (rows as ScoredRow[]) : []);
  const run = scored ? model.finetune(pairs, scores, given) : model.finetune(rows as DataSets, given);
  // A test that fails before it awaits the run must not end jest with an unhandled rejection.
  let ended = false;
  run
    .catch(() => undefined)
    .finally(() => {
      ended = true;
    });
  const of = <K extends FinetuneEvent['type']>(kind: K) =>
    events.filter((event): event is Of<K> => event.type === kind);
  const first = async <K extends FinetuneEvent['type']>(kind: K) => {
    for (;;) {
      const event = of(kind)[0];
      if (event) return event;
      if (ended) throw new Error(`the run ended without an event of kind "${kind}"`);
      await new Promise(setImmediate);
    }
  };
  return { run, events, of, first };
}

export async function finish(
  model: TextVectorisation,
  rows: readonly TrainingRow[] | DataSets,
  options: FinetuneOptions = {},
) {
  const observed = start(model, rows, options);
  return { ...observed, report: await observed.run };
}

/** What a promise rejects with. */
export async function rejection(promise: PromiseLike<unknown>): Promise<unknown> {
  return promise.then(
    (value) => {
      throw new Error(`expected a rejection, but it resolved with ${String(value)}`);
    },
    (error: unknown) => error,
  );
}

/**
 * While `work` goes on, a step begins only when all that `hold` was given has settled: what is asked for at an event
 * of a run (but the last two steps of an epoch, which have begun) is done at that point of it, and not later.
 */
export async function holdingSteps<T>(work: (hold: (until: Promise<unknown>) => void) => Promise<T>): Promise<T> {
  const addon = await loadEngine();
  const { step } = addon;
  let held: Promise<unknown> = Promise.resolve();
  const spy = jest.spyOn(addon, 'step').mockImplementation(async (trainer, request) => {
    await held;
    return step(trainer, request);
  });
  try {
    return await work((until) => {
      held = Promise.allSettled([held, until]);
    });
  } finally {
    spy.mockRestore();
  }
}

/** A report without what depends on the clock. */
export function withoutTimes(report: FinetuneReport) {
  return { ...report, seconds: null, epochs: report.epochs.map((epoch) => ({ ...epoch, seconds: null })) };
}
