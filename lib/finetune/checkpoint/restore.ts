import { join } from 'node:path';
import { CheckpointError, hasCode, wordingOf } from '../../system/errors';
import type { EventContent } from '../events';
import type { Progress } from '../progress';
import type { EngineAddon, TrainerHandle } from '../../engine/addon';
import { readCheckpoint, STATE_FILE, type Checkpoint } from './content';
import { listCheckpoints } from './folder';
import { checkSameRun, arithmeticDifferences, untold, type RunIdentity } from './identity';
import { option, say } from '../../system/wording';

/** A checkpoint that is whole, and those newer ones that are not. */
export interface FoundCheckpoint {
  path: string;
  checkpoint: Checkpoint;
  damaged: readonly string[];
}

/**
 * The newest whole checkpoint of a folder; null where it has none at all.
 *
 * @throws CheckpointError ERR_CHECKPOINT_DAMAGED where there are some, and not one is whole; FileError
 */
export async function findCheckpoint(
  folder: string,
  addon: Pick<EngineAddon, 'checksum'>,
  emit: (event: EventContent) => void,
): Promise<FoundCheckpoint | null> {
  const damaged: string[] = [];
  const reasons: Error[] = [];
  for (const name of await listCheckpoints(folder)) {
    const path = join(folder, name);
    try {
      return { path, checkpoint: await readCheckpoint(path, addon), damaged };
    } catch (error) {
      if (!hasCode(error, 'ERR_CHECKPOINT_DAMAGED')) throw error;
      damaged.push(name);
      reasons.push(error);
      emit({ type: 'checkpoint-damaged', folder: path, message: error.message });
    }
  }
  if (damaged.length === 0) return null;
  throw new CheckpointError(
    'ERR_CHECKPOINT_DAMAGED',
    say`Not one of the ${damaged.length} checkpoints in ${folder} is whole. (${wordingOf(reasons[0]!)})`,
    { file: folder, cause: reasons[0], remedy: say`Remove them to begin a new run.` },
  );
}

/** What `restore` needs of the run that is to go on. */
export interface RestoreRequest {
  addon: Pick<EngineAddon, 'restoreState'>;
  trainer: TrainerHandle;
  run: RunIdentity;
  allowInexact: boolean;
  emit: (event: EventContent) => void;
}

/** Gives trainer and model the state of a checkpoint. @throws CheckpointError where it is another run's; nothing is changed then */
export async function restore({ path, checkpoint }: FoundCheckpoint, request: RestoreRequest): Promise<Progress> {
  const { run, progress } = checkpoint;
  const begun = progress.epoch + (progress.epochSteps > 0 ? 1 : 0);
  checkSameRun(run, request.run, progress.committed, begun, path);
  const inexact = [...untold(run, request.run), ...arithmeticDifferences(run, request.run)];
  if (inexact.length > 0 && !request.allowInexact) {
    throw new CheckpointError(
      'ERR_CHECKPOINT_INEXACT',
      `Going on from ${path} would not give the same numbers: ${inexact.join('; ')}.`,
      {
        file: path,
        remedy: say`Pass ${option('allowInexact', true)} to accept about the same, or resume where it was begun.`,
      },
    );
  }
  const untouched = request.run.model.before === run.model.before;
  await request.addon.restoreState(request.trainer, join(path, STATE_FILE), untouched);
  request.emit({
    type: 'restored',
    from: path,
    totalSteps: progress.steps,
    epoch: progress.epoch,
    bestEpoch: progress.bestEpoch,
    share: progress.share ?? 1,
    before: progress.before,
    after: progress.after,
    differences: inexact,
    message: `Training goes on from ${path}, after step ${progress.steps}`,
  });
  return progress;
}

/** That there is none to go on from. */
export function nothingToResume(folder: string): EventContent {
  return {
    type: 'restored',
    from: null,
    totalSteps: 0,
    epoch: 0,
    bestEpoch: 0,
    share: 0,
    before: null,
    after: null,
    differences: [],
    message: `There is no checkpoint in ${folder}; training begins afresh`,
  };
}
