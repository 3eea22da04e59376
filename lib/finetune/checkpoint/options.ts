import { resolve } from 'node:path';
import {
  custom,
  flag,
  integer,
  numeric,
  optional,
  required,
  resolveTable,
  text,
  type OptionsOf,
} from '../../system/option-table';
import { invalidOption } from '../../system/options';
import { InvalidArgumentError } from '../../system/errors';
import { option, say, words } from '../../system/wording';

const checkpointTable = {
  /** Folder of this run's checkpoints, and of nothing else; it is made where it is missing. One run at a time may write. */
  folder: required(text('the path of a folder'), {
    flag: '--checkpoint <folder>',
    help: 'keep the state of the run there, to resume it (after each epoch, and on Ctrl-C)',
    aliases: ['dir', 'directory', 'path', 'checkpointPath', 'checkpointDir', 'checkpointFolder'],
  }),
  /** After every so many steps, from 1. A checkpoint that is not yet on disk when the next is due is waited for. */
  everySteps: optional(integer(1), null, {
    flag: '--checkpoint-steps <n>',
    help: 'write it after every so many steps instead',
    aliases: ['steps', 'saveSteps', 'checkpointSaveSteps'],
  }),
  /** After the step during which so many minutes have passed since the last one; above 0. */
  everyMinutes: optional(
    numeric('a number above 0', (n) => n > 0),
    null,
    { flag: '--checkpoint-minutes <n>', help: 'write it whenever so many minutes have passed', aliases: ['minutes'] },
  ),
  /** At the end of every epoch. Default: true where neither of the two above is given. */
  everyEpoch: optional(flag, null),
  /** How many of the newest stay, from 1; older ones are removed when a new one is on disk. Default 2. */
  keep: optional(integer(1), 2, {
    flag: '--checkpoint-keep <n>',
    help: 'how many of the newest stay',
    aliases: ['saveTotalLimit', 'checkpointSaveTotalLimit', 'max', 'limit'],
  }),
  /** Also writes one at the end of each epoch that is the best so far, and keeps the last of these. Default false. */
  keepBest: optional(flag, false, {
    flag: '--checkpoint-best',
    help: "also keep the best epoch's",
    aliases: ['best', 'saveBest', 'saveBestModel'],
  }),
  /** Writes one when the run is aborted, before its promise rejects. Default true. */
  onAbort: optional(flag, true),
};

/** When checkpoints are written, and which are kept. Several occasions may be given together. */
export interface CheckpointOptions extends OptionsOf<typeof checkpointTable> {}

export interface ResolvedCheckpoint {
  folder: string;
  everySteps: number | null;
  everyMinutes: number | null;
  everyEpoch: boolean;
  keep: number;
  keepBest: boolean;
  onAbort: boolean;
}

/** Throws InvalidArgumentError: ERR_UNKNOWN_OPTION, ERR_INVALID_OPTION. */
function resolveCheckpoint(path: string, value: unknown): ResolvedCheckpoint {
  if (typeof value !== 'object' || value === null) {
    if (typeof value !== 'string') throw invalidOption(path, 'an object with a folder', value);
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option(path)} must be an object with a folder, but is '${value}'.`,
      { remedy: say`Did you mean ${option('checkpoint.folder', value)}?` },
    );
  }
  const given = resolveTable(checkpointTable, value, { name: say`${option(path)}`, path });
  const { everySteps, everyMinutes, keepBest, onAbort } = given;
  const everyEpoch = given.everyEpoch ?? (everySteps === null && everyMinutes === null);
  if (everySteps === null && everyMinutes === null && !everyEpoch && !keepBest && !onAbort) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('checkpoint')} would never write one: ${words('everyEpoch and onAbort are false', 'nothing asks for it')}.`,
      {
        remedy: say`Give ${option('checkpoint.everySteps')} or ${option('checkpoint.everyMinutes')}${words(', or leave everyEpoch out', '')}.`,
      },
    );
  }
  return { ...given, folder: resolve(given.folder), everyEpoch };
}

export const checkpointing = custom<CheckpointOptions, ResolvedCheckpoint>(
  'program',
  resolveCheckpoint,
  checkpointTable,
);
