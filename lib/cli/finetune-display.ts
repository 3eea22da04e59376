import { counted, isPairs } from '../data/form';
import type { EventContent } from '../finetune/events';
import { hasNvidiaDriver } from '../system/platform';
import { Bar } from './bar';
import { fixed, integer } from './numbers';
import {
  describeData,
  describeDeviceMemory,
  describeMessage,
  describeReport,
  describeStep,
  describeSummary,
  describeValidation,
  epochName,
  weightsOf,
} from './run-words';
import { animates, type ProgressStream } from './terminal';

type Step = Extract<EventContent, { type: 'step' }>;
type TrialStep = Extract<EventContent, { type: 'trial-step' }>;

/**
 * Shows a run's events to a person. On a terminal one bar stands for the epoch at work and gives way to a line when the
 * epoch is over; elsewhere those lines are written, and between them one of progress every `logEvery` seconds. Call `end`
 * whatever happens: it gives the cursor back.
 */
export class FinetuneDisplay {
  readonly #stream: ProgressStream;
  readonly #bar: Bar;
  readonly #logEveryMs: number;
  #lastLine = Date.now();
  #validates = false;
  #pairs = true;
  #epochs = 0;
  #losses: number[] = [];
  #trial = '';

  /** @param logEvery seconds; where it is given, a terminal too gets lines and no bar. Default 10. */
  constructor(stream: ProgressStream = process.stderr, logEvery?: number) {
    this.#stream = stream;
    this.#bar = new Bar(stream, animates(stream) && logEvery === undefined);
    this.#logEveryMs = (logEvery ?? 10) * 1000;
  }

  show(event: EventContent): void {
    switch (event.type) {
      case 'data':
        this.#validates = event.validationRows > 0 || ((event.set?.number ?? 0) > 0 && this.#validates);
        this.#pairs = isPairs(event.form) && event.set === null;
        return this.#lines(describeData(event));
      case 'summary':
        return this.#lines(describeSummary(event));
      case 'device-memory':
        // Between a bar and the next it would be one line more for each epoch.
        return event.after === 'finder' ? this.#lines(describeDeviceMemory(event)) : undefined;
      case 'device':
        // Most machines without a GPU are known to be so.
        return event.gpu !== null || hasNvidiaDriver() ? this.#lines(event.message) : undefined;
      case 'teacher':
        // A line now and then, where there are many.
        if (event.done < event.texts && event.done % 20_480 !== 0) return;
        return this.#lines(`teacher: ${integer(event.done)} of ${integer(event.texts)} texts`);
      case 'trial-step':
        return this.#trialStep(event);
      case 'cross-check':
        if (event.done < event.folds) return; // the steps tell how far it is
        return this.#lines(
          `few rows: ${counted(event.folds, 'model')} that ${event.folds === 1 ? 'is' : 'are'} thrown away ${event.folds === 1 ? 'was' : 'were'} trained without a part of the rows each and measured on it`,
        );
      case 'data-warning':
      case 'collapse':
      case 'keep-failed':
      case 'gain-not-shown':
      case 'search':
      case 'finder':
      case 'out-of-memory':
      case 'restored':
      case 'checkpoint-damaged':
      case 'checkpoint-failed':
      case 'report-failed':
        return this.#lines(describeMessage(event));
      case 'report':
        return this.#lines(`report: ${event.file}`);
      case 'checkpoint':
        // Often: it must not push a terminal's bar away.
        return this.#bar.visible
          ? undefined
          : this.#lines(`checkpoint after step ${integer(event.totalSteps)}: ${event.folder}`);
      case 'paused':
      case 'resumed':
        return;
      case 'epoch-start':
        this.#epochs = event.epochs;
        this.#losses = [];
        return this.#bar.start(epochName(event.epoch, event.epochs), event.steps);
      case 'step':
        return this.#step(event);
      case 'validating':
        return this.#validating(event);
      case 'validation':
        return this.#lines(describeValidation(event, this.#epochs, this.#pairs));
      case 'early-stop':
        return this.#lines(
          `no better for ${counted(event.patience, 'epoch')}: stopped, back to ${weightsOf(event.bestEpoch)}`,
        );
      case 'done':
        return this.#lines(describeReport(event.report));
    }
  }

  /** Takes the bar away. May be called twice. */
  end(): void {
    this.#bar.stop();
  }

  #step(event: Step): void {
    this.#bar.update(event.step, describeStep(event));
    if (event.step < event.steps) this.#nowAndThen(`${epochName(event.epoch, event.epochs)}  ${describeStep(event)}`);
    if (this.#validates) return;
    // Nothing else tells of this epoch's end.
    this.#losses.push(event.loss);
    if (event.step < event.steps) return;
    const mean = this.#losses.reduce((sum, loss) => sum + loss, 0) / this.#losses.length;
    this.#lines(`${epochName(event.epoch, event.epochs)}   loss ${fixed(mean)} (mean of its steps)`);
  }

  #validating({ epoch, done, rows, toKeep }: Extract<EventContent, { type: 'validating' }>): void {
    const far = `${toKeep ? 'rows to keep' : 'validating'} ${done}/${rows}`;
    if (epoch > 0) this.#bar.update(undefined, far);
    this.#nowAndThen(`${epoch === 0 ? 'untrained' : epochName(epoch, this.#epochs)}  ${far}`);
  }

  /** A bar for each model that is thrown away. */
  #trialStep({ during, trial, trials, epoch, epochs, step, steps, ...event }: TrialStep): void {
    const name = `${during === 'search' ? 'trial' : 'cross-check'} ${trial}${trials === null ? '' : `/${trials}`}`;
    const [done, all] = [(epoch - 1) * steps + step, epochs * steps];
    const text = describeStep({ ...event, step: done, steps: all });
    if (this.#trial !== name) this.#bar.start(name, all);
    this.#trial = name;
    this.#bar.update(done, text);
    this.#nowAndThen(`${name}  ${text}`);
  }

  /** Where there is no bar: tells that the run goes on, but not more often than is worth a line. */
  #nowAndThen(text: string): void {
    if (!this.#bar.visible && Date.now() - this.#lastLine >= this.#logEveryMs) this.#lines(text);
  }

  /** What comes after it of the same epoch has its bar again. */
  #lines(text: string): void {
    this.#bar.hide();
    this.#stream.write(`${text}\n`);
    this.#lastLine = Date.now();
  }
}
