import { resolve } from 'node:path';
import { checkBoolean, checkInteger, checkNumber, checkOptionNames, invalidOption } from '../../system/options';
import { InvalidArgumentError } from '../../system/errors';

/** When checkpoints are written, and which are kept. Several occasions may be given together. */
export interface CheckpointOptions {
  /** Folder of this run's checkpoints, and of nothing else; it is made where it is missing. One run at a time may write. */
  folder: string;
  /** After every so many steps, from 1. A checkpoint that is not yet on disk when the next is due is waited for. */
  everySteps?: number;
  /** After the step during which so many minutes have passed since the last one; above 0. */
  everyMinutes?: number;
  /** At the end of every epoch. Default: true where neither of the two above is given. */
  everyEpoch?: boolean;
  /** How many of the newest stay, from 1; older ones are removed when a new one is on disk. Default 2. */
  keep?: number;
  /** Also writes one at the end of each epoch that is the best so far, and keeps the last of these. Default false. */
  keepBest?: boolean;
  /** Writes one when the run is aborted, before its promise rejects. Default true. */
  onAbort?: boolean;
}

export interface ResolvedCheckpoint {
  folder: string;
  everySteps: number | null;
  everyMinutes: number | null;
  everyEpoch: boolean;
  keep: number;
  keepBest: boolean;
  onAbort: boolean;
}

const names: readonly (keyof CheckpointOptions)[] = [
  'folder',
  'everySteps',
  'everyMinutes',
  'everyEpoch',
  'keep',
  'keepBest',
  'onAbort',
];

/** Throws InvalidArgumentError: ERR_UNKNOWN_OPTION, ERR_INVALID_OPTION. */
export function resolveCheckpoint(value: unknown): ResolvedCheckpoint {
  if (typeof value !== 'object' || value === null) throw invalidOption('checkpoint', 'an object with a folder', value);
  const o = checkOptionNames(value, names, 'checkpoint');
  const boolean = (name: keyof CheckpointOptions, otherwise: boolean) =>
    o[name] === undefined ? otherwise : checkBoolean(`checkpoint.${name}`, o[name]);
  if (typeof o.folder !== 'string' || o.folder === '')
    throw invalidOption('checkpoint.folder', 'the path of a folder', o.folder);
  const everySteps = o.everySteps === undefined ? null : checkInteger('checkpoint.everySteps', o.everySteps, 1);
  const everyMinutes =
    o.everyMinutes === undefined
      ? null
      : checkNumber('checkpoint.everyMinutes', o.everyMinutes, 'a number above 0', (n) => n > 0);
  const resolved = {
    folder: resolve(o.folder),
    everySteps,
    everyMinutes,
    everyEpoch: boolean('everyEpoch', everySteps === null && everyMinutes === null),
    keep: o.keep === undefined ? 2 : checkInteger('checkpoint.keep', o.keep, 1),
    keepBest: boolean('keepBest', false),
    onAbort: boolean('onAbort', true),
  };
  if (everySteps === null && everyMinutes === null && !resolved.everyEpoch && !resolved.keepBest && !resolved.onAbort) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      'checkpoint would never write one: everyEpoch and onAbort are false. ' +
        'Give everySteps or everyMinutes, or leave everyEpoch out.',
    );
  }
  return resolved;
}
