import { ADDON_VERSION } from '../engine/load';
import { compareRows } from '../report/comparison';
import { RunEvents } from '../report/events';
import { renderReport } from '../report/report';
import { AtomicFile } from '../system/atomic-file';
import type { EventContent } from './events';
import { lossWords } from './losses/told';
import type { FinetuneReport } from './report';

/** What the page is made of beside the events. */
export interface RunFacts {
  report: FinetuneReport;
  /** Name of the model that training began with. */
  model: string;
  /** Rows that were validated with, and what they are compared with. */
  rows: Int32Array;
  scores: ArrayLike<number>;
  textsOf: (row: number) => readonly [string, string];
  signal: AbortSignal;
}

/** The page that the option `report` asks for: follows the run, and is written when it is over. */
export class RunReport {
  readonly #file: string;
  readonly #events = new RunEvents(lossWords);
  /** Similarities of the validation rows: of the untrained model, of the last measurement, of the best one. */
  #before: Float32Array | undefined;
  #last: Float32Array | undefined;
  #best: Float32Array | undefined;

  private constructor(file: string) {
    this.#file = file;
  }

  /** @throws FileError: the file cannot be written; nothing has been done yet */
  static async open(file: string): Promise<RunReport> {
    await AtomicFile.prove(file);
    return new RunReport(file);
  }

  /** Validation rows were compared; whether these weights are the best an event tells. */
  measured(similarities: Float32Array): void {
    this.#last = similarities;
  }

  note(event: EventContent): void {
    this.#events.note(event);
    if (event.type !== 'validation') return;
    if (event.epoch === 0) this.#before = this.#last;
    if (event.best) this.#best = this.#last;
  }

  /** Writes the page. That it cannot be written is an event: the trained model is worth more. */
  async write(facts: RunFacts): Promise<EventContent> {
    const { report, model, rows, scores, textsOf, signal } = facts;
    this.#events.note({ type: 'done', report });
    try {
      const [before, after] = [this.#before, this.#best ?? this.#before];
      // A run that went on from a checkpoint has not seen the untrained model.
      const comparison =
        before === undefined || after === undefined
          ? null
          : await compareRows({
              wanted: Array.from(rows, (row) => scores[row]!),
              before,
              after,
              texts: (i) => textsOf(rows[i]!),
              intervals: { samples: 1000, confidence: 0.95, seed: 1 },
              signal,
            });
      const page = renderReport(
        this.#events.record({
          model,
          folder: null,
          comparison,
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
