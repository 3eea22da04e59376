import { fromNative, hasCode, NativeError } from '../system/errors';
import type { StepRequest, StepResult } from '../engine/training';

/** Steps given to the engine at once: one that runs and one that waits, so that it never waits for the event loop. */
export const IN_FLIGHT = 2;
/** On a GPU: one that it works on and one that waits there, one that the engine prepares and one that waits. */
export const IN_FLIGHT_ON_DEVICE = 4;

/** A step before its micro-batch and its place are known. */
export interface PlannedStep extends Omit<StepRequest, 'microBatch' | 'after'> {
  /** Which of the run's sets its rows are of. */
  set: number;
}

/** `result` is null where the engine refused the step because one before it had failed. */
type Outcome = { step: PlannedStep; microBatch: number } & ({ result: StepResult | null } | { error: Error });

export interface StepQueueOptions {
  /** Does a step, or gives null where another number of steps than `after` has been taken. */
  run: (request: StepRequest & PlannedStep & { after: number }) => Promise<StepResult | null>;
  /** Whether the run is to stop: nothing more is begun then. */
  stopped: () => boolean;
  onStep: (step: PlannedStep, result: StepResult) => void;
  /** A step did not fit in memory with `before` rows at once and is done again with `after`. */
  onSplit: (before: number, after: number) => void;
  /** Asked before a step, with the number of steps taken until then: whether `rest` is to be called, with none under way. */
  rests?: (taken: number) => boolean;
  rest?: () => Promise<void>;
  /** Gives back memory that is taken only for a moment. Whether there was any: the step is then tried as it was. */
  relieve?: () => Promise<boolean>;
  /** Steps given to the engine at once. Default IN_FLIGHT. */
  inFlight?: number;
}

/**
 * Keeps the engine supplied with steps and takes their results in order. A step that runs out of memory left
 * everything as it was; it is done again with half the micro-batch, which stays for the rest of the run, and the
 * one queued behind it, which the engine refuses, after it. Every planned step is done exactly once and in order, or
 * `drain` throws; it never leaves a step in flight behind.
 */
export class StepQueue {
  /**
   * `taken` are the steps that the engine has taken already. With `microTokens` as many rows are computed at once as have no
   * more tokens, until that does not fit after all; then it is `microBatch` rows.
   */
  constructor(
    readonly options: StepQueueOptions,
    public microBatch: number,
    public taken = 0,
    public microTokens: number | null = null,
  ) {}

  /** Does all steps. Throws the first error that half the micro-batch cannot mend. */
  async drain(steps: readonly PlannedStep[]): Promise<void> {
    const { stopped, rests = () => false, rest = async () => undefined, inFlight = IN_FLIGHT } = this.options;
    let planned = [...steps];
    let flying: Promise<Outcome>[] = [];
    while (flying.length > 0 || (planned.length > 0 && !stopped())) {
      while (flying.length < inFlight && planned.length > 0 && !stopped()) {
        if (rests(this.taken + flying.length)) {
          if (flying.length > 0) break;
          await rest();
          if (stopped()) break;
        }
        flying.push(this.#begin(planned.shift()!, this.taken + flying.length));
      }
      if (flying.length === 0) continue;
      const outcome = await flying.shift()!;
      if ('result' in outcome) {
        if (outcome.result === null) throw new NativeError('ERR_NATIVE', 'The engine has lost count of the steps.');
        ++this.taken;
        this.options.onStep(outcome.step, outcome.result);
        continue;
      }
      // What is queued behind a failed step is refused; it comes again after it.
      const later = await Promise.all(flying);
      flying = [];
      await this.#mend(outcome);
      planned = [outcome.step, ...later.map(({ step }) => step), ...planned];
    }
  }

  async #begin(step: PlannedStep, after: number): Promise<Outcome> {
    const { microTokens } = this;
    const microBatch = microTokens === null ? this.microBatch : step.rows.length;
    try {
      const request = { ...step, microBatch, ...(microTokens !== null && { microTokens }), after };
      return { step, microBatch, result: await this.options.run(request) };
    } catch (error) {
      return { step, microBatch, error: fromNative(error) };
    }
  }

  /** Makes another attempt worth while, or throws. */
  async #mend({ error, step, microBatch }: Extract<Outcome, { error: Error }>): Promise<void> {
    if (!hasCode(error, 'ERR_OUT_OF_MEMORY') || this.options.stopped()) throw error;
    if (await this.options.relieve?.()) return;
    if (this.microTokens !== null) {
      this.microTokens = null;
      if (this.microBatch < step.rows.length) {
        this.options.onSplit(microBatch, this.microBatch);
        return;
      }
    }
    const rows = Math.min(this.microBatch, microBatch, step.rows.length);
    if (rows === 1) throw error;
    this.microBatch = Math.max(1, Math.floor(rows / 2));
    this.options.onSplit(microBatch, this.microBatch);
  }
}
