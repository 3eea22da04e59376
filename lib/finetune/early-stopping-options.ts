import { custom, integer, numeric, optional, resolveTable, type OptionsOf } from '../system/option-table';
import { invalidOption } from '../system/options';
import { option, say } from '../system/wording';

const earlyStoppingTable = {
  /** Epochs without improvement after which training ends, from 1. Default 1. */
  patience: optional(integer(1), 1, {
    flag: '--patience <epochs>',
    help: 'epochs without improvement before training ends',
    aliases: ['earlyStoppingPatience'],
  }),
  /** By how much the measure must get better to count as an improvement. Default 0. */
  minDelta: optional(
    numeric('a number from 0', (n) => n >= 0),
    0,
    {
      flag: '--min-delta <n>',
      help: 'gain of the measure that counts as an improvement',
      aliases: ['earlyStoppingThreshold', 'threshold', 'delta'],
    },
  ),
};

/** When training ends before its last epoch. */
export interface EarlyStoppingOptions extends OptionsOf<typeof earlyStoppingTable> {}

/** When to stop, after checks. */
export type Stopping = { patience: number; minDelta: number };

/** The option `earlyStopping`. */
export const earlyStopping = custom<boolean | EarlyStoppingOptions, boolean | Stopping>(
  'switch',
  (path, value) => {
    if (typeof value === 'boolean') return value;
    if (typeof value !== 'object' || value === null) throw invalidOption(path, 'true, false or an object', value);
    return resolveTable(earlyStoppingTable, value, { name: say`${option(path)}`, path });
  },
  earlyStoppingTable,
);
