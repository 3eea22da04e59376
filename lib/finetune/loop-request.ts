import type { TrainingData } from '../data/form';
import type { EngineAddon, ModelHandle, TrainerHandle } from '../engine/addon';
import type { Checkpointer } from './checkpoint/checkpointer';
import type { CrossCheck } from './cross-check';
import type { EventContent } from './events';
import type { KeepSet } from './keep';
import type { Sampler } from './losses/table';
import type { MeasureName } from './measure';
import type { MemoryFollower } from './memory-limit';
import type { OwnLossCaller } from './own-loss';
import type { RandomPairsWatch } from './random-pairs';
import type { RunSettings } from './recipes/settings';
import type { ResolvedOptions } from './resolved-options';
import type { RunControl } from './run-control';
import type { AllMeasured } from './sets/measured';
import type { MultiDatasetSampler } from './sets/turns';
import type { Split } from './split';
import type { TokenisedRows } from './tokens';

/** A set of rows that is trained on with a loss of its own. Row numbers count from its first row. */
export interface LoopSet {
  name: string | null;
  /** Of its first row among the rows of all sets. */
  first: number;
  split: Split;
  /** Tokens of each row. */
  lengths: Int32Array;
  data: TrainingData;
  /** The texts of the rows. */
  groups: Pick<TokenisedRows, 'columns' | 'rowOffsets' | 'sources'>;
  sampler: Sampler;
  /** Rows whose texts the validation rows search among, their own too; null: those alone. */
  among: Int32Array | null;
  /** What its validation rows are measured by. */
  measure: MeasureName;
  /** The caller's own loss, where the trainer's is given. */
  ownLoss: OwnLossCaller | null;
}

/** What the loop of a run works with. */
export interface LoopRequest {
  addon: Pick<EngineAddon, 'step' | 'vectors' | 'evaluate' | 'embedTexts' | 'blend' | 'commit' | 'fingerprint'>;
  model: ModelHandle;
  trainer: TrainerHandle;
  sets: readonly LoopSet[];
  /** What the options say, and the recipe where they do not. */
  options: Pick<ResolvedOptions, 'seed' | 'shuffle'> & { multiDatasetSampler: MultiDatasetSampler } & RunSettings;
  /** How much of all training is done before the first step, from 0 to 1; default 0. */
  doneBefore?: number;
  /** Of a small set: what was measured beside the run, by which a gain must show; null else. */
  crossed: CrossCheck | null;
  /** What must stay; null where nothing was asked for. */
  keep: KeepSet | null;
  control: RunControl;
  memory: Pick<MemoryFollower, 'follow'>;
  watch: Pick<RandomPairsWatch, 'begin' | 'look'>;
  /** On a GPU: tells its memory. */
  onDevice: ((after: 'epoch' | 'out-of-memory') => Promise<void>) | null;
  /** Is given what the validation rows came to, before the event of the validation. */
  onMeasured: ((measured: AllMeasured) => void) | undefined;
  /**
   * Is given what the validation rows came to: of the untrained model, epoch 0, and of each share of an epoch, and whether
   * it keeps what must be kept.
   */
  onTried?: (epoch: number, measured: AllMeasured, keeps: boolean) => void;
  /** null where none are written. */
  checkpointer: Checkpointer | null;
  emit: (event: EventContent) => void;
}
