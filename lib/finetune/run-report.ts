import { formWords, isPairs, type DataForm } from '../data/form';
import { ADDON_VERSION } from '../engine/load';
import { compareRows, thinned } from '../report/comparison';
import { RunEvents } from '../report/events';
import type { RunCloseness } from '../report/record';
import { renderReport } from '../report/report';
import { AtomicFile } from '../system/atomic-file';
import type { EventContent } from './events';
import { lossWords } from './losses/told';
import type { Closeness } from './quality';
import type { FinetuneReport } from './report';
import type { AllMeasured } from './sets/measured';

/** What the page is made of beside the events. */
export interface RunFacts {
  report: FinetuneReport;
  /** Name of the model that training began with. */
  model: string;
  /** Of the one set of a run. */
  form: DataForm | null;
  /** Pairs that were validated with, and what they are compared with. */
  rows: Int32Array;
  scores: ArrayLike<number>;
  textsOf: (row: number) => readonly [string, string];
  signal: AbortSignal;
}

/** The page that the option `report` asks for: follows the run, and is written when it is over. */
export class RunReport {
  readonly #file: string;
  readonly #events = new RunEvents(lossWords);
  /** What the validation rows came to: of the untrained model, of the last measurement, of the best one. */
  #before: AllMeasured | undefined;
  #last: AllMeasured | undefined;
  #best: AllMeasured | undefined;

  private constructor(file: string) {
    this.#file = file;
  }

  /** @throws FileError: the file cannot be written; nothing has been done yet */
  static async open(file: string): Promise<RunReport> {
    await AtomicFile.prove(file);
    return new RunReport(file);
  }

  /** Validation rows were measured; whether these weights are the best an event tells. */
  measured(measured: AllMeasured): void {
    this.#last = measured;
  }

  note(event: EventContent): void {
    this.#events.note(event);
    if (event.type !== 'validation') return;
    if (event.epoch === 0) this.#before = this.#last;
    if (event.best) this.#best = this.#last;
  }

  /** Writes the page. That it cannot be written is an event: the trained model is worth more. */
  async write(facts: RunFacts): Promise<EventContent> {
    const { report, model, form, rows, scores, textsOf, signal } = facts;
    this.#events.note({ type: 'done', report });
    try {
      const [before, after] = [this.#before, this.#best ?? this.#before];
      // A run that went on from a checkpoint has not seen the untrained model.
      const comparison =
        before === undefined || after === undefined || rows.length === 0
          ? null
          : await compareRows({
              wanted: Array.from(rows, (row) => scores[row]!),
              before: before.units[0]!,
              after: after.units[0]!,
              texts: (i) => textsOf(rows[i]!),
              intervals: { samples: 1000, confidence: 0.95, seed: 1 },
              signal,
            });
      const closeness = closenessOf(before?.closeness, after?.closeness, form);
      const page = renderReport(
        this.#events.record({
          model,
          folder: null,
          comparison,
          closeness,
          unshown: comparison === null && closeness === null ? unshown(report, form) : null,
          versions: { vectune: ADDON_VERSION, 'Node.js': process.versions.node },
          created: new Date(),
        }),
      );
      const file = await AtomicFile.create(this.#file);
      try {
        await file.write(page);
        await file.finish();
      } finally {
        await file.release();
      }
      return { type: 'report', file: this.#file };
    } catch (error) {
      const message = `The report is not written: ${(error as Error).message}`;
      return { type: 'report-failed', file: this.#file, error: error as Error, message };
    }
  }
}

/** Why no similarities are shown of rows that were validated; null where there is no more to say. */
function unshown({ before, checkpoint }: FinetuneReport, form: DataForm | null): string | null {
  if (before === null) return null;
  const not = 'Similarities before and after are not shown';
  if (form === null) return `${not} of several data sets.`;
  if (!isPairs(form) && form !== 'positive-pairs' && form !== 'triplets') return `${not} of ${formWords[form]}.`;
  // Of the untrained model a checkpoint has measures alone.
  return checkpoint == null || checkpoint.restoredFrom === null
    ? `${not}: there are too few validation rows, or all are alike.`
    : `${not}: the run went on from a checkpoint, which has the measures of the untrained model alone.`;
}

function closenessOf(
  before: Closeness | undefined,
  after: Closeness | undefined,
  form: DataForm | null,
): RunCloseness | null {
  if (before === undefined || after === undefined || before.together.length < 2 || before.apart.length < 2) return null;
  const both = (of: keyof Closeness) => ({ before: thinned(before[of]), after: thinned(after[of]) });
  const apartFrom = form === 'triplets' ? 'own negatives' : "another row's positive";
  return { together: both('together'), apart: both('apart'), apartFrom };
}
