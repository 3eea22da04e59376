import type { EngineAddon } from '../../engine/addon';
import { CheckpointError } from '../../system/errors';
import { option, say } from '../../system/wording';
import type { EventContent } from '../events';
import type { ResolvedOptions } from '../resolved-options';
import { CheckpointFolder, listCheckpoints } from './folder';
import { findCheckpoint, type FoundCheckpoint } from './restore';

/** Where a run writes its checkpoints, and the one that it goes on from. */
export interface OpenedCheckpoints {
  folder: CheckpointFolder | undefined;
  found: FoundCheckpoint | null;
}

/** Takes the folder, so that no other run gets it, and looks for what to go on from: before the long work begins. */
export async function openCheckpoints(
  { checkpoint, resume }: Pick<ResolvedOptions, 'checkpoint' | 'resume'>,
  addon: EngineAddon,
  emit: (event: EventContent) => void,
): Promise<OpenedCheckpoints> {
  const folder = checkpoint === null ? undefined : await CheckpointFolder.open(checkpoint.folder, addon);
  try {
    if (checkpoint !== null) {
      const there = resume === checkpoint.folder ? [] : await listCheckpoints(checkpoint.folder);
      if (there.length > 0) {
        throw new CheckpointError(
          'ERR_CHECKPOINT_EXISTS',
          `The checkpoint folder ${checkpoint.folder} has checkpoints of an earlier run (${there[0]} is the newest).`,
          {
            file: checkpoint.folder,
            remedy: say`Pass ${option('resume', true)} to go on with it, or name or empty a folder for the new run.`,
          },
        );
      }
    }
    return { folder, found: resume === null ? null : await findCheckpoint(resume, addon, emit) };
  } catch (error) {
    folder?.close();
    throw error;
  }
}
