import type { LoopRequest } from './loop-request';
import { stepByOwn } from './own-loss';
import type { Progress } from './progress';
import { IN_FLIGHT, IN_FLIGHT_ON_DEVICE, StepQueue } from './step-queue';
import type { StepTimer } from './step-timer';

/** What the steps of a run need of its loop. */
export interface StepCourse {
  /** Waits while the run is paused; throws if it is to stop. */
  ready: () => Promise<void>;
  timer: Pick<StepTimer, 'done'>;
  onSplit: (epoch: number, before: number, after: number) => void;
  /** Steps of each epoch, and of all. */
  stepsOf: readonly number[];
  totalSteps: number;
  /** Rows of the epoch that is on. */
  rowsOfEpoch: () => number;
}

/** The queue of a run's steps, each of which is counted in `progress` and told; between two steps are pauses and checkpoints. */
export function runSteps(
  request: LoopRequest,
  progress: Progress,
  { ready, timer, onSplit, stepsOf, totalSteps, rowsOfEpoch }: StepCourse,
): StepQueue {
  const { addon, trainer, sets, options, control, memory, checkpointer, emit, doneBefore = 0 } = request;
  const { epochs } = options;
  const queue: StepQueue = new StepQueue(
    {
      run: ({ set, ...step }) => {
        memory.follow();
        const { ownLoss, first } = sets[set]!;
        if (ownLoss === null) return addon.step(trainer, step);
        const { microTokens: _, ...byRows } = step;
        return stepByOwn(ownLoss, { addon, trainer, first }, { ...byRows, microBatch: queue.microBatch });
      },
      // A loss of the caller's own is computed of the weights that the step before has left.
      inFlight: sets.some(({ ownLoss }) => ownLoss !== null)
        ? 1
        : request.onDevice === null
          ? IN_FLIGHT
          : IN_FLIGHT_ON_DEVICE,
      stopped: () => control.stopped,
      onStep: (step, { loss, gradientNorm, tokens }) => {
        ++progress.steps;
        ++progress.epochSteps;
        progress.tokens += tokens;
        progress.epochLoss += (loss * step.rows.length) / rowsOfEpoch();
        if (sets.length > 1) {
          progress.setLosses ??= sets.map(() => ({ sum: 0, rows: 0 }));
          const own = progress.setLosses[step.set]!;
          own.sum += loss * step.rows.length;
          own.rows += step.rows.length;
        }
        const speed = timer.done(tokens);
        emit({
          type: 'step',
          epoch: progress.epoch + 1,
          epochs,
          ...(sets.length > 1 && { set: sets[step.set]!.name! }),
          step: progress.epochSteps,
          steps: stepsOf[progress.epoch]!,
          totalSteps: progress.steps,
          loss,
          learningRate: step.learningRate,
          gradientNorm,
          tokens,
          ...speed,
          fraction: doneBefore + (1 - doneBefore) * (progress.steps / totalSteps),
        });
      },
      onSplit: (before, after) => {
        progress.microBatch = after;
        progress.microTokens = null;
        progress.splits.push({ step: progress.steps + 1, from: before, to: after });
        onSplit(progress.epoch + 1, before, after);
      },
      rests: (taken) => control.paused || (checkpointer?.due(taken) ?? false),
      rest: async () => {
        await checkpointer?.atStep(progress);
        if (control.paused) await ready();
      },
      // The copy of a checkpoint that is on its way to disk.
      relieve: async () => {
        await request.onDevice?.('out-of-memory');
        return checkpointer?.settled() ?? false;
      },
    },
    progress.microBatch,
    progress.steps,
    progress.microTokens ?? null,
  );
  return queue;
}
