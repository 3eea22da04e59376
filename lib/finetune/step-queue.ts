import { fromNative, hasCode } from '../errors';
import type { StepRequest, StepResult } from '../native/addon';

/** Steps given to the engine at once: one that runs and one that waits, so that it never waits for the event loop. */
const inFlight = 2;

/** A step before its micro-batch is known. */
export type PlannedStep = Omit<StepRequest, 'microBatch'>;

type Outcome = { step: PlannedStep; microBatch: number } & ({ result: StepResult } | { error: Error });

export interface StepQueueOptions {
  run: (request: StepRequest) => Promise<StepResult>;
  /** Whether the run is to stop: nothing more is begun then. */
  stopped: () => boolean;
  onStep: (step: PlannedStep, result: StepResult) => void;
  /** A step did not fit in memory with `before` rows at once and is done again with `after`. */
  onSplit: (before: number, after: number) => void;
}

/**
 * Keeps the engine supplied with steps and takes their results in order. A step that runs out of memory left
 * everything as it was; it is done again with half the micro-batch, which stays for the rest of the run. Every
 * planned step is done exactly once, or `drain` throws; it never leaves a step in flight behind.
 */
export class StepQueue {
  constructor(readonly options: StepQueueOptions, public microBatch: number) {}

  /** Does all steps. Throws the first error that half the micro-batch cannot mend. */
  async drain(steps: readonly PlannedStep[]): Promise<void> {
    const { stopped } = this.options;
    let planned = [...steps];
    let flying: Promise<Outcome>[] = [];
    while (flying.length > 0 || (planned.length > 0 && !stopped())) {
      while (flying.length < inFlight && planned.length > 0 && !stopped()) flying.push(this.#begin(planned.shift()!));
      const outcome = await flying.shift()!;
      if ('result' in outcome) {
        this.options.onStep(outcome.step, outcome.result);
        continue;
      }
      const later = await Promise.all(flying);
      flying = [];
      planned = [...this.#again(outcome, later), ...planned];
    }
  }

  async #begin(step: PlannedStep): Promise<Outcome> {
    const { microBatch } = this;
    try {
      return { step, microBatch, result: await this.options.run({ ...step, microBatch }) };
    } catch (error) {
      return { step, microBatch, error: fromNative(error) };
    }
  }

  /** The steps to do again after `first` failed and those begun after it have ended too, in order. */
  #again(first: Extract<Outcome, { error: Error }>, later: readonly Outcome[]): PlannedStep[] {
    const split = hasCode(first.error, 'ERR_OUT_OF_MEMORY') && first.microBatch > 1 && !this.options.stopped();
    if (!split) throw first.error;
    const rows = Math.min(first.microBatch, first.step.rows.length);
    this.microBatch = Math.max(1, Math.floor(rows / 2));
    this.options.onSplit(first.microBatch, this.microBatch);
    const again = [first.step];
    for (const outcome of later) {
      if ('result' in outcome) this.options.onStep(outcome.step, outcome.result);
      else if (hasCode(outcome.error, 'ERR_OUT_OF_MEMORY')) again.push(outcome.step);
      else throw outcome.error;
    }
    return again;
  }
}
