import { custom, numeric, required, resolveTable, type OptionsOf, type ResolvedOf } from '../system/option-table';
import { invalidOption } from '../system/options';
import { option, say, words } from '../system/wording';

export const searchTable = {
  /** How long the search may take, in minutes, above 0. Nothing of it goes on longer. */
  minutes: required(
    numeric('a number of minutes above 0', (n) => n > 0),
    {
      flag: '--search-minutes <n>',
      help: 'look for learning rate and batch before training, for so many minutes at most',
      aliases: ['timeout', 'budget', 'maxMinutes', 'duration'],
    },
  ),
};

/** The option, of which the command line has the minutes alone. */
export const searchOption = words('search', say`${option('search.minutes')}`);

/** How learning rate and batch are looked for. */
export interface SettingsSearchOptions extends OptionsOf<typeof searchTable> {}
export type ResolvedSearch = ResolvedOf<typeof searchTable>;

export const searching = custom<SettingsSearchOptions, ResolvedSearch>(
  'program',
  (path, value) => {
    if (typeof value !== 'object' || value === null) throw invalidOption(path, 'an object with minutes', value);
    return resolveTable(searchTable, value, { name: say`${option(path)}`, path });
  },
  searchTable,
);
