import type { Command } from 'commander';
import { flattened, misnamed, type Misnomers, type OptionTable } from '../system/option-table';
import { plain } from '../system/options';
import { render } from '../system/wording';
import { flagName } from './flags';
import { cli } from './surface';

/**
 * What is wrong with what was typed: the error, and one line that says where the help is.
 *
 * Exit codes of `vectune`: 0 done; 1 it failed; 2 what was typed cannot be meant; 128 and the signal's number where a
 * signal ended it (130 Ctrl-C, 143 SIGTERM).
 */
export const FAILED = 1;
export const MISUSED = 2;

/** What a command's flags are called: its table of options, and what other programs call something else. */
export interface FlagNames {
  table: OptionTable;
  misnomers: Misnomers;
}

/** Makes a command tell errors in this way. */
export function tellUsage(command: Command, { table, misnomers }: FlagNames = { table: {}, misnomers: {} }): void {
  command.exitOverride((error) => {
    process.exit(error.exitCode === 0 ? 0 : MISUSED);
  });
  // Descriptions are wrapped beside the longest flags of `serve` too, in a terminal of 80 columns.
  command.configureHelp({ minWidthToWrap: 24 });
  command.configureOutput({
    outputError(text, write) {
      const [what = '', suggested] = text
        .replace(/^error: /, '')
        .trimEnd()
        .split('\n');
      const unknown = /^unknown option '--([^'=]+)/.exec(what)?.[1];
      const meant = unknown === undefined ? undefined : flagMeant(unknown, table, misnomers);
      const hint = meant ?? suggested?.replace(/^\((.*)\)$/, '$1');
      write(`vectune: ${what}${hint === undefined ? '' : `${what.endsWith('.') ? '' : '.'} ${hint}`}\n`);
    },
  });
  command.showHelpAfterError(helpLine(command));
}

/**
 * Flags that a command cannot do without. All that are missing are told at once, and only after a flag that is misspelt:
 * `--modle x` is no missing `--model`.
 */
export function requireFlags(command: Command, ...names: string[]): void {
  command.hook('preAction', () => {
    const missing = command.options.filter((option) => {
      const name = option.attributeName();
      return names.includes(name) && command.getOptionValue(name) === undefined;
    });
    if (missing.length === 0) return;
    const flags = missing.map((option) => `'${option.flags}'`).join(' and ');
    command.error(`error: required ${missing.length === 1 ? 'option' : 'options'} ${flags} not specified`);
  });
}

/** The one line that points to a command's help. */
export function helpLine(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) names.unshift(at.name());
  return `All options: npx ${names.join(' ')} --help`;
}

/** The flag that has this name elsewhere, in a sentence. */
function flagMeant(unknown: string, table: OptionTable, misnomers: Misnomers): string | undefined {
  const misnomer = misnamed(unknown, undefined, misnomers);
  if (misnomer !== undefined) return render(misnomer, cli);
  const meant = flattened(table).find(({ path, entry }) => {
    const names = [path.slice(path.lastIndexOf('.') + 1), ...(entry.aliases ?? [])];
    return entry.flag !== undefined && names.some((name) => plain(name) === plain(unknown));
  });
  return meant === undefined ? undefined : `Did you mean ${flagName(meant.entry)}?`;
}
