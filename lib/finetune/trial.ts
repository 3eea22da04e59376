import type { DatasetHandle, EngineAddon, TrainerHandle } from '../engine/addon';
import type { TrainerOptions } from '../engine/training';
import type { EventContent } from './events';
import type { KeepSet } from './keep';
import { train } from './loop';
import type { LoopRequest, LoopSet } from './loop-request';
import type { MemoryFollower } from './memory-limit';
import { freshProgress } from './progress';
import type { Measured } from './quality';
import type { RunSettings } from './recipes/settings';
import type { RunControl } from './run-control';
import type { Split } from './split';

type StepEvent = Extract<EventContent, { type: 'step' }>;

/** What all trainings beside a run have in common. */
export interface TrialGround extends Pick<LoopRequest, 'model'> {
  addon: EngineAddon;
  /** The one set of the run. */
  set: LoopSet;
  dataset: DatasetHandle;
  trainer: TrainerOptions;
  seed: number;
  shuffle: boolean;
  /** Rows computed at once; null: all of a step, and fewer where those do not fit. */
  batchSize: number | null;
  memoryOf: (trainer: TrainerHandle) => Pick<MemoryFollower, 'follow'>;
  control: RunControl;
  emit: (event: EventContent) => void;
}

export interface Trial {
  settings: RunSettings;
  split: Split;
  /** Texts of which rows are searched among; null: those of the validation rows. */
  among: Int32Array | null;
  /** What must stay: shares that do not keep it do not count; null where nothing was asked for. */
  keep: KeepSet | null;
  /** What stops this trial and nothing else; the run's own control where it is not given. */
  control?: RunControl;
  /** Is given each step, and the seconds since the one before, or since the beginning, in which the run was not paused. */
  onStep: (step: StepEvent, seconds: number) => void;
}

/** What a training without consequences came to: of the untrained model, and of each epoch by share. */
export interface TrialResult {
  before: Measured;
  epochs: Measured[][];
}

/** What is told of a step, beside whose it is. */
export function toldStep(step: StepEvent) {
  const { epoch, epochs, step: done, steps, loss, tokens, tokensPerSecond } = step;
  return { epoch, epochs, step: done, steps, loss, tokens, tokensPerSecond };
}

/** Largest step where the settings leave it open. */
const mostRows = 32;

/**
 * Trains the model on some of the rows and measures it on others; the model itself stays as it is, and nothing of the
 * training is kept but the numbers. All epochs are trained. Rejects as `train` does.
 */
export async function trial(
  ground: TrialGround,
  { settings, split, among, keep, control, onStep }: Trial,
): Promise<TrialResult> {
  const { addon, emit } = ground;
  const watched = control ?? ground.control;
  const trainer = await addon.createTrainer(ground.model, ground.dataset, ground.trainer);
  const cancel = () => addon.cancel(trainer);
  watched.signal.addEventListener('abort', cancel);
  let last = performance.now();
  try {
    watched.check();
    ground.control.applyReference((wanted) => addon.keepAlive(trainer, wanted));
    const effective = Math.min(settings.effectiveBatchSize ?? mostRows, split.train.length);
    const progress = freshProgress(Math.min(ground.batchSize ?? effective, effective), effective);
    const result: { before?: Measured; epochs: Measured[][] } = { epochs: [] };
    await train(
      {
        model: ground.model,
        // The model is not to be changed.
        addon: Object.create(addon, { commit: { value: () => Promise.resolve() } }) as EngineAddon,
        trainer,
        sets: [{ ...ground.set, split, among }],
        crossed: null,
        options: {
          ...settings,
          earlyStopping: null,
          seed: ground.seed,
          shuffle: ground.shuffle,
          multiDatasetSampler: 'proportional',
        },
        keep,
        control: watched,
        memory: ground.memoryOf(trainer),
        watch: { begin: () => Promise.resolve(null), look: (_, pairs) => Promise.resolve(pairs) },
        onDevice: null,
        onMeasured: undefined,
        onTried: (epoch, { metrics, units: [units] }, keeps) => {
          const measured = { metrics, units: units! };
          if (epoch === 0) result.before = measured;
          else if (keeps) (result.epochs[epoch - 1] ??= []).push(measured);
        },
        checkpointer: null,
        emit: (event) => {
          if (event.type === 'step') {
            const now = performance.now();
            onStep(event, (now - last) / 1000);
            last = now;
          }
          if (event.type === 'resumed') last = performance.now();
          // How far the run itself is: at its beginning.
          if (event.type === 'paused' || event.type === 'resumed') emit({ ...event, totalSteps: 0 });
        },
      },
      progress,
    );
    return result as TrialResult;
  } finally {
    watched.signal.removeEventListener('abort', cancel);
    addon.disposeTrainer(trainer);
  }
}
